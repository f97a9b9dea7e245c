"""Mini-batches of a parallel step that several nodes share: what the driver asks goes to the studio, what that answers is left here."""

from __future__ import annotations

import time
from pathlib import Path

from msgspec import structs

from duto.spec.ledger import ASK, record_of
from duto.spec.sentences import said
from duto_agent.attempt.drivers import ANSWERS, EARLIER
from duto_agent.files import open_plain, read_json, write_json
from duto_agent.launchers.base import AttemptKey
from duto_agent.launchers.ownership import LEDGER
from duto_agent.paths import inside, plain_name
from duto_agent.studio.client import Refused, StudioClient
from duto_agent.studio.shipments import Stale
from duto_agent.studio.transfers import Transfers
from duto_protocol.messages import BatchAsk, BatchShare
from duto_protocol.reading import builtins_of, of_document

MARK = f'"e":"{ASK}"'.encode()
# How often a question is asked again that has found nothing yet.
AGAIN_S = 0.5
PIECE = 1 << 20


class Sharing:
    """Of one attempt. `heard` sees each piece of the ledger that the studio has."""

    def __init__(self, directory: Path, key: AttemptKey, client: StudioClient, transfers: Transfers) -> None:
        self.directory, self.key, self.client, self.transfers = directory, key, client, transfers
        self._ask: BatchAsk | None = None
        self._told = of_document(read_json(directory / ANSWERS) or {}, BatchShare).message
        self._at = 0.0
        self._hear_again()
        self.output: Path | None = None  # where the script writes what is no rows

    def heard(self, data: bytes) -> None:
        for line in data.split(b"\n") if MARK in data else ():
            record = record_of(line) if MARK in line else None
            if record is not None and record.get("e") == ASK:
                self._ask, self._at = of_document(record, BatchAsk).message, 0.0

    def _hear_again(self) -> None:
        """What an agent of before has brought to the studio, and may not have asked."""
        rest = b""
        try:
            with open_plain(self.directory / LEDGER) as file:
                while piece := file.read(PIECE):
                    *lines, rest = (rest + piece).split(b"\n")
                    for line in lines:
                        self.heard(line)
        except OSError:
            return

    def ask(self) -> bool:
        """Ask what is open; whether the driver has something new. Raises Away, Stale."""
        moment = time.monotonic()
        if self._ask is None or moment - self._at < AGAIN_S or self._told.join or self._told.over:
            return False
        self._at = moment
        try:
            share = self.client.share(self.key.attempt, self.key.epoch, self._ask)
        except Refused as refused:
            if refused.code in ("stale_epoch", "not_found"):
                raise Stale(str(refused)) from refused
            share = BatchShare(asked=self._ask.q, fault=str(refused))
        if share.join:
            share = self._bring(share)
        if share == self._told:
            self._ask = self._ask if self._ask.idle else None
            return False
        has_more, self._told = len(share.ranges) > len(self._told.ranges), share
        names = [plain_name(each.path) for each in share.ledgers]
        write_json(self.directory / ANSWERS, {**builtins_of(share), "ledgers": names})
        if has_more or not self._ask.idle:  # one that has nothing waits for what others may leave
            self._ask = None
        return True

    def _bring(self, share: BatchShare) -> BatchShare:
        """The ledgers of the other nodes, and what their scripts wrote: never one file over another."""
        for each in share.ledgers:
            target = self.directory / EARLIER / plain_name(each.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            self.transfers.bring(each, target)
        for each in share.kept:
            if self.output is None:
                continue
            target = inside(self.output, each.path)
            if target.exists():
                text = said("written_twice", name=each.path)
                return structs.replace(share, fault=str(text))
            target.parent.mkdir(parents=True, exist_ok=True)
            self.transfers.bring(each, target)
        return share
