"""The one fetcher of web addresses: guarded against reaching into the studio's own network."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import socket
import ssl
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import IO, Any
from urllib.parse import unquote, urljoin, urlsplit

import httpcore
import httpx
from django.conf import settings

from core import certificates
from core.sentences import Kept, text_of
from core.storage import Root
from core.words import duration_text
from datasets import addresses
from datasets.guard import allow, allowed_addresses, refuse_address
from datasets.stored_messages import say
from datasets.stores import WEB, root_by_name
from workspaces.models import Workspace
from workspaces.services import storage

MOST_REDIRECTS = 5
# One of them, once: others, and one in another, make gigabytes of what fits into one piece.
CODINGS = ("", "identity", "gzip", "x-gzip", "deflate")


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


@dataclass(frozen=True)
class Bounds:
    """So many bytes and seconds a fetch may take at most."""

    size: int
    seconds: float


def copy_of(
    workspace: Workspace, url: str, *, alive: Callable[[], None] = lambda: None, bounds: Bounds | None = None
) -> Copy:
    """Fetch what is at `url`, unless the workspace's copy is still what is there. `alive` is called all along.

    Raises Unprocessable that says why it cannot be had. It takes long, so only workers ask, or who sets narrow bounds; the
    usual ones are settings.
    """
    root = root_by_name(workspace, WEB)
    known = _known(root, url)
    with tempfile.TemporaryFile() as buffer:
        answer = _download(url, known, buffer, alive, bounds)
        if answer is None and known is not None:
            return known
        assert answer is not None
        digest, size, final = answer
        key = f"{digest[:2]}/{digest}"
        buffer.seek(0)
        if not root.exists(key):
            storage.require(workspace, size)
            root.write(key, buffer, digest=digest)
            storage.note(workspace, size)
    name = unquote(PurePosixPath(urlsplit(url).path).name) or "download"
    copy = Copy(url, name, key, size, digest, final.headers.get("etag", ""), final.headers.get("last-modified", ""))
    remember(root, copy)
    return copy


def _download(
    url: str, known: Copy | None, sink: IO[bytes], alive: Callable[[], None], bounds: Bounds | None = None
) -> tuple[str, int, httpx.Response] | None:
    """Fetch into the sink: (digest, size, answer), or None when the copy is still what is there."""
    bounds = bounds or Bounds(settings.DUTO.fetch_max_bytes, settings.DUTO.fetch_seconds)
    headers = {"user-agent": "duto", "accept-encoding": "gzip"}
    if known is not None and known.etag:
        headers["if-none-match"] = known.etag
    elif known is not None and known.changed:
        headers["if-modified-since"] = known.changed
    deadline = time.monotonic() + bounds.seconds
    try:
        with guarded_client(deadline) as client:
            for _ in range(MOST_REDIRECTS + 1):
                if urlsplit(url).scheme not in ("http", "https"):
                    raise refuse_address(url, say("other_scheme"))
                with client.stream("GET", url, headers=headers) as answer:
                    if answer.has_redirect_location:
                        url = urljoin(url, answer.headers["location"])
                        continue
                    if answer.status_code == 304:
                        return None
                    if answer.status_code != 200:
                        raise refuse_address(url, say("answers", status=answer.status_code))
                    return (*_drain(url, answer, sink, deadline, alive, bounds), answer)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        is_late = time.monotonic() >= deadline
        said = certificates.why_untrusted(error) or str(error) or type(error).__name__
        raise refuse_address(url, _late(bounds.seconds) if is_late else said) from error
    raise refuse_address(url, say("redirects", most=MOST_REDIRECTS))


def _drain(
    url: str, answer: httpx.Response, sink: IO[bytes], deadline: float, alive: Callable[[], None], bounds: Bounds
) -> tuple[str, int]:
    """The whole body, within the limits of size and time."""
    coding = answer.headers.get("content-encoding", "").strip().lower()
    if coding not in CODINGS:
        raise refuse_address(url, say("packed", coding=repr(coding[:60])))
    most, seen, size = bounds.size, hashlib.sha256(), 0
    # As they come: filling a chunk from a slow server would outlast every limit of time.
    for chunk in answer.iter_bytes():
        alive()
        size += len(chunk)
        if size > most:
            raise refuse_address(url, say("web_too_large", most=most))
        if time.monotonic() > deadline:
            raise refuse_address(url, _late(bounds.seconds))
        sink.write(chunk)
        seen.update(chunk)
    return seen.hexdigest(), size


class _Backend(httpcore.NetworkBackend):
    """Opens connections to checked addresses alone: the name is looked up once, and what was checked is connected to."""

    def __init__(self, deadline: float) -> None:
        self.deadline, self.inner = deadline, httpcore.SyncBackend()

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None, socket_options: Any = None
    ) -> httpcore.NetworkStream:  # fmt: skip
        failure: Exception | None = None
        for address in allowed_addresses(host, port):
            try:
                wire = self.inner.connect_tcp(
                    address, port, _left(self.deadline, timeout), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
                continue
            return _Wire(wire, self.deadline)
        raise failure or httpcore.ConnectError("no address answers")


class _Wire(httpcore.NetworkStream):
    """A connection that ends with the time of its fetch: a server that drips a byte a second renews every other limit."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: float) -> None:
        self.inner, self.deadline = inner, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.inner.read(max_bytes, _left(self.deadline, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.inner.write(buffer, _left(self.deadline, timeout))

    def close(self) -> None:
        self.inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        inner = self.inner.start_tls(ssl_context, server_hostname, _left(self.deadline, timeout))
        return _Wire(inner, self.deadline)

    def get_extra_info(self, info: str) -> Any:
        return self.inner.get_extra_info(info)


def _left(deadline: float, timeout: float | None) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout(text_of(_late()))
    return min(left, timeout) if timeout else left


def _late(seconds: float | None = None) -> Kept:
    return say("late", time=duration_text(seconds or settings.DUTO.fetch_seconds))


def guarded_client(deadline: float) -> httpx.Client:
    """A client whose calls are over by then (`time.monotonic`). It follows nothing by itself, asks no proxy and no file of
    passwords, and keeps no connection for another host. Its calls raise Unprocessable for a private address."""
    context = certificates.context()
    transport = httpx.HTTPTransport(verify=context, trust_env=False)
    transport._pool = httpcore.ConnectionPool(
        ssl_context=context, max_keepalive_connections=0, network_backend=_Backend(deadline)
    )
    return httpx.Client(transport=transport, follow_redirects=False, timeout=20, trust_env=False)


def check(url: str) -> None:
    """Refuse an address that is a private one as it stands, without asking anybody for a name."""
    host = urlsplit(url).hostname or ""
    address = _written_out(host)
    if address is not None:
        allow(host, address)


def _written_out(host: str) -> addresses.Address | None:
    """The address that a host is, also as resolvers take it: 127.1, 0x7f.0.0.1 and 2130706433 are 127.0.0.1. None for a name."""
    try:
        return ipaddress.ip_address(host.split("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.ip_address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def _index(url: str) -> str:
    return f"index/{hashlib.sha256(url.encode()).hexdigest()}.json"


def _known(root: Root, url: str) -> Copy | None:
    if not root.exists(_index(url)):
        return None
    copy = Copy(**json.loads(root.read(_index(url))))
    return copy if root.exists(copy.key) else None


def remember(root: Root, copy: Copy) -> None:
    """From now on this is the copy of its address."""
    with tempfile.TemporaryFile() as buffer:
        buffer.write(json.dumps(asdict(copy)).encode())
        buffer.seek(0)
        root.write(_index(copy.url), buffer)
