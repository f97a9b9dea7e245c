"""The tab Child runs: what a program opened below the run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from core.words import decimal
from runs.models import Run
from runs.queries.children import children_of, last_numbers
from runs.web.panel_request import PanelRequest
from runs.web.windows import Window, window

MOST_CHILDREN = 50
# Columns of metrics: those that most of the runs of the page have.
COLUMNS = 4


@dataclass(frozen=True)
class Child:
    """One child run with its numbers, in the order of the columns."""

    run: Run
    numbers: list[str]


@dataclass(frozen=True)
class Children:
    """What runs/panel/children.html may show."""

    columns: list[str]
    rows: list[Child]
    window: Window
    is_over: bool


def children(ask: PanelRequest) -> Children:
    """Four queries, however many child runs: their number, a page of them, and their numbers."""
    found = children_of(ask.evidence_id)
    shown = window("children", ask.query.get("children"), found.count(), MOST_CHILDREN)
    runs = list(found[shown.start : shown.end])
    numbers = last_numbers([run.pk for run in runs])
    names = Counter(name for own in numbers.values() for name in own)
    columns = sorted(sorted(names), key=lambda name: -names[name])[:COLUMNS]
    rows = [Child(run, [_text(numbers.get(run.pk, {}).get(name)) for name in columns]) for run in runs]
    return Children(columns, rows, shown, ask.run.is_final)


def _text(value: float | None) -> str:
    if value is None:
        return "–"
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else decimal(f"{value:.4g}")
