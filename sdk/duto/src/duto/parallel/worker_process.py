"""A process of a parallel step, as its driver sees it: forked with all that is loaded, spoken to by two pipes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import termios
from collections import deque
from dataclasses import dataclass, field
from typing import Deque, Optional, Sequence, Tuple

from duto.parallel import worker
from duto.parallel.worker import Job, WorkerSlot

# Bytes of answers that a process may leave unheard before it waits, where the system lets it be so many.
UNHEARD_MOST = 1 << 20


@dataclass
class WorkerProcess:
    """One process, as the driver sees it. The first of `queue` is what it is at."""

    place: WorkerSlot
    pid: int
    hear: int
    back: Optional[int]
    answer: int
    ready: bool = False
    queue: Deque[Tuple[int, int]] = field(default_factory=deque)
    since: float = 0.0
    is_reported: bool = False
    rest: bytes = b""
    written: Sequence[int] = (0, 0)

    def ahead(self) -> int:
        """How many mini-batches it has yet to begin."""
        if self.back is None:
            return len(self.queue)
        return int.from_bytes(fcntl.ioctl(self.back, termios.FIONREAD, bytes(4)), sys.byteorder) // worker.ASKED.size

    @property
    def pipes(self) -> Tuple[int, ...]:
        """The driver's ends; `back` is a second end of what the process hears, by which numbers are taken back."""
        return tuple(each for each in (self.hear, self.back, self.answer) if each is not None)


def _second_end(hear: int) -> Optional[int]:
    """An end of the same pipe that never waits, while that of the process, which is closed here, does; None where the system
    gives none (no Linux)."""
    try:
        return os.open(f"/proc/self/fd/{hear}", os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None
    finally:
        os.close(hear)


def kill(process: WorkerProcess) -> None:
    for end in (os.killpg, os.kill):
        with contextlib.suppress(OSError):
            end(process.pid, signal.SIGKILL)


def begin(job: Job, place: WorkerSlot, room: int, others: Sequence[WorkerProcess]) -> WorkerProcess:
    """Fork one for a place. `room`: how many characters of rows it may tell; `others`: the processes that there are."""
    ours, theirs = os.pipe(), os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    pid = os.fork()
    if not pid:
        # Ends of other processes' pipes would keep those from seeing that the driver is gone.
        for each in (pipe for process in others for pipe in process.pipes):
            os.close(each)
        os.close(ours[1])
        os.close(theirs[0])
        worker.work(job, place, ours[0], theirs[1], parent, room)
    os.close(theirs[1])
    with contextlib.suppress(OSError):
        os.setpgid(pid, pid)
    os.set_blocking(theirs[0], False)
    with contextlib.suppress(AttributeError, OSError):  # of Linux, from Python 3.10 on; above what a user may have
        fcntl.fcntl(theirs[0], fcntl.F_SETPIPE_SZ, UNHEARD_MOST)
    return WorkerProcess(place, pid, ours[1], _second_end(ours[0]), theirs[0])
