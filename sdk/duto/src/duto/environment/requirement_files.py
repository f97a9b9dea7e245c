"""Requirement files: the lines that pip would read, with the files that they name, here or on the web."""

from __future__ import annotations

import base64
import time
from http.client import HTTPException
from pathlib import Path
from typing import Dict, Iterable, Iterator, Optional, Tuple
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from duto.exceptions import UserErrorException
from duto.spec import requirements

_ON_THE_WEB = ("http", "https")
_MOST_BYTES, _SECONDS = 1 << 20, 60.0
# What was fetched, by its address: whoever keeps it reads the same again.
Fetched = Dict[str, str]


def lines_of(place: str, fetched: Optional[Fetched] = None) -> Iterator[str]:
    """The lines of a requirements file, by its path or address, as `read` gives them. Raises `UserErrorException`."""
    fetched = {} if fetched is None else fetched
    place = place if _is_address(place) else str(Path(place).resolve())
    return read(_text_of(place, fetched), _folder_of(place), fetched, (place,))


def read(
    lines: Iterable[str], folder: str, fetched: Optional[Fetched] = None, within: Tuple[str, ...] = ()
) -> Iterator[str]:
    """Packages and options one by one: those of a file that `-r` names, which lies below `folder` unless it says where,
    stand in its place, and `-c` names its file by the whole path or address. Raises `UserErrorException`."""
    fetched = {} if fetched is None else fetched
    for raw in lines:
        line = requirements.without_comment(str(raw))
        name, value = requirements.option(line)
        if name not in ("-r", "-c"):
            if line:
                yield line
            continue
        place = _named(value, folder, line)
        if place in within:
            raise UserErrorException(f"The requirements file '{_shown(place)}' names itself by '-r'.")
        if name == "-c":
            yield f"-c {place}"
        else:
            yield from read(_text_of(place, fetched), _folder_of(place), fetched, (*within, place))


def constraints_of(place: str, fetched: Optional[Fetched] = None) -> Iterator[str]:
    """The lines of a file of constraints. Raises `UserErrorException`."""
    for line in lines_of(place, fetched):
        name, value = requirements.option(line)
        if name == "-c":
            yield from constraints_of(value, fetched)
        elif not name:
            yield line


def _named(value: str, folder: str, line: str) -> str:
    """As pip: beside the file that names it, also where that is on the web."""
    parts = urlsplit(value)
    if parts.scheme == "file":
        return str(Path(unquote(parts.path)).resolve())
    if _is_address(value) or _is_address(folder):
        return urljoin(folder, value)
    if "://" in value:
        raise UserErrorException(f"'{line}' names a file that cannot be fetched: only http, https and file can.")
    return str((Path(folder) / value).resolve())


def _is_address(place: str) -> bool:
    return "://" in place and urlsplit(place).scheme.lower() in _ON_THE_WEB


def _folder_of(place: str) -> str:
    return urljoin(place, ".") if _is_address(place) else str(Path(place).parent)


def _shown(place: str) -> str:
    return requirements.without_password(place)


def _text_of(place: str, fetched: Fetched) -> Iterator[str]:
    try:
        if not _is_address(place):
            text = Path(place).read_text(encoding="utf-8-sig")
        elif place in fetched:
            text = fetched[place]
        else:
            text = fetched[place] = _fetch(place)
    except (OSError, ValueError, HTTPException) as error:
        what = f"The requirements file '{_shown(place)}' cannot be read"
        raise UserErrorException(f"{what}: {requirements.without_password(str(error))}") from error
    return iter(text.replace("\\\r\n", " ").replace("\\\n", " ").splitlines())


def _fetch(address: str) -> str:
    """What the program's own machine gets there, as pip does. Raises `OSError`, `ValueError` or `HTTPException`."""
    import urllib.request  # takes long, and few need it

    parts = urlsplit(address)
    who, _, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(urlunsplit(parts._replace(netloc=host, fragment="")))  # noqa: S310 - http(s) alone
    if who:
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(unquote(who).encode()).decode()}")
    deadline, data = time.monotonic() + _SECONDS, b""
    with urllib.request.urlopen(request, timeout=_SECONDS / 4) as answer:  # noqa: S310
        if answer.headers.get_content_type() == "text/html":
            raise ValueError("there is a web page; name the address of the file itself, such as that of 'Raw'")
        while piece := answer.read1(1 << 16):
            data += piece
            if len(data) > _MOST_BYTES:
                raise ValueError(f"it is larger than {_MOST_BYTES} bytes")
            if time.monotonic() > deadline:
                raise ValueError(f"it takes longer than {_SECONDS:.0f} seconds")
    return data.decode("utf-8-sig")
