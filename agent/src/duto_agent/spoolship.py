"""The spool of an attempt on its way to the studio: whole lines, and an acknowledgement for the script."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from duto_agent.files import open_plain, write_text
from duto_agent.launchers.base import AttemptKey
from duto_agent.shipping import Shipment
from duto_agent.studio_client import StudioClient


class SpoolShipment(Shipment):
    """`get_metrics` and `flush` in the script wait for the offset in `<spool>.ack`."""

    def __init__(self, directory: Path, key: AttemptKey, client: StudioClient) -> None:
        spool = directory / "spool.jsonl"
        self.ack = spool.with_name("spool.jsonl.ack")
        try:
            with open_plain(self.ack) as file:
                known = int(file.read(32))
        except (OSError, ValueError):
            known = 0
        super().__init__(
            spool, lambda at, data: client.put_spool(key.attempt, key.epoch, at, data), known, whole_lines=True
        )

    def _stored(self, size: int) -> None:
        super()._stored(size)
        with contextlib.suppress(OSError):  # a full disk: the script waits in vain, but nothing is lost
            write_text(self.ack, str(size))

    def close_last_line(self) -> None:
        """A script that was killed amid a line leaves half a record: it is cut off, for it says nothing."""
        try:
            with open_plain(self.path, os.O_RDWR) as file:
                file.seek(self.offset)
                data = file.read()
                if data and not data.endswith(b"\n"):
                    file.truncate(self.offset + data.rfind(b"\n") + 1)
        except OSError:
            return
