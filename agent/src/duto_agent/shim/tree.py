"""The processes below the shim: who they are, and signals to all of them."""

from __future__ import annotations

import ctypes
import os
import re
import resource
import signal
from typing import Any

PR_SET_CHILD_SUBREAPER, PR_SET_DUMPABLE = 36, 4
LIMITS = {"core": resource.RLIMIT_CORE, "nofile": resource.RLIMIT_NOFILE, "address_space": resource.RLIMIT_AS,
          "processes": resource.RLIMIT_NPROC}  # fmt: skip

try:
    _libc: Any = ctypes.CDLL(None, use_errno=True)
except OSError:  # a libc that cannot be opened by name: no subreaper then
    _libc = None


def adopt_orphans() -> None:
    """As subreaper we inherit what the script leaves behind, double-forked daemons too."""
    if _libc is not None:
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def close_memory() -> None:
    """Nobody of our own user looks into us, or traces us; what we start is open again. Raises OSError."""
    if _libc is None or _libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "the watching program cannot be closed to the script")


def descendants() -> list[int]:
    """Every process below us, by one walk over /proc."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = stat_fields(int(name))
            if fields and fields[0] != "Z":
                children.setdefault(int(fields[1]), []).append(int(name))
    found: list[int] = []
    todo = [os.getpid()]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def signal_tree(number: int) -> None:
    for pid in descendants():
        try:
            os.kill(pid, number)
            if number == signal.SIGTERM:
                os.kill(pid, signal.SIGCONT)  # a stopped process hears nothing
        except OSError:
            pass


def stat_fields(pid: int) -> list[str]:
    """Fields of /proc/<pid>/stat from the state on; empty when the process is gone."""
    try:
        with open("/proc/%d/stat" % pid, "rb") as file:
            return file.read().rpartition(b")")[2].decode().split()
    except OSError:
        return []


def start_ticks(pid: int) -> int | None:
    fields = stat_fields(pid)
    return int(fields[19]) if fields else None


def boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return ""


def oom_kills() -> int:
    try:
        with open("/proc/vmstat", "rb") as file:
            found = re.search(rb"^oom_kill (\d+)", file.read(), re.M)
    except OSError:
        return 0
    return int(found.group(1)) if found else 0


def limit_resource(name: str, wanted: int) -> None:
    _, hard = resource.getrlimit(LIMITS[name])
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(LIMITS[name], (soft, hard))
    except (OSError, ValueError):
        pass  # a limit is a courtesy here, not a promise
