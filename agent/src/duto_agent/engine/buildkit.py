"""Builds by the engine's own BuildKit: the context as a tar, the answer as a stream of lines."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import socket
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TRACE = "moby.buildkit.trace"
BUILD_S = 3600
TEXT_MOST = 120


def context(files: Mapping[str, bytes]) -> bytes:
    """A tar of these files, all of which may be run."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def readable(path: str) -> bytes:
    """The bytes of a file. Raises OSError."""
    return Path(path).read_bytes()


class Steps:
    """The steps of a build, by their digests, as its trace tells of them: more become known as it goes."""

    def __init__(self, moved: Callable[[int, int, str], None]) -> None:
        self._moved = moved
        self._names: dict[bytes, str] = {}
        self._done: set[bytes] = set()
        self._now = ""

    def take(self, status: bytes) -> None:
        """One StatusResponse: its field 1, vertexes, with digest (1), name (3), start (5) and end (6)."""
        vertexes = [dict(_fields(value)) for number, value in _fields(status) if number == 1]
        for each in vertexes:
            digest, name = each.get(1, b""), each.get(3, b"").decode("utf-8", "replace")
            self._names[digest] = name or self._names.get(digest, "")
            if 6 in each:
                self._done.add(digest)
            elif 5 in each:
                self._now = self._names[digest]
        if vertexes:
            self._moved(len(self._done), len(self._names), " ".join(self._now.split())[:TEXT_MOST])


@dataclass(frozen=True)
class Watch:
    """Who looks on: `moved(done, total, what it does now)`, and `opened` with what ends the build at once."""

    moved: Callable[[int, int, str], None]
    opened: Callable[[Callable[[], None]], None]


# Nobody looks on, and nobody ends it.
UNWATCHED = Watch(lambda done, total, text: None, lambda end: None)


def build(api: Any, params: Mapping[str, str], tar: bytes, watch: Watch) -> Iterator[str]:
    """Each line of the build as it comes; an error is a line too. Raises what the API raises, now and while it is read."""
    answer = api._post(
        api._url("/build"),
        data=tar,
        params=dict(params),
        headers={"Content-Type": "application/tar"},
        stream=True,
        timeout=BUILD_S,
    )
    api._raise_for_status(answer)
    watch.opened(lambda: disconnect(answer))
    return _lines(answer, Steps(watch.moved))


def disconnect(answer: Any) -> None:
    """The engine gives up a build whose caller is gone. Whoever reads the answer in another thread sees its end."""
    with contextlib.suppress(OSError, AttributeError):
        answer.raw._fp.fp.raw._sock.shutdown(socket.SHUT_RDWR)


def _lines(answer: Any, steps: Steps) -> Iterator[str]:
    """Commands speak in pieces; a piece that does not end a line is continued by the next."""
    begun = ""
    for raw in answer.iter_lines():
        message = json.loads(raw) if raw else {}
        if message.get("id") == TRACE:
            status = base64.b64decode(message.get("aux") or "")
            steps.take(status)
            *whole, begun = (begun + messages(status)).split("\n")
            yield from (line for line in whole if line.strip())
        elif message.get("error"):
            yield from (line for line in (begun, str(message["error"])) if line.strip())
            begun = ""
    if begun.strip():
        yield begun


def messages(status: bytes) -> str:
    """What commands printed, from one StatusResponse (its field 3, logs; their field 4, bytes)."""
    logs = (value for number, value in _fields(status) if number == 3)
    texts = (text for log in logs for number, text in _fields(log) if number == 4)
    return b"".join(texts).decode("utf-8", "replace")


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Fields of bytes of a protocol buffer; others are skipped."""
    at = 0
    while at < len(data):
        key, at = _number(data, at)
        kind = key & 7
        if kind == 2:
            size, at = _number(data, at)
            yield key >> 3, data[at : at + size]
            at += size
        elif kind == 0:
            _, at = _number(data, at)
        else:
            at += {1: 8, 5: 4}.get(kind, len(data))


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data):
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            break
    return value, at
