"""The ledger as a file: lines are added and synced, none is ever changed. Whoever is killed leaves at most half a line."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, Optional, Tuple, Union

from duto.spec import ledger

_text = json.encoder.encode_basestring_ascii
_ROWS = b',"r":"'
_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


class Ledger:
    """Open for adding. What a driver that was killed left half-written is cut off first."""

    def __init__(self, path: Union[str, Path]) -> None:
        self.path = Path(path)
        self._number = os.open(str(path), os.O_RDWR | os.O_CREAT, 0o600)
        self.size = _whole(self._number)
        os.ftruncate(self._number, self.size)
        os.lseek(self._number, self.size, os.SEEK_SET)

    def add(self, lines: Iterable[bytes], counts: bool = True) -> None:
        """Add whole lines, all or, where the disk is full, none of them. What counts is on the disk when this returns. Raises
        OSError."""
        data = b"".join(lines)
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._number, view) :]
            if counts:
                os.fdatasync(self._number) if hasattr(os, "fdatasync") else os.fsync(self._number)
        except OSError:
            os.ftruncate(self._number, self.size)
            os.lseek(self._number, self.size, os.SEEK_SET)
            raise
        self.size += len(data)

    def close(self) -> None:
        os.close(self._number)


def line(event: str, **facts: Any) -> bytes:
    """A record as its line."""
    record: Dict[str, Any] = {"e": event, "at": round(time.time(), 4), **facts}
    return _encode(record).encode() + b"\n"


def done_line(
    number: int, key: str, slot: int, attempt: int, items: int, results: int, lasted: float, **more: Any
) -> bytes:
    """The line of a mini-batch that is done, as `line` makes it: most lines are of these, and this is several times faster."""
    rest = "".join(
        [f',"{name}":{_text(value) if isinstance(value, str) else json.dumps(value)}' for name, value in more.items()]
    )
    return (
        f'{{"e":"done","at":{time.time():.4f},"n":{number},"k":"{key}","w":{slot},"t":{attempt},"i":{items},'
        f'"s":{lasted:.5f},"o":{results}{rest}}}\n'
    ).encode()


def rows_of(line: bytes) -> Optional[bytes]:
    """The rows in the line of a mini-batch that is done, as JSON spells them; None where it has to be read whole. Cutting
    them out is exact: what looks like a key inside of a text has its quotes escaped."""
    start = line.find(_ROWS)
    if start < 0 or line.find(b'":', start + len(_ROWS)) >= 0:
        return None
    return line[start + len(_ROWS) - 1 : -2]


def placed(path: Union[str, Path]) -> Iterator[Tuple[int, int, Dict[str, Any]]]:
    """The records of a ledger, each with where its line begins and how long it is. Of a file that is not there none."""
    try:
        source = open(path, "rb")  # noqa: SIM115, PTH123
    except FileNotFoundError:
        return
    with source:
        at = 0
        for raw in source:
            if raw.endswith(b"\n"):
                record: Optional[Dict[str, Any]] = ledger.record_of(raw)
                if record is not None:
                    yield at, len(raw), record
            at += len(raw)


def _whole(number: int) -> int:
    """Bytes up to the end of the last whole line."""
    at = os.lseek(number, 0, os.SEEK_END)
    while at:
        start = max(0, at - 65536)
        found = os.pread(number, at - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        at = start
    return 0
