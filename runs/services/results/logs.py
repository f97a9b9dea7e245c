"""The log of an attempt: a file while it is open, sealed into the artifact store at the end. Never rows."""

from __future__ import annotations

import base64
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from core import loglines, outbox, spools
from core.clock import now
from core.errors import Conflict, NotFound, TooLarge
from core.prepared import Prepared
from core.storage import store_path
from runs.models import Artifact, Attempt, RankLog, file_of_rank
from runs.queries.logs import Log, reader, sealed_key

FRAME_LIMIT = 64 * 1024
# The last line of a capped log tells how much was dropped; it must still fit.
CAP_SLACK = 64 * 1024
CURRENT = "user_logs/std_log.txt"


def append(attempt: Attempt, offset: int, data: bytes, rank: int | None = None) -> int:
    """Take bytes that follow what is stored of the attempt's own log, or of that of one of its processes, and answer how
    many are stored now.

    Raises Conflict (`offset`, with the stored `size`) when they do not follow: the agent continues from there.
    Raises TooLarge (`log_cap`) beyond the cap, which agents keep by themselves.
    """
    log = attempt if rank is None else _of_rank(attempt, rank)
    if attempt.log_sealed_at is not None or log.log_size != offset:
        raise refused(attempt, log.log_size)
    if not data:
        return offset
    size = offset + len(data)
    if size > settings.DUTO.log_cap_bytes + CAP_SLACK:
        raise TooLarge("The log is at its cap; what follows is dropped.", code="log_cap", size=offset)
    # Bytes first, then the row: a crash in between leaves bytes that nobody reads and that are sent again.
    with spools.taking(log.log_name):
        spools.write(log.log_name, offset, data)
        errors = loglines.counted(log.log_errors, lambda: reader(log), size, data)
        if not _unchanged(log).filter(log_size=offset).update(log_size=size, log_errors=errors):
            raise refused(attempt, _stored(log))
    log.log_size, log.log_errors = size, errors
    outbox.hint(f"log:{log.log_name}", {**frame(offset, data, size), "errors": loglines.count_of(log.log_errors)})
    return size


def _of_rank(attempt: Attempt, rank: int) -> RankLog:
    """The log of a process, from its first bytes on."""
    log, is_new = RankLog.objects.get_or_create(attempt=attempt, rank=rank)
    if is_new:
        count_ranks(attempt, rank + 1)
    log.attempt = attempt
    return log


def count_ranks(attempt: Attempt, count: int) -> None:
    """Note that the attempt has at least so many processes with logs."""
    Attempt.objects.filter(pk=attempt.pk, rank_count__lt=count).update(rank_count=count)
    attempt.rank_count = max(attempt.rank_count, count)


def _unchanged(log: Log) -> QuerySet[Any]:
    """Its row, while its attempt is at this epoch and the log is open."""
    if isinstance(log, RankLog):
        mine = {"attempt__epoch": log.attempt.epoch, "attempt__log_sealed_at__isnull": True}
        return RankLog.objects.filter(pk=log.pk, **mine)
    return Attempt.objects.filter(pk=log.pk, epoch=log.epoch, log_sealed_at__isnull=True)


def _stored(log: Log) -> int:
    size: int = _row(log).values_list("log_size", flat=True).get()
    return size


def _row(log: Log) -> QuerySet[Any]:
    return (RankLog.objects if isinstance(log, RankLog) else Attempt.objects).filter(Q(pk=log.pk))


def refused(attempt: Attempt, size: int) -> Conflict:
    """The answer to bytes at a wrong offset."""
    return Conflict(f"The stored size is {size}. Continue from there.", code="offset", size=size)


def frame(offset: int, data: bytes, size: int) -> dict[str, object]:
    """What watchers get: the bytes when they are few, else only where to fetch them."""
    if len(data) > FRAME_LIMIT:
        return {"offset": offset, "size": size, "final": False}
    return {"offset": offset, "size": size, "text": base64.b64encode(data).decode(), "final": False}


_SIZES: Prepared[tuple[int, int, int, Any, int]] = Prepared(
    lambda key: Attempt.objects.filter(pk=key).values_list(
        "log_size", "samples_size", "ledger_size", "log_errors", "rank_count"
    )
)


@transaction.atomic(savepoint=False)
def seal(attempt: Attempt) -> None:
    """Close the logs of an attempt that ended: their bytes move to the artifact store. May be called again."""
    if attempt.log_sealed_at is not None:
        return
    moment = now()
    if not Attempt.objects.filter(pk=attempt.pk, log_sealed_at__isnull=True).update(log_sealed_at=moment):
        return
    attempt.log_sealed_at = moment
    sizes = _SIZES.all(attempt.pk)[0]
    attempt.log_size, attempt.samples_size, attempt.ledger_size, attempt.log_errors, attempt.rank_count = sizes
    _seal(attempt, attempt, CURRENT)
    # Few attempts have any: the others shall not ask.
    for log in attempt.ranks.order_by("rank") if attempt.rank_count else ():
        log.attempt = attempt
        _seal(attempt, log, file_of_rank(log.rank))


def _seal(attempt: Attempt, log: Log, path: str) -> None:
    _count_the_rest(log)
    # Bytes beyond the stored size were never acknowledged, so they are not part of the log.
    spools.close(log.log_name, log.log_size, store_path(log.workspace_id), sealed_key(log.log_name))
    _name(attempt, log, path)
    end = {"offset": log.log_size, "size": log.log_size, "text": "", "final": True}
    outbox.hint(f"log:{log.log_name}", end | {"errors": loglines.count_of(log.log_errors)})


def _count_the_rest(log: Log) -> None:
    """The last line may have no end. A log that has gone from the disk is counted by nobody, and its attempt still ends."""
    try:
        errors = loglines.counted(log.log_errors, lambda: reader(log), log.log_size, final=True)
    except NotFound:
        errors = None
    if errors != log.log_errors:
        _row(log).update(log_errors=errors)
        log.log_errors = errors


def _name(attempt: Attempt, log: Log, path: str) -> None:
    """The newest attempt's log has the plain name; logs of earlier ones step aside and are kept."""
    free = path if attempt.number == 1 else _step_aside(attempt, path)
    row = Artifact(run_id=attempt.run_id, path=free, attempt=attempt, size=log.log_size, content_type="text/plain")
    Artifact.objects.bulk_create(
        [row],
        update_conflicts=True,
        unique_fields=["run", "path"],
        update_fields=["attempt", "size", "content_type"],
    )


def _step_aside(attempt: Attempt, path: str) -> str:
    """Move an earlier attempt's log from the plain name, and give the name for this one."""
    rows = Artifact.objects.filter(run_id=attempt.run_id, path=path).exclude(attempt=attempt)
    current = rows.select_related("attempt").first()
    if current is None or current.attempt is None:
        return path
    if current.attempt.number > attempt.number:
        return earlier(attempt.number, path)
    rows.update(path=earlier(current.attempt.number, path))
    return path


def earlier(number: int, path: str = CURRENT) -> str:
    """The artifact's name of the log of an attempt that was not the last one."""
    folder, name = path.split("/")
    return f"{folder}/attempt-{number}/{name}"
