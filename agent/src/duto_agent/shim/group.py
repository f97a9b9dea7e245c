"""The script's control group: joined around its start, read after its end; or its memory watched where there is none."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from typing import Any

from duto_agent.shim import tree

PAGE = os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def joined(group: dict[str, Any] | None) -> Iterator[None]:
    """What is started inside the block belongs to the group; we ourselves only visit. Raises OSError."""
    if not group:
        yield
        return
    try:
        for path in group["join"]:
            _enter(path)
        yield
    finally:
        for path in group["leave"]:
            with contextlib.suppress(OSError):  # a shim that cannot leave is limited like its script, and works
                _enter(path)


def _enter(path: str) -> None:
    with open(path, "w") as file:
        file.write("0")  # whoever writes


def oom_kills(group: dict[str, Any] | None) -> int | None:
    """How many processes of the group the kernel has killed for want of memory; None without a group."""
    text = _read(group, "oom")
    found = re.search(rb"^oom_kill (\d+)", text, re.M)
    return int(found.group(1)) if found else None


def peak_memory(group: dict[str, Any] | None) -> int | None:
    """The most bytes that the group has held at once; None where nobody counts."""
    text = _read(group, "peak").strip()
    return int(text) if text.isdigit() else None


def _read(group: dict[str, Any] | None, name: str) -> bytes:
    if not group:
        return b""
    try:
        with open(group[name], "rb") as file:
            return file.read()
    except OSError:
        return b""


def resident() -> int:
    """Bytes that all processes below us hold in memory, shared pages counted for each of them."""
    total = 0
    for pid in tree.descendants():
        try:
            with open("/proc/%d/statm" % pid, "rb") as file:
                total += int(file.read().split()[1]) * PAGE
        except (OSError, IndexError, ValueError):
            continue
    return total
