"""A workspace whose runs end, and who listens: a web server and a mail server, both real."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from core.clock import now
from notifications.models import Channel, Delivery, Rule
from notifications.services import channels, deliveries, matching, rules
from runs.models import Run
from runs.services.orchestration.run_transaction import run_transaction
from tests.runs.conftest import RunScenario

ERROR = {
    "cause": "user_error",
    "message": "ValueError: Input contains NaN.",
    "exit_code": 1,
    "signal": None,
    "traceback": {"file": "step.py", "line": 7, "text": "ValueError: Input contains NaN."},
    "step": "train",
    "failed_steps": ["train"],
}


@dataclass
class Call:
    """One request of the studio."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """A web server that keeps what it is sent, and answers what it is told to, 204 from then on."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        # Set by a test that wants it to answer nothing until it is set again.
        self.open = threading.Event()
        self.open.set()
        # The same, after what it has said of its answer.
        self.stays = threading.Event()
        self.stays.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.calls.append(Call(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                outer.open.wait(30)
                code, headers, text = outer.answers.pop(0) if outer.answers else (204, {}, b"")
                self.send_response(code)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)
                self.wfile.flush()
                outer.stays.wait(30)

            def log_message(self, *args: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    def answer(self, code: int, text: bytes = b"", **headers: str) -> None:
        self.answers.append((code, headers, text))


class MailServer:
    """A mail server that keeps what it is sent, and refuses recipients that it is told to."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], EmailMessage]] = []
        self.refused: dict[str, str] = {}

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        mail = message_from_bytes(envelope.content, policy=policy.default)
        self.mails.append((list(envelope.rcpt_tos), mail))
        return "250 Message accepted"


class Notified(RunScenario):
    """Runs that end, and messages that go out."""

    def ends(self, status: str, at: datetime | None = None, error: Any = ERROR, **fields: Any) -> Run:
        """A run of one step that has just ended, through the one way by which runs change."""
        by = fields.pop("submitted_by", self.owner)
        root = self.pipeline("train", status="Running", **{"started_at": now() - timedelta(minutes=3), **fields})
        Run.objects.filter(pk=root.pk).update(submitted_by=by)
        with run_transaction(root.pk) as locked:
            locked.move(status, finished_at=at or now(), error=error if status == "Failed" else None)
        root.refresh_from_db()
        return root

    def webhook(self, receiver: Receiver, kind: str = "webhook", name: str = "ops") -> tuple[Channel, str]:
        return channels.create(self.context, {"name": name, "kind": kind, "url": receiver.url()})

    def rule(self, *events: str, **asked: Any) -> Rule:
        asked = {"name": "failures", "events": events or ["failed"], **asked}
        if "channels" in asked:
            asked["channels"] = [each.pk for each in asked["channels"]]
        return rules.create(self.context, asked)

    def gathered(self) -> None:
        """What is gathered has been for long enough."""
        matching.match_all()
        Delivery.objects.filter(status="held").update(send_at=now())

    def send(self) -> None:
        """All that is to be told, at once, by both lanes."""
        self.gathered()
        deliveries.deliver_all()
        deliveries.deliver_all(is_slow=True)

    def retry(self) -> None:
        """As if the time until the next try were over."""
        Delivery.objects.filter(status="due").update(send_at=now())
        self.send()


@pytest.fixture
def scenario(db: None) -> Notified:
    return Notified()


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    """On this machine, so private addresses are allowed."""
    settings.DUTO = replace(settings.DUTO, fetch_private=True)
    made = Receiver()
    yield made
    made.open.set()
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def mail(settings: Any) -> Iterator[MailServer]:
    made = MailServer()
    with socket.create_server(("127.0.0.1", 0)) as free:  # it tries its port itself, so it has to know it
        port = free.getsockname()[1]
    controller = Controller(made, hostname="127.0.0.1", port=port)
    controller.start()
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.DEFAULT_FROM_EMAIL = "Duto <duto@example.org>"
    yield made
    controller.stop()
