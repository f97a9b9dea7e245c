"""The logs of the processes of a step that has several, side by side."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from duto.spec import distribution
from runs.models import Attempt, RankLog, rank_log_name
from runs.queries.documents import ranks_of
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
    count = spread.processes + spread.parameter_servers
    if count < 2:
        return None
    asked = ask.query.get("ranks", "")
    first = int(asked) // MOST * MOST if asked.isdecimal() and len(asked) < 4 and int(asked) < count else 0
    if asked == TOGETHER:
        return Ranks(count, 0, True, [])
    known = {each.rank: each for each in ranks_of(attempt)}
    numbers = range(first, min(first + MOST, count))
    shown = [_rank(attempt, number, number >= spread.processes, known.get(number)) for number in numbers]
    return Ranks(count, first, False, shown)


def _rank(attempt: Attempt, number: int, is_server: bool, log: RankLog | None) -> Rank:
    end, is_bad = _end(log) if log is not None else ("", False)
    return Rank(number, is_server, f"log:{rank_log_name(attempt.pk, number)}", end, is_bad)


def _end(log: RankLog) -> tuple[str, bool]:
    """How it ended, and whether that failed the step; nothing while it runs."""
    if log.was_ended:
        return _("ended with the others"), False
    if log.signal:
        return _("signal %(number)s") % {"number": log.signal}, True
    if log.exit_code is None:
        return "", False
    return _("exit code %(code)s") % {"code": log.exit_code}, log.exit_code != 0
