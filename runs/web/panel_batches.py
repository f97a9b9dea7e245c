"""The tab Mini-batches of a parallel step: how far it is, its processes, and what failed with its words."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from duto.spec.ledger import Failure, Progress, WorkerState, merged
from runs.models import Attempt, Run
from runs.queries.documents import members_of
from runs.queries.ledgers import progress_of
from runs.web.panel_request import StepPanelRequest

SHOWN = 50
WHYS: Mapping[str, str | Promise] = {
    "error": _("error"),
    "no_result": _("no result"),
    "timeout": _("too slow"),
    "lost": _("process lost"),
}
STATES: Mapping[str, str | Promise] = {
    "starting": _("starting"),
    "ready": _("ready"),
    "gone": _("lost"),
    "timed_out": _("too slow"),
    "ended": _("ended"),
}


@dataclass(frozen=True)
class Worker:
    """A row of a process: `batch` is the mini-batch that it is at, since `since`."""

    name: str
    state: str | Promise
    batch: int | None
    since: datetime | None
    done: int
    failed: int
    restarts: int
    mean: float | None


@dataclass(frozen=True)
class Failed:
    """A try of a mini-batch that failed."""

    number: int
    attempt: int
    why: str | Promise
    error: str
    log: str
    worker: int
    at: datetime | None
    final: bool
    is_open: bool

    @property
    def line(self) -> str:
        """The last line of its error, which says what it was."""
        return (self.error.rstrip().splitlines() or [""])[-1]


@dataclass(frozen=True)
class Batches:
    """What runs/panel/batches.html may show."""

    attempt: Attempt | None
    is_over: bool
    progress: Mapping[str, Any] | None = None
    workers: tuple[Worker, ...] = ()
    failures: tuple[Failed, ...] = ()
    more: int = 0


def batches(ask: StepPanelRequest, attempt: Attempt | None) -> Batches:
    """Of the attempt that is looked at, what its ledger says."""
    over = ask.step.status in Run.ENDS
    if attempt is None or not any(each.ledger_size for each in members_of(attempt) or [attempt]):
        return Batches(attempt, over)
    with ExitStack() as stack:
        members = [each for each in members_of(attempt) if each.ledger_size] or [attempt]
        progress = merged([stack.enter_context(progress_of(each, Progress)) for each in members])
        found = sorted(progress.failures, key=lambda each: (not each.final, -each.at))
        return Batches(
            attempt,
            over,
            _numbers(progress),
            tuple(_worker(each, attempt.is_final) for _slot, each in sorted(progress.workers.items())),
            tuple(_failed(each, place == 0) for place, each in enumerate(found[:SHOWN])),
            progress.failed + progress.retried - min(len(found), SHOWN),
        )


def _numbers(progress: Progress) -> dict[str, Any]:
    return {
        "count": progress.count,
        "done": progress.done,
        "adopted": progress.adopted,
        "failed": progress.failed,
        "retried": progress.retried,
        "running": progress.running,
        "left": progress.left,
        "items": progress.items,
        "items_done": progress.items_done,
        "items_failed": progress.items_failed,
        "rate": progress.rate(),
        "seconds_left": progress.seconds_left(),
        "over": progress.done + progress.failed,
    }


def _worker(each: WorkerState, is_over: bool) -> Worker:
    fresh = each.done
    return Worker(
        each.name,
        STATES["ended"] if is_over else STATES.get(each.state, each.state),
        None if is_over else each.batch,
        moment_of(each.batch_at) if each.batch is not None else None,
        each.done,
        each.failed,
        each.restarts,
        each.seconds / fresh if fresh else None,
    )


def _failed(each: Failure, is_first: bool) -> Failed:
    why = WHYS.get(each.why, each.why)
    return Failed(
        each.number, each.attempt, why, each.error, each.log, each.worker, moment_of(each.at), each.final, is_first
    )


def moment_of(at: float | None) -> datetime | None:
    """A time of the host's; one that is none is not shown."""
    try:
        return None if at is None else datetime.fromtimestamp(at, UTC)
    except (OverflowError, ValueError, OSError):
        return None
