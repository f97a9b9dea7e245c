"""Windows of a log by byte offset, and a search that never loads more than a piece of it."""

from __future__ import annotations

from functools import partial
from io import BytesIO
from typing import BinaryIO
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from core import loglines, spools
from core.errors import NotFound
from core.prepared import Prepared
from core.storage import artifact_store
from duto.spec import distribution
from runs.models import Attempt, RankLog, Run
from runs.queries.graphs import parsed

# A log of bytes: that of an attempt, or of one of its processes.
Log = Attempt | RankLog


def sealed_key(name: object) -> str:
    """Where the bytes of a spool lie once the attempt is over, in the workspace's artifact store."""
    return f"logs/{name}"


def _of(run: UUID, node: int) -> QuerySet[Attempt]:
    return Attempt.objects.filter(run=run, node_rank=node).select_related("run").defer("run__graph")


_LAST: Prepared[Attempt] = Prepared(lambda run: _of(run, 0).order_by("-number")[:1])


def attempt_of(run: Run, number: int | None = None, node: int = 0) -> Attempt:
    """The attempt with this number, or the last one; of one on several nodes the member of this one. Raises NotFound."""
    # A reused step has the log of its source.
    source = run.step.reused_from_id if hasattr(run, "step") else None
    key = source or run.pk
    if number is None and not node:
        found = _LAST.first(key)
    else:
        numbers = {} if number is None else {"number": number}
        found = _of(key, node).filter(**numbers).order_by("-number").first()
    if found is None:
        text = _("This run has no attempt yet.") if number is None else _("This run has no attempt %(number)s.")
        raise NotFound(text % {"number": number})
    return found


def log_of(attempt: Attempt, rank: int | None) -> Log:
    """The attempt's own log, or that of one of its processes. Raises NotFound."""
    if rank is None:
        return attempt
    attempt = _holding(attempt, rank)
    found = attempt.ranks.filter(rank=rank).first()
    if found is None and rank in ranks_of(attempt):
        # It has said nothing yet.
        found = RankLog(attempt=attempt, rank=rank)
    if found is None:
        text = _("Attempt %(number)s has no log of rank %(rank)s.")
        raise NotFound(text % {"number": attempt.number, "rank": rank})
    found.attempt = attempt
    return found


def _holding(attempt: Attempt, rank: int) -> Attempt:
    """The member of its try that has this process."""
    for node in range(attempt.node_count if attempt.node_count > 1 else 0):
        if rank in ranks_of(attempt, node):
            return attempt_of(attempt.run, attempt.number, node)
    return attempt


def ranks_of(attempt: Attempt, node: int | None = None) -> list[int]:
    """Those that the step has on the node of this attempt, or on another one, all of which may say something."""
    run = attempt.run
    spread = parsed(run.graph_id).steps[run.step.node_id].distribution if hasattr(run, "step") else None
    if spread is None:
        return []
    resolved = distribution.resolved(spread, (run.root or run).parameters)
    return distribution.ranks_on(resolved, attempt.node_count, attempt.node_rank if node is None else node)


def window(log: Log, offset: int = 0, limit: int = loglines.WINDOW) -> loglines.Window:
    """Up to `limit` bytes from `offset`; a negative offset counts from the end."""
    final, errors = log.log_sealed_at is not None, loglines.count_of(log.log_errors)
    return loglines.window(partial(reader, log), log.log_size, final, errors, offset, limit)


def reader(log: Log) -> BinaryIO:
    """A seekable reader of the log. It may hold more bytes than `log_size`; those are not part of it yet."""

    def sealed() -> BinaryIO:
        return artifact_store(log.workspace_id).open(sealed_key(log.log_name))

    try:
        return spools.reader(log.log_name, sealed)
    except FileNotFoundError:
        if log.log_removed_at is not None:
            raise NotFound(
                _("The log was removed on %(log_removed_at)s by the workspace's retention.")
                % {"log_removed_at": f"{log.log_removed_at:%Y-%m-%d}"},
                code="removed",
            ) from None
        # Sealed, perhaps since this row was read.
        return sealed()


def search(log: Log, needle: str, start: int = 0) -> loglines.Found:
    """Lines from byte `start` on that hold `needle`, whatever the case. Stops after some, and says where."""
    with _whole(log) as source:
        return loglines.search(source, log.log_size, needle, start)


def errors(log: Log, start: int = 0) -> loglines.Found:
    """The lines from byte `start` on with which an error begins."""
    with _whole(log) as source:
        return loglines.errors(source, log.log_size, start)


def _whole(log: Log) -> BinaryIO:
    return reader(log) if log.log_size else BytesIO()
