"""What the samples of a step say: series over the seconds of its life, with the highest values. Touches nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from core.clock import parse
from core.series import Points, Series


@dataclass(frozen=True)
class Sample:
    """One line, understood. Counters run from the start of the step; `gpus` is (use 0..1 or None, bytes) by UUID."""

    at: datetime
    cpu: float
    memory: float
    read: float
    written: float
    gpus: Mapping[str, tuple[float | None, float]]


@dataclass
class _Drawn:
    """The series under way."""

    cpu: Points = field(default_factory=list)
    memory: Points = field(default_factory=list)
    read: Points = field(default_factory=list)
    written: Points = field(default_factory=list)
    use: dict[str, Points] = field(default_factory=dict)
    held: dict[str, Points] = field(default_factory=dict)


def read(data: bytes) -> list[Sample]:
    """The samples of a file, oldest first. A line that makes no sense is left out: a script can write there, too."""
    found = [sample for line in data.splitlines() if (sample := _understood(line)) is not None]
    return sorted(found, key=lambda sample: sample.at)


def series(samples: Sequence[Sample]) -> list[Series]:
    """Cores in use, memory, bytes a second from and to disks, and each device, from the first sample on.

    What is counted from the start of the step is drawn as its rate between two samples; a counter that falls back
    (its process is gone) stands still.
    """
    drawn = _Drawn()
    for before, sample in _pairs(samples):
        # The host's clock is only compared with itself.
        second = round((sample.at - samples[0].at).total_seconds(), 2)
        drawn.memory.append([second, sample.memory])
        for uuid, (use, held) in sample.gpus.items():
            drawn.held.setdefault(uuid, []).append([second, held])
            if use is not None:
                drawn.use.setdefault(uuid, []).append([second, use])
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


def highest_memory(samples: Sequence[Sample], usage: Mapping[str, Any] | None) -> int | None:
    """The most memory that was seen: by a sample, or by the kernel of the largest single process."""
    seen = [sample.memory for sample in samples]
    told = (usage or {}).get("max_rss")
    if isinstance(told, int | float) and not isinstance(told, bool):
        seen.append(told)
    return int(max(seen)) if seen else None


def _pairs(samples: Sequence[Sample]) -> Iterator[tuple[Sample | None, Sample]]:
    return zip([None, *samples], samples, strict=False)  # the last one is before nobody


def _rate(before: float, now: float, seconds: float) -> float:
    return round(max(0.0, now - before) / seconds, 4)


def _understood(line: bytes) -> Sample | None:
    try:
        told = json.loads(line)
        at = parse(told["at"])
        cpu, memory, read_, written = (_number(told[name]) for name in ("cpu", "memory", "read", "written"))
        gpus = {str(each["uuid"]): (_use(each), _number(each["memory"])) for each in told.get("gpus") or ()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return Sample(at, cpu, memory, read_, written, gpus) if at is not None else None


def _use(device: Mapping[str, Any]) -> float | None:
    """Shares of a card (MIG) have no use of their own."""
    return None if device.get("utilization") is None else _number(device["utilization"])


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e18:
        raise ValueError(value)
    return value
