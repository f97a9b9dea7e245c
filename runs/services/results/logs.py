"""The log of an attempt: a file while it is open, sealed into the artifact store at the end. Never rows."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from core import loglines, outbox
from core.clock import now
from core.errors import Conflict, NotFound, TooLarge
from core.prepared import Prepared
from core.storage import artifact_store
from runs.models import Artifact, Attempt
from runs.queries.logs import open_path, reader, sealed_key

FRAME_LIMIT = 64 * 1024
# The last line of a capped log tells how much was dropped; it must still fit.
CAP_SLACK = 64 * 1024
CURRENT = "user_logs/std_log.txt"


def append(attempt: Attempt, offset: int, data: bytes) -> int:
    """Take bytes that follow what is stored, and answer how many are stored now.

    Raises Conflict (`offset`, with the stored `size`) when they do not follow: the agent continues from there.
    Raises TooLarge (`log_cap`) beyond the cap, which agents keep by themselves.
    """
    if attempt.log_sealed_at is not None or attempt.log_size != offset:
        raise refused(attempt, attempt.log_size)
    if not data:
        return offset
    size = offset + len(data)
    if size > settings.DUTO.log_cap_bytes + CAP_SLACK:
        raise TooLarge("The log is at its cap; what follows is dropped.", code="log_cap", size=offset)
    # Bytes first, then the row: a crash in between leaves bytes that nobody reads and that are sent again.
    write_at(open_path(attempt.pk), offset, data)
    errors = loglines.counted(attempt.log_errors, lambda: reader(attempt), size, data)
    mine = Attempt.objects.filter(pk=attempt.pk, epoch=attempt.epoch, log_size=offset, log_sealed_at__isnull=True)
    if not mine.update(log_size=size, log_errors=errors):
        raise refused(attempt, Attempt.objects.values_list("log_size", flat=True).get(pk=attempt.pk))
    attempt.log_size, attempt.log_errors = size, errors
    outbox.hint(f"log:{attempt.pk}", {**frame(offset, data, size), "errors": loglines.count_of(attempt.log_errors)})
    return size


def refused(attempt: Attempt, size: int) -> Conflict:
    """The answer to bytes at a wrong offset."""
    return Conflict(f"The stored size is {size}. Continue from there.", code="offset", size=size)


def frame(offset: int, data: bytes, size: int) -> dict[str, object]:
    """What watchers get: the bytes when they are few, else only where to fetch them."""
    if len(data) > FRAME_LIMIT:
        return {"offset": offset, "size": size, "final": False}
    return {"offset": offset, "size": size, "text": base64.b64encode(data).decode(), "final": False}


def write_at(path: Path, offset: int, data: bytes) -> None:
    """Write bytes at a place of a file, which is made where there is none."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
    try:
        handle = os.open(path, flags, 0o600)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, flags, 0o600)
    try:
        view, place = memoryview(data), offset
        while view:
            written = os.pwrite(handle, view, place)
            view, place = view[written:], place + written
    finally:
        os.close(handle)


_SIZES: Prepared[tuple[int, int, Any]] = Prepared(
    lambda key: Attempt.objects.filter(pk=key).values_list("log_size", "samples_size", "log_errors")
)


@transaction.atomic(savepoint=False)
def seal(attempt: Attempt) -> None:
    """Close the log of an attempt that ended: its bytes move to the artifact store. May be called again."""
    if attempt.log_sealed_at is not None:
        return
    moment = now()
    if not Attempt.objects.filter(pk=attempt.pk, log_sealed_at__isnull=True).update(log_sealed_at=moment):
        return
    attempt.log_sealed_at = moment
    attempt.log_size, attempt.samples_size, attempt.log_errors = _SIZES.all(attempt.pk)[0]
    _count_the_rest(attempt)
    _store(attempt)
    _name(attempt)
    end = {"offset": attempt.log_size, "size": attempt.log_size, "text": "", "final": True}
    outbox.hint(f"log:{attempt.pk}", end | {"errors": loglines.count_of(attempt.log_errors)})


def _count_the_rest(attempt: Attempt) -> None:
    """The last line may have no end. A log that has gone from the disk is counted by nobody, and its attempt still ends."""
    try:
        errors = loglines.counted(attempt.log_errors, lambda: reader(attempt), attempt.log_size, final=True)
    except NotFound:
        errors = None
    if errors != attempt.log_errors:
        Attempt.objects.filter(pk=attempt.pk).update(log_errors=errors)
        attempt.log_errors = errors


def _store(attempt: Attempt) -> None:
    """Move the file. A crash before the commit leaves it moved, which readers and the next seal both allow."""
    source, key = open_path(attempt.pk), sealed_key(attempt.pk)
    store = artifact_store(attempt.run.workspace_id)
    if not source.exists():
        if store.exists(key):
            return
        write_at(source, 0, b"")
    # Bytes beyond the stored size were never acknowledged, so they are not part of the log.
    os.truncate(source, attempt.log_size)
    store.adopt(source, key)


def _name(attempt: Attempt) -> None:
    """The newest attempt's log has the plain name; logs of earlier ones step aside and are kept."""
    path = CURRENT if attempt.number == 1 else _step_aside(attempt)
    row = Artifact(run_id=attempt.run_id, path=path, attempt=attempt, size=attempt.log_size, content_type="text/plain")
    Artifact.objects.bulk_create(
        [row],
        update_conflicts=True,
        unique_fields=["run", "path"],
        update_fields=["attempt", "size", "content_type"],
    )


def _step_aside(attempt: Attempt) -> str:
    """Move an earlier attempt's log from the plain name, and give the name for this one."""
    rows = Artifact.objects.filter(run_id=attempt.run_id, path=CURRENT).exclude(attempt=attempt)
    current = rows.select_related("attempt").first()
    if current is None or current.attempt is None:
        return CURRENT
    if current.attempt.number > attempt.number:
        return earlier(attempt.number)
    rows.update(path=earlier(current.attempt.number))
    return CURRENT


def earlier(number: int) -> str:
    """The artifact's name of the log of an attempt that was not the last one."""
    return f"user_logs/attempt-{number}/std_log.txt"
