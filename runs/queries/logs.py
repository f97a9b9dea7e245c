"""Windows of a log by byte offset, and a search that never loads more than a piece of it."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from django.utils.translation import gettext as _

from core import loglines
from core.errors import Invalid, NotFound
from core.storage import artifact_store, data_dir
from runs.models import Attempt, Run

WINDOW = 256 * 1024
WINDOW_MAX = 4 * 1024 * 1024


@dataclass(frozen=True)
class Window:
    """Bytes of a log. `size` is what the studio has stored; `final` says that no more will come, `errors` how many
    the whole of it tells of, where they were counted."""

    offset: int
    data: bytes
    size: int
    final: bool
    errors: int | None


def open_path(attempt_id: object) -> Path:
    """Where the bytes lie while the attempt is under way."""
    return data_dir() / "logs" / str(attempt_id)


def sealed_key(attempt_id: object) -> str:
    """Where they lie afterwards, in the workspace's artifact store."""
    return f"logs/{attempt_id}"


def attempt_of(run: Run, number: int | None = None) -> Attempt:
    """The attempt with this number, or the last one. Raises NotFound."""
    # A reused step has the log of its source.
    source = run.step.reused_from_id if hasattr(run, "step") else None
    attempts = Attempt.objects.filter(run_id=source or run.pk).select_related("run").defer("run__graph")
    found = attempts.order_by("-number").first() if number is None else attempts.filter(number=number).first()
    if found is None:
        told = _("This run has no attempt yet.") if number is None else _("This run has no attempt %(number)s.")
        raise NotFound(told % {"number": number})
    return found


def window(attempt: Attempt, offset: int = 0, limit: int = WINDOW) -> Window:
    """Up to `limit` bytes from `offset`; a negative offset counts from the end."""
    if not 0 < limit <= WINDOW_MAX:
        raise Invalid(_("'limit' is a number of bytes from 1 to %(window_max)s.") % {"window_max": WINDOW_MAX})
    size = attempt.log_size
    start = min(size, offset) if offset >= 0 else max(0, size + offset)
    length = min(limit, size - start)
    final, errors = attempt.log_sealed_at is not None, loglines.count_of(attempt.log_errors)
    if not length:
        return Window(start, b"", size, final, errors)
    with reader(attempt) as source:
        source.seek(start)
        return Window(start, source.read(length), size, final, errors)


def reader(attempt: Attempt) -> BinaryIO:
    """A seekable reader of the log. It may hold more bytes than `log_size`; those are not part of it yet."""
    try:
        return open_path(attempt.pk).open("rb")
    except FileNotFoundError:
        if attempt.log_removed_at is not None:
            raise NotFound(
                _("The log was removed on %(log_removed_at)s by the workspace's retention.")
                % {"log_removed_at": f"{attempt.log_removed_at:%Y-%m-%d}"},
                code="removed",
            ) from None
        # Sealed, perhaps since this row was read.
        return artifact_store(attempt.run.workspace_id).open(sealed_key(attempt.pk))


def search(attempt: Attempt, needle: str, start: int = 0) -> loglines.Found:
    """Lines from byte `start` on that hold `needle`, whatever the case. Stops after some, and says where."""
    with _whole(attempt) as source:
        return loglines.search(source, attempt.log_size, needle, start)


def errors(attempt: Attempt, start: int = 0) -> loglines.Found:
    """The lines from byte `start` on with which an error begins."""
    with _whole(attempt) as source:
        return loglines.errors(source, attempt.log_size, start)


def _whole(attempt: Attempt) -> BinaryIO:
    return reader(attempt) if attempt.log_size else BytesIO()
