"""A registry that sends what it has slowly, and counts what it has sent: a proxy before the real one; and images for it."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import json
import os
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

PIECE = 1 << 16


class Slow:
    """`rate`: bytes a second of each answer; `sent`: bytes of all answers so far."""

    def __init__(self, behind: str, rate: int) -> None:
        self.behind, self.rate, self.sent, self.cut = behind, rate, 0, threading.Event()
        handler = type("Handler", (_Handler,), {"slow": self})
        self.server = _Server(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server.server_port}"


@contextmanager
def slow(behind: str, rate: int) -> Iterator[Slow]:
    """It stands before the registry `behind` for the length of the block."""
    made = Slow(behind, rate)
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """An engine that gives up a fetch hangs up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    slow: Slow

    def do_GET(self) -> None:
        self._pass_on()

    def do_HEAD(self) -> None:
        self._pass_on()

    def _pass_on(self) -> None:
        link = http.client.HTTPConnection(self.slow.behind, timeout=30)
        link.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():  # some come more than once
            link.putheader(name, value)
        link.endheaders()
        answer = link.getresponse()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            self.send_header(name, value)
        self.end_headers()
        while self.command == "GET" and (data := answer.read(PIECE)):
            try:
                self.wfile.write(data)
            except OSError:
                self.slow.cut.set()
                raise
            self.slow.sent += len(data)
            time.sleep(len(data) / self.slow.rate)
        link.close()

    def log_message(self, *_: Any) -> None:
        """Nothing: the tests look at `sent`."""


def publish(place: str, name: str, tag: str, size: int, labels: dict[str, str] | None = None) -> None:
    """Put an image of one layer into a registry that no engine has ever had: random bytes, of no use but to be fetched."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as layer:
        entry = tarfile.TarInfo("large")
        entry.size = size
        layer.addfile(entry, io.BytesIO(os.urandom(size)))
    packed = gzip.compress(tar.getvalue(), 1)
    root = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(tar.getvalue()).hexdigest()}"]}
    config = json.dumps(
        {"architecture": "amd64", "os": "linux", "config": {"Labels": labels or {}}, "rootfs": root}
    ).encode()
    kind = "application/vnd.docker"
    manifest = {
        "schemaVersion": 2, "mediaType": f"{kind}.distribution.manifest.v2+json",
        "config": _upload(place, name, config) | {"mediaType": f"{kind}.container.image.v1+json"},
        "layers": [_upload(place, name, packed) | {"mediaType": f"{kind}.image.rootfs.diff.tar.gzip"}],
    }  # fmt: skip
    headers = {"Content-Type": str(manifest["mediaType"])}
    _ask(place, "PUT", f"/v2/{name}/manifests/{tag}", json.dumps(manifest).encode(), headers)


def _upload(place: str, name: str, data: bytes) -> dict[str, Any]:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    where = urlsplit(_ask(place, "POST", f"/v2/{name}/blobs/uploads/", b"", {}))
    headers = {"Content-Type": "application/octet-stream"}
    _ask(place, "PUT", f"{where.path}?{where.query}&digest={digest}", data, headers)
    return {"size": len(data), "digest": digest}


def _ask(place: str, method: str, path: str, data: bytes, headers: dict[str, str]) -> str:
    """The location that the registry answers with."""
    link = http.client.HTTPConnection(place, timeout=60)
    link.request(method, path, data, headers)
    answer = link.getresponse()
    text = answer.read()
    link.close()
    assert answer.status in (201, 202), text
    return answer.getheader("Location") or ""
