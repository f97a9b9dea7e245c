"""Outputs that go from this host to their store itself, in parts at addresses that the studio signs for each. Whatever does not go
this way goes through the studio."""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path

from msgspec import structs

from duto_agent.attempt.closing import Abandoned
from duto_agent.attempt.part_ledger import PartLedger
from duto_agent.files import PIECE
from duto_agent.loops import backoff
from duto_agent.studio.client import (
    PATIENCE_S,
    STORE_PATIENCE_S,
    Away,
    PartRefused,
    Refused,
    StoreIsAway,
    StudioClient,
    StudioFaulty,
    Unreachable,
)
from duto_protocol.messages import FileEntry, OutputEntry, PartsAsk, PartsGiven, PartsWanted
from duto_protocol.meters import Meter
from duto_protocol.parts import sizes_of

# Parts that are sent at a time; parts that wait for it before more are asked for; files of one question.
AT_ONCE, WAITING, ASKED = 8, 64, 200
LOOK_S = 0.1
Heed = Callable[[], None]


class NotDirect(Exception):
    """The output goes through the studio."""


class _Stopped(Exception):
    """Another part has failed, or nobody wants it any more."""


@dataclass(frozen=True)
class _Part:
    """So many bytes of a file, from a place on."""

    file: FileEntry
    upload: str
    number: int
    start: int
    size: int
    address: str


class DirectOutput:
    """The files of one output. `url`: where addresses are asked for; `check` is asked all the time whether to go on, and raises if
    not."""

    def __init__(self, client: StudioClient, ledger: PartLedger, meter: Meter, check: Heed, url: str) -> None:
        self._client, self._ledger, self._meter, self._check, self._url = client, ledger, meter, check, url
        self._stop, self._turn = threading.Event(), threading.Lock()
        # When a part last got through, and how many of each file are still to.
        self._moved_at: float | None = None
        self._began = time.monotonic()
        self._left: Counter[str] = Counter()
        self._ask = PartsAsk()
        self._files: Mapping[str, Path] = {}

    def send(self, output: OutputEntry, files: Mapping[str, Path]) -> None:
        """All of them, which lie at `files` by their path in the output. May be called again by the next agent.

        Raises NotDirect, Abandoned, and what `check` raises.
        """
        self._ask, self._files = PartsAsk(output.name, output.is_directory), files
        todo = deque((each, 1) for each in output.files if each.size)
        for _ in range(len(output.files) - len(todo)):  # the studio writes those without a byte
            self._meter.file()
        going: set[Future[None]] = set()
        threads = ThreadPoolExecutor(AT_ONCE, "outputs")
        try:
            while todo or going:
                self._check()
                while todo and len(going) < WAITING:
                    going |= {threads.submit(self._send, part) for part in self._next(todo)}
                done, going = wait(going, LOOK_S, FIRST_COMPLETED)
                for each in done:
                    each.result()
        except OSError as error:  # the way through the studio tells of it
            raise NotDirect(str(error)) from error
        finally:
            self._stop.set()
            threads.shutdown(wait=False, cancel_futures=True)

    def _next(self, todo: deque[tuple[FileEntry, int]]) -> list[_Part]:
        """The parts that one answer gives addresses for, without those that the store has."""
        wanted = [PartsWanted(file.path, file.size, first) for file, first in list(todo)[:ASKED]]
        given, found = self._addresses(wanted, self._check), list[_Part]()
        if not given:
            raise NotDirect("the studio gives no address")
        for each in given:
            file, first = todo.popleft()
            if each.path != file.path or each.first != first or not each.addresses or not each.part_size:
                raise NotDirect("the studio gives addresses of something else")
            sizes = sizes_of(file.size, each.part_size)
            if first == 1:
                self._left[file.path] = len(sizes)
            for number, address in enumerate(each.addresses, first):
                start = (number - 1) * each.part_size
                part = _Part(file, each.upload, number, start, sizes[number - 1], address)
                if self._ledger.has((part.upload, number, file.digest)):
                    self._meter.add(part.size)
                    self._through(file)
                else:
                    found.append(part)
            if first + len(each.addresses) <= len(sizes):
                todo.appendleft((file, first + len(each.addresses)))
                break
        return found

    def _through(self, file: FileEntry) -> None:
        with self._turn:
            self._left[file.path] -= 1
            is_whole = not self._left[file.path]
        if is_whole:
            self._meter.file()

    def _addresses(self, wanted: list[PartsWanted], heed: Heed) -> list[PartsGiven]:
        """Waits for a studio that is away, less for a store that is. Raises NotDirect, Abandoned."""
        began = time.monotonic()
        for pause in backoff():
            heed()
            waited = time.monotonic() - began
            try:
                return self._client.part_addresses(self._url, structs.replace(self._ask, files=wanted)).files
            except Refused as refused:
                if refused.code == "stale_epoch":
                    raise Abandoned from refused
                raise NotDirect(str(refused)) from refused
            except StoreIsAway as away:
                if waited > STORE_PATIENCE_S:
                    raise NotDirect(str(away)) from away
            except Away as away:
                if isinstance(away, StudioFaulty) and waited > PATIENCE_S:
                    raise NotDirect(str(away)) from away
            self._stop.wait(pause)
        raise AssertionError("pauses never end")

    def _send(self, part: _Part) -> None:
        """One part, in a thread of its own, until the store has it."""
        is_renewed = False
        for pause in backoff():
            self._heed()
            try:
                self._put(part)
                break
            except PartRefused as refused:  # an address is good for some minutes
                if is_renewed:
                    raise NotDirect(str(refused)) from refused
                part, is_renewed = self._renewed(part), True
                continue
            except Unreachable as unreachable:
                if self._moved_at is None:
                    self._client.note_unreachable(part.address)
                    raise NotDirect(str(unreachable)) from unreachable
                self._require_patience(unreachable)
            except StoreIsAway as away:
                self._require_patience(away)
            self._stop.wait(pause)
        self._moved_at = time.monotonic()
        self._ledger.note((part.upload, part.number, part.file.digest))
        self._through(part.file)

    def _renewed(self, part: _Part) -> _Part:
        wanted = PartsWanted(part.file.path, part.file.size, part.number)
        for given in self._addresses([wanted], self._heed):
            if given.upload == part.upload and given.first == part.number and given.addresses:
                return replace(part, address=given.addresses[0])
        raise NotDirect("the studio gives no address")

    def _require_patience(self, away: Away) -> None:
        """Raises NotDirect once no part has got through for a while."""
        if time.monotonic() - (self._moved_at or self._began) > STORE_PATIENCE_S:
            raise NotDirect(str(away)) from away

    def _heed(self) -> None:
        if self._stop.is_set():
            raise _Stopped

    def _put(self, part: _Part) -> None:
        """Bytes that are counted of a part that does not get through are taken back."""
        counted = 0

        def pieces() -> Iterator[bytes]:
            nonlocal counted
            for piece in _read(self._files[part.file.path], part):
                self._heed()
                yield piece
                counted += len(piece)
                self._meter.add(len(piece))

        md5 = hashlib.md5(usedforsecurity=False)
        for piece in _read(self._files[part.file.path], part):
            md5.update(piece)
        try:
            self._client.put_part(part.address, pieces(), part.size, base64.b64encode(md5.digest()).decode())
        except BaseException:
            self._meter.add(-counted)
            raise


def _read(file: Path, part: _Part) -> Iterator[bytes]:
    with file.open("rb", buffering=0) as reader:
        reader.seek(part.start)
        left = part.size
        while left:
            piece = reader.read(min(PIECE, left))
            if not piece:
                raise OSError(f"'{part.file.path}' has become shorter")
            left -= len(piece)
            yield piece
