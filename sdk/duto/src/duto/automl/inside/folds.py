"""The data of a search: features, labels, and the folds on which all trials are compared. In the step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Optional, Tuple

import numpy
import pandas
from sklearn.model_selection import KFold, ShuffleSplit, StratifiedKFold, StratifiedShuffleSplit

from duto.automl.inside import checks
from duto.automl.inside.checks import Unfit
from duto.spec.automl import Forecasting, Settings

# As Azure ML chooses where nothing is said: of few rows ten folds, of more three, of many one part.
FEW, MANY = 1_000, 20_000
SEED = 0
# Folds of a forecast where nothing is said.
ORIGINS = 3
# Rows of a class, or of a series, that a fold needs at least.
LEAST = 2


@dataclass
class Data:
    """Rows to learn from and to compare on, `folds` as places of rows: learned from, compared on. Models learn from `rows`
    in the end."""

    features: Any
    labels: Any
    weights: Optional[Any]
    folds: List[Tuple[Any, Any]]
    rows: Any
    notes: List[str]

    @property
    def span(self) -> Tuple[float, float]:
        """The least and the greatest label, of numbers."""
        return float(numpy.min(self.labels)), float(numpy.max(self.labels))


def data_of(settings: Settings, training: Any, validation: Any = None) -> Data:
    """The data of two frames. Raises `Unfit`."""
    notes: List[str] = []
    training = _labelled(settings, training, "training_data", notes)
    frame = training
    if validation is not None:
        validation = _labelled(settings, validation, "validation_data", notes)
        validation = checks.alike(training, validation, notes)
        checks.ahead(settings, training, validation)
        frame = pandas.concat([training, validation], ignore_index=True)
    frame[settings.label_column_name] = labels = checks.label(settings, frame[settings.label_column_name])
    is_training = numpy.arange(len(frame)) < len(training)
    if settings.forecasting is not None:
        frame = _in_time(frame, settings.forecasting)
        is_training, frame = is_training[frame.index], frame.reset_index(drop=True)
        labels = frame[settings.label_column_name]
    if validation is not None:
        folds = [(numpy.flatnonzero(is_training), numpy.flatnonzero(~is_training))]
    else:
        folds = _folds(settings, frame, labels.to_numpy(), notes)
    aside = [settings.label_column_name, settings.weight_column_name, *settings.cv_split_column_names]
    weighing = settings.weight_column_name
    weights = checks.weights(settings, frame[weighing], folds) if weighing else None
    features = frame.drop(columns=[name for name in aside if name])
    values = labels.to_numpy()
    if settings.is_classification and any(len(numpy.unique(values[learned])) < LEAST for learned, _ in folds):
        raise Unfit(
            f"A fold learns from one class of {settings.label_column_name!r} alone, and there has to be another."
        )
    return Data(features, values, weights, folds, numpy.flatnonzero(is_training), notes)


def _labelled(settings: Settings, frame: Any, what: str, notes: List[str]) -> Any:
    """The rows of a frame that have a label; all columns that the settings name are there."""
    checks.columns(settings, frame, what)
    frame = checks.typed(settings, frame, notes)
    gaps = frame[settings.label_column_name].isna()
    if gaps.any():
        if not settings.exclude_nan_labels:
            raise Unfit(f"{what} has {int(gaps.sum())} rows without a label, and exclude_nan_labels is False.")
        notes.append(f"{int(gaps.sum())} rows of {what} have no label, and are left out.")
        frame = frame[~gaps]
    if not len(frame):
        raise Unfit(f"{what} holds no row with a label.")
    frame = frame.reset_index(drop=True)
    if settings.forecasting is not None:
        name = settings.forecasting.time_column_name
        frame[name] = checks.times(frame[name], name)
        checks.series(settings.forecasting, frame)
    return frame


def _folds(settings: Settings, frame: Any, labels: Any, notes: List[str]) -> List[Tuple[Any, Any]]:
    if settings.forecasting is not None:
        return _origins(settings, settings.forecasting, frame, notes)
    if settings.cv_split_column_names:
        return [_of_column(frame[name], name) for name in settings.cv_split_column_names]
    count, share, rows = settings.n_cross_validations, settings.validation_size, len(labels)
    if rows < LEAST:
        raise Unfit(f"There is {rows} row with a label: a model learns from some, and is compared on others.")
    if count is None and share is None:
        count, share = (10, None) if rows < FEW else (3, None) if rows <= MANY else (None, 0.1)
    classes = numpy.unique(labels, return_counts=True)[1].tolist() if settings.is_classification else []
    parts: Any
    if share is not None:
        # Parts by classes have room for a row of each, on both sides.
        stratified = bool(classes) and min(classes) >= LEAST and min(share, 1 - share) * rows > len(classes)
        parts = StratifiedShuffleSplit if stratified else ShuffleSplit
        splitter = parts(n_splits=count or 1, test_size=share, random_state=SEED)
    else:
        count = min(int(count or 0), rows)
        stratified = bool(classes) and min(classes) >= count
        parts = StratifiedKFold if stratified else KFold
        splitter = parts(n_splits=count, shuffle=True, random_state=SEED)
    if classes and not stratified:
        notes.append("A class has fewer rows than there are folds: rows are split without regard to classes.")
    try:
        found = list(splitter.split(numpy.zeros(rows), labels))
    except ValueError as error:
        raise Unfit(f"The rows cannot be split: {error}") from error
    return _with_every_class(found, labels, notes) if classes else found


def _with_every_class(folds: List[Tuple[Any, Any]], labels: Any, notes: List[str]) -> List[Tuple[Any, Any]]:
    """The same folds, each with a row of every class to learn from: rows of a class of which there is none are learned from,
    and not compared on. Raises `Unfit` where none is left to compare on."""
    found, moved = [], 0
    for learned, compared in folds:
        unknown = ~numpy.isin(labels[compared], labels[learned])
        moved += int(unknown.sum())
        kept = compared[~unknown]
        if len(kept):
            found.append((numpy.concatenate([learned, compared[unknown]]), kept))
    if moved:
        notes.append(
            f"{moved} rows are all that there are of their class in a fold: they are learned from, not compared on."
        )
    if not found:
        raise Unfit(
            "The rows cannot be split: there are too few of each class to learn from some and compare on others."
        )
    return found


def _of_column(column: Any, name: str) -> Tuple[Any, Any]:
    """A fold as a column says it: 1 for rows to learn from, 0 for those to compare on."""
    values = column.to_numpy()
    if not set(numpy.unique(values)) == {0, 1}:
        raise Unfit(
            f"The column {name!r} splits rows by 1 (learn from) and 0 (compare on): let it hold both, and no other."
        )
    return numpy.flatnonzero(values == 1), numpy.flatnonzero(values == 0)


def _in_time(frame: Any, forecasting: Forecasting) -> Any:
    """The frame with each series in order; its index tells where rows stood."""
    name, ids = forecasting.time_column_name, list(forecasting.time_series_id_column_names)
    if frame.duplicated([*ids, name]).any():
        twice = frame[frame.duplicated([*ids, name])].iloc[0]
        parted = f" in the series {tuple(twice[ids])}" if ids else ""
        raise Unfit(
            f"The time {twice[name]} is there twice{parted}: name the columns that tell series apart as "
            "time_series_id_column_names."
        )
    return frame.sort_values([*ids, name], kind="stable")


def _origins(settings: Settings, wanted: Forecasting, frame: Any, notes: List[str]) -> List[Tuple[Any, Any]]:
    """Folds whose origins roll back from the end: each compares on the `forecast_horizon` rows behind its origin of each
    series, and learns from what lies before."""
    horizon, ids = wanted.forecast_horizon, list(wanted.time_series_id_column_names)
    step = wanted.cv_step_size or horizon
    places = list(frame.groupby(ids, sort=False).indices.values()) if ids else [numpy.arange(len(frame))]
    least = horizon + max(LEAST, *wanted.target_lags, wanted.target_rolling_window_size or 0)
    longest = max(map(len, places))
    count = settings.n_cross_validations or ORIGINS
    possible = (longest - least) // step + 1
    if possible < 1:
        raise Unfit(
            f"The longest series has {longest} rows; a forecast of {horizon} needs at least {least}: let forecast_horizon be "
            "smaller."
        )
    if possible < count:
        if settings.n_cross_validations:
            raise Unfit(
                f"The longest series has {longest} rows, which are enough for {possible} folds, and not {count}."
            )
        count = possible
    folds = []
    for number in reversed(range(count)):
        ends = [len(each) - number * step for each in places]
        usable = [(each, end) for each, end in zip(places, ends) if end >= least]
        learned = numpy.concatenate([each[: end - horizon] for each, end in usable])
        folds.append((learned, numpy.concatenate([each[end - horizon : end] for each, end in usable])))
    short = sum(len(each) < least for each in places)
    if short:
        notes.append(f"{short} series have fewer than {least} rows: trials are not compared on them.")
    return folds
