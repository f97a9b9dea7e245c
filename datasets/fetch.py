"""The one fetcher of web addresses: guarded against reaching into the studio's own network."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import socket
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import IO
from urllib.parse import unquote, urljoin, urlsplit

import httpx
from django.conf import settings

from core.errors import Unprocessable
from core.storage import Root
from datasets.stores import WEB, root_by_name
from workspaces.models import Workspace

MOST_REDIRECTS = 5


@dataclass(frozen=True)
class Copy:
    """What was fetched from a web address, and where its copy lies below the root of web copies."""

    url: str
    name: str
    key: str
    size: int
    digest: str
    etag: str = ""
    changed: str = ""


def known_copy(workspace: Workspace, url: str) -> Copy | None:
    """The workspace's copy of what was at `url` when it was last asked; asks nobody."""
    return _known(root_by_name(workspace, WEB), url)


def copy_of(workspace: Workspace, url: str, *, alive: Callable[[], None] = lambda: None) -> Copy:
    """Fetch what is at `url`, unless the workspace's copy is still what is there. `alive` is called all along.

    Raises Unprocessable that says why it cannot be had. It takes long, so only workers ask.
    """
    root = root_by_name(workspace, WEB)
    known = _known(root, url)
    with tempfile.TemporaryFile() as buffer:
        answer = _download(url, known, buffer, alive)
        if answer is None and known is not None:
            return known
        assert answer is not None
        digest, size, final = answer
        key = f"{digest[:2]}/{digest}"
        buffer.seek(0)
        if not root.exists(key):
            root.write(key, buffer, digest=digest)
    name = unquote(PurePosixPath(urlsplit(url).path).name) or "download"
    copy = Copy(url, name, key, size, digest, final.headers.get("etag", ""), final.headers.get("last-modified", ""))
    _remember(root, copy)
    return copy


def _download(
    url: str, known: Copy | None, sink: IO[bytes], alive: Callable[[], None]
) -> tuple[str, int, httpx.Response] | None:
    """Fetch into the sink: (digest, size, answer), or None when the copy is still what is there."""
    headers = {"user-agent": "duto"}
    if known is not None and known.etag:
        headers["if-none-match"] = known.etag
    elif known is not None and known.changed:
        headers["if-modified-since"] = known.changed
    deadline = time.monotonic() + settings.DUTO.fetch_seconds
    try:
        with httpx.Client(transport=_Guarded(), follow_redirects=False, timeout=20, trust_env=False) as client:
            for _ in range(MOST_REDIRECTS + 1):
                with client.stream("GET", url, headers=headers) as answer:
                    if answer.has_redirect_location:
                        url = urljoin(url, answer.headers["location"])
                        continue
                    if answer.status_code == 304:
                        return None
                    if answer.status_code != 200:
                        raise _refuse(url, f"it answers {answer.status_code}")
                    return (*_drain(url, answer, sink, deadline, alive), answer)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise _refuse(url, str(error) or type(error).__name__) from error
    raise _refuse(url, f"it redirects more than {MOST_REDIRECTS} times")


def _drain(
    url: str, answer: httpx.Response, sink: IO[bytes], deadline: float, alive: Callable[[], None]
) -> tuple[str, int]:
    """The whole body, within the limits of size and time."""
    most, seen, size = settings.DUTO.fetch_max_bytes, hashlib.sha256(), 0
    # As they come: filling a chunk from a slow server would outlast every limit of time.
    for chunk in answer.iter_bytes():
        alive()
        size += len(chunk)
        if size > most:
            raise _refuse(url, f"it is larger than {most} bytes (DUTO_FETCH_MAX_BYTES)")
        if time.monotonic() > deadline:
            raise _refuse(url, f"it took longer than {settings.DUTO.fetch_seconds} seconds (DUTO_FETCH_SECONDS)")
        sink.write(chunk)
        seen.update(chunk)
    return seen.hexdigest(), size


class _Guarded(httpx.HTTPTransport):
    """Resolves a name once, checks every address, and connects to the one it has checked."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        if url.scheme not in ("http", "https"):
            raise _refuse(str(url), "only http and https are fetched")
        address = allowed_address(url.host, url.port or (443 if url.scheme == "https" else 80))
        # A second look-up could give another answer than the one that was checked.
        request.extensions["sni_hostname"] = url.host
        request.url = url.copy_with(host=address)
        return super().handle_request(request)


def check(url: str) -> None:
    """Refuse an address that is a private one as it stands, without asking anybody for a name."""
    host = urlsplit(url).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return
    allowed_address(host, 80)


def allowed_address(host: str, port: int) -> str:
    """An address of the host that may be asked. Raises Unprocessable for private and link-local ones."""
    try:
        found = [info[4][0] for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as error:
        raise _refuse(host, "there is no such host") from error
    addresses = [ipaddress.ip_address(str(each).split("%")[0]) for each in found]
    for each in addresses:
        plain = each.ipv4_mapped or each if isinstance(each, ipaddress.IPv6Address) else each
        if not plain.is_global and not settings.DUTO.fetch_private:
            raise _refuse(host, "it lies in a private network (DUTO_FETCH_PRIVATE allows that)", code="private_address")
        if plain.is_multicast or plain.is_unspecified:
            raise _refuse(host, "its address is not one of a web server", code="private_address")
    return str(addresses[0])


def _index(url: str) -> str:
    return f"index/{hashlib.sha256(url.encode()).hexdigest()}.json"


def _known(root: Root, url: str) -> Copy | None:
    if not root.exists(_index(url)):
        return None
    copy = Copy(**json.loads(root.read(_index(url))))
    return copy if root.exists(copy.key) else None


def _remember(root: Root, copy: Copy) -> None:
    with tempfile.TemporaryFile() as buffer:
        buffer.write(json.dumps(asdict(copy)).encode())
        buffer.seek(0)
        root.write(_index(copy.url), buffer)


def _refuse(url: str, why: str, code: str = "not_fetched") -> Unprocessable:
    return Unprocessable(f"'{url}' cannot be fetched: {why}.", code=code, url=url)
