"""How good predictions are, by the labels that have come for them. Pure: arrays, and what is measured.

Values are those of scikit-learn's functions of the same name. What cannot be reckoned is None, never a number that stands for
something else.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from monitors.statistics import Floats

Codes = NDArray[np.int64]


def classification(truth: Codes, predicted: Codes) -> dict[str, float | None]:
    """Of classes by their codes, which begin at 0. Precision, recall and F1 are the means over all classes that either has, one of
    nothing by nothing being 0."""
    count = int(max(truth.max(), predicted.max())) + 1
    right, of_truth, of_predicted = (
        np.bincount(each, minlength=count) for each in (truth[truth == predicted], truth, predicted)
    )
    present = of_truth + of_predicted > 0
    right, of_truth, of_predicted = (each[present] for each in (right, of_truth, of_predicted))
    return {
        "accuracy": float(np.mean(truth == predicted)),
        "precision_macro": float(np.mean(right / np.maximum(of_predicted, 1))),
        "recall_macro": float(np.mean(right / np.maximum(of_truth, 1))),
        "f1_macro": float(np.mean(2 * right / (of_truth + of_predicted))),
    }


def roc_auc(is_positive: NDArray[np.bool_], scores: Floats) -> float | None:
    """The area under the ROC curve: how often a positive row has a greater score than a negative one, equal ones counting half.
    None where there are rows of one class alone."""
    positive = int(is_positive.sum())
    negative = is_positive.size - positive
    if not positive or not negative:
        return None
    _values, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    return float((ranks[places][is_positive].sum() - positive * (positive + 1) / 2) / (positive * negative))


def regression(truth: Floats, predicted: Floats) -> dict[str, float | None]:
    """Of finite numbers: mean absolute error and root of the mean squared error in their unit, and the coefficient of determination:
    of labels that are all the same 1 where all predictions are right, else 0."""
    with np.errstate(over="ignore", invalid="ignore"):
        apart = truth - predicted
        squared = float(np.sum(apart**2))
        spread = float(np.sum((truth - truth.mean()) ** 2))
        r2 = 1 - squared / spread if spread else float(squared == 0)
        found = {"mae": float(np.mean(np.abs(apart))), "rmse": math.sqrt(squared / truth.size), "r2": r2}
    return {name: value if math.isfinite(value) else None for name, value in found.items()}
