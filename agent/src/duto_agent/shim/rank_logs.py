"""What the ranks of a step say: a log for each, and in the step's own log all their lines, each with its rank."""

from __future__ import annotations

import json
import os
import select
import stat
from typing import Any

from duto_agent.shim.log import Log
from duto_agent.shim.masks import Masks
from duto_agent.shim.ranks import ENDED

CHUNK = 1 << 16
# A line that is longer is taken apart in the log of the step; in its rank's own it stays whole.
LONGEST = 1 << 16
ENDED_MOST = 1 << 18


def name_of(rank: int) -> str:
    """The file of a rank's log, beside what else the shim notes."""
    return "rank-%d.data" % rank


class RankLogs:
    """Reads the pipes of the ranks, which lie in the script's own folder. Nothing here waits."""

    def __init__(self, launch: dict[str, Any], notes: str, log: Log, masks: Masks, poller: Any) -> None:
        given = launch["ranks"]
        self.folder, self._log = given["folder"], log
        self._ranks: dict[int, _Rank] = {}
        for number in given["numbers"] if "numbers" in given else range(int(given["count"])):
            pipe = _pipe(os.path.join(self.folder, str(number)), launch.get("user"))
            own = Log(notes, log.cap, name_of(number))
            self._ranks[pipe] = _Rank(number, own, Masks(masks))
            poller.register(pipe, select.POLLIN)

    def reads(self, number: int) -> bool:
        """Whether this is one of the pipes."""
        return number in self._ranks

    def take(self, number: int) -> bool:
        """What a rank has said; whether it was anything."""
        try:
            data = os.read(number, CHUNK)
        except BlockingIOError:
            return False
        rank = self._ranks[number]
        self._write(rank, rank.masks.hide(data))
        return bool(data)

    def _write(self, rank: _Rank, data: bytes) -> None:
        rank.log.write(data)
        rank.line += data
        end = len(rank.line) if len(rank.line) > LONGEST else rank.line.rfind(b"\n") + 1
        lines = bytes(rank.line[:end])
        del rank.line[:end]
        if lines:
            whole = lines if lines.endswith(b"\n") else lines + b"\n"
            self._log.write(b"".join(b"[%d] %s\n" % (rank.number, each) for each in whole[:-1].split(b"\n")))

    def close(self) -> None:
        """Take the last words of all, and read no more."""
        for pipe, rank in self._ranks.items():
            while self.take(pipe):
                pass
            self._write(rank, rank.masks.hide(b"", is_last=True))
            if rank.line:
                self._log.write(b"[%d] %s\n" % (rank.number, bytes(rank.line)))
            os.close(pipe)
            rank.log.close()

    def tail(self, number: int | None) -> bytes | None:
        """The last that a rank said."""
        return next((rank.log.tail for rank in self._ranks.values() if rank.number == number), None)

    def ended(self) -> dict[str, Any]:
        """How the ranks ended, as `ranks` noted it. The script could have written it, too: it is its own word."""
        try:
            number = os.open(os.path.join(self.folder, ENDED), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return {}
        try:
            is_file = stat.S_ISREG(os.fstat(number).st_mode)
            found = json.loads(os.read(number, ENDED_MOST)) if is_file else None
        except (OSError, ValueError):
            return {}
        finally:
            os.close(number)
        return found if isinstance(found, dict) else {}


class _Rank:
    def __init__(self, number: int, log: Log, masks: Masks) -> None:
        self.number, self.log, self.masks, self.line = number, log, masks, bytearray()


def _pipe(path: str, user: int | None) -> int:
    """A pipe with a name. It is open for writing here, too: a rank may close it, and open it again by /dev/stdout."""
    os.mkfifo(path, 0o600)
    if user is not None:
        os.chown(path, user, -1, follow_symlinks=False)
    return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW)
