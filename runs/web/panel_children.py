"""The tab Child runs: what a program opened below the run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from core.words import decimal
from runs.models import Run
from runs.queries.children import by_number, children_of, last_numbers
from runs.web.panel_request import PanelRequest
from runs.web.windows import Window, window

MOST_CHILDREN = 50
# Columns of metrics: those that most of the runs of the page have.
COLUMNS = 4


@dataclass(frozen=True)
class Column:
    """A metric; `order` is what the address says where the runs come by it, a minus before the name for the largest first."""

    name: str
    order: str

    @property
    def sort(self) -> str:
        """As `aria-sort` has it; empty where they do not come by it."""
        return {self.name: "ascending", f"-{self.name}": "descending"}.get(self.order, "")

    @property
    def next(self) -> str:
        """What a click asks for: the largest first, then the smallest."""
        return self.name if self.sort == "descending" else f"-{self.name}"


@dataclass(frozen=True)
class Child:
    """One child run with its numbers, in the order of the columns."""

    run: Run
    numbers: list[str]


@dataclass(frozen=True)
class Children:
    """What runs/panel/children.html may show."""

    columns: list[Column]
    order: str
    rows: list[Child]
    window: Window
    is_over: bool


def children(ask: PanelRequest) -> Children:
    """Four queries, however many child runs: their number, a page of them, and their numbers."""
    found, order = children_of(ask.evidence_id), ask.query.get("order", "")
    by = order.removeprefix("-")
    shown = window("children", ask.query.get("children"), found.count(), MOST_CHILDREN)
    if by:
        found = by_number(found, by, falling=order != by)
    runs = list(found[shown.start : shown.end])
    numbers = last_numbers([run.pk for run in runs])
    names = Counter(name for own in numbers.values() for name in own)
    # What they come by is shown, however few of the page have it.
    columns = sorted({*names, *([by] if by else [])}, key=lambda name: (name != by, -names[name], name))[:COLUMNS]
    columns = sorted(columns, key=lambda name: (-names[name], name))
    rows = [Child(run, [_text(numbers.get(run.pk, {}).get(name)) for name in columns]) for run in runs]
    return Children([Column(name, order) for name in columns], order, rows, shown, ask.run.is_final)


def _text(value: float | None) -> str:
    if value is None:
        return "–"
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else decimal(f"{value:.4g}")
