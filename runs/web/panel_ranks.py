"""The logs of the processes of a step that has several, side by side."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from duto.spec import distribution
from runs.models import Attempt, RankLog, rank_log_name
from runs.queries.documents import members_of, ranks_of
from runs.queries.graphs import parsed
from runs.web.panel_request import StepPanelRequest

# Each is a log that is read and followed.
MOST = 8
TOGETHER = "together"


@dataclass(frozen=True)
class Rank:
    """One process: its log, and how it ended."""

    number: int
    is_server: bool
    topic: str
    end: str = ""
    is_bad: bool = False
    is_final: bool = False
    node: int = 0


@dataclass(frozen=True)
class Ranks:
    """The processes from `first` on, as many as are shown at once, or the log of all of them."""

    count: int
    first: int
    is_together: bool
    shown: list[Rank]

    @property
    def last(self) -> int:
        return min(self.first + MOST, self.count) - 1

    @property
    def before(self) -> int | None:
        return max(0, self.first - MOST) if self.first else None

    @property
    def after(self) -> int | None:
        return self.first + MOST if self.last + 1 < self.count else None


def ranks(ask: StepPanelRequest, attempt: Attempt | None) -> Ranks | None:
    """Those that the address names; None for a step of one process."""
    root = ask.tree.root
    step = parsed(root.pk).steps.get(ask.step.node)
    if attempt is None or step is None or step.distribution is None:
        return None
    spread = distribution.resolved(step.distribution, root.parameters)
    workers = distribution.workers_of(spread, attempt.node_count)
    count = workers + spread.parameter_servers
    if count < 2:
        return None
    asked = ask.query.get("ranks", "")
    first = int(asked) // MOST * MOST if asked.isdecimal() and len(asked) < 4 and int(asked) < count else 0
    if asked == TOGETHER:
        return Ranks(count, 0, True, [])
    known = {each.rank: each for one in members_of(attempt) or [attempt] for each in ranks_of(one)}
    holders = {
        number: each
        for each in members_of(attempt)
        for number in distribution.ranks_on(spread, attempt.node_count, each.node_rank)
    }
    numbers = range(first, min(first + MOST, count))
    shown = [_rank(holders.get(number, attempt), number, number >= workers, known.get(number)) for number in numbers]
    return Ranks(count, first, False, shown)


def _rank(attempt: Attempt, number: int, is_server: bool, log: RankLog | None) -> Rank:
    end, is_bad = _end(log) if log is not None else ("", False)
    topic = f"log:{rank_log_name(attempt.pk, number)}"
    return Rank(number, is_server, topic, end, is_bad, attempt.log_sealed_at is not None, attempt.node_rank)


def _end(log: RankLog) -> tuple[str, bool]:
    """How it ended, and whether that failed the step; nothing while it runs."""
    if log.was_ended:
        return _("ended with the others"), False
    if log.signal:
        return _("signal %(number)s") % {"number": log.signal}, True
    if log.exit_code is None:
        return "", False
    return _("exit code %(code)s") % {"code": log.exit_code}, log.exit_code != 0
