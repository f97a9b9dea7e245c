"""Two samples of rows compared, feature by feature and as a whole. Pure, but for what samples have laid aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from monitors import statistics
from monitors.features import CATEGORICAL, LONGEST_SHOWN, NUMERIC, TRUTH
from monitors.statistics import BINS, Counts, Floats

# What a column of a table is compared as; times are not compared.
KINDS = {"long": NUMERIC, "float": NUMERIC, "string": CATEGORICAL, "bool": TRUTH}
# As in Azure ML: a text is a category below so many values, and below this share of the rows; a column of numbers takes part
# with at most this share missing.
MOST_VALUES, MOST_VALUES_SHARE, MOST_MISSING = 100, 0.05, 0.15
# Of a target, whose new categories may be any number; those beyond count together.
MOST_CATEGORIES = 10_000
# Rows of each side by which it is seen whether they can be told apart.
ROWS_TOLD_APART = 20_000
# Categories that are shown with their counts, and new ones that are named.
SHOWN, NEW_SHOWN = 20, 20

Category = str | None


class Problem(Exception):
    """There is nothing to compare; `code` says why (monitors.stored_messages)."""

    def __init__(self, code: str, **facts: Any) -> None:
        super().__init__(code)
        self.code, self.facts = code, facts


class Rows(Protocol):
    """What is asked of a sample."""

    rows: int

    def column(self, name: str) -> Floats: ...

    def categories(self, name: str) -> list[Category]: ...


def usable(
    baseline: Mapping[str, str], target: Mapping[str, str], wanted: Sequence[str] | None, timestamp: str
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Which columns are compared, by name the kind, and which are not, with why. Columns are given by name and type.

    Raises Problem where none is left.
    """
    features, excluded = {}, []
    for name in wanted if wanted is not None else [name for name in baseline if name != timestamp]:
        if name not in baseline:
            excluded.append(_excluded(name, "not_in_baseline"))
        elif name not in target:
            excluded.append(_excluded(name, "vanished"))
        elif KINDS.get(baseline[name]) != KINDS.get(target[name]):
            excluded.append(_excluded(name, "type_changed", before=baseline[name], now=target[name]))
        elif baseline[name] not in KINDS:
            excluded.append(_excluded(name, "no_values_to_compare", type=baseline[name]))
        else:
            features[name] = KINDS[baseline[name]]
    if wanted is None:
        excluded += [
            _excluded(name, "not_in_baseline") for name in target if name not in baseline and name != timestamp
        ]
    if not features:
        raise Problem("no_features", count=len(excluded), excluded=excluded)
    return features, excluded


def _excluded(name: str, code: str, **facts: Any) -> dict[str, Any]:
    return {"name": name, "code": code, "facts": facts}


def compare(
    baseline: Rows, target: Rows, features: Mapping[str, str], excluded: list[dict[str, Any]]
) -> dict[str, Any]:
    """How far the target is from the baseline: `magnitude` from 0 to 1, and each feature with its measures.

    Raises Problem where no feature can be compared.
    """
    compared: list[dict[str, Any]] = []
    apart: tuple[list[NDArray[np.int32]], list[NDArray[np.int32]]] = [], []
    chosen = [_chosen(each.rows) for each in (baseline, target)]
    for name, kind in features.items():
        found = _numbers(name, baseline, target) if kind == NUMERIC else _categories(name, kind, baseline, target)
        if "code" in found:
            excluded.append(found)
            continue
        bins = found.pop("bins")
        for side, values, rows in zip(apart, bins, chosen, strict=True):
            side.append(values[rows])
        compared.append({"name": name, **found})
    if not compared:
        raise Problem("no_features", count=len(excluded), excluded=excluded)
    magnitude, alone = statistics.told_apart(*apart)
    for feature, own in zip(compared, alone, strict=True):
        feature["magnitude"] = own
    compared.sort(key=lambda each: (-each["magnitude"], -each["metrics"]["jensen_shannon"], each["name"]))
    counts = {"baseline": baseline.rows, "target": target.rows}
    return {"magnitude": magnitude, "rows": counts, "features": compared, "excluded": excluded}


def _chosen(rows: int) -> NDArray[np.int64]:
    """The rows by which it is seen whether the two can be told apart: all of them, or so many by chance, always the same."""
    if rows <= ROWS_TOLD_APART:
        return np.arange(rows)
    return np.sort(np.random.default_rng(1).choice(rows, ROWS_TOLD_APART, replace=False))


def _numbers(name: str, baseline: Rows, target: Rows) -> dict[str, Any]:
    columns = [each.column(name) for each in (baseline, target)]
    missing = [float(np.isnan(each).mean()) for each in columns]
    for side, share in zip(("baseline", "target"), missing, strict=True):
        if share > MOST_MISSING:
            return _excluded(name, f"many_missing_{side}", share=round(share * 100, 1))
    infinite = [int(np.isinf(each).sum()) for each in columns]
    base, rows = (np.sort(each[np.isfinite(each)]) for each in columns)
    if not base.size or not rows.size:
        return _excluded(name, "no_numbers")
    edges = statistics.edges_of(base)
    counts = statistics.binned(base, edges), statistics.binned(rows, edges)
    # What is missing, and what is endless, are bins of their own where rows are told apart.
    bins = tuple(_places(each, edges) for each in columns)
    sides = {
        side: {"count": int(values.size), "missing": share, "infinite": endless, **statistics.described(values)}
        for side, values, share, endless in zip(("baseline", "target"), (base, rows), missing, infinite, strict=True)
    }
    metrics = {
        "wasserstein": statistics.wasserstein(base, rows),
        "energy": statistics.energy(base, rows),
        "kolmogorov_smirnov": statistics.kolmogorov_smirnov(base, rows),
        "psi": statistics.psi(*counts),
        "jensen_shannon": statistics.jensen_shannon(*counts),
        "missing_change": missing[1] - missing[0],
    }
    return {"kind": NUMERIC, "bins": bins, "metrics": metrics, "histogram": statistics.drawn(base, rows), **sides}


def _places(values: Floats, edges: Floats) -> NDArray[np.int32]:
    found = np.searchsorted(edges, values, side="left")
    found[np.isnan(values)] = BINS + 3
    found[np.isinf(values)] = BINS + 4
    return found.astype(np.int32)


def _categories(name: str, kind: str, baseline: Rows, target: Rows) -> dict[str, Any]:
    names = [each.categories(name) for each in (baseline, target)]
    unique = len(names[0])
    if kind == CATEGORICAL and (unique >= MOST_VALUES or unique >= MOST_VALUES_SHARE * baseline.rows):
        shown = unique if unique < MOST_CATEGORIES else f"{MOST_CATEGORIES}+"
        return _excluded(name, "many_values", unique=shown, rows=baseline.rows)
    every = list(dict.fromkeys([*names[0], *names[1]]))
    known = {each: place for place, each in enumerate(every)}
    places, counts, missing = [], [], []
    for sample, own in zip((baseline, target), names, strict=True):
        codes = sample.column(name)
        absent = np.isnan(codes)
        # Codes of a sample are its own; from here on a category has one place in both, and what is missing the last.
        table = np.array([*(known[each] for each in own), len(every)], dtype=np.int32)
        found = table[np.where(absent, len(own), codes).astype(np.int64)]
        places.append(found)
        counts.append(np.bincount(found[~absent], minlength=len(every)).astype(np.int64))
        missing.append(float(absent.mean()))
    if not counts[0].sum() or not counts[1].sum():
        return _excluded(name, "no_categories")
    return {
        "kind": CATEGORICAL,
        "bins": tuple(places),
        "metrics": _of_categories(counts[0], counts[1], missing),
        "categories": _shown(every, counts[0], counts[1]),
        "new_categories": [_cut(every[place]) for place in _new(*counts)[:NEW_SHOWN]],
        "baseline": {"count": int(counts[0].sum()), "missing": missing[0], "unique": int(np.sum(counts[0] > 0))},
        "target": {"count": int(counts[1].sum()), "missing": missing[1], "unique": int(np.sum(counts[1] > 0))},
    }


def _of_categories(baseline: Counts, target: Counts, missing: list[float]) -> dict[str, Any]:
    statistic, freedom = statistics.chi_square(baseline, target)
    new = _new(baseline, target)
    return {
        "euclidean": statistics.euclidean(baseline, target),
        "chi_square": statistic,
        "degrees_of_freedom": freedom,
        "psi": statistics.psi(baseline, target),
        "jensen_shannon": statistics.jensen_shannon(baseline, target),
        "missing_change": missing[1] - missing[0],
        "new_categories": len(new),
        "new_share": float(target[new].sum() / target.sum()),
    }


def _new(baseline: Counts, target: Counts) -> list[int]:
    """The places of the categories that the baseline has not, the most frequent first."""
    return sorted(np.flatnonzero((baseline == 0) & (target > 0)).tolist(), key=lambda place: -int(target[place]))


def _shown(names: Sequence[Category], baseline: Counts, target: Counts) -> list[list[Any]]:
    """The most frequent categories with both counts; the others together, without a name, at the end."""
    order = np.argsort(-(baseline / baseline.sum() + target / target.sum()), kind="stable").tolist()
    first = [place for place in order if names[place] is not None][:SHOWN]
    rest = [place for place in order if place not in set(first)]
    found: list[list[Any]] = [[_cut(names[place]), int(baseline[place]), int(target[place])] for place in first]
    if rest:
        found.append([None, int(baseline[rest].sum()), int(target[rest].sum())])
    return found


def _cut(name: Category) -> str:
    text = "" if name is None else name
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"
