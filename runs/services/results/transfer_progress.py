"""How far the bytes of an attempt are: a document in its row, and a word to the pages that show it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import Error, connections, transaction

from core import outbox
from core.clock import iso, now
from duto_protocol.messages import Absent, Transfers
from duto_protocol.meters import TOLD_EVERY_S, Meter
from duto_protocol.reading import builtins_of
from runs.models import Attempt

log = logging.getLogger(__name__)


def merged(known: dict[str, Any] | None, message: Transfers | Absent) -> dict[str, Any] | None:
    """What is known of the ways of an attempt's bytes, with what is told now in its place. Of outputs of which the host has sent
    some and the studio others the studio's word is about all, and stays."""
    found: dict[str, Any] = builtins_of(message) if isinstance(message, Transfers) else {}
    moment, kept = iso(now()), dict(known or {})
    for way, each in found.items():
        if kept.get(way, {}).get("files_total", 0) <= each["files_total"]:
            kept[way] = {**each, "at": moment}
    return kept or None


def keep(attempt: Attempt, message: Transfers | Absent) -> None:
    """Note what is told, while the attempt is open, and have its pages look."""
    if not isinstance(message, Transfers):
        return
    with transaction.atomic():
        rows = Attempt.objects.filter(pk=attempt.pk, epoch=attempt.epoch).exclude(status__in=Attempt.ENDS)
        found = rows.select_for_update(no_key=True).values_list("transfers", flat=True)
        for known in found:
            rows.update(transfers=merged(known, message))
    outbox.hint(f"transfers:{attempt.pk}", {"reload": True})


@contextmanager
def watched(attempt: Attempt, meter: Meter) -> Iterator[None]:
    """Keep once a second what the meter says of outputs on their way to a store, and at last what it says of all of them. Those
    who send them write no rows: each would hold a connection."""
    if not meter.transfer.files_total:
        yield
        return
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(attempt, meter, over), name="transfers", daemon=True)
    watch.start()
    try:
        yield
    finally:
        over.set()
        watch.join()
        keep(attempt, Transfers(outputs=meter.transfer))


def _watch(attempt: Attempt, meter: Meter, over: threading.Event) -> None:
    try:
        while not over.wait(TOLD_EVERY_S):
            try:
                keep(attempt, Transfers(outputs=meter.transfer))
            except Error as error:  # a busy database: the next word tells as much
                log.info("the progress of attempt %s is not kept: %s", attempt.pk, error)
    finally:
        connections.close_all()
