"""Measures of drift, against scipy, on flights and penguins as they were recorded and on values that are hard to measure."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import euclidean, jensenshannon

from monitors import statistics

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FLIGHTS = EXAMPLES / "data-references/data"
PENGUINS = EXAMPLES / "prepare-and-train/data"
numbers = st.lists(st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1.0, -1.0]), min_size=2, max_size=60)


def column(path: Path, name: str) -> list[str]:
    with path.open(encoding="utf-8") as file:
        return [row[name] for row in csv.DictReader(file) if row[name] not in ("", "NA")]


def sorted_numbers(path: Path, name: str) -> np.ndarray:
    return np.sort(np.array(column(path, name), dtype=float))


@pytest.mark.parametrize("name", ["dep_delay", "arr_delay", "air_time", "distance", "dep_time"])
def test_flights_of_two_months_are_measured_as_scipy_measures_them(name: str) -> None:
    a, b = (sorted_numbers(FLIGHTS / f"lga-2013-0{month}.csv", name) for month in (2, 3))
    assert statistics.wasserstein(a, b) == pytest.approx(stats.wasserstein_distance(a, b), rel=1e-12)
    assert statistics.energy(a, b) == pytest.approx(stats.energy_distance(a, b), rel=1e-9, abs=1e-9)
    assert statistics.kolmogorov_smirnov(a, b) == pytest.approx(stats.ks_2samp(a, b).statistic, abs=1e-12)
    edges = statistics.edges_of(a)
    p, q = statistics.binned(a, edges), statistics.binned(b, edges)
    assert p.sum() == a.size and q.sum() == b.size and p[0] == p[-1] == 0, "all of the baseline is inside"
    assert statistics.jensen_shannon(p, q) == pytest.approx(jensenshannon(p, q, base=2), abs=1e-12)
    known = p > 0
    if np.all(q[known] > 0) and not q[~known].any():  # otherwise the least share stands for nothing
        p, q = p[known], q[known]
        assert statistics.psi(p, q) == pytest.approx(stats.entropy(p, q) + stats.entropy(q, p), rel=1e-9)
    shown = statistics.described(a)
    assert shown["mean"] == pytest.approx(a.mean()) and shown["std"] == pytest.approx(stats.tstd(a))
    assert shown["quantiles"]["50"] == pytest.approx(np.median(a)) and (shown["min"], shown["max"]) == (a[0], a[-1])


@pytest.mark.parametrize(("folder", "files", "name"), [
    (FLIGHTS, ("lga-2013-02.csv", "lga-2013-03.csv"), "carrier"), (FLIGHTS, ("lga-2013-02.csv", "lga-2013-03.csv"), "dest"),
    (PENGUINS, ("penguins-2007-2008.csv", "penguins-2009.csv"), "Island"),
    (PENGUINS, ("penguins-2007-2008.csv", "penguins-2009.csv"), "Species"),
])  # fmt: skip
def test_categories_are_measured_as_scipy_measures_them(folder: Path, files: tuple[str, str], name: str) -> None:
    before, after = (Counter(column(folder / each, name)) for each in files)
    every = sorted(before | after)
    p, q = (np.array([each[value] for value in every]) for each in (before, after))
    statistic, freedom = statistics.chi_square(p, q)
    wanted = stats.chi2_contingency([p, q], correction=False)
    assert (statistic, freedom) == (pytest.approx(wanted.statistic, rel=1e-12), wanted.dof)
    assert statistics.euclidean(p, q) == pytest.approx(euclidean(p / p.sum(), q / q.sum()), rel=1e-12)
    assert statistics.jensen_shannon(p, q) == pytest.approx(jensenshannon(p, q, base=2), abs=1e-12)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(numbers, numbers)
def test_any_two_samples_are_measured_as_scipy_measures_them(first: list[float], second: list[float]) -> None:
    a, b = np.sort(np.array(first)), np.sort(np.array(second))
    assert statistics.wasserstein(a, b) == pytest.approx(stats.wasserstein_distance(a, b), rel=1e-9, abs=1e-9)
    assert statistics.energy(a, b) == pytest.approx(stats.energy_distance(a, b), rel=1e-9, abs=1e-9)
    assert statistics.kolmogorov_smirnov(a, b) == pytest.approx(stats.ks_2samp(a, b).statistic, abs=1e-12)
    edges = statistics.edges_of(a)
    p, q = statistics.binned(a, edges), statistics.binned(b, edges)
    assert (p.sum(), q.sum()) == (a.size, b.size)
    assert 0 <= statistics.jensen_shannon(p, q) <= 1 + 1e-12 and statistics.psi(p, q) >= 0
    picture = statistics.drawn(a, b)
    assert picture is not None and sum(picture["baseline"]) == a.size and sum(picture["target"]) == b.size


def test_what_is_the_same_is_far_from_nothing_and_what_shares_nothing_from_all() -> None:
    same = np.sort(np.random.default_rng(3).normal(size=500))
    p = statistics.binned(same, statistics.edges_of(same))
    assert statistics.wasserstein(same, same) == statistics.kolmogorov_smirnov(same, same) == 0
    assert statistics.psi(p, p) == statistics.jensen_shannon(p, p) == 0
    q = statistics.binned(same + 100, statistics.edges_of(same))
    assert statistics.jensen_shannon(p, q) == 1 and statistics.kolmogorov_smirnov(same, same + 100) == 1
    constant = np.full(60, 7.0)
    edges = statistics.edges_of(constant)
    for other, place in ((6.0, 0), (7.0, 1), (8.0, 2)):
        assert statistics.binned(np.full(60, other), edges).tolist()[place] == 60, (
            "a constant is parted from both sides"
        )
    huge = np.array([-1.7e308, 1.7e308])
    assert statistics.wasserstein(huge, np.array([-1.7e308, -1.7e308])) is None, "what overflows is no number"


def binned_rows(seed: int, size: int, shift: float = 0.0) -> list[np.ndarray]:
    values = np.random.default_rng(seed).normal(shift, 1, size=(3, size))
    values[1:] -= shift
    return [np.clip((each * 2 + 6).astype(np.int32), 0, 12) for each in values]


def test_rows_of_one_population_cannot_be_told_apart_and_those_of_another_can() -> None:
    """By the known best that anybody can do: of two normal distributions a shift apart that is 2 Φ(shift / 2) - 1."""
    same = [statistics.told_apart(binned_rows(seed, 2_000), binned_rows(seed + 100, 2_000))[0] for seed in range(10)]
    assert max(same) < 0.06
    for shift in (0.5, 1.0, 2.0):
        magnitude, alone = statistics.told_apart(binned_rows(1, 8_000), binned_rows(2, 8_000, shift))
        best = 2 * stats.norm.cdf(shift / 2) - 1
        assert best - 0.06 < magnitude < best + 0.02 and alone[0] == max(alone) and max(alone[1:]) < 0.05
    apart, _alone = statistics.told_apart(binned_rows(1, 2_000), binned_rows(2, 60, 8.0))
    assert apart > 0.9, "also of few rows"
