"""The spool of an attempt on its way to the studio: whole lines, and an acknowledgement for the script."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from duto.spec.sentences import Said, said
from duto_agent.files import open_plain, write_text
from duto_agent.launchers.base import AttemptKey
from duto_agent.studio.client import StudioClient
from duto_agent.studio.line_shipments import LineShipment

NAMED = re.compile(r'"(name|key)"\s*:\s*("(?:[^"\\]|\\.){0,300}")')


class SpoolShipment(LineShipment):
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
            spool,
            lambda at, data: client.put_spool(key.attempt, key.epoch, at, data),
            known,
            lambda at, length, head, why: client.skip_spool(
                key.attempt, key.epoch, at, length, said("of_record", record=named(head), why=why)
            ),
        )

    def _stored(self, size: int) -> None:
        super()._stored(size)
        with contextlib.suppress(OSError):  # a full disk: the script waits in vain, but nothing is lost
            write_text(self.ack, str(size))


def named(head: bytes) -> Said:
    """What a record is about, by the beginning of its line."""
    text = head.decode("utf-8", "replace")
    found = NAMED.search(text)
    if found is None:
        return said("record_line", text=repr(text[:60]))
    return said("record_metric" if found[1] == "name" else "record_key", name=found[2])
