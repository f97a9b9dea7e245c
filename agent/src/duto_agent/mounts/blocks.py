"""Where the blocks of a file are kept that were read so far: on the host's disk, or in memory where that has no room for it."""

from __future__ import annotations

import os
from collections import OrderedDict
from typing import Protocol

BLOCK = 1 << 20
# Of a file that is kept in memory: as many blocks as are asked for ahead, and those behind that readers come back to.
IN_MEMORY = 48


class Blocks(Protocol):
    """Of one file; its owner's lock is held at each call."""

    is_whole: bool

    def has(self, block: int) -> bool:
        """Whether these bytes are here."""

    def put(self, block: int, data: bytes) -> None:
        """Raises OSError."""

    def get(self, start: int, end: int) -> bytes:
        """Bytes of blocks that are here."""

    def close(self) -> None:
        """Give back what it holds."""


class OnDisk:
    """A file of its full size, with holes where nothing was read. It takes its descriptor over."""

    def __init__(self, descriptor: int, size: int, *, is_whole: bool = False) -> None:
        self.descriptor, self.size, self.is_whole = descriptor, size, is_whole
        self._here = bytearray(0 if is_whole else -(-size // BLOCK))
        self._left = len(self._here)
        if not is_whole:
            os.truncate(descriptor, size)

    def has(self, block: int) -> bool:
        return self.is_whole or bool(self._here[block])

    def put(self, block: int, data: bytes) -> None:
        at, view = block * BLOCK, memoryview(data)
        while view:
            written = os.pwrite(self.descriptor, view, at)
            at, view = at + written, view[written:]
        if not self._here[block]:
            self._here[block] = 1
            self._left -= 1
            self.is_whole = not self._left

    def get(self, start: int, end: int) -> bytes:
        data = os.pread(self.descriptor, end - start, start)
        if len(data) != end - start:
            raise OSError(f"{len(data)} bytes in place of {end - start}")
        return data

    def close(self) -> None:
        os.close(self.descriptor)


class InMemory:
    """The last blocks of a file that the cache has no room for."""

    is_whole = False

    def __init__(self) -> None:
        self._here: OrderedDict[int, bytes] = OrderedDict()

    def has(self, block: int) -> bool:
        return block in self._here

    def put(self, block: int, data: bytes) -> None:
        self._here[block] = data
        while len(self._here) > IN_MEMORY:
            self._here.popitem(last=False)

    def get(self, start: int, end: int) -> bytes:
        blocks = range(start // BLOCK, (end - 1) // BLOCK + 1)
        for each in blocks:
            self._here.move_to_end(each)
        data = b"".join(self._here[each] for each in blocks)
        first = blocks.start * BLOCK
        return data[start - first : end - first]

    def close(self) -> None:
        self._here.clear()
