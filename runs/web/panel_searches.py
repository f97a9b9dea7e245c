"""The tab Trials of a step of automated machine learning: the models that it has tried, the best first."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

from core.clock import now
from core.words import decimal
from duto.spec import automl
from runs import stored_messages
from runs.models import Run
from runs.queries.children import children_of
from runs.queries.trials import values_of
from runs.web.panel_request import PanelRequest, StepPanelRequest
from runs.web.panel_trials import EDGE, HEIGHT, SHADES, WIDTH, Chart, Ended, best_so_far, number_text
from runs.web.windows import Window, window

MOST_TRIALS = 50
# What is told of a trial's hyperparameters; its own page has all.
MOST_SETTINGS = 3


@dataclass(frozen=True)
class SearchedModel:
    """A trial as a row of the table."""

    run: Run
    number: str
    settings: str
    metric: str
    why: str
    is_best: bool

    @property
    def name(self) -> str:
        """Azure ML's name of the model."""
        return str(self.run.properties.get("run_algorithm", self.run.display_name))

    @property
    def learner(self) -> str:
        """FLAML's name of the learner; empty for an ensemble."""
        return str(self.run.properties.get("learner", ""))


@dataclass(frozen=True)
class Searched:
    """What runs/panel/searched.html may show."""

    template: ClassVar[str] = "searched"

    metric: str
    is_greater_better: bool
    lines: list[SearchedModel]
    window: Window
    order: str
    total: int
    most: int
    best_so_far: Chart | None
    is_over: bool
    width: int = WIDTH
    height: int = HEIGHT
    edge: int = EDGE

    @property
    def right(self) -> int:
        return WIDTH - EDGE

    @property
    def floor(self) -> int:
        return HEIGHT - EDGE


def settings_of(ask: PanelRequest) -> automl.Settings | None:
    """The settings of a step of automated machine learning; None for any other."""
    if ask.spec.get("kind") != automl.KIND:
        return None
    try:
        return automl.settings_of(ask.spec.get("settings") or {})
    except ValueError:  # of a release that took what this one refuses
        return None


def searched(ask: StepPanelRequest, settings: automl.Settings) -> Searched:
    """Two queries, however many trials there are."""
    source = ask.run.step.reused_from or ask.run
    runs = sorted(children_of(ask.evidence_id), key=lambda run: (_iteration(run), run.pk))
    sign = 1 if settings.is_greater_better else -1
    logged = values_of(settings.primary_metric, sign, [run.pk for run in runs])
    better = {run.pk: max(logged[run.pk]) for run in runs if run.status == Run.Status.COMPLETED and run.pk in logged}
    ranked = sorted((run for run in runs if run.pk in better), key=lambda run: -better[run.pk])
    order = "" if ask.query.get("order") == "trial" else "metric"
    shown_runs = [*ranked, *(run for run in runs if run.pk not in better)] if order else runs
    shown = window("trials", ask.query.get("trials"), len(runs), MOST_TRIALS)
    lines = [
        SearchedModel(
            run,
            _number(run),
            _hyperparameters(run),
            number_text(sign * better[run.pk]) if run.pk in better else "–",
            stored_messages.error_text(run.error) if run.status in (Run.Status.FAILED, Run.Status.CANCELED) else "",
            run is ranked[0] if ranked else False,
        )
        for run in shown_runs[shown.start : shown.end]
    ]
    ended = [
        Ended(
            run.finished_at or now(),
            sign * better[run.pk],
            better[run.pk],
            f"#{_number(run)} {run.display_name}: {settings.primary_metric} {number_text(sign * better[run.pk])}",
            place * SHADES // len(ranked),
            run,
        )
        for place, run in enumerate(ranked)
    ]
    return Searched(
        settings.primary_metric, settings.is_greater_better, lines, shown, order, len(runs), settings.iterations,
        best_so_far(source.started_at, ended), ask.run.is_final,
    )  # fmt: skip


def _iteration(run: Run) -> int:
    """The number of a trial; what a script has opened beside them comes last."""
    found = str(run.properties.get("iteration", ""))
    return int(found) if found.isascii() and found.isdigit() and len(found) < 10 else 1_000_000_000


def _number(run: Run) -> str:
    return str(run.properties.get("iteration", "–"))


def _hyperparameters(run: Run) -> str:
    """The first ones of a model, the models of an ensemble."""
    try:
        found = json.loads(run.properties.get("hyperparameters", ""))
    except (TypeError, ValueError):
        return ""
    if not isinstance(found, dict):
        return ""
    if any(isinstance(value, dict) for value in found.values()):
        return ", ".join(map(str, found))
    texts = [f"{name} = {_value(value)}" for name, value in found.items()]
    return ", ".join(texts[:MOST_SETTINGS]) + (" …" if len(texts) > MOST_SETTINGS else "")


def _value(value: object) -> str:
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else decimal(f"{value:.3g}")
    return str(value)
