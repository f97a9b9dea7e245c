"""The graphics processors of this host, by NVML: which there are, and what they do now."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from duto_protocol.messages import Device, DeviceReading

log = logging.getLogger("duto.agent")
T = TypeVar("T")


class Nvml(Protocol):
    """What is asked of NVIDIA's management library; one call a fact. Each may raise its own error."""

    def count(self) -> int: ...
    def device(self, index: int) -> Device: ...
    def reading(self, index: int) -> DeviceReading: ...
    def processes(self, index: int) -> Mapping[int, int]: ...


class Gpus:
    """Devices are looked for once; a driver that is gone or a card that fell off the bus means none, never a fault."""

    def __init__(self, open_library: Callable[[], Nvml | None] | None = None) -> None:
        self._lock = threading.Lock()
        self._library = (open_library or open_nvml)()
        self.devices: list[Device] = self._each(lambda library, index: library.device(index))

    def readings(self) -> list[DeviceReading]:
        """What the devices do now."""
        return self._each(lambda library, index: library.reading(index))

    def memory_by_process(self) -> dict[str, Mapping[int, int]]:
        """Bytes that each process holds, by the device's UUID."""
        if not self.devices:
            return {}
        rows = self._each(lambda library, index: (index, library.processes(index)))
        uuids = {device.index: device.uuid for device in self.devices}
        return {uuids[index]: held for index, held in rows if index in uuids}

    def _each(self, ask: Callable[[Nvml, int], T]) -> list[T]:
        library = self._library
        if library is None:
            return []
        found: list[T] = []
        with self._lock:  # the library may be used by one thread at a time
            try:
                count = library.count()
            except Exception as error:
                log.warning("the graphics processors cannot be asked: %s", error)
                return []
            for index in range(count):
                try:
                    found.append(ask(library, index))
                except Exception as error:  # one lost card must not hide the others
                    log.warning("graphics processor %d cannot be asked: %s", index, error)
        return found


class Pynvml:
    """NVML through NVIDIA's own binding."""

    def __init__(self, module: Any) -> None:
        self.nvml = module
        self.nvml.nvmlInit()

    def count(self) -> int:
        return int(self.nvml.nvmlDeviceGetCount())

    def device(self, index: int) -> Device:
        handle = self.nvml.nvmlDeviceGetHandleByIndex(index)
        return Device(
            uuid=_text(self.nvml.nvmlDeviceGetUUID(handle)),
            index=index,
            name=_text(self.nvml.nvmlDeviceGetName(handle)),
            memory=int(self.nvml.nvmlDeviceGetMemoryInfo(handle).total),
        )

    def reading(self, index: int) -> DeviceReading:
        handle = self.nvml.nvmlDeviceGetHandleByIndex(index)
        return DeviceReading(
            uuid=_text(self.nvml.nvmlDeviceGetUUID(handle)),
            utilization=self._try(lambda: self.nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100),
            memory=int(self.nvml.nvmlDeviceGetMemoryInfo(handle).used),
            temperature=self._try(lambda: int(self.nvml.nvmlDeviceGetTemperature(handle, 0))),
        )

    def processes(self, index: int) -> Mapping[int, int]:
        handle = self.nvml.nvmlDeviceGetHandleByIndex(index)
        rows: Sequence[Any] = self.nvml.nvmlDeviceGetComputeRunningProcesses(handle)
        return {int(row.pid): int(row.usedGpuMemory or 0) for row in rows}

    def _try(self, ask: Callable[[], Any]) -> Any:
        """Shares of a card (MIG) have no use or temperature of their own."""
        try:
            return ask()
        except self.nvml.NVMLError:
            return None


def open_nvml() -> Nvml | None:
    """The library, or None where there is no driver."""
    try:
        import pynvml  # type: ignore[import-untyped]
    except ImportError:
        return None
    try:
        return Pynvml(pynvml)
    except pynvml.NVMLError:
        return None


def _text(value: Any) -> str:
    """Older bindings answer with bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)
