"""Send stored bytes to a browser or program: in pieces, by range, and never with the studio's own rights."""

from __future__ import annotations

import asyncio
import contextlib
import mimetypes
import re
from collections.abc import AsyncIterator, Generator, Iterator
from typing import BinaryIO
from urllib.parse import quote

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

PIECE = 256 * 1024
# Below this the answer is one piece: cheaper than a stream, and small enough for memory.
SMALL = 1 << 20
# What users made may draw itself, but it has neither our origin nor the network.
SANDBOX = "sandbox allow-scripts; default-src data: blob: 'unsafe-inline' 'unsafe-eval'; frame-ancestors 'self'"
_RANGE = re.compile(r"bytes=([0-9]*)-([0-9]*)")
# Beyond every file: more digits than this are not worth a number, and Python makes none of more than 4,300.
_MOST_DIGITS, _BEYOND = 18, 1 << 62


def serve(
    request: HttpRequest, source: BinaryIO, size: int, name: str, content_type: str = "", *, as_file: bool = False
) -> HttpResponseBase:
    """The bytes of a seekable reader, which is closed at the end. `Range` is honoured, HEAD reads nothing.

    `as_file`, or `?download=1` of the address, has the browser save them.
    """
    kind = content_type or type_of(name)
    wanted = _range(request.headers.get("Range", ""), size)
    if wanted is None:
        source.close()
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    start, length = wanted
    answer = _answer(request, source, start, length)
    if length != size:
        answer.status_code = 206
        answer["Content-Range"] = f"bytes {start}-{start + length - 1}/{size}"
    answer["Content-Type"] = kind
    answer["Content-Length"] = str(length)
    answer["Accept-Ranges"] = "bytes"
    return guarded(request, answer, name, as_file=as_file)


def stream(
    request: HttpRequest, pieces: Generator[bytes, None, None], name: str, content_type: str, *, as_file: bool = False
) -> HttpResponseBase:
    """Bytes that are made while they are sent, such as an archive; their number is not known before."""
    # The first is taken before the answer begins, so that a refusal is still an answer.
    first = next(pieces, b"")
    answer: HttpResponseBase
    if request.method == "HEAD":
        pieces.close()
        answer = HttpResponse()
    else:
        answer = StreamingHttpResponse(_after(first, pieces))
    answer["Content-Type"] = content_type
    return guarded(request, answer, name, as_file=as_file)


def guarded(request: HttpRequest, answer: HttpResponseBase, name: str, *, as_file: bool = False) -> HttpResponseBase:
    """The headers that every file of a user is sent with."""
    place = "attachment" if as_file or request.GET.get("download") else "inline"
    base = name.rsplit("/", 1)[-1] or "file"
    answer["Content-Disposition"] = f"{place}; filename*=UTF-8''{quote(base, safe='')}"
    answer["Content-Security-Policy"] = SANDBOX
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Cache-Control"] = "private, no-cache"
    return answer


def type_of(name: str) -> str:
    """A content type by the file's name; text is taken as UTF-8."""
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def _answer(request: HttpRequest, source: BinaryIO, start: int, length: int) -> HttpResponseBase:
    if request.method == "HEAD":
        source.close()
        return HttpResponse()
    source.seek(start)
    if length <= SMALL:
        with source:
            return HttpResponse(source.read(length))
    answer = StreamingHttpResponse(_pieces(source, length))
    # A client that leaves in the middle must not leave the file open.
    answer._resource_closers.append(source.close)  # type: ignore[attr-defined]
    return answer


def _pieces(source: BinaryIO, length: int) -> Iterator[bytes]:
    with source:
        while length > 0 and (piece := source.read(min(PIECE, length))):
            length -= len(piece)
            yield piece


def _after(first: bytes, pieces: Generator[bytes, None, None]) -> Iterator[bytes]:
    with contextlib.closing(pieces):
        yield first
        yield from pieces


async def one_by_one(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The same pieces for an event loop: each is made in a thread when the one before is sent.

    A client that leaves ends the iterator, after the piece that is being made.
    """
    following = sync_to_async(lambda: next(pieces, None), thread_sensitive=False)
    turn: asyncio.Future[bytes | None] | None = None
    try:
        while (piece := await asyncio.shield(turn := asyncio.ensure_future(following()))) is not None:
            yield piece
    finally:
        if turn is not None:
            await asyncio.wait([turn])
        if isinstance(pieces, Generator):
            await sync_to_async(pieces.close, thread_sensitive=False)()


def _range(header: str, size: int) -> tuple[int, int] | None:
    """(start, length) of the one range that is asked for, all without one, or None when it cannot be met."""
    match = _RANGE.fullmatch(header.strip())
    if not match or match.groups() == ("", ""):
        return 0, size
    first, last = match.groups()
    if not first:
        length = min(_number(last), size)
        return (size - length, length) if length else None
    start, end = _number(first), _number(last) if last else size - 1
    if last and start > end:
        return 0, size  # not a range at all, which is no reason to refuse the file
    return (start, min(end, size - 1) - start + 1) if start < size else None


def _number(digits: str) -> int:
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) <= _MOST_DIGITS else _BEYOND
