"""What a monitor measures a model by. Pure, and without numpy, which only the process that measures loads (`model_metrics`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

CLASSIFICATION, REGRESSION = TASKS = ("classification", "regression")
METRICS: Mapping[str, tuple[str, ...]] = {
    CLASSIFICATION: ("accuracy", "precision_macro", "recall_macro", "f1_macro", "roc_auc"),
    REGRESSION: ("mae", "rmse", "r2"),
}
# Of these less is better.
ERRORS = frozenset({"mae", "rmse"})


@dataclass(frozen=True)
class Settings:
    """What a monitor measures a model by, but for the dataset of the labels."""

    task: str
    # Columns that predictions and labels share, by which one finds the other.
    keys: tuple[str, ...]
    prediction_column: str
    label_column: str
    # Of two classes: the score of the positive one, which is the greater where none is named.
    score_column: str = ""
    positive_class: str = ""
    # What the threshold is of; None: nothing is told.
    metric: str = ""
    threshold: float | None = None
    # How long after the end of a window labels are waited for.
    lateness_hours: int = 0
    # The share of the predictions of a window that have labels before its value counts.
    least_labelled: float = 0.5

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Settings:
        """As they are kept in a row."""
        return cls(**{**kept, "keys": tuple(kept["keys"])})

    def kept(self) -> dict[str, Any]:
        """To be kept in a row."""
        return {**asdict(self), "keys": list(self.keys)}

    def has_degraded(self, found: Mapping[str, Any]) -> bool | None:
        """Whether the metric of a window is worse than the threshold; None where that is not known (yet)."""
        value = (found.get("metrics") or {}).get(self.metric)
        if value is None or self.threshold is None or found["labelled"] < self.least_labelled * found["predictions"]:
            return None
        return bool(value > self.threshold if self.metric in ERRORS else value < self.threshold)
