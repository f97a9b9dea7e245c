"""The log of a build: a spool that one agent appends to by offset."""

from __future__ import annotations

import base64
from functools import partial
from io import BytesIO
from typing import Any, BinaryIO

from django.db import transaction

from core import loglines, outbox, spools
from core.clock import now
from core.errors import Conflict, NotFound
from environments.models import EnvironmentBuild
from environments.services.builds import LEASE

FRAME_BYTES = 64 * 1024


def spool_of(build: EnvironmentBuild) -> str:
    return f"build-{build.pk}.log"


def append_build_log(build: EnvironmentBuild, offset: int, data: bytes) -> int:
    """Append at `offset` and return the new size. Raises Conflict with the stored size for any other offset."""
    with transaction.atomic():
        # The row's lock makes this the spool's only writer.
        row = EnvironmentBuild.objects.select_for_update().filter(pk=build.pk).first()
        if row is None:
            raise NotFound("There is no such build.")
        if offset != row.log_size:
            raise Conflict(f"The log has {row.log_size} bytes. Continue from there.", code="offset", size=row.log_size)
        spools.write(spool_of(row), offset, data)
        size = offset + len(data)
        errors = loglines.counted(
            row.log_errors, lambda: spools.reader(spool_of(row)), size, data
        )  # the agent sends whole lines
        renewed = {"lease_until": now() + LEASE} if row.status == EnvironmentBuild.Status.BUILDING else {}
        EnvironmentBuild.objects.filter(pk=row.pk).update(log_size=size, log_errors=errors, **renewed)
        build.log_size, build.log_errors = size, errors
        outbox.hint(f"build:{row.pk}", {**frame(offset, data), "errors": loglines.count_of(errors)})
    return size


def search_log(build: EnvironmentBuild, needle: str, start: int) -> loglines.Found:
    """Lines from byte `start` on that hold `needle`, whatever the case."""
    with reader(build) as source:
        return loglines.search(source, build.log_size, needle, start)


def errors_of_log(build: EnvironmentBuild, start: int) -> loglines.Found:
    """The lines from byte `start` on with which an error begins."""
    with reader(build) as source:
        return loglines.errors(source, build.log_size, start)


def reader(build: EnvironmentBuild) -> BinaryIO:
    """A seekable reader of the log. It may hold more bytes than `log_size`; those are not part of it yet."""
    try:
        return spools.reader(spool_of(build))
    except FileNotFoundError:
        return BytesIO()


def window(build: EnvironmentBuild, offset: int = 0, limit: int = loglines.WINDOW) -> loglines.Window:
    """Up to `limit` bytes from `offset`; a negative offset counts from the end."""
    errors = loglines.count_of(build.log_errors)
    return loglines.window(partial(reader, build), build.log_size, build.is_final, errors, offset, limit)


def frame(offset: int, data: bytes) -> dict[str, Any]:
    """A frame with the bytes, or only the place of a window that is too large for one."""
    if len(data) > FRAME_BYTES:
        return {"offset": offset, "size": offset + len(data)}
    return {"offset": offset, "text": base64.b64encode(data).decode()}


def catch_up(key: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """What a page that has `offset` bytes of the log has missed."""
    build = EnvironmentBuild.objects.filter(pk=key).first()
    offset = asked.get("offset")
    if build is None or not isinstance(offset, int) or not 0 <= offset < build.log_size:
        return []
    size = build.log_size - offset
    missed = (
        frame(offset, window(build, offset, FRAME_BYTES).data)
        if size <= FRAME_BYTES
        else {"offset": offset, "size": build.log_size}
    )
    return [{**missed, "errors": loglines.count_of(build.log_errors)}]
