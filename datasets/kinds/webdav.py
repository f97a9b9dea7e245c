"""What a server of WebDAV says of a folder and of what lies in it (the answer to PROPFIND, RFC 4918), entry by entry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import IO, Any
from urllib.parse import unquote_to_bytes, urlsplit
from xml.etree.ElementTree import Element, ParseError

PROPERTIES = (
    b'<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:"><prop>'
    b"<resourcetype/><getcontentlength/><getlastmodified/><getetag/></prop></propfind>"
)
_NAME = "{DAV:}"


@dataclass(frozen=True)
class Entry:
    """A file or folder: the path of its address without a slash at its end, its size in bytes (None where the server says
    none), its time of change (epoch seconds), and its strong etag, else nothing."""

    path: str
    is_folder: bool
    size: int | None
    modified: float
    tag: str


def entries(body: IO[bytes]) -> Iterator[Entry]:
    """Read piece by piece, so that a long listing is never held as a whole. Raises ValueError for what is no such answer."""
    from defusedxml.ElementTree import iterparse

    root: Any = None
    try:
        for event, element in iterparse(body, events=("start", "end"), forbid_dtd=True):
            if root is None:
                root = element
                if root.tag != f"{_NAME}multistatus":
                    raise ValueError(f"it begins with <{root.tag.rpartition('}')[2]}>")
            elif event == "end" and element.tag == f"{_NAME}response":
                yield _entry(element)
                root.clear()
    except ParseError as error:
        raise ValueError(str(error)) from error


def path_of(address: str) -> str:
    """The path of an address as people write it. Raises ValueError for one that is more than a path, or no text."""
    parts = urlsplit(address)
    if parts.query or parts.fragment or not parts.path.startswith("/"):
        raise ValueError(f"{address[:200]!r} is no path")
    return unquote_to_bytes(parts.path).decode().rstrip("/")


def _entry(response: Element) -> Entry:
    found: dict[str, Element] = {}
    for part in response.iterfind(f"{_NAME}propstat"):
        # Those that the server does not have come in a part of their own.
        if " 200 " in f"{part.findtext(f'{_NAME}status', '')} ":
            found |= {each.tag: each for each in part.iterfind(f"{_NAME}prop/*")}
    kind, size = found.get(f"{_NAME}resourcetype"), _text(found, "getcontentlength")
    tag, changed = _text(found, "getetag"), _text(found, "getlastmodified")
    return Entry(
        path_of((response.findtext(f"{_NAME}href") or "").strip()),
        kind is not None and kind.find(f"{_NAME}collection") is not None,
        int(size) if size.isdecimal() else None,
        parsedate_to_datetime(changed).timestamp() if changed else 0.0,
        "" if tag.startswith("W/") else tag.strip('"'),
    )


def _text(found: dict[str, Element], name: str) -> str:
    element = found.get(f"{_NAME}{name}")
    return (element.text or "").strip() if element is not None else ""
