"""What an agent tells of its machine, as columns of its host. The protocol says what that may be (docs/protocol.md)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from msgspec import UNSET, structs

from duto_protocol.messages import Device, DeviceReading, HostFacts
from duto_protocol.reading import builtins_of

D = TypeVar("D", Device, DeviceReading)
AGENT_MOST = 32
_COLUMN = {"agent": "agent_version", "started_at": "agent_started_at"}


def columns_of(reported: HostFacts) -> dict[str, Any]:
    """Columns of `Host` with their values. What was not told stays as it was told before."""
    found = {name: value for name in reported.__struct_fields__ if (value := getattr(reported, name)) is not UNSET}
    if reported.gpus is not UNSET:
        found["gpus"] = builtins_of(_once(reported.gpus))
    if reported.facts is not UNSET:
        sample = reported.facts.sample
        if sample is not UNSET and sample.gpus is not UNSET:
            sample = structs.replace(sample, gpus=_once(sample.gpus))
        found["facts"] = builtins_of(structs.replace(reported.facts, sample=sample))
    if reported.agent is not UNSET:
        found["agent"] = reported.agent[:AGENT_MOST]
    if reported.store_marker is None:
        found["store_marker"] = ""
    return {_COLUMN.get(name, name): value for name, value in found.items()}


def _once(devices: Iterable[D]) -> list[D]:
    """The first of each device."""
    found: dict[str, D] = {}
    for each in devices:
        found.setdefault(each.uuid, each)
    return list(found.values())
