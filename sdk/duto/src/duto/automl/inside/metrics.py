"""How good predictions are, under Azure ML's names. In the step, where scikit-learn is."""

from __future__ import annotations

from typing import Any, Dict, Optional, Sequence, Tuple

import numpy
import sklearn.metrics as measured
from scipy.stats import spearmanr
from sklearn.preprocessing import label_binarize

_AVERAGES = ("macro", "micro", "weighted")


def classification(
    truth: Any, predicted: Any, likely: Any, classes: Any, weights: Optional[Any] = None
) -> Dict[str, float]:
    """The metrics of classes.

    `likely` has a column of probabilities for each of `classes`, in their order. What a fold cannot tell (no row of a class
    is in it) is left out.
    """
    found = {
        "accuracy": measured.accuracy_score(truth, predicted, sample_weight=weights),
        "balanced_accuracy": measured.balanced_accuracy_score(truth, predicted, sample_weight=weights),
        "matthews_correlation": measured.matthews_corrcoef(truth, predicted, sample_weight=weights),
        "log_loss": measured.log_loss(truth, likely, labels=list(classes), sample_weight=weights),
        "weighted_accuracy": _weighted_accuracy(truth, predicted, weights),
    }
    for average in _AVERAGES:
        how: Dict[str, Any] = {"average": average, "sample_weight": weights, "zero_division": 0}
        found[f"f1_score_{average}"] = measured.f1_score(truth, predicted, **how)
        found[f"precision_score_{average}"] = measured.precision_score(truth, predicted, **how)
        found[f"recall_score_{average}"] = measured.recall_score(truth, predicted, **how)
    chance = 1 / max(2, len(classes))
    found["norm_macro_recall"] = max(0.0, (found["recall_score_macro"] - chance) / (1 - chance))
    found.update(_of_ranks(truth, likely, classes, weights))
    return {name: float(value) for name, value in found.items() if numpy.isfinite(value)}


def _of_ranks(truth: Any, likely: Any, classes: Any, weights: Any) -> Dict[str, float]:
    """Areas under curves, each class against the rest. Two classes are two columns, as Azure ML takes them."""
    binary = label_binarize(truth, classes=list(classes))
    if binary.shape[1] == 1:
        binary = numpy.hstack([1 - binary, binary])
    there = binary.any(axis=0)
    if there.sum() < 2:
        return {}
    found = {}
    for average in _AVERAGES:
        how: Dict[str, Any] = {"average": average, "sample_weight": weights}
        # Of a class without a row there is no curve; in the mean of all cells it counts.
        columns = slice(None) if average == "micro" else there
        found[f"AUC_{average}"] = measured.roc_auc_score(binary[:, columns], likely[:, columns], **how)
        found[f"average_precision_score_{average}"] = measured.average_precision_score(
            binary[:, columns], likely[:, columns], **how
        )
    return found


def _weighted_accuracy(truth: Any, predicted: Any, weights: Any) -> float:
    """The accuracy in which each row counts as often as its class has rows."""
    _, place, counts = numpy.unique(truth, return_inverse=True, return_counts=True)
    each = counts[place] if weights is None else counts[place] * weights
    return float(measured.accuracy_score(truth, predicted, sample_weight=each))


def regression(
    truth: Any, predicted: Any, span: Tuple[float, float], weights: Optional[Any] = None
) -> Dict[str, float]:
    """The metrics of numbers. `span` is the least and the greatest label of all data, which errors are normalized by."""
    truth, predicted = numpy.asarray(truth, dtype=float), numpy.asarray(predicted, dtype=float)
    squares = measured.mean_squared_error(truth, predicted, sample_weight=weights)
    found = {
        "explained_variance": measured.explained_variance_score(truth, predicted, sample_weight=weights),
        "mean_absolute_error": measured.mean_absolute_error(truth, predicted, sample_weight=weights),
        "median_absolute_error": measured.median_absolute_error(truth, predicted, sample_weight=weights),
        "root_mean_squared_error": squares**0.5,
        "spearman_correlation": _spearman(truth, predicted),
    }
    if len(truth) > 1:
        found["r2_score"] = measured.r2_score(truth, predicted, sample_weight=weights)
    if (truth != 0).all():
        found["mean_absolute_percentage_error"] = 100 * measured.mean_absolute_percentage_error(
            truth, predicted, sample_weight=weights
        )
    width = span[1] - span[0]
    if width > 0:
        for name in ("mean_absolute_error", "median_absolute_error", "root_mean_squared_error"):
            found[f"normalized_{name}"] = found[name] / width
    if span[0] >= 0:
        # Of a label that is never below 0 a prediction below it is one of 0.
        logarithms = measured.mean_squared_log_error(truth, predicted.clip(min=0), sample_weight=weights) ** 0.5
        found["root_mean_squared_log_error"] = logarithms
        if width > 0:
            found["normalized_root_mean_squared_log_error"] = logarithms / numpy.log((1 + span[1]) / (1 + span[0]))
    return {name: float(value) for name, value in found.items() if numpy.isfinite(value)}


def _spearman(truth: Any, predicted: Any) -> float:
    """The correlation of ranks; 0 where one of the two is the same throughout, and has none."""
    if len(truth) < 2 or numpy.ptp(truth) == 0 or numpy.ptp(predicted) == 0:
        return 0.0
    return float(spearmanr(truth, predicted)[0])


def why_no_metric(metric: str) -> str:
    """Why a metric is not among those of a trial."""
    if metric.startswith(("AUC", "average_precision")):
        return f"The data do not tell {metric}: a fold compares on rows of one class alone. Let there be fewer folds."
    if metric == "r2_score":
        return "The data do not tell r2_score: a fold compares on one row alone. Choose another primary_metric."
    return f"The data do not tell {metric}: predictions or labels are too large for it."


def mean(folds: Sequence[Dict[str, float]]) -> Dict[str, float]:
    """The means over folds of the metrics that each of them has."""
    names = [name for name in folds[0] if all(name in each for each in folds)]
    return {name: float(numpy.mean([each[name] for each in folds])) for name in names}
