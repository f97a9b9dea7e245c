"""Builds by the engine's own BuildKit: the context as a tar, the answer as a stream of lines."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

TRACE = "moby.buildkit.trace"
BUILD_S = 3600


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


def build(api: Any, params: Mapping[str, str], tar: bytes) -> Iterator[str]:
    """Each line of the build as it comes; an error is a line too. Raises what the API raises."""
    answer = api._post(
        api._url("/build"),
        data=tar,
        params=dict(params),
        headers={"Content-Type": "application/tar"},
        stream=True,
        timeout=BUILD_S,
    )
    api._raise_for_status(answer)
    return _lines(answer)


def _lines(answer: Any) -> Iterator[str]:
    """Commands speak in pieces; a piece that does not end a line is continued by the next."""
    begun = ""
    for raw in answer.iter_lines():
        message = json.loads(raw) if raw else {}
        if message.get("id") == TRACE:
            *whole, begun = (begun + spoken(base64.b64decode(message.get("aux") or ""))).split("\n")
            yield from (line for line in whole if line.strip())
        elif message.get("error"):
            yield from (line for line in (begun, str(message["error"])) if line.strip())
            begun = ""
    if begun.strip():
        yield begun


def spoken(status: bytes) -> str:
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
