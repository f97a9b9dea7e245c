"""The log and the spool of an attempt on their way to the studio."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from duto.spec.sentences import Said, said
from duto_agent.files import open_plain, write_text
from duto_agent.launchers.base import AttemptKey
from duto_agent.launchers.ownership import LEDGER
from duto_agent.shim.rank_logs import name_of
from duto_agent.studio.client import StudioClient
from duto_agent.studio.shipments import LineShipment, Put, Shipment


def log_shipment(directory: Path, key: AttemptKey, client: StudioClient) -> Shipment:
    """Raw bytes, as they are: lines and encodings are the reader's affair."""
    return Shipment(directory / "log.data", lambda at, data: client.put_log(key.attempt, key.epoch, at, data))


def rank_shipments(folder: Path, key: AttemptKey, client: StudioClient, ranks: Sequence[int]) -> list[Shipment]:
    """The log of each process of a step that has several; `folder` is where its shim makes its notes."""

    def of(rank: int) -> Shipment:
        put: Put = lambda at, data: client.put_log(key.attempt, key.epoch, at, data, rank)  # noqa: E731
        return Shipment(folder / name_of(rank), put)

    return [of(rank) for rank in ranks]


def ledger_shipment(
    directory: Path, key: AttemptKey, client: StudioClient, heard: Callable[[bytes], None] | None = None
) -> LineShipment:
    """The ledger of a step that keeps one: the studio shows it, and of a parallel step a later attempt goes on from it.
    `heard` is told of what the studio has."""

    def put(at: int, data: bytes) -> int:
        size = client.put_ledger(key.attempt, key.epoch, at, data)
        if heard is not None:
            heard(data)
        return size

    return LineShipment(directory / LEDGER, put)


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
