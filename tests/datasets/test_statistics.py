"""Statistics of columns are those that pandas, numpy and scipy give, value by value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from datasets import statistics
from datasets.statistics import QUANTILES, ColumnStatistics, Spool, counts_in, edges_between, of_column
from duto.tables import Source, form_of, read, survey

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def spool_of(folder: Path, columns: Sequence[tuple[str, str]], *batches: Sequence[Sequence[Any]]) -> Spool:
    folder.mkdir(parents=True, exist_ok=True)
    spool = Spool(folder, columns)
    for values in batches:
        spool.write(values, len(values[0]) if values else 0)
    spool.close()
    return spool


def one(folder: Path, kind: str, values: Sequence[Any]) -> ColumnStatistics:
    spool = spool_of(folder, [("x", kind)], [values])
    return of_column(spool, spool.columns[0])


def near(found: float | None, expected: float) -> None:
    if expected is None or math.isnan(expected):
        assert found is None, (found, expected)
    else:
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)


def check_numbers(found: ColumnStatistics, values: Sequence[float | int | None]) -> None:
    """A column of numbers against pandas (moments), scipy (the same once more) and numpy (quantiles, bins)."""
    there = [each for each in values if each is not None and each == each]
    finite = [each for each in there if math.isfinite(each)]
    assert found.count == len(values) and found.missing == len(values) - len(there)
    assert found.infinite == len(there) - len(finite)
    assert found.distinct == len(set(there)) and found.approximate == []
    if not finite:
        assert found.mean is found.minimum is found.histogram is None and found.quantiles == {}
        return
    assert (found.minimum, found.maximum) == (min(finite), max(finite))
    series = pd.Series(finite, dtype="float64")
    assert found.mean == pytest.approx(math.fsum(finite) / len(finite), rel=1e-12, abs=1e-12)
    if len(set(finite)) == 1:
        assert found.standard_deviation == (0.0 if len(finite) > 1 else None) and found.skewness is None
    else:
        near(found.standard_deviation, series.std())
        near(found.skewness, series.skew())
        near(found.kurtosis, series.kurt())
        if len(finite) > 3:
            near(found.skewness, float(stats.skew(finite, bias=False)))
            near(found.kurtosis, float(stats.kurtosis(finite, bias=False)))
    for name, value in found.quantiles.items():
        assert value == pytest.approx(
            float(np.quantile(np.array(finite, "float64"), float(name))), rel=1e-12, abs=1e-12
        )
    assert list(found.quantiles) == list(QUANTILES)
    counted = series.value_counts()
    assert [count for _, count in found.top] == sorted(counted, reverse=True)[:10] or found.infinite
    assert all(there.count(value) == count for value, count in found.top)
    histogram = found.histogram
    assert histogram is not None and sum(histogram.counts) == len(finite) and len(histogram.counts) <= 20
    if histogram.edges[0] != histogram.edges[-1]:
        assert histogram.edges == sorted(set(histogram.edges))
        assert histogram.counts == np.histogram(finite, histogram.edges)[0].tolist()


@pytest.mark.parametrize(
    "place",
    [
        "penguins/penguins-raw.csv",
        "dataset-parameters/data/flights/2013-01-01.csv",
        "wrapped-scripts/data/airports.csv",
    ],
)
def test_real_tables_are_as_pandas_has_them(place: str, tmp_path: Path) -> None:
    path = EXAMPLES / place
    source = [Source(path.name, path.stat().st_size, lambda: path.open("rb"))]
    columns = survey(source, form_of({}))
    table = read(source, {"format": {}}, columns)
    (tmp_path / "spool").mkdir()
    spool = Spool(tmp_path / "spool", [(each.name, each.type) for each in table.columns])
    held: list[list[Any]] = [[] for _ in columns]
    for values, size in table.batches:
        spool.write(values, size)
        for kept, more in zip(held, values, strict=True):
            kept += more
    spool.close()
    assert spool.rows > 250
    for column, values in zip(spool.columns, held, strict=True):
        found = of_column(spool, column)
        series = pd.Series(values, dtype=object)
        assert found.missing == series.isna().sum() and found.distinct == series.nunique()
        if column.has_numbers:
            check_numbers(found, values)
        elif column.type == "datetime":
            assert (found.minimum, found.maximum) == (series.min(), series.max())
            middle = pd.to_datetime(series.dropna()).quantile(0.5)
            assert abs(found.quantiles["0.5"] - middle) <= timedelta(microseconds=1)
        else:
            texts = series.dropna()
            assert (found.minimum, found.maximum) == (min(texts), max(texts))
            assert dict(found.top) == {k: v for k, v in texts.value_counts().items() if k in dict(found.top)}
            assert sum(count for _, count in found.top) == texts.value_counts().head(10).sum()


@pytest.mark.parametrize("values", [[0.0, math.nan], [1.0, 2.0, math.nan], [1.5, math.nan, math.inf], [math.nan] * 2])
def test_nan_is_no_value(values: list[float], tmp_path: Path) -> None:
    found = one(tmp_path / "s", "float", values)
    check_numbers(found, values)
    assert found.nan == sum(map(math.isnan, values)) and not any(each != each for each, _ in found.top)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(
        st.none() | st.sampled_from([0.0, -0.0, 1.0, 1.5, math.nan, math.inf, -math.inf, 0.1]) | st.floats(-1e6, 1e6).map(lambda each: round(each, 6)),
        min_size=0, max_size=60,
    )
)  # fmt: skip
def test_any_floats(values: list[float | None], tmp_path_factory: pytest.TempPathFactory) -> None:
    check_numbers(one(tmp_path_factory.mktemp("s"), "float", values), values)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.none() | st.integers(-(10**6), 10**6) | st.sampled_from([0, 1, 2]), min_size=0, max_size=60))
def test_any_whole_numbers(values: list[int | None], tmp_path_factory: pytest.TempPathFactory) -> None:
    check_numbers(one(tmp_path_factory.mktemp("s"), "long", values), values)


def test_nan_and_null_are_told_apart_and_both_are_missing(tmp_path: Path) -> None:
    found = one(tmp_path, "float", [1.0, None, math.nan, None, math.inf, -math.inf, 3.0])
    assert (found.null, found.nan, found.missing, found.infinite, found.count) == (2, 1, 3, 2, 7)
    assert (found.minimum, found.maximum, found.mean) == (1.0, 3.0, 2.0)
    assert found.distinct == 4  # 1, 3 and both infinities


def test_whole_numbers_beyond_what_a_float_holds_keep_every_digit(tmp_path: Path) -> None:
    base = 2**62
    values = [base + each for each in (1, 2, 3, 5, 8, 13)]
    found = one(tmp_path, "long", values)
    assert (found.minimum, found.maximum) == (base + 1, base + 13)
    assert found.quantiles["0.5"] == base + 4
    # The distances are small, so deviation and shape are those of 1, 2, 3, 5, 8, 13.
    small = pd.Series([1, 2, 3, 5, 8, 13], dtype="float64")
    near(found.standard_deviation, small.std())
    near(found.skewness, small.skew())
    near(found.kurtosis, small.kurt())
    assert found.top[0] == (base + 1, 1)
    assert found.histogram is not None and found.histogram.edges[0] == base + 1
    assert sum(found.histogram.counts) == 6
    ends = one(tmp_path / "ends", "long", [-(2**63), 2**63 - 1, 0])
    assert (ends.minimum, ends.maximum) == (-(2**63), 2**63 - 1)
    assert ends.histogram is not None and sum(ends.histogram.counts) == 3
    near(ends.mean, -1 / 3)


def test_values_close_together_and_far_from_zero_keep_their_deviation(tmp_path: Path) -> None:
    values = [1e15 + each for each in (0.0, 0.25, 0.5, 1.0, 4.0)]
    found = one(tmp_path, "float", values)
    near(found.standard_deviation, pd.Series([0.0, 0.25, 0.5, 1.0, 4.0]).std())
    near(found.kurtosis, pd.Series([0.0, 0.25, 0.5, 1.0, 4.0]).kurt())


@pytest.mark.parametrize("scale", [1e300, 1e-300, 5e-324, 1.7e308])
def test_very_large_and_very_small_values_neither_overflow_nor_vanish(scale: float, tmp_path: Path) -> None:
    values = [scale, -scale, scale, 0.0, 0.0]
    found = one(tmp_path, "float", values)
    assert found.mean == pytest.approx(scale / 5, rel=1e-9, abs=5e-324)
    shape = pd.Series([1.0, -1.0, 1.0, 0.0, 0.0])
    if scale != 5e-324:
        assert found.standard_deviation == pytest.approx(float(shape.std()) * scale, rel=1e-9)
    near(found.skewness, shape.skew())
    assert found.histogram is not None and sum(found.histogram.counts) == 5


def test_times_are_ordered_parted_and_shown_as_times(tmp_path: Path) -> None:
    start = datetime(2021, 3, 4, 5, 6, 7, 8)
    values = [start + timedelta(days=each) for each in range(100)] + [None]
    found = one(tmp_path, "datetime", values)
    assert (found.minimum, found.maximum) == (start, start + timedelta(days=99))
    assert found.quantiles["0.5"] == start + timedelta(days=49, hours=12)
    assert found.histogram is not None and sum(found.histogram.counts) == 100 and max(found.histogram.counts) == 5
    assert found.document()["minimum"] == "2021-03-04T05:06:07.000008"
    ends = one(tmp_path / "ends", "datetime", [datetime.min, datetime.max])
    assert (ends.minimum, ends.maximum) == (datetime.min, datetime.max)
    assert ends.histogram is not None and sum(ends.histogram.counts) == 2


def test_times_with_zones_are_counted_as_the_instants_they_are(tmp_path: Path) -> None:
    text = "t\n2021-03-04T01:00:00+02:00\n2021-03-03T23:00:00Z\n2021-03-04T05:00:00+02:00\n"
    source = [Source("a.csv", len(text), lambda: __import__("io").BytesIO(text.encode()))]
    table = read(source, {"format": {}}, survey(source, form_of({})))
    spool = spool_of(tmp_path, [(each.name, each.type) for each in table.columns], *[v for v, _ in table.batches])
    found = of_column(spool, spool.columns[0])
    at = datetime(2021, 3, 3, 23, tzinfo=UTC).replace(tzinfo=None)
    assert (found.type, found.distinct, found.minimum, found.top[0]) == ("datetime", 2, at, (at, 2))


def test_texts_with_nul_empty_ones_and_halves_of_letters(tmp_path: Path) -> None:
    found = one(tmp_path, "string", ["a\0b", "a\0c", "a\0b", "", None, "\ud800", "é", "z" * 500])
    assert (found.count, found.null, found.empty, found.distinct) == (8, 1, 1, 6)
    assert found.top[0] == ("a\0b", 2)
    assert found.lengths is not None and found.lengths[:2] == (0, 500)
    assert found.minimum == "" and found.maximum == "é"
    long = one(tmp_path / "long", "string", ["z" * 500])
    assert long.maximum == "z" * 200 + "…" and long.top == [("z" * 200 + "…", 1)]


def test_truths(tmp_path: Path) -> None:
    found = one(tmp_path, "bool", [True, False, True, None])
    assert (found.distinct, found.minimum, found.maximum, found.null) == (2, False, True, 1)
    assert found.top == [(True, 2), (False, 1)] and found.mean is found.histogram is None


@pytest.mark.parametrize("kind", ["string", "long", "float", "bool", "datetime"])
def test_no_rows_one_row_and_nulls_alone(kind: str, tmp_path: Path) -> None:
    value = {"string": "x", "long": 7, "float": 7.5, "bool": True, "datetime": datetime(2021, 3, 4)}[kind]
    empty = one(tmp_path / "0", kind, [])
    assert (empty.count, empty.missing, empty.distinct, empty.minimum, empty.top) == (0, 0, 0, None, [])
    nulls = one(tmp_path / "n", kind, [None, None])
    assert (nulls.count, nulls.missing, nulls.distinct, nulls.top, nulls.histogram) == (2, 2, 0, [], None)
    single = one(tmp_path / "1", kind, [value])
    assert (single.count, single.distinct, single.minimum, single.maximum) == (1, 1, value, value)
    assert single.standard_deviation is single.skewness is single.kurtosis is None
    if kind in ("long", "float", "datetime"):
        assert set(single.quantiles.values()) == {value}
        assert single.histogram is not None and single.histogram.counts == [1]


def test_a_constant_column_has_no_shape(tmp_path: Path) -> None:
    found = one(tmp_path, "float", [0.1] * 50)
    assert (found.mean, found.standard_deviation, found.skewness, found.kurtosis) == (0.1, 0.0, None, None)
    assert found.histogram is not None and (found.histogram.edges, found.histogram.counts) == ([0.1, 0.1], [50])


def test_two_thousand_columns_of_names_that_look_alike(tmp_path: Path) -> None:
    names = [("A" if number % 2 else "a") * (number % 3 + 1) for number in range(2000)]
    spool = spool_of(tmp_path, [(name, "long") for name in names], [[number, number + 1] for number in range(2000)])
    for place in (0, 1, 49, 50, 51, 1999):
        found = of_column(spool, spool.columns[place])
        assert (found.name, found.minimum, found.maximum) == (names[place], place, place + 1)


def test_many_values_are_approximate_and_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "EXACT_ROWS", 1000)
    monkeypatch.setattr(statistics, "FEW_VALUES", 100)
    rng = np.random.default_rng(4)
    values = [*rng.normal(0, 1, 20_000).tolist(), *[7.0] * 500]
    found = one(tmp_path, "float", values)
    assert found.approximate == ["quantiles", "distinct", "top"] or set(found.approximate) == {
        "distinct",
        "quantiles",
        "top",
    }
    assert found.distinct == pytest.approx(20_001, rel=0.1)
    for name in QUANTILES[2:7]:
        assert found.quantiles[name] == pytest.approx(float(np.quantile(values, float(name))), abs=0.05)
    assert found.top[0] == (7.0, 500)
    near(found.mean, float(np.mean(values)))
    few = one(tmp_path / "few", "long", [n % 7 for n in range(5000)])
    assert (few.distinct, few.top[0]) == (7, (0, 715)) and "distinct" not in few.approximate


def test_bins_of_another_table_count_what_lies_in_them(tmp_path: Path) -> None:
    spool = spool_of(
        tmp_path, [("x", "float"), ("n", "long")], [[1.0, 2.0, 2.5, 9.0, math.nan, None], [1, 2, 3, 4, 5, 6]]
    )
    assert counts_in(spool, spool.columns[0], [1.0, 2.0, 3.0]) == [1, 2]
    assert counts_in(spool, spool.columns[1], edges_between(spool.columns[1], 1, 6)) == [1] * 6


def test_a_table_without_columns(tmp_path: Path) -> None:
    spool = Spool(tmp_path, [])
    spool.write([], 3)
    spool.close()
    assert (spool.rows, spool.columns) == (3, [])
