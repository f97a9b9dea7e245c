"""A stand-in for NVIDIA's library: answers that were recorded of two devices (data/nvml.json), told of as many as a test wants."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from duto_protocol.messages import Device, DeviceReading

RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "nvml.json").read_text())


class StandIn:
    """Device by device as recorded, again from the first beyond the last; one in `lost` fell off the bus."""

    def __init__(self, lost: tuple[int, ...] = (), devices: int = len(RECORDED["devices"])) -> None:
        self.lost, self.devices = lost, devices

    def count(self) -> int:
        return self.devices

    def device(self, index: int) -> Device:
        return Device(**self._named(self._of("devices", index), index))

    def reading(self, index: int) -> DeviceReading:
        return DeviceReading(**self._named(self._of("readings", index), index))

    def processes(self, index: int) -> Mapping[int, int]:
        return {int(pid): held for pid, held in self._of("processes", index).items()}

    def _of(self, what: str, index: int) -> dict[str, Any]:
        if index in self.lost:
            raise RuntimeError("GPU is lost")
        return dict(RECORDED[what][index % len(RECORDED[what])])

    def _named(self, expected: dict[str, Any], index: int) -> dict[str, Any]:
        """A device beyond the recorded ones is another card of the same kind."""
        if index < len(RECORDED["devices"]):
            return expected
        numbered = {"index": index} if "index" in expected else {}
        return {**expected, **numbered, "uuid": f"{expected['uuid'][:-2]}{index:02x}"}
