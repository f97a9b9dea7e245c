"""The tab Trials of a sweep: its trials with their values and metric, and three charts of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.clock import now
from core.words import decimal, duration_text
from duto.spec.sweeps import Hyperparameter, Sweep
from runs import stored_messages
from runs.models import Run, Trial
from runs.queries.trials import TrialRow, settings_of, trials_of
from runs.sweeps import plan
from runs.web.panel_request import StepPanelRequest
from runs.web.windows import Window, window
from workspaces.models import Role

MOST_TRIALS = 50
# The charts' own coordinates; their size is the page's.
WIDTH, HEIGHT, EDGE = 640, 220, 34
# Trials are shaded by their rank, in so many shades.
SHADES = 5


@dataclass(frozen=True)
class TrialLine:
    """A trial as a row of the table."""

    trial: Trial
    values: list[str]
    metric: str
    why: str
    is_best: bool
    cancel: bool

    @property
    def run(self) -> Run:
        return self.trial.run


@dataclass(frozen=True)
class Mark:
    """A trial in a chart: where, what it says, and how good it is from 0 (the best) on."""

    x: float
    y: float
    title: str
    shade: int
    run: Run
    points: str = ""


@dataclass(frozen=True)
class Tick:
    """A place on an axis, and its word."""

    at: float
    text: str


@dataclass(frozen=True)
class Axis:
    """One axis of the parallel coordinates."""

    x: float
    name: str
    ticks: list[Tick]


@dataclass(frozen=True)
class Chart:
    """Marks with axes; `line` goes through the best so far."""

    marks: list[Mark]
    ticks_x: list[Tick]
    ticks_y: list[Tick]
    line: str = ""


@dataclass(frozen=True)
class Trials:
    """What runs/panel/trials.html may show."""

    metric: str
    goal: str
    names: list[str]
    lines: list[TrialLine]
    window: Window
    order: str
    total: int
    most: int
    best_so_far: Chart | None
    axes: list[Axis]
    parallel: list[Mark]
    by: str
    scatter: Chart | None
    clone: bool
    width: int = WIDTH
    height: int = HEIGHT
    edge: int = EDGE

    @property
    def right(self) -> int:
        return WIDTH - EDGE

    @property
    def floor(self) -> int:
        return HEIGHT - EDGE


def count_of(run: Run) -> int | None:
    """How many trials a sweep has; None for a step that is none."""
    if settings_of(run) is None:
        return None
    return Trial.objects.filter(sweep=run.step.reused_from_id or run.pk).count()


def trials(ask: StepPanelRequest) -> Trials:
    """Three queries, however many trials there are."""
    run = ask.run
    settings = settings_of(run)
    source = run.step.reused_from or run
    rows = trials_of(source, settings) if settings is not None else []
    if settings is None:
        raise LookupError(f"run {run.pk} is no sweep")
    ranked = sorted((row for row in rows if row.state.best is not None), key=lambda row: -_better(row))
    ranks = {row.run.pk: place for place, row in enumerate(ranked)}
    best = plan.best_of([row.state for row in rows])
    order = "metric" if ask.query.get("order") == "metric" else ""
    shown_rows = [*ranked, *(row for row in rows if row.run.pk not in ranks)] if order else rows
    shown = window("trials", ask.query.get("trials"), len(rows), MOST_TRIALS)
    names = [each.name for each in settings.space]
    by = ask.query.get("by", "")
    by = by if by in names else names[0]
    writes = ask.context.may(Role.CONTRIBUTOR)
    lines = [
        TrialLine(
            row.trial,
            [number_text(value) for value in row.trial.values],
            "–" if row.best is None else number_text(row.best),
            _why(row),
            best is not None and row.trial.number == best.number,
            writes and row.run.status not in (*Run.ENDS, Run.Status.CANCEL_REQUESTED),
        )
        for row in shown_rows[shown.start : shown.end]
    ]
    shades = {key: place * SHADES // max(1, len(ranked)) for key, place in ranks.items()}
    axes, parallel = _parallel(settings, ranked, shades)
    ended = [
        Ended(
            row.run.finished_at or now(), row.best, row.state.best, _title(row, settings), shades[row.run.pk], row.run
        )
        for row in rows
        if row.best is not None and row.state.best is not None
    ]
    return Trials(
        settings.metric, settings.goal, names, lines, shown, order, len(rows), settings.max_total,
        best_so_far(source.started_at, ended), axes, parallel, by,
        _scatter(settings, by, ranked, shades), writes,
    )  # fmt: skip


def _better(row: TrialRow) -> float:
    return row.state.best if row.state.best is not None else -math.inf


def _why(row: TrialRow) -> str:
    """Why it was stopped, or failed."""
    if row.trial.stopped:
        return stored_messages.localized(row.trial.stopped)
    return (
        stored_messages.error_text(row.run.error) if row.run.status in (Run.Status.FAILED, Run.Status.CANCELED) else ""
    )


def _title(row: TrialRow, settings: Sweep) -> str:
    values = ", ".join(f"{name} = {number_text(value)}" for name, value in row.hyperparameters.items())
    return f"{row.run.display_name}: {settings.metric} {number_text(row.best)} ({values})"


@dataclass(frozen=True)
class Ended:
    """What a trial has come to, and when; `better` is the same number, turned so that more is better."""

    at: datetime
    value: float
    better: float
    title: str
    shade: int
    run: Run


def best_so_far(start: datetime | None, trials: Sequence[Ended]) -> Chart | None:
    """Each trial's best at its end (or now), and the best of all until then."""
    found = sorted(trials, key=lambda each: each.at)
    if not found or start is None:
        return None
    seconds = [max(0.0, (each.at - start).total_seconds()) for each in found]
    x, y = _Scale(seconds, EDGE, WIDTH - EDGE), _Scale([each.value for each in found], HEIGHT - EDGE, EDGE)
    marks: list[Mark] = []
    steps: list[tuple[float, float | None, float]] = []
    best: Ended | None = None
    for second, each in zip(seconds, found, strict=True):
        marks.append(Mark(x.at(second), y.at(each.value), each.title, each.shade, each.run))
        if best is None or each.better > best.better:
            steps.append((x.at(second), None if best is None else y.at(best.value), y.at(each.value)))
            best = each
    line = " ".join(f"{a:.1f},{b:.1f} {a:.1f},{c:.1f}" if b is not None else f"{a:.1f},{c:.1f}" for a, b, c in steps)
    if best is not None:
        line += f" {WIDTH - EDGE},{y.at(best.value):.1f}"
    return Chart(marks, [Tick(x.at(each), duration_text(each)) for each in x.ends], y.ticks, line)


def _scatter(settings: Sweep, by: str, ranked: Sequence[TrialRow], shades: dict[Any, int]) -> Chart | None:
    if not ranked:
        return None
    place = [each.name for each in settings.space].index(by)
    x = _scale(settings.space[place], [row.trial.values[place] for row in ranked], EDGE, WIDTH - EDGE)
    y = _Scale([row.best or 0 for row in ranked], HEIGHT - EDGE, EDGE)
    marks = [
        Mark(x.at(row.trial.values[place]), y.at(row.best or 0), _title(row, settings), shades[row.run.pk], row.run)
        for row in reversed(ranked)
    ]
    return Chart(marks, x.ticks, y.ticks)


def _parallel(settings: Sweep, ranked: Sequence[TrialRow], shades: dict[Any, int]) -> tuple[list[Axis], list[Mark]]:
    """An axis for each hyperparameter and one for the metric, and a line through them for each trial."""
    if not ranked:
        return [], []
    count = len(settings.space) + 1
    across = [EDGE + place * (WIDTH - 2 * EDGE) / max(1, count - 1) for place in range(count)]
    scales: list[_Scale | _Options] = [
        _scale(each, [row.trial.values[place] for row in ranked], HEIGHT - EDGE, EDGE)
        for place, each in enumerate(settings.space)
    ]
    scales.append(_Scale([row.best or 0 for row in ranked], HEIGHT - EDGE, EDGE))
    names = [*(each.name for each in settings.space), settings.metric]
    axes = [Axis(x, name, scale.ticks) for x, name, scale in zip(across, names, scales, strict=True)]
    marks = []
    for row in reversed(ranked):  # the best on top
        values = [*row.trial.values, row.best or 0]
        points = " ".join(f"{x:.1f},{s.at(v):.1f}" for x, s, v in zip(across, scales, values, strict=True))
        marks.append(Mark(0, 0, _title(row, settings), shades[row.run.pk], row.run, points))
    return axes, marks


class _Scale:
    """Numbers on an axis, by their logarithm where that is how they were drawn."""

    def __init__(self, values: Sequence[float], start: float, end: float, *, is_log: bool = False) -> None:
        self.start, self.end = start, end
        self.is_log = is_log and min(values) > 0
        self.ends = sorted({min(values), max(values)})

    def at(self, value: Any) -> float:
        low, high = self._of(self.ends[0]), self._of(self.ends[-1])
        share = 0.5 if low == high else (self._of(value) - low) / (high - low)
        return self.start + share * (self.end - self.start)

    def _of(self, value: float) -> float:
        return math.log(value) if self.is_log else float(value)

    @property
    def ticks(self) -> list[Tick]:
        return [Tick(self.at(each), number_text(each)) for each in self.ends]


class _Options:
    """The options of a choice on an axis, side by side, and after them values that are none of them, however they came."""

    def __init__(self, options: Sequence[Any], values: Sequence[Any], start: float, end: float) -> None:
        found = {repr(each): each for each in (*options, *values)}
        self.places = {key: place for place, key in enumerate(found)}
        self.options, self.start, self.end = list(found.values()), start, end

    def at(self, value: Any) -> float:
        return self.start + (self.places[repr(value)] + 0.5) / len(self.options) * (self.end - self.start)

    @property
    def ticks(self) -> list[Tick]:
        return [Tick(self.at(each), number_text(each)) for each in self.options]


def _scale(parameter: Hyperparameter, values: Sequence[Any], start: float, end: float) -> _Scale | _Options:
    if parameter.expression == "choice":
        return _Options(parameter.values, values, start, end)
    return _Scale(values, start, end, is_log="log" in parameter.expression)


def number_text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return str(value) if isinstance(value, int) else decimal(f"{value:.4g}")
