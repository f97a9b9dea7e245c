"""Metrics as `Run.get_metrics` gives them: one value, a list of values, or columns."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Mapping

_NUMBERS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def fold(series: Iterable[Mapping[str, Any]]) -> Dict[str, Any]:
    """The metrics of one run by name, from the studio's series."""
    return {str(each["name"]): _value(str(each.get("kind") or "scalar"), each.get("points") or []) for each in series}


def fold_by_run(series: Iterable[Mapping[str, Any]]) -> Dict[str, Dict[str, Any]]:
    """The metrics of several runs, by run and name."""
    runs: Dict[str, List[Mapping[str, Any]]] = {}
    for each in series:
        runs.setdefault(str(each.get("run")), []).append(each)
    return {run: fold(mine) for run, mine in runs.items()}


def _value(kind: str, points: List[Any]) -> Any:
    values = [_number(point[1]) for point in points]
    if kind == "scalar":
        return values[0] if len(values) == 1 else values
    if kind == "list":
        return [item for value in values for item in value]
    if kind in ("row", "table"):
        return _columns(kind, values)
    if kind == "image":
        names = [value.get("artifact") if isinstance(value, Mapping) else value for value in values]
        return names[0] if len(names) == 1 else names
    return values[-1] if values else None


def _columns(kind: str, values: List[Mapping[str, Any]]) -> Dict[str, Any]:
    columns: Dict[str, List[Any]] = {}
    for value in values:
        for name, cell in value.items():
            columns.setdefault(name, []).extend(cell if kind == "table" and isinstance(cell, list) else [cell])
    # One row gives plain values, as Azure ML has it.
    single = kind == "row" and len(values) == 1
    return {name: cells[0] if single else cells for name, cells in columns.items()}


def _number(value: Any) -> Any:
    return _NUMBERS.get(value, value) if isinstance(value, str) else value
