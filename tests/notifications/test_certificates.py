"""Mail servers and webhooks whose certificate is of an authority of one's own: refused with the reason, until it is named."""

from __future__ import annotations

import http.server
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from notifications.models import Delivery
from notifications.services import channels, deliveries
from studio.config import ConfigError, load
from tests.notifications.conftest import MailServer, Notified

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1, with its key in one file; it is its own authority."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lab")])
    moment = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(moment - timedelta(hours=1))
        .not_valid_after(moment + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    text = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = tmp_path_factory.mktemp("certificate") / "lab.pem"
    file.write_bytes(made.public_bytes(pem) + text)
    return file


def context_of(certificate: Path) -> ssl.SSLContext:
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.load_cert_chain(certificate)
    return found


@pytest.fixture(params=["starttls", "tls"])
def mail(request: pytest.FixtureRequest, settings: Any, certificate: Path) -> Iterator[MailServer]:
    made, context = MailServer(), context_of(certificate)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    more: dict[str, Any] = {"ssl_context": context}
    if request.param == "starttls":
        more = {"tls_context": context, "require_starttls": True}
    controller = Controller(made, hostname="127.0.0.1", port=port, **more)

    def touch() -> None:  # as it does itself, but for who is trusted
        with socket.create_connection(("127.0.0.1", port)) as wire:
            if request.param == "tls":
                ssl.create_default_context(cafile=certificate).wrap_socket(wire, server_hostname="127.0.0.1").recv(1)
            else:
                wire.recv(1)

    controller._trigger_server = touch  # type: ignore[method-assign]
    controller.start()
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    settings.EMAIL_USE_TLS, settings.EMAIL_USE_SSL = request.param == "starttls", request.param == "tls"
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    yield made
    controller.stop()


def test_mail_goes_by_a_server_of_an_authority_that_is_named(
    scenario: Notified, mail: MailServer, settings: Any, certificate: Path
) -> None:
    asked = {"name": "team", "kind": "email", "recipients": ["ana@example.org"]}
    deliveries.test(scenario.context, channels.create(scenario.context, asked)[0])
    scenario.send()
    refused = Delivery.objects.get()
    assert refused.status == "due" and mail.mails == []
    assert "certificate is not trusted: self-signed certificate. An authority of one's own is named in DUTO_CA_FILE" in refused.why  # fmt: skip
    settings.DUTO = replace(settings.DUTO, ca_file=certificate)
    scenario.retry()
    assert Delivery.objects.get().status == "sent" and len(mail.mails) == 1


class _Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_said: Any) -> None:
        pass


def test_a_webhook_goes_to_a_receiver_of_an_authority_that_is_named(
    scenario: Notified, settings: Any, certificate: Path
) -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Receiver)
    server.socket = context_of(certificate).wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.DUTO = replace(settings.DUTO, fetch_private=True)
    asked = {"name": "ops", "kind": "webhook", "url": f"https://127.0.0.1:{server.server_port}/"}
    deliveries.test(scenario.context, channels.create(scenario.context, asked)[0])
    scenario.send()
    assert "certificate is not trusted: self-signed certificate" in Delivery.objects.get().why
    settings.DUTO = replace(settings.DUTO, ca_file=certificate)
    scenario.retry()
    assert Delivery.objects.get().status == "sent"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("text", "said"), [(None, "No such file"), ("no PEM", "no certificates in PEM"), ("", "no certificate")]
)
def test_a_file_without_certificates_is_refused_at_the_start(tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "ca.pem"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=f"DUTO_CA_FILE: .*{said}"):
        load({"DUTO_DATA_DIR": str(tmp_path), "DUTO_CA_FILE": str(file)})
