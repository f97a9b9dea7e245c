"""All files of a mount: which are open, where their bytes are kept, and what is said of those that cannot be read."""

from __future__ import annotations

import itertools
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

from duto.spec.sentences import Said
from duto_agent.mounts.blocks import BLOCK, Blocks, InMemory, OnDisk
from duto_agent.mounts.lazy_file import LazyFile, Source, Unreadable
from duto_agent.studio.file_cache import FileCache
from duto_agent.studio.transfers import name_of
from duto_protocol.messages import InputFile

log = logging.getLogger("duto.agent")
# Files of which a part was read, and which nobody has open: scripts come back to those.
IDLE = 128
# Small files that are fetched ahead of who reads one after the other.
NEXT = 8


class LazyFiles:
    """Used by many threads."""

    def __init__(
        self, files: Sequence[InputFile], cache: FileCache, source: Source, tell: Callable[[Said], None]
    ) -> None:
        self.files, self.cache, self.source = files, cache, source
        self._tell = tell
        self._turn = threading.Lock()
        self._handles: dict[int, int] = {}
        self._numbers = itertools.count(1)
        self._users: dict[int, int] = {}
        self._known: OrderedDict[int, LazyFile] = OrderedDict()
        self._kept: set[int] = set()
        self._counted: set[int] = set()
        # Those that came whole through this mount, which the host did not have before.
        self._brought: set[int] = set()
        self._last, self._ahead_to = -2, 0
        self._said: set[Said] = set()

    def open(self, number: int) -> int:
        """A handle on the file of this number."""
        with self._turn:
            self._known_as(number)
            self._users[number] = self._users.get(number, 0) + 1
            handle = next(self._numbers)
            self._handles[handle] = number
            coming = [self._known_as(each) for each in self._next(number)]
        for each in coming:
            each.prefetch()
        return handle

    def read(self, handle: int, offset: int, size: int) -> bytes:
        """Raises Unreadable, and says why in the step's log, once."""
        with self._turn:
            file = self._known[self._handles[handle]]
        try:
            found = file.read(offset, size)
        except Unreadable as error:
            with self._turn:
                is_new = error.message not in self._said
                self._said.add(error.message)
            if is_new and not self.source.is_ending.is_set():
                self._tell(error.message)
            raise
        self._count(handle, file)
        return found

    def _count(self, handle: int, file: LazyFile) -> None:
        with self._turn:
            number = self._handles.get(handle)
            if number is None or number in self._counted:
                return
            self._counted.add(number)
            was_here = file.was_here and number not in self._brought
        self.source.tally.read(file.size if was_here else None)

    def release(self, handle: int) -> None:
        with self._turn:
            number = self._handles.pop(handle)
            self._users[number] -= 1
            if not self._users[number]:
                del self._users[number]
                self._known.move_to_end(number)
            self._make_room()

    def _next(self, number: int) -> list[int]:
        """The small files after this one, if the last one that was opened is the one before it."""
        reads_on, self._last = number == self._last + 1, number
        if not reads_on:
            return []
        ahead = range(max(number + 1, self._ahead_to), min(number + 1 + NEXT, len(self.files)))
        self._ahead_to = ahead.stop
        return [each for each in ahead if (self.files[each].size or 0) <= BLOCK]

    def _known_as(self, number: int) -> LazyFile:
        known = self._known.get(number)
        if known is None:
            self._make_room()
            known = self._known[number] = self._made(number)
        return known

    def _made(self, number: int) -> LazyFile:
        file = self.files[number]
        name, size = name_of(file), file.size or 0
        if name and (found := self.cache.opened(name, size)) is not None:
            self._kept.add(number)
            return LazyFile(file, OnDisk(found, size, is_whole=True), self.source)
        return LazyFile(file, self._room_for(size), self.source, lambda blocks: self._keep(number, name, blocks))

    def _room_for(self, size: int) -> Blocks:
        """On the disk, as long as that is no more than this host keeps at all."""
        taken = sum(each.size for each in self._known.values() if isinstance(each.blocks, OnDisk))
        if size <= self.cache.most // 2 and taken + size <= self.cache.most:
            try:
                return OnDisk(self.cache.unnamed(), size)
            except OSError as error:  # a file system without unnamed files, or without room
                log.warning("files are read without being kept: %s", error)
        return InMemory()

    def _keep(self, number: int, name: str, blocks: Blocks) -> None:
        if name and isinstance(blocks, OnDisk):
            with self._turn:
                self._brought.add(number)
            self.cache.adopt(name, blocks.descriptor)
            with self._turn:
                self._kept.add(number)

    def _make_room(self) -> None:
        """Forget what nobody has open and the cache has, and of the rest what was used longest ago."""
        idle = [number for number in self._known if number not in self._users and self._known[number].is_idle]
        surplus = len(idle) - IDLE
        for place, number in enumerate(idle):
            if number in self._kept or place < surplus:
                self._known.pop(number).close()
                self._kept.discard(number)
