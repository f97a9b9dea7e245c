"""The tab Stages of a Spark step: how far its applications are, as Spark's own page tells it, and who works on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils.functional import Promise
from django.utils.translation import pgettext_lazy

from duto.spec import stages as spec
from duto.spec.stages import App, Executor, Stage, Stages
from runs.models import Attempt, Run
from runs.queries.ledgers import progress_of
from runs.web.panel_batches import moment_of
from runs.web.panel_request import StepPanelRequest

SHOWN, EXECUTORS_SHOWN = 100, 100
STATES: Mapping[str, str | Promise] = {
    spec.ACTIVE: pgettext_lazy("stage", "running"),
    spec.PENDING: pgettext_lazy("stage", "waiting"),
    spec.COMPLETE: pgettext_lazy("stage", "done"),
    spec.FAILED: pgettext_lazy("stage", "failed"),
    spec.SKIPPED: pgettext_lazy("stage", "skipped"),
    spec.CANCELED: pgettext_lazy("stage", "canceled"),
}


@dataclass(frozen=True)
class StageRow:
    """A row of a stage; `of_app` is the number of its application, where there are several."""

    stage: Stage
    state: str | Promise
    of_app: int | None
    began_at: datetime | None
    seconds: float | None


@dataclass(frozen=True)
class Sums:
    """All stages together; those that were skipped count for nothing."""

    stages: int
    stages_done: int
    stages_running: int
    stages_failed: int
    tasks: int
    tasks_done: int
    tasks_running: int
    tasks_failed: int
    read: int
    written: int
    shuffled: int


@dataclass(frozen=True)
class StagesShown:
    """What runs/panel/stages.html may show."""

    attempt: Attempt | None
    is_over: bool
    app: App | None = None
    sums: Sums | None = None
    rows: tuple[StageRow, ...] = ()
    executors: tuple[Executor, ...] = ()
    more: int = 0


def stages(ask: StepPanelRequest, attempt: Attempt | None) -> StagesShown:
    """Of the attempt that is looked at, what its ledger says."""
    over = ask.step.status in Run.ENDS
    if attempt is None or not attempt.ledger_size:
        return StagesShown(attempt, over)
    with progress_of(attempt, Stages) as found:
        apps = list(found.apps)
        numbers = {name: place for place, name in enumerate(apps, 1)} if len(apps) > 1 else {}
        newest = found.newest
        return StagesShown(
            attempt,
            over,
            found.apps[apps[-1]] if apps else None,
            _sums(found) if found.stages else None,
            tuple(_row(each, numbers.get(each.app)) for each in newest[:SHOWN]),
            tuple(each for key, each in found.executors.items() if key[0] == apps[-1])[:EXECUTORS_SHOWN]
            if apps
            else (),
            max(0, len(newest) - SHOWN),
        )


def _sums(found: Stages) -> Sums:
    return Sums(
        len(found.stages) - found.count(spec.SKIPPED),
        found.count(spec.COMPLETE),
        found.count(spec.ACTIVE),
        found.count(spec.FAILED, spec.CANCELED),
        found.total("tasks"),
        found.total("done"),
        found.total("active"),
        found.total("failed"),
        found.total("read"),
        found.total("written"),
        found.total("shuffle_written"),
    )


def _row(stage: Stage, of_app: int | None) -> StageRow:
    began, ended = stage.began_at, stage.ended_at
    lasted = max(0.0, ended - began) if began is not None and ended is not None else None
    return StageRow(stage, STATES.get(stage.status, stage.status), of_app, moment_of(began), lasted)
