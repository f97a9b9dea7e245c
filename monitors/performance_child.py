"""The process in which predictions are joined with labels: it knows no database, no secret and no network.

It is asked and answers as `drift_child` does; its one answer is `{"measured": ...}`. Of the predictions those of one window are in
memory; of the labels those that belong to them, however many there are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from datasets import tables_child
from duto.tables import Table
from monitors import model_metrics
from monitors.comparison import Problem
from monitors.drift_child import kinds_of, require_times, table_of
from monitors.performance import CLASSIFICATION, Settings

# Values of two columns can be the same where the columns are of one of these.
FAMILIES = {"long": "number", "float": "number"}
LONGEST_KEY = 200
_UNLABELLED: Any = object()


def main() -> None:
    tables_child.run(_answer)


def _answer(asked: Mapping[str, Any]) -> None:
    try:
        tables_child.say({"measured": _measured(asked)})
    except Problem as problem:
        tables_child.say({"measured": {"problem": problem.code, "facts": problem.facts}})


def _measured(asked: Mapping[str, Any]) -> dict[str, Any]:
    settings = Settings.of(asked["settings"])
    predictions, labels = table_of(asked["target"]), table_of(asked["labels"])
    require_times(predictions, asked["timestamp"])
    _check(settings, kinds_of(predictions), kinds_of(labels))
    window = tuple(datetime.fromisoformat(asked[each]) for each in ("start", "end"))
    rows = _Predictions(settings, predictions, asked["timestamp"], window)
    rows.label(labels)
    found = rows.counts()
    if not found["predictions"]:
        raise Problem("no_rows", rows=0, least=asked["least"])
    if found["labelled"] < asked["least"]:
        return {**found, "problem": "few_labels", "facts": {**found, "least": asked["least"]}}
    metrics, notes = rows.classified() if settings.task == CLASSIFICATION else (rows.estimated(), {})
    return {**found, "metrics": metrics, "notes": notes}


def _check(settings: Settings, of_predictions: Mapping[str, str], of_labels: Mapping[str, str]) -> None:
    """See that the columns are there and can be joined. Raises Problem."""
    wanted = [*settings.keys, settings.prediction_column, *([settings.score_column] if settings.score_column else [])]
    for names, there, code in (
        (wanted, of_predictions, "no_prediction_column"),
        ([*settings.keys, settings.label_column], of_labels, "no_label_column"),
    ):
        if missing := [each for each in names if each not in there]:
            raise Problem(code, column=missing[0])
    pairs = [(each, each, "key_type") for each in settings.keys]
    for left, right, code in [*pairs, (settings.prediction_column, settings.label_column, "label_type")]:
        before, after = of_predictions[left], of_labels[right]
        if FAMILIES.get(before, before) != FAMILIES.get(after, after):
            raise Problem(code, column=left, before=before, now=after)
    numbers = [settings.score_column] if settings.task == CLASSIFICATION else [settings.prediction_column]
    for each in filter(None, numbers):
        if of_predictions[each] not in FAMILIES:
            raise Problem("no_numbers_in", column=each, type=of_predictions[each])


class _Predictions:
    """The predictions of a window, and the labels that have come for them."""

    def __init__(self, settings: Settings, table: Table, timestamp: str, window: Sequence[datetime]) -> None:
        self._settings = settings
        self._total = self._without_key = self._without_prediction = 0
        # Each key once, with its place among the labels; of each prediction that place.
        self._known: dict[Any, int] = {}
        self._places: list[int] = []
        self._predicted: list[Any] = []
        self._scores: list[float] = []
        at = [each.name for each in table.columns].index(timestamp)
        columns_of = _taker(table, [*settings.keys, settings.prediction_column, *filter(None, [settings.score_column])])
        start, end = window
        for columns, size in table.batches:
            times = columns[at]
            kept = [row for row in range(size) if times[row] is not None and start <= times[row] < end]
            if kept:
                self._add([[column[row] for row in kept] for column in columns_of(columns)], len(kept))
        self._labels: list[Any] = [_UNLABELLED] * len(self._known)

    def _add(self, columns: Sequence[list[Any]], size: int) -> None:
        count = len(self._settings.keys)
        self._total += size
        for row in range(size):
            key = _key(columns[:count], row)
            predicted = columns[count][row]
            if key is None:
                self._without_key += 1
            elif _is_missing(predicted):
                self._without_prediction += 1
            else:
                self._places.append(self._known.setdefault(key, len(self._known)))
                self._predicted.append(predicted)
                if self._settings.score_column:
                    score = columns[count + 1][row]
                    self._scores.append(math.nan if score is None else float(score))

    def label(self, table: Table) -> None:
        """Take the labels of these predictions. Raises Problem where one key has two different ones."""
        keys = self._settings.keys
        columns_of = _taker(table, [*keys, self._settings.label_column])
        conflicts: dict[int, str] = {}
        for columns, size in table.batches:
            *of_keys, values = columns_of(columns)
            for row in range(size):
                place = self._known.get(_key(of_keys, row))
                if place is None or _is_missing(values[row]):
                    continue
                if self._labels[place] is _UNLABELLED:
                    self._labels[place] = values[row]
                elif self._labels[place] != values[row]:
                    conflicts[place] = ", ".join(str(column[row]) for column in of_keys)[:LONGEST_KEY]
        if conflicts:
            raise Problem("conflicting_labels", count=len(conflicts), key=next(iter(conflicts.values())))

    def counts(self) -> dict[str, int]:
        """How many predictions, and how many of them have a label, no key or no value."""
        return {
            "predictions": self._total,
            "labelled": len(self._labelled()),
            "without_key": self._without_key,
            "without_prediction": self._without_prediction,
        }

    def _labelled(self) -> list[int]:
        return [row for row, place in enumerate(self._places) if self._labels[place] is not _UNLABELLED]

    def classified(self) -> tuple[dict[str, float | None], dict[str, Any]]:
        """The metrics of classes, and why one of them is not known."""
        rows = self._labelled()
        truth = [self._labels[self._places[row]] for row in rows]
        predicted = [self._predicted[row] for row in rows]
        classes = {each: code for code, each in enumerate(sorted({*truth, *predicted}))}
        codes = [np.array([classes[each] for each in values], dtype=np.int64) for values in (truth, predicted)]
        metrics, notes = model_metrics.classification(codes[0], codes[1]), {}
        if self._settings.score_column:
            try:
                metrics["roc_auc"] = self._auc(list(classes), codes[0], rows)
            except Problem as problem:
                metrics["roc_auc"], notes["roc_auc"] = None, {"code": problem.code, "facts": problem.facts}
        return metrics, notes

    def _auc(self, classes: list[Any], truth: Any, rows: list[int]) -> float:
        scores = np.array([self._scores[row] for row in rows])
        if missing := int(np.isnan(scores).sum()):
            raise Problem("missing_scores", count=missing, column=self._settings.score_column)
        if len(classes) > 2:
            raise Problem("many_classes", count=len(classes))
        wanted = self._settings.positive_class
        if isinstance(classes[0], bool):
            wanted = wanted.casefold()
        names = [_text(each) for each in classes]
        if wanted and wanted not in names and len(classes) == 2:
            raise Problem("no_positive_class", name=wanted, there=", ".join(names))
        positive = names.index(wanted) if wanted in names else len(classes) - 1
        found = model_metrics.roc_auc(truth == positive, scores)
        if found is None:
            raise Problem("one_class")
        return found

    def estimated(self) -> dict[str, float | None]:
        """The metrics of numbers. Raises Problem where one of them is infinite."""
        rows = self._labelled()
        truth = np.array([self._labels[self._places[row]] for row in rows], dtype=np.float64)
        predicted = np.array([self._predicted[row] for row in rows], dtype=np.float64)
        if infinite := int(np.sum(~np.isfinite(truth) | ~np.isfinite(predicted))):
            raise Problem("infinite_numbers", count=infinite)
        return model_metrics.regression(truth, predicted)


def _taker(table: Table, names: Sequence[str]) -> Any:
    places = {each.name: place for place, each in enumerate(table.columns)}
    chosen = [places[name] for name in names]
    return lambda columns: [columns[place] for place in chosen]


def _key(columns: Sequence[list[Any]], row: int) -> Any:
    """The key of a row; None where a part of it is missing."""
    found = tuple(column[row] for column in columns)
    return None if any(map(_is_missing, found)) else found


def _is_missing(value: Any) -> bool:
    return value is None or value != value  # NaN alone is not itself


def _text(value: Any) -> str:
    """A class as people write it: a whole float without its point, a truth in small letters."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).casefold() if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    main()
