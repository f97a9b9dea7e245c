"""How a parallel step or a Spark step stands, read from the ledger of one attempt."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from threading import Lock
from typing import Any, BinaryIO, Protocol, TypeVar
from uuid import UUID

from core import spools
from core.errors import NotFound
from core.storage import artifact_store
from runs.models import Attempt
from runs.queries.logs import sealed_key

PIECE = 4 << 20
# So many steps are kept read in a process: a page that follows one reads what is new.
KEPT = 32


def ledger_of(attempt_id: object) -> str:
    """The name of an attempt's ledger beside its log."""
    return f"{attempt_id}.ledger"


def reader(attempt: Attempt) -> BinaryIO:
    """A reader of the ledger; of one that is not there of nothing. It may hold more bytes than `ledger_size`."""
    name = ledger_of(attempt.pk)
    if not attempt.ledger_size or attempt.log_removed_at is not None:
        return BytesIO()

    def sealed() -> BinaryIO:
        return artifact_store(attempt.run.workspace_id).open(sealed_key(name))

    try:
        return spools.reader(name, sealed)
    except FileNotFoundError:
        try:  # sealed, perhaps since this row was read
            return sealed()
        except NotFound:
            return BytesIO()


class Taking(Protocol):
    """What the lines of a ledger come to."""

    def take_lines(self, data: bytes) -> None: ...


T = TypeVar("T", bound=Taking)


@dataclass
class _Read:
    """A ledger that was read up to a place."""

    progress: Any
    at: int = 0
    lock: Lock = field(default_factory=Lock)


_read: OrderedDict[UUID, _Read] = OrderedDict()
_lock = Lock()


@contextmanager
def progress_of(attempt: Attempt, empty: Callable[[], T]) -> Iterator[T]:
    """What the ledger says up to now; it stands still inside. Whoever asks again reads on from there. `empty` makes what
    nothing is read into yet: it goes with the step's kind."""
    with _lock:
        known = _read.setdefault(attempt.pk, _Read(empty()))
        _read.move_to_end(attempt.pk)
        while len(_read) > KEPT:
            _read.popitem(last=False)
    with known.lock:
        if known.at > attempt.ledger_size:  # another epoch began it anew
            known.at, known.progress = 0, empty()
        if known.at < attempt.ledger_size:
            with reader(attempt) as source:
                source.seek(known.at)
                _take(known, source, attempt.ledger_size)
        yield known.progress


def _take(known: _Read, source: BinaryIO, size: int) -> None:
    rest = b""
    while known.at + len(rest) < size:
        piece = source.read(min(PIECE, size - known.at - len(rest)))
        if not piece:
            return
        data = rest + piece
        end = data.rfind(b"\n") + 1
        known.progress.take_lines(data[:end])
        known.at, rest = known.at + end, data[end:]
