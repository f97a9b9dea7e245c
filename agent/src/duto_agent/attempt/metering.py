"""What an attempt tells of its bytes while they come and go, and of all of them at its end."""

from __future__ import annotations

import threading
from functools import partial

from msgspec import UNSET, UnsetType

from duto_agent.launchers.base import AttemptKey
from duto_agent.studio.exchange import SendReport
from duto_protocol.messages import AttemptReport, Transfer, Transfers
from duto_protocol.meters import Meter
from duto_protocol.values import Moment


class Metering:
    """The meters of one attempt. Where the studio has not heard the last word, the next one waits for it."""

    def __init__(self, key: AttemptKey, send_report: SendReport) -> None:
        self._key, self._send_report = key, send_report
        self._is_heard = threading.Event()
        self._is_heard.set()
        self.inputs = Meter(partial(self._tell, "preparing", "inputs"))
        self.uploads = Meter(partial(self._tell, "collecting", "uploads"))
        self.outputs = self._new_outputs()
        # What came through mounts while the script ran.
        self.mounted = Transfer()

    def _new_outputs(self) -> Meter:
        return Meter(partial(self._tell, "collecting", "outputs"))

    def restart_outputs(self, before: Transfer) -> None:
        """Count on from there: what was counted since goes another way."""
        self.outputs = self._new_outputs()
        self.outputs.include(before)

    @property
    def transfers(self) -> Transfers | UnsetType:
        """All that went either way; UNSET where nothing did."""
        ways = {
            "inputs": _sum(self.inputs.transfer, self.mounted),
            "uploads": self.uploads.transfer,
            "outputs": self.outputs.transfer,
        }
        found = {name: each for name, each in ways.items() if each.files_total}
        return Transfers(**found) if found else UNSET

    def _tell(self, event: str, way: str, transfer: Transfer) -> None:
        if not self._is_heard.is_set():
            return
        self._is_heard.clear()
        key, found = self._key, Transfers(**{way: transfer})
        report = AttemptReport(event=event, attempt=key.attempt, epoch=key.epoch, at=Moment.present(), transfers=found)
        self._send_report(report, heard=self._is_heard.set)


def _sum(before: Transfer, after: Transfer) -> Transfer:
    """Of two that went one after the other."""
    if not after.files_total:
        return before
    names = ("done", "total", "files", "files_total", "cached", "files_cached", "seconds")
    added = {name: getattr(before, name) + getattr(after, name) for name in names}
    return Transfer(**added, rate=before.rate)
