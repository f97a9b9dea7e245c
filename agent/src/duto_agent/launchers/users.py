"""Who steps run as where the agent is root: a user of its own for each attempt, of a range that nobody else has.

A user of its own makes the kernel keep steps apart that share a host, and count the processes of each by itself. The
owner of an attempt's folder is the memory: an agent that starts again reads it there.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path

# No user of a system, of a directory service or of a container's engine lies there (systemd's UIDS-GIDS has the map).
FIRST, COUNT = 1_900_000_000, 65_536
# Where the agent's own root is one of a namespace, with 65,536 users.
NARROW_FIRST, NARROW_COUNT = 60_706, 477
NAME = "duto"


class BadRange(ValueError):
    """The setting of the range is none, or names users that this system has not."""


@dataclass(frozen=True)
class Range:
    """`first` is the group of all steps, and the user that packages are built as; the others are steps' users."""

    first: int
    count: int

    def __contains__(self, user: int) -> bool:
        return self.first < user < self.first + self.count


def range_of(given: str | None, uid_map: str | None = None) -> Range:
    """`first:count`, or what this system has by default. Raises BadRange."""
    lines = Path("/proc/self/uid_map").read_text() if uid_map is None else uid_map
    mapped = [(int(inside), int(count)) for inside, _, count in map(str.split, lines.strip().splitlines())]
    if not given:
        found = next(
            (each for each in (Range(FIRST, COUNT), Range(NARROW_FIRST, NARROW_COUNT)) if _is_in(each, mapped)), None
        )
        if found is None:
            raise BadRange("this system has no range of free users; name one")
        return found
    match = re.fullmatch(r"(\d{1,10}):(\d{1,7})", given.strip())
    chosen = Range(int(match[1]), int(match[2])) if match else None
    if chosen is None or chosen.first < 1 or chosen.count < 2:
        raise BadRange("it is a number, a colon and a number of 2 or more, such as '1900000000:65536'")
    if not _is_in(chosen, mapped):
        raise BadRange("this system has no such users")
    return chosen


def _is_in(wanted: Range, mapped: list[tuple[int, int]]) -> bool:
    # The last number of all means "nobody".
    end = min(wanted.first + wanted.count, (1 << 32))
    return any(first <= wanted.first and end <= min(first + count, (1 << 32) - 1) for first, count in mapped)


class StepUsers:
    """Gives each attempt its user."""

    def __init__(self, users: Range, attempts: Path) -> None:
        self.range, self.attempts = users, attempts
        self.group = self.builder = users.first
        self._lock = threading.Lock()
        # Two agents of one machine begin at places of their own.
        self._start = int.from_bytes(hashlib.sha256(os.fsencode(attempts)).digest()[:4], "big") % (users.count - 1)

    def of(self, directory: Path) -> int:
        """The user of this attempt, who from now on owns its folder `work`. Raises OSError."""
        with self._lock:
            user = _owner(directory)
            if user not in self.range:
                user = self._free()
                os.chown(directory / "work", user, self.group, follow_symlinks=False)
            return user

    def _free(self) -> int:
        taken = {_owner(entry) for entry in self.attempts.iterdir()}
        size = self.range.count - 1
        numbers = (self.range.first + 1 + (self._start + step) % size for step in range(size))
        return next((user for user in numbers if user not in taken), self.range.first + 1 + self._start)


def _owner(directory: Path) -> int:
    try:
        return (directory / "work").lstat().st_uid
    except OSError:
        return 0
