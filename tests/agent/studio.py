"""The other end of the agents' API for the tests: a small HTTP server with real sockets, as docs/wire.md says."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from duto.spec.sentences import parts_in
from duto_agent.launchers.base import AttemptKey
from duto_protocol.messages import Exchange
from duto_protocol.reading import read
from duto_protocol.reports import reports_of


class Studio:
    """Holds what agents told and what they shall do; `lose` answers makes it forget to answer."""

    def __init__(self, port: int = 0) -> None:
        self.lock = threading.Condition()
        self.work: list[dict[str, Any]] = []
        self.cancel: list[dict[str, Any]] = []
        self.reports: list[dict[str, Any]] = []
        self.exchanges: list[dict[str, Any]] = []
        self.logs: dict[str, bytearray] = {}
        self.spools: dict[str, bytearray] = {}
        self.samples: dict[str, bytearray] = {}
        self.ledgers: dict[str, bytearray] = {}
        self.uploads: dict[str, bytes] = {}
        self.blobs: dict[str, bytes] = {}
        self.ended: set[str] = set()
        self.stale: set[str] = set()
        self.next: list[dict[str, Any]] = []  # given in the reply to a finished report
        self.broken = False
        self.refused = 0
        self.full = False  # what comes is not kept
        self.ignored: list[str] = []  # what of the agents' words the protocol does not know
        self.unsaid: list[str] = []  # sentences of reports that nobody could say in another language
        handler = type("Handler", (_Handler,), {"studio": self})
        self.server = _Server(("127.0.0.1", port), handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        assert self.ignored == []
        assert self.unsaid == [], "sentences without a code: an agent says them by duto.spec.sentences"

    def give(self, work: dict[str, Any]) -> None:
        with self.lock:
            self.work.append(work)
            self.lock.notify_all()

    def ask_cancel(self, key: AttemptKey, grace: float) -> None:
        with self.lock:
            self.cancel.append({"attempt": key.attempt, "epoch": key.epoch, "grace_seconds": grace})
            self.lock.notify_all()

    def cancel_image(self, tag: str, by: str) -> None:
        """Told again and again until the agent tells of an end, as the studio does it."""
        with self.lock:
            self.cancel.append({"image": tag, "by": by})
            self.lock.notify_all()

    def report(self, event: str, of: str) -> dict[str, Any] | None:
        with self.lock:
            found = [
                r
                for r in self.reports
                if r["event"] == event and of in (r.get("attempt"), r.get("build"), r.get("image"))
            ]
        return found[-1] if found else None

    def wait(self, event: str, of: str, seconds: float = 180) -> dict[str, Any]:
        with self.lock:
            assert self.lock.wait_for(lambda: self.report(event, of), seconds), f"no {event} of {of}: {self.reports}"
        found = self.report(event, of)
        assert found is not None
        return found

    def exchange(self, document: dict[str, Any]) -> dict[str, Any]:
        deadline = time.monotonic() + float(document.get("wait") or 0)
        with self.lock:
            self.exchanges.append(document)
            self.unsaid += [text for report in document["reports"] for text in unsaid(report)]
            refused = [
                {"attempt": r.get("attempt"), "epoch": r.get("epoch"), "code": "stale_epoch"}
                for r in document["reports"]
                if r.get("attempt") in self.stale
            ]
            self.reports += [r for r in document["reports"] if r.get("attempt") not in self.stale]
            for report in document["reports"]:
                if "image" in report and report["event"] in ("ready", "failed"):
                    self.cancel = [each for each in self.cancel if each.get("image") != report["image"]]
                if report["event"] == "finished":
                    self.ended.add(report["attempt"])
                    self.cancel = [each for each in self.cancel if each.get("attempt") != report["attempt"]]
                    self.work += [self.next.pop(0)] if self.next else []
            self.lock.notify_all()
            while True:
                answer = self._news(document)
                left = deadline - time.monotonic()
                if refused or left <= 0 or any(answer.values()):
                    return {"lease_seconds": 30, "refused": refused, **answer}
                self.lock.wait(left)

    def _news(self, document: dict[str, Any]) -> dict[str, list[Any]]:
        work = self.work[: document["want"]]
        del self.work[: len(work)]
        held = {each["attempt"] for each in document["holding"]}
        return {
            "work": work,
            "cancel": [each for each in self.cancel if "image" in each or each["attempt"] in held],
            "drop": [{"attempt": key} for key in held & self.ended],
        }

    def append(self, kind: str, key: str, offset: int, data: bytes) -> tuple[int, dict[str, Any]]:
        with self.lock:
            if key in self.stale:
                return 409, {"error": {"code": "stale_epoch", "message": "", "facts": {"epoch": 2}}}
            files = {"log": self.logs, "spool": self.spools, "samples": self.samples, "ledger": self.ledgers}
            held = files[kind].setdefault(key, bytearray())
            if offset != len(held):
                facts = {"size": len(held)}
                return 409, {"error": {"code": "offset", "message": "", "facts": facts}}
            held += data
            self.lock.notify_all()
            return 200, {"size": len(held)}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, *_: Any) -> None:
        """Agents that are killed hang up in the middle of a word."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    studio: Studio

    def do_POST(self) -> None:
        body = self._body()
        if self.studio.broken:
            self.studio.refused += 1
            return self._answer(503, {})
        assert self.headers["X-Duto-Agent"].startswith("1 ") and self.headers["Authorization"] == "Bearer key"
        self.studio.ignored += ignored_of(body)
        return self._answer(200, self.studio.exchange(json.loads(body)))

    def do_PUT(self) -> None:
        body, url = self._body(), urlsplit(self.path)
        parts = url.path.strip("/").split("/")
        if self.studio.broken:
            self.studio.refused += 1
            return self._answer(503, {})
        if parts[-1] in ("log", "spool", "samples", "ledger") and "files" not in parts:
            offset = int(parse_qs(url.query)["offset"][0])
            return self._answer(*self.studio.append(parts[-1], parts[3], offset, body))
        if self.studio.full:
            return self._answer(507, {"error": {"code": "studio_full", "message": "No room.", "facts": {}}})
        self.studio.uploads[unquote(url.path.partition("/files/")[2])] = body
        return self._answer(200, {"size": len(body)})

    def do_GET(self) -> None:
        data = self.studio.blobs.get(unquote(self.path))
        self.send_response(200 if data is not None else 404)
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write(data or b"")

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, status: int, value: dict[str, Any]) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


def ignored_of(body: bytes) -> list[str]:
    """What is not understood of an exchange."""
    found = read(body, Exchange)
    reports, wrong = reports_of(found.message)
    return [*found.ignored, *wrong, *(path for each in reports for path in each.ignored)]


def unsaid(report: dict[str, Any]) -> list[str]:
    """The sentences of a report of which it does not tell what they are made of."""
    sentences = [*filter(None, [report.get("message")]), *(report.get("warnings") or ())]
    return [each for each in sentences if parts_in(report, each) is None]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def spec_of(studio: Studio, files: dict[str, bytes], key: AttemptKey, **more: Any) -> dict[str, Any]:
    """A spec whose snapshot comes over HTTP, with a step that needs no packages."""
    base = f"/agent/v1/attempts/{key.attempt}/{key.epoch}/files"
    listed = []
    for path, data in files.items():
        studio.blobs[f"{base}/blob/{digest(data)}"] = data
        listed.append({"path": path, "digest": digest(data), "size": len(data), "get": f"{base}/blob/{digest(data)}"})
    return {
        "run": "run-1", "root": "root-1", "step": "train", "script": "train.py", "arguments": [], "token": "duto_run_t",
        "snapshot": {"digest": "d", "files": listed}, "inputs": [], "outputs": [], "params": {},
        "environment": {"key": "bare", "lock": "", "python": None, "user_managed": False, "variables": {}},
        "artifacts": {"put": f"{base}/artifact/"}, "variables": {"AZUREML_RUN_ID": "run-1"},
        "timeout_seconds": None, "grace_seconds": 1, "log_cap": 1 << 30, **more,
    }  # fmt: skip
