"""How a monitor measures a model by labels that come later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Optional, Sequence

if TYPE_CHECKING:
    from duto.data.tabular_dataset import TabularDataset


class PerformanceConfiguration:
    """Joins the predictions of a monitor's target with the labels of another dataset, and measures each window.

    `DataDriftDetector.create_from_datasets(..., performance=...)` takes one.
    """

    def __init__(
        self,
        labels: TabularDataset,
        task: str,
        keys: Sequence[str],
        prediction_column: str,
        label_column: str,
        *,
        score_column: Optional[str] = None,
        positive_class: Optional[str] = None,
        metric: Optional[str] = None,
        threshold: Optional[float] = None,
        lateness_hours: int = 0,
        least_labelled: float = 0.5,
    ) -> None:
        """
        Args:
            labels: the table in which the true values come. Of a registered one the newest version is read.
            task: `classification` or `regression`.
            keys: columns that both tables have, by which a prediction finds its label. One key has one label.
            prediction_column: column of the target.
            label_column: column of the labels.
            score_column: column of the target with the score of the positive one of two classes, for `roc_auc`; None for none.
            positive_class: which of the two that is; None for the greater one.
            metric: `accuracy`, `precision_macro`, `recall_macro`, `f1_macro` or `roc_auc`; `mae`, `rmse` or `r2`. None for `accuracy`
                and `mae`.
            threshold: of the metric: the model has degraded below it, of `mae` and `rmse` above it. None: nothing is told.
            lateness_hours: how long after the end of a window labels are waited for; until then it is measured again as they come.
            least_labelled: the share of the predictions (0 to 1) that need a label before a window counts as degraded.
        """
        self.labels = labels
        self.task = task
        self.keys = [keys] if isinstance(keys, str) else list(keys)
        self.prediction_column = prediction_column
        self.label_column = label_column
        self.score_column = score_column or None
        self.positive_class = positive_class if positive_class != "" else None
        self.metric = metric
        self.threshold = threshold
        self.lateness_hours = lateness_hours
        self.least_labelled = least_labelled

    def _document(self) -> Dict[str, Any]:
        """As REST takes it."""
        positive = "" if self.positive_class is None else str(self.positive_class)
        return {
            "labels": self.labels.id,
            "task": self.task,
            "keys": self.keys,
            "prediction_column": self.prediction_column,
            "label_column": self.label_column,
            "score_column": self.score_column or "",
            "positive_class": positive,
            "metric": self.metric or "",
            "threshold": self.threshold,
            "lateness_hours": self.lateness_hours,
            "least_labelled": self.least_labelled,
        }

    def __repr__(self) -> str:
        return f"PerformanceConfiguration(task={self.task!r}, keys={self.keys}, metric={self.metric!r})"
