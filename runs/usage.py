"""What the samples of a step say: series over the seconds of its life, with the highest values. Touches nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.series import Points, Series
from duto_protocol import reading
from duto_protocol.messages import StepSample


@dataclass
class _Drawn:
    """The series under way."""

    cpu: Points = field(default_factory=list)
    memory: Points = field(default_factory=list)
    read: Points = field(default_factory=list)
    written: Points = field(default_factory=list)
    use: dict[str, Points] = field(default_factory=dict)
    held: dict[str, Points] = field(default_factory=dict)


def read(data: bytes) -> list[StepSample]:
    """The samples of a file, oldest first. A line that makes no sense is left out: a script can write there, too."""
    found = [sample for line in data.splitlines() if (sample := _understood(line)) is not None]
    return sorted(found, key=lambda sample: sample.at)


def series(samples: Sequence[StepSample]) -> list[Series]:
    """Cores in use, memory, bytes a second from and to disks, and each device, from the first sample on.

    What is counted from the start of the step is drawn as its rate between two samples; a counter that falls back
    (its process is gone) stands still.
    """
    drawn = _Drawn()
    for before, sample in zip([None, *samples], samples, strict=False):  # the last one is before nobody
        # The host's clock is only compared with itself.
        second = round((sample.at - samples[0].at).total_seconds(), 2)
        drawn.memory.append([second, sample.memory])
        for device in sample.gpus or ():
            if isinstance(device.memory, int):
                drawn.held.setdefault(device.uuid, []).append([second, device.memory])
            if isinstance(device.utilization, int | float):  # shares of a card (MIG) have no use of their own
                drawn.use.setdefault(device.uuid, []).append([second, device.utilization])
        lasted = (sample.at - before.at).total_seconds() if before else 0.0
        if before is None or lasted <= 0:
            continue
        drawn.cpu.append([second, _rate(before.cpu, sample.cpu, lasted)])
        drawn.read.append([second, _rate(before.read, sample.read, lasted)])
        drawn.written.append([second, _rate(before.written, sample.written, lasted)])
    return [
        Series("cpu", "cores", drawn.cpu),
        Series("memory", "bytes", drawn.memory),
        Series("read", "bytes_per_second", drawn.read),
        Series("written", "bytes_per_second", drawn.written),
        *(Series("gpu", "share", points, uuid) for uuid, points in drawn.use.items()),
        *(Series("gpu_memory", "bytes", points, uuid) for uuid, points in drawn.held.items()),
    ]


def highest_memory(samples: Sequence[StepSample], usage: Mapping[str, Any] | None) -> int | None:
    """The most memory that was seen: by a sample, or by the kernel of the largest single process."""
    seen = [sample.memory for sample in samples]
    reported = (usage or {}).get("max_rss")
    if isinstance(reported, int | float) and not isinstance(reported, bool):
        seen.append(reported)
    return int(max(seen)) if seen else None


def _rate(before: float, now: float, seconds: float) -> float:
    return round(max(0.0, now - before) / seconds, 4)


def _understood(line: bytes) -> StepSample | None:
    try:
        return reading.read(line, StepSample).message
    except reading.NotUnderstood:
        return None
