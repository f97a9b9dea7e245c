"""A disk that is full: what did not fit, how much is free without it, and what a person can do."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from duto.spec.sentences import Said, said
from duto.spec.units import size_text
from duto_agent.worded import Worded

FULL = (errno.ENOSPC, errno.EDQUOT)
SIGNS = tuple(os.strerror(number).lower() for number in FULL)
# Enough for what a shim writes before its script begins: a log, its notes, and the room for its verdict.
START_ROOM = 1 << 16
# With as much free as this it was not the disk that was looked at.
AMPLE = 1 << 28


class DiskFull(Worded):
    """Something does not fit on this host; its words are for people."""


def is_full(error: BaseException | None) -> bool:
    """Whether an error tells of a disk, or of its user's quota, that is used up."""
    return isinstance(error, OSError) and error.errno in FULL


def is_mentioned_in(text: str) -> bool:
    """The same, of the words of another program."""
    return any(sign in text.lower() for sign in SIGNS)


def free_at(place: Path | None) -> int | None:
    """Bytes that this user may still write there; None where nobody knows."""
    while place is not None:
        try:
            facts = os.statvfs(place)
            return facts.f_bavail * facts.f_frsize
        except FileNotFoundError:
            place = place.parent if place != place.parent else None
        except OSError:
            return None
    return None


def words(what: Said, free: int | None, needed: int | None = None, *, by_quota: bool = False) -> Said:
    """One sentence on what does not fit, and one on what to do. Pure."""
    size = said("sized", size=size_text(needed)) if needed is not None else ""
    is_little = free is not None and free < max(AMPLE, needed or 0)
    left = said("free_without", size=size_text(free)) if free is not None and is_little else ""
    return said("quota_full" if by_quota else "disk_full", what=what, size=size, left=left)


def full(what: Said, place: Path | None, needed: int | None = None, error: BaseException | None = None) -> DiskFull:
    """The same, of the disk of `place` as it is now."""
    by_quota = isinstance(error, OSError) and error.errno == errno.EDQUOT
    return DiskFull(words(what, free_at(place), needed, by_quota=by_quota))


@contextlib.contextmanager
def require_space(what: Said, place: Path, needed: int | None = None, part: Path | None = None) -> Iterator[None]:
    """Write something of this name; of what does not fit no part stays. Raises DiskFull, and other OSErrors as they are."""
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        if part is not None:
            with contextlib.suppress(OSError):
                part.unlink()
        raise full(what, place, needed, error) from error
