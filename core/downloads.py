"""Files over HTTP: streamed, in ranges, and never as something that a browser would run."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import AsyncIterator
from typing import BinaryIO
from urllib.parse import quote

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from core.storage import CHUNK, Root

# Shown as they are; all else arrives as plain bytes. What a user uploaded must not act as a page of the studio.
SHOWN = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "text/plain", "text/csv", "application/json"})
SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def file_response(request: HttpRequest, root: Root, key: str, name: str = "") -> HttpResponseBase:
    """One stored file, whole or the range that was asked for. Raises NotFound."""
    size = root.size(key)
    source = root.open(key)
    window = _window(request.headers.get("Range", ""), size)
    if window is None:
        source.close()
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    start, end = window
    is_part = "Range" in request.headers and (start, end) != (0, size)
    response = StreamingHttpResponse(stream(source, start, end - start), status=206 if is_part else 200)
    for header, value in headers_of(name or key, end - start).items():
        response[header] = value
    response["Accept-Ranges"] = "bytes"
    if is_part:
        response["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return response


def headers_of(name: str, length: int | None = None) -> dict[str, str]:
    """What every answer with a user's bytes says: type, name, and that nothing in it may act."""
    file_name = name.rsplit("/", 1)[-1]
    guessed = mimetypes.guess_type(file_name)[0] or ""
    kind = guessed if guessed in SHOWN else "application/octet-stream"
    headers = {
        "Content-Type": f"{kind}; charset=utf-8" if kind.startswith("text/") else kind,
        "Content-Disposition": f"{'inline' if kind in SHOWN else 'attachment'}; filename*=UTF-8''{quote(file_name)}",
        "Content-Security-Policy": SANDBOX,
        "X-Content-Type-Options": "nosniff",
    }
    if length is not None:
        headers["Content-Length"] = str(length)
    return headers


async def stream(source: BinaryIO, start: int, length: int) -> AsyncIterator[bytes]:
    """Chunk by chunk: a synchronous iterator would be gathered in memory before its first byte is sent."""
    read = sync_to_async(source.read, thread_sensitive=False)
    try:
        await sync_to_async(source.seek, thread_sensitive=False)(start)
        left = length
        while left > 0 and (chunk := await read(min(CHUNK, left))):
            left -= len(chunk)
            yield chunk
    finally:
        source.close()


def _window(header: str, size: int) -> tuple[int, int] | None:
    """The bytes to send as (start, end); None when the range lies outside. Several ranges get the whole file."""
    match = _RANGE.fullmatch(header.strip())
    if match is None or match.groups() == ("", ""):
        return 0, size
    first, last = match.groups()
    if not first:
        return (max(0, size - int(last)), size) if int(last) and size else None
    start = int(first)
    end = min(int(last) + 1, size) if last else size
    return (start, end) if start < end else None
