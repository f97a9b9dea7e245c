"""What data have to be before a search begins: each problem with the column's name, instead of one error a trial. In the step."""

from __future__ import annotations

from typing import Any, List, Optional, Sequence

import numpy
import pandas
from pandas.api import types

from duto.automl.inside.times import times_of
from duto.spec.automl import Forecasting, Settings

# As pandas tells the values of a column of objects: numbers of any kind, and decimal ones.
NUMBERS = ("integer", "floating", "mixed-integer-float", "decimal")
# A text of digits that is no number.
CODE = r"[+-]?0\d"


class Unfit(ValueError):
    """Data that cannot be searched, and why."""


def is_numeric(column: Any) -> bool:
    """Whether a column holds real numbers, as such or as objects."""
    if types.is_object_dtype(column):
        return types.infer_dtype(column, skipna=True) in NUMBERS
    return types.is_numeric_dtype(column) and not types.is_complex_dtype(column)


def numbers_of(column: Any) -> Optional[Any]:
    """Numbers, also where they stand as texts, as in a table whose types nobody has looked at; None for a column of others.
    What begins by a zero, as a code does, is none."""
    if is_numeric(column):
        return pandas.to_numeric(column).astype(float) if types.is_object_dtype(column) else column
    texts = texts_of(column)
    if texts is None or texts.str.match(CODE).any():
        return None
    found = pandas.to_numeric(texts, errors="coerce")
    return found.reindex(column.index) if found.notna().all() else None


def texts_of(column: Any) -> Optional[Any]:
    """The texts of a column without its gaps and empty ones; None where it holds anything else, or nothing."""
    given = column.dropna()
    if not len(given) or types.infer_dtype(given) != "string":
        return None
    texts = given.str.strip()
    texts = texts[texts != ""]
    return texts if len(texts) else None


def typed(settings: Settings, frame: Any, notes: List[str]) -> Any:
    """The frame with numbers where texts are all numbers. What is said to be a category, the label of classes, and what tells
    times and series, stay as they are."""
    kept = {
        name for name, purpose in settings.featurization.column_purposes.items() if purpose.startswith("Categorical")
    }
    if settings.is_classification:
        kept.add(settings.label_column_name)
    if settings.forecasting is not None:
        kept.update((settings.forecasting.time_column_name, *settings.forecasting.time_series_id_column_names))
    found = {
        name: numbers_of(frame[name]) for name in frame.columns if name not in kept and not is_numeric(frame[name])
    }
    made = {name: column for name, column in found.items() if column is not None}
    if made:
        notes.append(f"Texts that are all numbers are taken as such: {', '.join(made)}.")
    return frame.assign(**made)


def columns(settings: Settings, frame: Any, what: str) -> None:
    """Columns have texts as names, each once, and all that the settings name are there. Raises `Unfit`."""
    forecasting = settings.forecasting
    other = [name for name in frame.columns if not isinstance(name, str)]
    if other:
        raise Unfit(f"{what} has a column {other[0]!r}: names of columns are texts.")
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise Unfit(f"{what} has two columns {twice[0]!r}: rename one of them.")
    named = [settings.label_column_name, settings.weight_column_name, *settings.cv_split_column_names]
    named += [forecasting.time_column_name, *forecasting.time_series_id_column_names] if forecasting else []
    missing = [name for name in named if name and name not in frame.columns]
    if missing:
        raise Unfit(f"{what} has no column {missing[0]!r}; it has: {', '.join(map(str, frame.columns))}.")


def alike(training: Any, validation: Any, notes: List[str]) -> Any:
    """The columns of `validation_data` that `training_data` has. Raises `Unfit` where one is missing, or holds something
    else."""
    missing = [name for name in training.columns if name not in validation.columns]
    if missing:
        raise Unfit(f"validation_data has no column {missing[0]!r}, which training_data has.")
    others = [name for name in validation.columns if name not in training.columns]
    if others:
        notes.append(
            f"The columns {', '.join(map(repr, others))} of validation_data are not in training_data, and left out."
        )
    for name in training.columns:
        one, other = training[name], validation[name]
        if one.notna().any() and other.notna().any() and is_numeric(one) != is_numeric(other):
            words = [
                f"{what} holds {'numbers' if is_numeric(each) else 'no numbers'}"
                for what, each in (("training_data", one), ("validation_data", other))
            ]
            raise Unfit(f"The column {name!r} of {' and of '.join(words)}.")
    return validation[list(training.columns)]


def label(settings: Settings, labels: Any) -> Any:
    """The labels, as what learners can take. Raises `Unfit`."""
    name = settings.label_column_name
    if settings.is_classification:
        kinds = sorted({type(each).__name__ for each in labels.unique()}) if types.is_object_dtype(labels) else []
        if len(kinds) > 1:
            raise Unfit(f"The column {name!r} holds values of several kinds ({', '.join(kinds)}): make them texts.")
        if labels.nunique() < 2:
            raise Unfit(f"The column {name!r} holds one class alone: {labels.iloc[0]!r}.")
        if types.is_float_dtype(labels):
            fractions = labels[labels != numpy.floor(labels)]
            if len(fractions):
                raise Unfit(
                    f"The column {name!r} holds {fractions.iloc[0]!r}, a number with a fraction, which is no class: let task "
                    "be 'regression', or make the classes texts."
                )
        return labels
    if numbers_of(labels) is None:
        raise Unfit(f"The column {name!r} holds no numbers: let task be 'classification'.")
    numbers = pandas.to_numeric(labels).astype(float)
    endless = ~numpy.isfinite(numbers.to_numpy())
    if endless.any():
        raise Unfit(f"The column {name!r} holds {int(endless.sum())} infinite labels: leave these rows out.")
    if numbers.nunique() < 2:
        raise Unfit(f"The column {name!r} holds one number alone: {numbers.iloc[0]:g}.")
    _require_metric(settings, numbers)
    return numbers


def _require_metric(settings: Settings, labels: Any) -> None:
    """Raises `Unfit` where no trial could have the primary metric."""
    least = labels.min() if settings.y_min is None else settings.y_min
    if "log_error" in settings.primary_metric and min(least, labels.min()) < 0:
        raise Unfit(
            f"{settings.primary_metric} is of labels from 0 on, and the column {settings.label_column_name!r} holds "
            f"{labels.min():g}: choose another primary_metric."
        )


def ahead(settings: Settings, training: Any, validation: Any) -> None:
    """Of a forecast the rows to compare on lie behind those to learn from. Raises `Unfit`."""
    wanted = settings.forecasting
    if wanted is None:
        return
    name, ids = wanted.time_column_name, list(wanted.time_series_id_column_names)
    last = {key: part[name].max() for key, part in _series(training, ids)}
    for key, part in _series(validation, ids):
        if key in last and part[name].min() <= last[key]:
            raise Unfit(
                f"validation_data begin at {part[name].min()}, and training_data go on to {last[key]}: a forecast is compared "
                "on what lies behind."
            )


def series(wanted: Forecasting, frame: Any) -> None:
    """Each row belongs to a series. Raises `Unfit`."""
    for name in wanted.time_series_id_column_names:
        if frame[name].isna().any():
            gaps = int(frame[name].isna().sum())
            raise Unfit(f"The column {name!r}, which tells series apart, holds {gaps} gaps.")


def _series(frame: Any, ids: List[str]) -> Any:
    return frame.groupby(ids, sort=False) if ids else [((), frame)]


def times(column: Any, name: str) -> Any:
    """A column as times. Raises `Unfit` for numbers, of which nobody knows what they count, and for gaps."""
    if is_numeric(column):
        raise Unfit(f"The column {name!r} holds numbers and no times: make dates of them, as '2020-01-01' of 2020.")
    try:
        found = times_of(column)
    except (TypeError, ValueError) as error:
        raise Unfit(f"The column {name!r} holds no times: {error}") from error
    if found.isna().any():
        raise Unfit(f"The column {name!r} holds {int(found.isna().sum())} gaps: a row of a forecast has a time.")
    return found


def weights(settings: Settings, column: Any, folds: Sequence[Any]) -> Any:
    """The weights of rows. Raises `Unfit` unless they are numbers from 0 on, and more than 0 on both sides of each fold."""
    name = settings.weight_column_name
    if not is_numeric(column):
        raise Unfit(f"The column {name!r} holds no numbers, which weights of rows are.")
    found = pandas.to_numeric(column).to_numpy(dtype=float, na_value=numpy.nan)
    if not numpy.isfinite(found).all() or (found < 0).any():
        raise Unfit(
            f"The column {name!r} holds gaps, infinite numbers or numbers below 0, which no weights of rows are."
        )
    if any(found[rows].sum() <= 0 for fold in folds for rows in fold):
        raise Unfit(f"The column {name!r} holds nothing but 0 for the rows of a fold.")
    return found
