"""How far two samples are from each other. Pure: arrays of numbers, and counts by category, to values.

What cannot be reckoned is None, never a number that stands for something else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
# A share of nothing counts as this in PSI, whose logarithm would be endless.
LEAST_SHARE = 1e-4
# Bins of the population stability index and of Jensen-Shannon inside of the baseline's range; two more are outside of it.
BINS = 10
# Bins that are drawn.
DRAWN = 20


def wasserstein(a: Floats, b: Floats) -> float | None:
    """The first Wasserstein distance of two sorted samples, in the unit of the values: the area between their distributions."""
    every = np.sort(np.concatenate((a, b)), kind="stable")
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.diff(every)
        between = np.abs(_cdf(a, every[:-1]) - _cdf(b, every[:-1]))
        return _number(np.sum(between * steps))


def energy(a: Floats, b: Floats) -> float | None:
    """The energy distance of two sorted samples, in the root of the unit of the values: of the squared distance of their
    distributions, twice its area, the root."""
    every = np.sort(np.concatenate((a, b)), kind="stable")
    with np.errstate(over="ignore", invalid="ignore"):
        between = _cdf(a, every[:-1]) - _cdf(b, every[:-1])
        return _number(np.sqrt(2 * np.sum(between**2 * np.diff(every))))


def kolmogorov_smirnov(a: Floats, b: Floats) -> float:
    """The largest distance of the distributions of two sorted samples, from 0 to 1."""
    every = np.concatenate((a, b))
    return float(np.max(np.abs(_cdf(a, every) - _cdf(b, every))))


def _cdf(of: Floats, at: Floats) -> Floats:
    return np.asarray(np.searchsorted(of, at, side="right") / of.size, dtype=np.float64)


def edges_of(baseline: Floats) -> Floats:
    """Upper edges of bins by the quantiles of a sorted baseline: below its least value, `BINS` of about the same count, above its
    greatest. They are those of the baseline alone, so that windows can be compared."""
    inner = np.quantile(baseline, np.linspace(0, 1, BINS + 1)[1:], method="inverted_cdf")
    return np.unique(np.concatenate(([np.nextafter(baseline[0], -np.inf)], inner)))


def binned(values: Floats, edges: Floats) -> Counts:
    """How many values are in each bin: up to each edge, and above the last."""
    return np.bincount(np.searchsorted(edges, values, side="left"), minlength=edges.size + 1)


def psi(baseline: Counts, target: Counts) -> float:
    """The population stability index: below 0.1 hardly another population, above 0.25 clearly another one."""
    p, q = (np.maximum(_shares(each), LEAST_SHARE) for each in (baseline, target))
    return float(np.sum((q - p) * np.log(q / p)))


def jensen_shannon(baseline: Counts, target: Counts) -> float:
    """The Jensen-Shannon distance by logarithms to base 2: 0 of the same shares, 1 where nothing is shared."""
    p, q = _shares(baseline), _shares(target)
    middle = (p + q) / 2
    return math.sqrt(max(0.0, (_divergence(p, middle) + _divergence(q, middle)) / 2))


def _divergence(p: Floats, q: Floats) -> float:
    kept = p > 0
    return float(np.sum(p[kept] * np.log2(p[kept] / q[kept])))


def euclidean(baseline: Counts, target: Counts) -> float:
    """The distance of the shares of categories as points, from 0 to the root of 2."""
    return float(np.linalg.norm(_shares(baseline) - _shares(target)))


def chi_square(baseline: Counts, target: Counts) -> tuple[float, int]:
    """Pearson's statistic of homogeneity, and its degrees of freedom, over the categories that either sample has."""
    table = np.stack((baseline, target)).astype(np.float64)
    table = table[:, table.sum(axis=0) > 0]
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / table.sum()
    return float(np.sum((table - expected) ** 2 / expected)), table.shape[1] - 1


def _shares(counts: Counts) -> Floats:
    return np.asarray(counts / counts.sum(), dtype=np.float64)


def told_apart(baseline: Sequence[NDArray[np.int32]], target: Sequence[NDArray[np.int32]]) -> tuple[float, list[float]]:
    """How well rows of one sample can be told from rows of the other, from 0 (not better than by chance) to 1 (always).

    Each feature is given by bins. A naive Bayes classifier learns from one half of the rows and is tried on the other, and the
    other way round; both samples weigh the same. What counts is the share of the target that it finds less the share of the
    baseline that it takes for target (Youden's J). Returns that of all features together, and of each one alone.
    """
    sizes = baseline[0].size, target[0].size
    halves = [np.random.default_rng(0).permutation(size) % 2 for size in sizes]
    totals = [np.zeros(size) for size in sizes]
    alone = []
    for of_baseline, of_target in zip(baseline, target, strict=True):
        scores = [np.zeros(size) for size in sizes]
        count = int(max(of_baseline.max(), of_target.max())) + 1
        for half in (0, 1):
            learnt = [
                np.bincount(values[which != half], minlength=count) + 1.0
                for values, which in zip((of_baseline, of_target), halves, strict=True)
            ]
            odds = np.log(learnt[1] / learnt[1].sum()) - np.log(learnt[0] / learnt[0].sum())
            for values, which, found in zip((of_baseline, of_target), halves, scores, strict=True):
                found[which == half] = odds[values[which == half]]
        alone.append(_youden(*scores))
        for total, found in zip(totals, scores, strict=True):
            total += found
    return _youden(*totals), alone


def _youden(baseline: Floats, target: Floats) -> float:
    """Of the odds that rows are of the target; even ones are taken for either, half and half."""
    found, mistaken = ((np.sum(odds > 0) + np.sum(odds == 0) / 2) / odds.size for odds in (target, baseline))
    return float(max(0.0, found - mistaken))


def described(values: Floats) -> dict[str, Any]:
    """A sorted sample in numbers; the deviation is that of a sample (ddof 1)."""
    quantiles = np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95))
    with np.errstate(over="ignore", invalid="ignore"):
        return {
            "min": _number(values[0]), "max": _number(values[-1]), "mean": _number(values.mean()),
            "std": _number(values.std(ddof=1)) if values.size > 1 else None,
            "quantiles": {name: _number(each) for name, each in zip(("5", "25", "50", "75", "95"), quantiles, strict=True)},
        }  # fmt: skip


def drawn(baseline: Floats, target: Floats) -> dict[str, list[float] | list[int]] | None:
    """Two sorted samples in bins of the same width. The first and the last one also have what lies beyond, so that one value far
    away does not press all others into one bin. None where numbers are too far apart to be parted."""
    ends = np.array([np.quantile(each, (0.01, 0.99)) for each in (baseline, target)])
    low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
    if not low < high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, DRAWN + 1)
    if not np.all(np.isfinite(edges)) or not np.all(np.diff(edges) > 0):
        return None
    counts = [
        np.bincount(np.searchsorted(edges[1:-1], each, side="right"), minlength=DRAWN) for each in (baseline, target)
    ]
    return {"edges": edges.tolist(), "baseline": counts[0].tolist(), "target": counts[1].tolist()}


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
