"""From a window to its rows: addresses of the page of a table, whose first rows are those of which a condition is true."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from datasets.models import DatasetVersion
from monitors.features import LONGEST_SHOWN, NUMERIC
from monitors.models import MonitorWindow
from monitors.services.monitors import columns_of

Condition = dict[str, Any]


def of_window(window: MonitorWindow, timestamp: str) -> Condition:
    """The rows of a window, by the column that tells their time."""
    bounds = (("ge", window.start_at), ("lt", window.end_at))
    return {"op": "and", "of": [_is(timestamp, op, {"time": _time(moment)}) for op, moment in bounds]}


def of_feature(found: Mapping[str, Any], kind: str | None) -> Condition | None:
    """Where the rows stand out: of numbers beyond the 5th and the 95th percentile of the baseline, of categories those that are
    new. None where nothing does. `kind`: the type of the column in the table."""
    name = found["name"]
    if found["kind"] == NUMERIC:
        low, high = (found["baseline"]["quantiles"][each] for each in ("5", "95"))
        if low is None or high is None:
            return None
        return {"op": "or", "of": [_is(name, "lt", {"value": low}), _is(name, "gt", {"value": high})]}
    parts = [_has(name, each, kind) for each in found.get("new_categories", ())]
    return {"op": "or", "of": parts} if len(parts) > 1 else next(iter(parts), None)


def address(workspace: str, version: DatasetVersion | None, *conditions: Condition | None) -> str:
    """The page of a version with the rows of which all conditions are true; empty where a version or a condition is missing."""
    if version is None or version.dataset is None or None in conditions:
        return ""
    where = {"op": "and", "of": list(conditions)} if len(conditions) > 1 else conditions[0]
    query = {"version": version.version, "where": json.dumps(where, ensure_ascii=False, separators=(",", ":"))}
    return f"{reverse('datasets:dataset', args=[workspace, version.dataset.name])}?{urlencode(query)}#preview"


def kinds_of(version: DatasetVersion | None) -> dict[str, str]:
    """The columns of a table by name and type."""
    return {} if version is None else columns_of(version)


def _is(column: str, op: str, value: Mapping[str, Any]) -> Condition:
    return {"op": op, "of": [{"column": column}, dict(value)]}


def _has(column: str, category: str, kind: str | None) -> Condition:
    if kind == "bool":
        return _is(column, "eq", {"value": category == "True"})
    if len(category) >= LONGEST_SHOWN and category.endswith("…"):  # it was cut when it was kept
        return _is(column, "starts_with", {"value": category[:-1]})
    return _is(column, "eq", {"value": category})


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
