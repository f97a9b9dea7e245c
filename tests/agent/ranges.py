"""A store for the tests of mounts: a web server that gives ranges by their tag, and counts what it gave."""

from __future__ import annotations

import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class RangeServer:
    """`files` may change at any time. `held`: answers wait for it. `faults`: what comes before the right answer, a status or
    "half" for one that breaks off."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self._tags: dict[int, tuple[bytes, str]] = {}  # large files are digested once
        self.asked: list[tuple[str, int, int]] = []
        self.faults: list[int | str] = []
        self.held = threading.Event()
        self.held.set()
        handler = type("Handler", (_Handler,), {"store": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def put(self, path: str, data: bytes) -> dict[str, Any]:
        """The file as the spec of a step lists it."""
        self.files[path] = data
        key = hashlib.sha256(f"{path} {self.tag(path)}".encode()).hexdigest()
        return {"path": path, "size": len(data), "get": f"{self.url}/{path}", "tag": self.tag(path), "cache_key": key}

    def tag(self, path: str) -> str:
        data = self.files[path]
        if id(data) not in self._tags:
            self._tags[id(data)] = (data, hashlib.md5(data).hexdigest())
        return self._tags[id(data)][1]

    def sent(self, path: str = "") -> int:
        """Bytes that were asked for."""
        return sum(end - start for asked, start, end in self.asked if asked == path or not path)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.held.set()
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    store: RangeServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        store, path = self.store, self.path.lstrip("/")
        store.held.wait()
        fault = store.faults.pop(0) if store.faults else None
        if isinstance(fault, int):
            return self._answer(fault, b"")
        if path not in store.files:
            return self._answer(404, b"")
        data, tag = store.files[path], store.tag(path)
        if self.headers.get("If-Match") not in (None, f'"{tag}"'):
            return self._answer(412, b"")
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start, end = (int(found[1]), int(found[2] or len(data) - 1) + 1) if found else (0, len(data))
        store.asked.append((path, start, min(end, len(data))))
        return self._answer(206 if found else 200, data[start:end], tag, fault == "half")

    def _answer(self, status: int, data: bytes, tag: str = "", breaks_off: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        if tag:
            self.send_header("ETag", f'"{tag}"')
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if breaks_off else data)
        if breaks_off:
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Quiet."""
