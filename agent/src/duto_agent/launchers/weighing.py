"""What a tree of processes uses at this moment."""

from __future__ import annotations

import contextlib

import psutil  # type: ignore[import-untyped]

from duto_agent.launchers.base import Sample


def sample_of(process: psutil.Process) -> Sample | None:
    """Of everything below this process, or None when it is gone."""
    cpu, rss, count = 0.0, 0, 0
    try:
        children = process.children(recursive=True)
    except psutil.Error:  # it ended between the two looks
        return None
    for child in children:
        with contextlib.suppress(psutil.Error), child.oneshot():
            times = child.cpu_times()
            cpu += times.user + times.system
            rss += child.memory_info().rss
            count += 1
    return Sample(cpu, rss, count)
