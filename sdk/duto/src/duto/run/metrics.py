"""Metrics as `Run.get_metrics` gives them: one value, a list of values, or columns."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Mapping, Tuple

from duto.spec.numbers import decoded

_SERIES = ("scalar", "list")


def fold(series: Iterable[Mapping[str, Any]]) -> Dict[str, Any]:
    """The metrics of one run by name, in the order in which they were first logged, from the studio's pieces of series.

    A name that was used for several kinds of metrics has a list of what each of them would be.
    """
    kinds: Dict[str, Dict[str, Tuple[int, List[Any]]]] = {}
    for each in series:
        name, kind = str(each["name"]), str(each.get("kind") or "scalar")
        first, points = kinds.setdefault(name, {}).get(kind, (each.get("first") or 0, []))
        points += [(point[0], decoded(point[1])) for point in each.get("points") or []]
        kinds[name][kind] = (min(first, each.get("first") or 0), points)
    ordered = sorted(kinds, key=lambda name: min(first for first, _ in kinds[name].values()))
    return {name: _folded(kinds[name]) for name in ordered}


def fold_by_run(series: Iterable[Mapping[str, Any]]) -> Dict[str, Dict[str, Any]]:
    """The metrics of several runs, by run and name."""
    runs: Dict[str, List[Mapping[str, Any]]] = {}
    for each in series:
        runs.setdefault(str(each.get("run")), []).append(each)
    return {run: fold(mine) for run, mine in runs.items()}


def _folded(kinds: Dict[str, Tuple[int, List[Any]]]) -> Any:
    if len(kinds) > 1 and all(kind in _SERIES for kind in kinds):  # one list, in the order of its indexes
        pairs = [(index, kind, value) for kind, (_, points) in kinds.items() for index, value in points]
        pairs.sort(key=lambda pair: pair[0])
        return [each for _, kind, value in pairs for each in (_listed(value) if kind == "list" else [value])]
    values = [
        _value(kind, [value for _, value in points])
        for kind, (_, points) in sorted(kinds.items(), key=lambda pair: pair[1][0])
    ]
    return values[0] if len(values) == 1 else values


def _value(kind: str, values: List[Any]) -> Any:
    if kind == "scalar":
        return values[0] if len(values) == 1 else values
    if kind == "list":
        return [item for value in values for item in _listed(value)]
    if kind in ("row", "table"):
        return _columns(kind, values)
    if kind == "image":
        names = [value.get("artifact") if isinstance(value, Mapping) else value for value in values]
        return names[0] if len(names) == 1 else names
    return values[-1] if values else None


def _columns(kind: str, values: List[Mapping[str, Any]]) -> Dict[str, Any]:
    """Columns of the same length, None where a row has none of it: the rows stay together. A table that was logged
    once is given as it was."""
    if len(values) == 1:  # one row gives plain values, as Azure ML has it
        return {name: cell if kind == "row" else _listed(cell) for name, cell in values[0].items()}
    columns: Dict[str, List[Any]] = {name: [] for value in values for name in value}
    for value in values:
        cells = {name: _listed(cell) if kind == "table" else [cell] for name, cell in value.items()}
        height = max((len(each) for each in cells.values()), default=0)
        for name, column in columns.items():
            mine = cells.get(name, [])
            column += [*mine, *[None] * (height - len(mine))]
    return columns


def _listed(value: Any) -> List[Any]:
    return list(value) if isinstance(value, list) else [value]
