"""Datastores of Azure by service principal: against Azurite by TLS, with a sign-in of these tests that answers as Entra's does."""

from __future__ import annotations

import base64
import io
import json
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core.errors import Invalid, StudioError
from datasets.models import Datastore
from datasets.services import registration
from datasets.stores import presigned, root_of
from tests.datasets.store_servers import KEY, StoreServer, azurite
from tests.workspace_scenario import WorkspaceScenario

pytestmark = pytest.mark.django_db
TENANT = "ab1f708d-50f6-404c-a006-d71b2ac7a606"
PRINCIPAL = {"tenant_id": TENANT, "client_id": "the-client", "client_secret": "the-secret~of.it"}


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for this machine, and its key."""
    folder, key = tmp_path_factory.mktemp("tls"), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(datetime.now(UTC) - timedelta(hours=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "cert.pem", folder / "key.pem"


class SignIn:
    """Gives tokens for the one client, as Entra's endpoint of version 2 does."""

    def __init__(self, tls: tuple[Path, Path]) -> None:
        self.asked: list[dict[str, str]] = []
        self.status = 200
        sign_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                base = f"{sign_in.url}/{TENANT}"
                self._say(200, {
                    "issuer": f"{base}/v2.0", "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                    "token_endpoint": f"{base}/oauth2/v2.0/token",
                })  # fmt: skip

            def do_POST(self) -> None:
                sent = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                given = {key: value[0] for key, value in sent.items()}
                sign_in.asked.append(given)
                if sign_in.status != 200:
                    self._say(sign_in.status, {})
                elif given["client_secret"] != PRINCIPAL["client_secret"]:
                    text = "AADSTS7000215: Invalid client secret provided. Trace ID: 1"
                    self._say(401, {"error": "invalid_client", "error_description": text, "error_codes": [7000215]})
                else:
                    self._say(200, {"token_type": "Bearer", "expires_in": 3600, "access_token": _token()})

            def _say(self, status: int, document: dict[str, Any]) -> None:
                data = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def _token() -> str:
    """As Azurite looks at it: no signature, but times, issuer and audience."""
    present = int(time.time())
    claims = {
        "aud": "https://storage.azure.com", "iss": f"https://sts.windows.net/{TENANT}/", "iat": present - 60, "nbf": present - 60,
        "exp": present + 3600, "oid": str(uuid4()), "tid": TENANT,
    }  # fmt: skip
    parts = (
        base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in ({"alg": "none"}, claims)
    )
    return ".".join(parts) + ".x"


@pytest.fixture(scope="module")
def sign_in(tls: tuple[Path, Path]) -> Iterator[SignIn]:
    made = SignIn(tls)
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="module")
def server(tls: tuple[Path, Path]) -> Iterator[StoreServer]:
    with azurite(tls) as found:
        yield found


@pytest.fixture(autouse=True)
def near(settings: Any, tls: tuple[Path, Path], sign_in: SignIn) -> None:
    settings.DUTO = replace(settings.DUTO, fetch_private=True, ca_file=tls[0])
    sign_in.status = 200
    sign_in.asked.clear()


@pytest.fixture
def options(server: StoreServer, sign_in: SignIn) -> dict[str, Any]:
    return {**server.options, "container": f"t{uuid4().hex[:20]}", "authority": sign_in.url}


@pytest.mark.parametrize("kind", ["azure_blob", "adls_gen2"])
def test_files_are_written_and_read_by_a_service_principal(
    kind: str, options: dict[str, Any], sign_in: SignIn, scenario: WorkspaceScenario
) -> None:
    store = registration.register(scenario.context, "far", kind, options, PRINCIPAL, create=True)
    asked = sign_in.asked[0]
    assert (asked["client_id"], asked["grant_type"]) == ("the-client", "client_credentials")
    assert asked["scope"] == "https://storage.azure.com/.default"
    root = root_of(store)
    root.write("a/b c.txt", io.BytesIO(b"0123456789"))
    assert [(each.path, each.size) for each in root.walk()] == [("a/b c.txt", 10)] and root.read(
        "a/b c.txt", 3, 4
    ) == b"3456"
    assert len(sign_in.asked) <= 2, "a token is kept while it is good"
    # Signed by a key that the store gives for that. Whether it is taken cannot be tried: Azurite knows signatures of an
    # earlier version than Azure's library makes.
    address = presigned(scenario.workspace, "far", "a/b c.txt", 60)
    place, _, query = address.partition("?")
    said = {name: value[0] for name, value in parse_qs(query).items()}
    assert place == f"{options['endpoint']}/{options['container']}/a/b%20c.txt" and "the-secret" not in address
    assert (said["sp"], said["sr"], said["sktid"]) == ("r", "b", TENANT) and said["skoid"] and said["sig"]
    assert 50 < (datetime.fromisoformat(said["se"]) - datetime.now(UTC)).total_seconds() <= 60
    assert datetime.fromisoformat(said["ske"]) > datetime.now(UTC) + timedelta(hours=23)
    assert presigned(scenario.workspace, "far", "b", 60).partition("skoid=")[2][:36] == said["skoid"], (
        "one key signs all"
    )
    shown = str(scenario.api.get("datastores/far/").json()) + repr(registration.stores.connection_of(store))
    assert "the-secret" not in shown and b"the-secret" not in bytes(store.sealed or b"")


def test_what_goes_wrong_at_the_sign_in_is_told_as_what_it_is(
    options: dict[str, Any],
    sign_in: SignIn,
    scenario: WorkspaceScenario,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(options: dict[str, Any], credentials: dict[str, str]) -> StudioError:
        with pytest.raises(StudioError) as caught:
            registration.register(scenario.context, "far", "azure_blob", options, credentials, create=True)
        assert credentials["client_secret"] not in str(caught.value.as_document())
        return caught.value

    error = refused(options, {**PRINCIPAL, "client_secret": "another-secret"})
    assert error.code == "store_refused" and "AADSTS7000215" in error.message
    monkeypatch.setattr("datasets.kinds.azure.RETRIES", 0)
    sign_in.status = 503
    error = refused(options, PRINCIPAL)
    assert error.facts["stage"] == "answer" and "cannot answer at this moment" in error.message
    error = refused({**options, "authority": "https://127.0.0.1:9"}, PRINCIPAL)
    assert error.facts["stage"] == "network" and "127.0.0.1" in error.message
    settings.DUTO = replace(settings.DUTO, ca_file=None)
    assert refused(options, PRINCIPAL).facts["stage"] == "network"


@pytest.mark.parametrize(
    ("more", "credentials", "says"),
    [
        ({}, {"tenant_id": "t", "client_id": "c"}, "together"),
        ({}, {**PRINCIPAL, "account_key": KEY}, "together"),
        ({}, {**PRINCIPAL, "sas_token": "sig=x"}, "together"),
        ({"endpoint": "http://127.0.0.1:1/a"}, PRINCIPAL, "by TLS alone"),
        ({"authority": "http://127.0.0.1:1"}, PRINCIPAL, "by TLS alone"),
    ],
)
def test_half_a_principal_is_refused(
    scenario: WorkspaceScenario, more: dict[str, str], credentials: dict[str, str], says: str
) -> None:
    with pytest.raises(Invalid, match=says):
        place = {"account": "a", "container": "c", **more}
        registration.register(scenario.context, "far", "azure_blob", place, credentials, validate=False)
    assert not Datastore.objects.filter(name="far").exists()
