"""What a step uses, as its agent samples it: a file beside the log while it runs, sealed with it at the end. Never rows."""

from __future__ import annotations

import os

from core import outbox
from core.errors import TooLarge
from core.storage import artifact_store
from runs.models import Attempt
from runs.queries.logs import open_path, sealed_key
from runs.queries.usage import samples_of
from runs.services.results import logs

# Two days of samples of a step with one device; agents sample old steps seldom.
CAP = 4 * 1024 * 1024


def append(attempt: Attempt, offset: int, data: bytes) -> int:
    """Take the whole lines of `data`, which follow what is stored, and answer how many bytes are stored now.

    Raises Conflict (`offset`, with the stored `size`) when they do not follow, TooLarge (`samples_cap`) beyond the cap.
    """
    if attempt.log_sealed_at is not None or attempt.samples_size != offset:
        raise logs.refused(attempt, attempt.samples_size)
    whole = data[: data.rfind(b"\n") + 1]
    if not whole:
        return offset
    size = offset + len(whole)
    if size > CAP:
        raise TooLarge(
            "There are enough samples of this step; what follows is dropped.", code="samples_cap", size=offset
        )
    # Bytes first, then the row: a crash in between leaves bytes that nobody reads and that are sent again.
    logs.write_at(open_path(samples_of(attempt.pk)), offset, whole)
    mine = Attempt.objects.filter(pk=attempt.pk, epoch=attempt.epoch, samples_size=offset, log_sealed_at__isnull=True)
    if not mine.update(samples_size=size):
        raise logs.refused(attempt, Attempt.objects.values_list("samples_size", flat=True).get(pk=attempt.pk))
    attempt.samples_size = size
    outbox.hint(f"usage:{attempt.pk}", {"size": size})
    return size


def seal(attempt: Attempt) -> None:
    """Move the samples of an attempt whose log was just sealed to the artifact store. May be called again."""
    source = open_path(samples_of(attempt.pk))
    if not attempt.samples_size or not source.exists():  # most short steps have none
        source.unlink(missing_ok=True)
        return
    # Bytes beyond the stored size were never acknowledged, so they are no samples.
    os.truncate(source, attempt.samples_size)
    artifact_store(attempt.run.workspace_id).adopt(source, sealed_key(samples_of(attempt.pk)))
