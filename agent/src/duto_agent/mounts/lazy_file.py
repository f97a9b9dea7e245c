"""One file of a mount: its bytes come by ranges, as they are read, and a little ahead of who reads on."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import Protocol

from duto.spec.sentences import Said, said
from duto_agent.mounts.blocks import BLOCK, Blocks, InMemory
from duto_agent.mounts.tally import Tally
from duto_agent.studio.client import Away
from duto_agent.studio.ranges import BREAKS, PAUSE_S, BrokenOff, Changed, StoreAway
from duto_agent.studio.transfers import DataMissing, StoreRefused
from duto_agent.worded import Worded
from duto_protocol.messages import InputFile

log = logging.getLogger("duto.agent")
# Blocks of one request at most, and how many are asked for ahead of who reads on, at most.
RUN, AHEAD = 8, 16
# How long a read waits, in seconds; and how long once its step is to end.
READ_S, ENDING_S = 120.0, 1.0


class Fetcher(Protocol):
    """What is needed of the studio's client."""

    def download(
        self, url: str, start: int = 0, tag: str | None = None, length: int | None = None
    ) -> contextlib.AbstractContextManager[Iterator[bytes]]:
        """So many bytes behind a URL of the spec from `start` on, of the content that this tag names.

        Raises Away, DataMissing, StoreAway, StoreRefused, Changed; BrokenOff in the middle.
        """


class Unreadable(Worded):
    """A read that gives nothing. What it says is for the step's log: the script gets an error of input and output."""


class Source:
    """What all files of a mount share: where their bytes come from, who fetches them, and whether the step is to end."""

    def __init__(self, fetcher: Fetcher, threads: Executor, tally: Tally | None = None) -> None:
        self.fetcher, self.threads, self.tally = fetcher, threads, tally or Tally()
        self.is_ending = threading.Event()


class LazyFile:
    """Used by many threads. A file that has changed since it was listed is never read again."""

    def __init__(
        self, file: InputFile, blocks: Blocks, source: Source, keep: Callable[[Blocks], None] | None = None
    ) -> None:
        """`keep` takes what is whole; it does not close it."""
        self.file, self.size, self.blocks = file, file.size or 0, blocks
        self._source, self._keep = source, keep
        self._changed = threading.Condition()
        self._coming: set[int] = set()
        self._errors: dict[int, Said] = {}
        self._broken: Said | None = None
        self._next, self._ahead, self._asked_to = 0, 0, 0
        self._is_finishing = False
        # Whether the host had all of it before.
        self.was_here = blocks.is_whole

    def read(self, offset: int, size: int) -> bytes:
        """As many bytes as there are of these. Raises Unreadable."""
        end = min(offset + size, self.size)
        if offset >= end:
            return b""
        wanted = range(offset // BLOCK, (end - 1) // BLOCK + 1)
        until = time.monotonic() + READ_S
        with self._changed:
            self._ask(wanted)
            self._read_ahead(wanted, offset, end)
            while missing := [each for each in wanted if not self.blocks.has(each)]:
                if self._broken is not None:
                    raise Unreadable(self._broken)
                failed = [each for each in missing if each not in self._coming]
                if failed and (why := self._errors.pop(failed[0], None)) is not None:
                    raise Unreadable(why)
                if failed:  # came, and made room for others in memory
                    self._ask(wanted)
                if self._source.is_ending.is_set():
                    until = min(until, time.monotonic() + ENDING_S)
                if not self._changed.wait(min(0.2, max(0.0, until - time.monotonic()))) and time.monotonic() >= until:
                    raise Unreadable(said("mount_silent", path=self.file.path, seconds=round(READ_S)))
            try:
                return self.blocks.get(offset, end)
            except OSError as error:
                raise Unreadable(
                    said("file_not_read", path=self.file.path, error=error.strerror or str(error))
                ) from error

    def prefetch(self) -> None:
        """Have it all come, for whoever reads on with it."""
        with self._changed:
            self._ask(range(-(-self.size // BLOCK)))

    @property
    def is_idle(self) -> bool:
        """Whether nothing of it is under way."""
        with self._changed:
            return not self._coming and not self._is_finishing

    def close(self) -> None:
        with self._changed:
            self.blocks.close()

    def _read_ahead(self, wanted: range, offset: int, end: int) -> None:
        """Ask for more and more beyond these blocks for who reads on, for nothing for who jumps."""
        reads_on, self._next = offset > 0 and abs(offset - self._next) <= BLOCK, end
        if not reads_on:
            self._ahead, self._asked_to = 0, wanted.stop
        elif self._asked_to - wanted.stop <= self._ahead // 2:
            self._ahead = min(AHEAD, max(1, self._ahead * 2))
            self._asked_to = wanted.stop + self._ahead
            self._ask(range(wanted.stop, self._asked_to))

    def _ask(self, blocks: range) -> None:
        """Have those come that are neither here nor on their way, several in one request."""
        if self._broken is not None:
            return
        last = -(-self.size // BLOCK)
        wanted = [each for each in blocks if each < last and each not in self._coming and not self.blocks.has(each)]
        while wanted:
            count = 1
            while count < min(RUN, len(wanted)) and wanted[count] == wanted[0] + count:
                count += 1
            run, wanted = wanted[:count], wanted[count:]
            self._coming.update(run)
            for each in run:
                self._errors.pop(each, None)
            self._source.threads.submit(self._bring, run[0], count)

    def _bring(self, first: int, count: int) -> None:
        """Fetch these blocks; whoever waits is told of each, and of why the others do not come."""
        left, why, is_final = set(range(first, first + count)), None, False
        self._source.tally.began()
        try:
            for block, data in self._fetched(first, count):
                with self._changed:
                    self._put(block, data)
                    left.discard(block)
                    self._coming.discard(block)
                    self._changed.notify_all()
        except Changed:
            why, is_final = said("changed_meanwhile", path=self.file.path), True
        except DataMissing as error:
            why, is_final = error.message, True
        except (StoreAway, StoreRefused) as error:  # which may pass, or be mended
            why = error.message
        except Away as error:
            why = said("files_not_fetched", error=str(error))
        except Exception as error:
            log.exception("a fault in reading '%s'", self.file.path)
            why = said("file_not_read", path=self.file.path, error=str(error))
        finally:
            self._source.tally.ended()
            with self._changed:
                self._coming -= left
                self._errors |= dict.fromkeys(left, why or said("broken_off", error=""))
                self._broken = self._broken or (why if is_final else None)
                keep, self._keep = (self._keep, None) if self.blocks.is_whole else (None, self._keep)
                self._is_finishing = self._is_finishing or keep is not None
                self._changed.notify_all()
        if keep is not None:
            self._finish(keep)

    def _put(self, block: int, data: bytes) -> None:
        try:
            self.blocks.put(block, data)
        except OSError as error:  # a full disk: what is read now need not be kept
            log.warning("'%s' is read without being kept: %s", self.file.path, error)
            self.blocks.close()
            self.blocks, self._keep = InMemory(), None
            self.blocks.put(block, data)

    def _fetched(self, first: int, count: int) -> Iterator[tuple[int, bytes]]:
        """The blocks in their order. Goes on where it broke off, as long as each try brings more."""
        start = first * BLOCK
        wanted, at, breaks, buffer = min(count * BLOCK, self.size - start), 0, 0, bytearray()
        tag = self.file.tag or None
        while at < wanted:
            before = at
            try:
                asked = self._source.fetcher.download(self.file.get or "", start + at, tag, wanted - at)
                with asked as pieces:
                    for piece in pieces:
                        if self._source.is_ending.is_set():
                            raise StoreAway(said("step_canceled"))
                        buffer += piece
                        at += len(piece)
                        self._source.tally.came(len(piece))
                        while len(buffer) >= BLOCK or (buffer and at == wanted):
                            yield first, bytes(buffer[:BLOCK])
                            first += 1
                            del buffer[:BLOCK]
                if at == before:  # nothing more came, and no error either: it is shorter than it was
                    raise Changed
            except BrokenOff:
                breaks = 0 if at > before else breaks + 1
                if breaks >= BREAKS:
                    raise
                time.sleep(PAUSE_S * breaks)

    def _finish(self, keep: Callable[[Blocks], None]) -> None:
        """What is whole is kept for other steps, once it is what its digest says."""
        try:
            if not self.file.digest or self._digest() == self.file.digest:
                return keep(self.blocks)
            with self._changed:
                self._broken = said("other_arrived", path=self.file.path)
                self.blocks.close()
                self.blocks = InMemory()
        except OSError as error:
            log.warning("'%s' is not kept: %s", self.file.path, error)
        finally:
            with self._changed:
                self._is_finishing = False

    def _digest(self) -> str:
        total = hashlib.sha256()
        for start in range(0, self.size, BLOCK):
            total.update(self.blocks.get(start, min(start + BLOCK, self.size)))
        return total.hexdigest()
