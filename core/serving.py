"""Send stored bytes to a browser or program: in pieces, by range, and never with the studio's own rights."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import AsyncIterator, Iterator
from typing import BinaryIO
from urllib.parse import quote

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

PIECE = 256 * 1024
# Below this the answer is one piece: cheaper than a stream, and small enough for memory.
SMALL = 1 << 20
# What users made may draw itself, but it has neither our origin nor the network.
SANDBOX = "sandbox allow-scripts; default-src data: blob: 'unsafe-inline' 'unsafe-eval'; frame-ancestors 'self'"
_RANGE = re.compile(r"^bytes=(\d*)-(\d*)$")


def serve(request: HttpRequest, source: BinaryIO, size: int, name: str, content_type: str = "") -> HttpResponseBase:
    """The bytes of a seekable reader, which is closed at the end. `Range` is honoured; `?download=1` saves as a file."""
    kind = content_type or type_of(name)
    wanted = _range(request.headers.get("Range", ""), size)
    if wanted is None:
        source.close()
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    start, length = wanted
    source.seek(start)
    answer = _answer(request, source, length)
    if length != size:
        answer.status_code = 206
        answer["Content-Range"] = f"bytes {start}-{start + length - 1}/{size}"
    answer["Content-Type"] = kind
    answer["Content-Length"] = str(length)
    answer["Accept-Ranges"] = "bytes"
    return guarded(request, answer, name)


def stream(request: HttpRequest, pieces: Iterator[bytes], name: str, content_type: str) -> HttpResponseBase:
    """Bytes that are made while they are sent, such as an archive; their number is not known before."""
    answer = StreamingHttpResponse(_suited(request, pieces), content_type=content_type)
    return guarded(request, answer, name)


def guarded(request: HttpRequest, answer: HttpResponseBase, name: str) -> HttpResponseBase:
    """The headers that every file of a user is sent with."""
    place = "attachment" if request.GET.get("download") else "inline"
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


def _answer(request: HttpRequest, source: BinaryIO, length: int) -> HttpResponseBase:
    if length <= SMALL:
        with source:
            return HttpResponse(source.read(length))
    answer = StreamingHttpResponse(_suited(request, _pieces(source, length)))
    # A client that leaves in the middle must not leave the file open.
    answer._resource_closers.append(source.close)  # type: ignore[attr-defined]
    return answer


def _pieces(source: BinaryIO, length: int) -> Iterator[bytes]:
    with source:
        while length > 0 and (piece := source.read(min(PIECE, length))):
            length -= len(piece)
            yield piece


def _suited(request: HttpRequest, pieces: Iterator[bytes]) -> Iterator[bytes] | AsyncIterator[bytes]:
    # Given a plain iterator, Django's ASGI handler would gather all of it in memory first.
    return _asynchronous(pieces) if isinstance(request, ASGIRequest) else pieces


async def _asynchronous(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    following = sync_to_async(lambda: next(pieces, None), thread_sensitive=False)
    while (piece := await following()) is not None:
        yield piece


def _range(header: str, size: int) -> tuple[int, int] | None:
    """(start, length) of the one range that is asked for, all without one, or None when it cannot be met."""
    match = _RANGE.match(header.strip())
    if not match or match.groups() == ("", ""):
        return 0, size
    first, last = match.groups()
    if not first:
        length = min(int(last), size)
        return (size - length, length) if length else None
    start, end = int(first), min(int(last) if last else size - 1, size - 1)
    return (start, end - start + 1) if start <= end else None
