"""From columns of a frame to features: what `featurization='auto'` does. In the step, and where its model is loaded."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Tuple

import numpy
import pandas
from pandas.api import types
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from duto.automl.inside.checks import is_numeric, texts_of
from duto.automl.inside.times import times_of
from duto.spec.automl import Featurization

# Of texts: so many values become features of their own, the rarer ones share one.
MOST_VALUES = 100
# Texts of which more than this part are different tell rows apart, and no more.
DISTINCT = 0.5
DATE = r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d\S*(?: ?\S+)?)?$"
# Numbers beyond are none that all learners could take.
LARGEST = float(numpy.finfo(numpy.float32).max)


def transformer_of(frame: Any, wanted: Featurization) -> Tuple[Any, List[str]]:
    """What makes features of the columns of a frame, and what is to be told of it.

    Raises `ValueError` for a column that is not there, and where no feature is left.
    """
    missing = [name for name in (*wanted.column_purposes, *wanted.imputers) if name not in frame.columns]
    if missing:
        raise ValueError(f"featurization names the column {missing[0]!r}, which the data do not have.")
    columns = [name for name in frame.columns if name not in wanted.drop_columns]
    if wanted.is_off:
        return _as_they_are(frame, columns)
    notes: List[str] = []
    purposes = {name: wanted.column_purposes.get(name) or _purpose(name, frame[name], notes) for name in columns}
    parts = _numbers([name for name in columns if purposes[name] == "Numeric"], wanted.imputers)
    texts = [name for name in columns if purposes[name] in ("Categorical", "CategoricalHash")]
    if texts:
        encoder = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=MOST_VALUES)
        parts.append(("categories", make_pipeline(FunctionTransformer(as_texts), encoder), texts))
    times = [name for name in columns if purposes[name] == "DateTime"]
    if times:
        filled = make_pipeline(FunctionTransformer(parts_of_times), SimpleImputer(keep_empty_features=True))
        parts.append(("times", filled, times))
    if not parts:
        raise ValueError("No column is left that could be a feature.")
    return ColumnTransformer(parts, sparse_threshold=0), notes


def _as_they_are(frame: Any, columns: List[str]) -> Tuple[Any, List[str]]:
    other = [name for name in columns if not types.is_numeric_dtype(frame[name])]
    if other:
        raise ValueError(
            f"featurization='off' takes columns as they are, and {other[0]!r} holds no numbers. Drop it, or let "
            "featurization be 'auto'."
        )
    beyond = [name for name in columns if (frame[name].astype(float).abs() > LARGEST).any()]
    if beyond:
        raise ValueError(
            f"{beyond[0]!r} holds infinite numbers, or some beyond {LARGEST:g}, which learners cannot take."
        )
    gaps = [name for name in columns if frame[name].isna().any()]
    if gaps:
        raise ValueError(
            f"featurization='off' takes columns as they are, and {gaps[0]!r} has gaps. Fill them, or let featurization be "
            "'auto'."
        )
    return ColumnTransformer([("numbers", "passthrough", columns)]), []


def _purpose(name: str, column: Any, notes: List[str]) -> str:
    """What a column is good for, by what it holds."""
    try:
        values = column.nunique(dropna=True)
    except TypeError:
        notes.append(f"The column {name!r} holds neither numbers nor texts nor times, and is no feature.")
        return "Ignore"
    if values < 2:
        notes.append(f"The column {name!r} holds one value alone, and is no feature.")
        return "Ignore"
    if types.is_bool_dtype(column) or is_numeric(column):
        beyond = int((pandas.to_numeric(column).astype(float).abs() > LARGEST).sum())
        if beyond:
            notes.append(
                f"The column {name!r} holds {beyond} numbers that are infinite or beyond {LARGEST:g}: they are gaps."
            )
        return "Numeric"
    if types.is_datetime64_any_dtype(column) or types.infer_dtype(column, skipna=True) in ("date", "datetime"):
        return "DateTime"
    if _are_times(column):
        notes.append(f"The column {name!r} holds texts that are all dates: they are taken as such.")
        return "DateTime"
    distinct = column.astype(str).nunique()
    if distinct > MOST_VALUES and distinct > DISTINCT * len(column):
        notes.append(f"The column {name!r} holds {distinct} different texts, and is no feature.")
        return "Ignore"
    return "Categorical"


def _are_times(column: Any) -> bool:
    """Whether texts are all dates, as `2020-12-31` or with a time behind."""
    texts = texts_of(column)
    return (
        texts is not None and bool(texts.str.match(DATE).all()) and bool(times_of(texts, errors="coerce").notna().all())
    )


def _numbers(columns: List[str], imputers: Mapping[str, Mapping[str, Any]]) -> List[Tuple[str, Any, List[str]]]:
    """Gaps are filled by the mean, or as `imputers` say: a part for each way."""
    groups: Dict[str, Tuple[Mapping[str, Any], List[str]]] = {}
    for name in columns:
        settings = imputers.get(name, {"strategy": "mean"})
        groups.setdefault(repr(sorted(settings.items())), (settings, []))[1].append(name)
    made = []
    for number, (settings, names) in enumerate(groups.values()):
        filled = make_pipeline(FunctionTransformer(as_numbers), SimpleImputer(keep_empty_features=True, **settings))
        made.append((f"numbers{number or ''}", filled, names))
    return made


def as_numbers(frame: Any) -> Any:
    """Columns of numbers and truths; what is no number, or none that learners could take, is a gap."""
    found = pandas.DataFrame(frame).apply(pandas.to_numeric, errors="coerce").astype(float)
    return found.where(found.abs() <= LARGEST)


def as_texts(frame: Any) -> Any:
    """Columns of texts, with gaps as a text of their own."""
    made = pandas.DataFrame(frame)
    return made.astype(object).where(made.notna(), "").astype(str)


def parts_of_times(frame: Any) -> Any:
    """Of each column of times its parts, and how many days have gone since the beginning of the year 2000."""
    found = []
    for name in pandas.DataFrame(frame).columns:
        column = times_of(frame[name], errors="coerce")
        when = column.dt
        days = (column - pandas.Timestamp("2000-01-01")).dt.total_seconds() / 86400
        parts = [when.year, when.quarter, when.month, when.day, when.dayofweek, when.dayofyear, when.hour, days]
        found += [part.astype(float).to_numpy() for part in parts]
    return numpy.column_stack(found)
