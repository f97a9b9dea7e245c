"""docker-compose.yml: right by the schema, and each of its commands works as a plain process, behind the real proxy."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import jsonschema
import psycopg
import pytest
import yaml
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from studio.bootstrap import ROOT
from studio.supervisor.broker import find_binary, free_port
from studio.testing.live import clean_env, eventually
from studio.testing.plugin import lacking

PASSWORD = "a long pass phrase 7"
REST = "/api/v1/workspaces/main"
SECRETS = {
    "POSTGRES_PASSWORD": "p" * 32,
    "VALKEY_PASSWORD": "v" * 32,
    "DUTO_SECRET_KEY": "s" * 48,
    "DUTO_PUBLIC_URL": "http://127.0.0.1",
}


def interpolate(text: str, values: Mapping[str, str]) -> str:
    """`${NAME:?why}` and `${NAME:-default}`, as compose does it."""

    def replace(found: re.Match[str]) -> str:
        name, kind, rest = found.group(1), found.group(2), found.group(3)
        if values.get(name):
            return values[name]
        assert kind == ":-", f"{name} is required: {rest}"
        return rest

    return re.sub(r"\$\{(\w+)(:\?|:-)([^}]*)\}", replace, text)


def compose(values: Mapping[str, str] = SECRETS) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(interpolate((ROOT / "docker-compose.yml").read_text(), values))
    return loaded


def test_the_file_is_right_by_the_schema() -> None:
    schema = json.loads((ROOT / "tests" / "compose" / "compose_spec.json").read_text())
    document = compose()
    jsonschema.Draft7Validator(schema).validate(document)
    assert {"postgres", "valkey", "web", "worker", "agent", "proxy"} <= set(document["services"])
    for service in document["services"].values():
        for volume in service.get("volumes", []):
            name = volume.split(":")[0]
            assert (name.startswith("./") and (ROOT / name).exists()) or name in document["volumes"], volume


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_missing_secret_is_refused(name: str) -> None:
    with pytest.raises(AssertionError, match=name):
        compose({**SECRETS, name: ""})


def test_the_example_names_every_secret() -> None:
    named = {line.split("=")[0] for line in (ROOT / "deploy" / "example.env").read_text().splitlines() if "=" in line}
    assert set(SECRETS) <= named


def test_the_agent_gets_neither_database_nor_key() -> None:
    environment = compose()["services"]["agent"]["environment"]
    assert not {"DUTO_DATABASE_URL", "DUTO_SECRET_KEY", "DUTO_REDIS_URL"} & set(environment)


class Stack:
    """The services of the file as processes of this machine, on the suite's PostgreSQL and a Valkey of their own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.ports = {"web": free_port(), "valkey": free_port(), "https": free_port(), "http": free_port()}
        server = urlsplit(os.environ["DUTO_DATABASE_URL"])
        self.database = f"{server.hostname}:{server.port}"
        self.open_at(f"http://127.0.0.1:{self.ports['web']}")
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def open_at(self, public: str) -> None:
        """Before anything starts: the address that browsers use."""
        self.public = public
        self.services = compose({**SECRETS, "DUTO_PUBLIC_URL": public})["services"]

    def here(self, word: object) -> str:
        """A word of the file in terms of this machine."""
        places = {
            "postgres:5432": self.database,
            "valkey:6379": f"127.0.0.1:{self.ports['valkey']}",
            "web:8000": f"127.0.0.1:{self.ports['web']}",
            "/var/lib/duto-agent": str(self.home / "data" / "agent"),
            "/var/lib/duto": str(self.home / "data"),
            "0.0.0.0": "127.0.0.1",
        }
        text = str(word)
        for there, place in places.items():
            text = text.replace(there, place)
        return text

    def command(self, name: str) -> list[str]:
        if name == "proxy":  # the image's own command
            return [
                shutil.which("caddy") or "caddy",
                "run",
                "--adapter",
                "caddyfile",
                "--config",
                str(self.caddyfile()),
            ]
        words = [self.here(word) for word in self.services[name]["command"]]
        programs = {"python": sys.executable, "valkey-server": find_binary("")}
        if name == "web":
            words = [str(self.ports["web"]) if word == "8000" else word for word in words]
        if name == "valkey":
            words += ["--port", str(self.ports["valkey"]), "--bind", "127.0.0.1", "--dir", str(self.home)]
        return [programs[words[0]], *words[1:]]

    def caddyfile(self) -> Path:
        """The file of the repository at the places of this machine; its authority stays out of the machine's own list."""
        made = self.home / "Caddyfile"
        own = f"{{\n\tadmin off\n\tskip_install_trust\n\thttp_port {self.ports['http']}\n}}\n"
        made.write_text(own + self.here((ROOT / "deploy" / "Caddyfile").read_text()))
        return made

    def authority(self) -> ssl.SSLContext:
        """Who signed the proxy's certificate."""
        root = self.home / "caddy" / "pki" / "authorities" / "local" / "root.crt"
        eventually(root.is_file, 30, "the proxy's authority")
        return ssl.create_default_context(cafile=str(root))

    def environment(self, name: str) -> dict[str, str]:
        said = {key: self.here(value) for key, value in self.services[name].get("environment", {}).items()}
        return clean_env({**said, "DUTO_NO_BOOTSTRAP": "1", "XDG_DATA_HOME": str(self.home)})

    def start(self, name: str) -> subprocess.Popen[bytes]:
        with (self.home / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                self.command(name), cwd=ROOT, env=self.environment(name), stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self.processes[name] = process
        return process

    def log(self, name: str) -> str:
        return (self.home / f"{name}.log").read_text(errors="replace")

    def tries_to_sign_in(self, forwarded: str, name: str) -> bool:
        """With a wrong password, from behind the proxy; whether that was once too often."""
        with httpx.Client(
            base_url=f"http://127.0.0.1:{self.ports['web']}", headers={"X-Forwarded-For": forwarded}
        ) as web:
            form = web.get("/accounts/login/").text
            token = re.findall(r'csrfmiddlewaretoken" value="([^"]+)"', form)[0]
            fields = {"csrfmiddlewaretoken": token, "login": name, "password": "wrong"}
            return "Too many" in web.post("/accounts/login/", data=fields).text

    def answers(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(
                urllib.request.urlopen(f"http://127.0.0.1:{self.ports['web']}/healthz", timeout=5).status == 200
            )
        return False


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """With the role and the database that the file's PostgreSQL would make."""
    admin = os.environ["DUTO_DATABASE_URL"]
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS duto WITH (FORCE)")
        connection.execute("DROP ROLE IF EXISTS duto")
        connection.execute(f"CREATE ROLE duto LOGIN PASSWORD '{SECRETS['POSTGRES_PASSWORD']}'")
        connection.execute("CREATE DATABASE duto OWNER duto")
    built = Stack(tmp_path)
    yield built
    for process in reversed(built.processes.values()):
        process.terminate()
    for process in built.processes.values():
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        process.kill()
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("DROP DATABASE duto WITH (FORCE)")
        connection.execute("DROP ROLE duto")


@pytest.mark.slow
def test_each_command_works_with_its_environment(stack: Stack) -> None:
    stack.start("valkey")
    assert stack.start("prepare").wait(120) == 0, stack.log("prepare")
    web = stack.start("web")
    eventually(lambda: stack.answers() or web.poll() is not None, 180, "the first page")
    assert web.poll() is None, stack.log("web")
    # The proxy's word about the browser is believed, and the browser's own about itself is not.
    assert [stack.tries_to_sign_in("9.9.9.9", f"name-{number}") for number in range(11)] == [False] * 10 + [True]
    assert stack.tries_to_sign_in("8.8.8.8, 9.9.9.9", "name")
    assert not stack.tries_to_sign_in("9.9.9.9, 8.8.8.8", "name")
    worker = stack.start("worker")
    eventually(lambda: "ready" in stack.log("worker") or worker.poll() is not None, 180, "the worker")
    assert worker.poll() is None, stack.log("worker")
    if (stack.home / "data" / "agent" / "host.json").exists():
        agent = stack.start("agent")
        with contextlib.suppress(subprocess.TimeoutExpired):
            agent.wait(4)
        assert agent.poll() is None, stack.log("agent")


def sign_in(web: httpx.Client, link: str) -> None:
    """By the link that the log shows, as the owner of a new studio does."""
    fields = {"csrfmiddlewaretoken": hidden(web.get(link).text), "password": PASSWORD, "again": PASSWORD}
    done = web.post(link, data=fields, headers={"Referer": link})
    assert done.status_code == 302, done.text


def hidden(page: str) -> str:
    return re.findall(r'csrfmiddlewaretoken" value="([^"]+)"', page)[0]


def socket(stack: Stack, web: httpx.Client, origin: str) -> ClientConnection:
    cookies = "; ".join(f"{name}={value}" for name, value in web.cookies.items())
    return connect(
        stack.public.replace("https", "wss") + "/ws/", ssl=stack.authority(), origin=origin,  # type: ignore[arg-type]
        additional_headers={"Cookie": cookies},
    )  # fmt: skip


@pytest.mark.slow
def test_browsers_and_programs_come_through_the_real_proxy(stack: Stack) -> None:
    if shutil.which("caddy") is None:
        lacking("Caddy is not installed", "DUTO_REQUIRE_PROXY")
    stack.open_at(f"https://localhost:{stack.ports['https']}")
    stack.start("valkey")
    assert stack.start("prepare").wait(120) == 0, stack.log("prepare")
    (link,) = re.findall(rf"{stack.public}/\S+", stack.log("prepare"))
    web, proxy = stack.start("web"), stack.start("proxy")
    eventually(lambda: stack.answers() or web.poll() is not None, 180, "the first page")
    assert web.poll() is None and proxy.poll() is None, stack.log("web") + stack.log("proxy")
    with httpx.Client(base_url=stack.public, verify=stack.authority(), timeout=60) as person:
        sign_in(person, link)
        assert all(cookie.secure for cookie in person.cookies.jar)
        _live_frames(stack, person)
        token = _token(person)
    with httpx.Client(base_url=stack.public, verify=stack.authority(), timeout=60) as stranger:
        _bytes_travel(stack, stranger, {"Authorization": f"Bearer {token}"})
        _strangers_are_stopped(stranger)


def _live_frames(stack: Stack, person: httpx.Client) -> None:
    with socket(stack, person, stack.public) as live:
        live.send('{"ping": 1}')
        assert json.loads(live.recv(20)) == {"pong": 1}
    with pytest.raises(InvalidStatus, match="403"):
        socket(stack, person, "https://elsewhere.example")


def _token(person: httpx.Client) -> str:
    """A form that is sent by https passes the guard against forged ones, whose origin is that of the proxy."""
    home = person.get("/w/main/").text
    (guard,) = re.findall(r'name="csrf-token" content="([^"]+)"', home)
    headers = {"X-CSRFToken": guard, "Referer": str(person.base_url)}
    made = person.post(f"{REST}/tokens/", json={"name": "program", "role": "contributor"}, headers=headers)
    assert made.status_code == 201, made.text
    return str(made.json()["token"])


def _bytes_travel(stack: Stack, program: httpx.Client, known: dict[str, str]) -> None:
    """Compressed on the way or not, whole or in part, the bytes are the same; so they are for the SDK."""
    path = f"{REST}/datastores/workspaceblobstore/files/data/large.csv"
    content = b"".join(b"%d,%s\n" % (number, secrets.token_hex(8).encode()) for number in range(100_000))
    sent = program.put(path, content=content, headers={**known, "Content-Type": "application/octet-stream"})
    assert sent.status_code in (200, 201), sent.text
    for encoding in ("identity", "gzip"):
        whole = program.get(path, headers={**known, "Accept-Encoding": encoding})
        assert (whole.status_code, whole.content == content) == (200, True), encoding
        part = program.get(path, headers={**known, "Accept-Encoding": encoding, "Range": "bytes=1000-1999"})
        assert (part.status_code, part.content) == (206, content[1000:2000]), encoding
    code = 'from duto import Workspace; print(*Workspace.get("main").datastores)'
    env = clean_env({
        "DUTO_URL": stack.public, "DUTO_TOKEN": known["Authorization"].split()[1], "HOME": str(stack.home),
        "SSL_CERT_FILE": str(stack.home / "caddy" / "pki" / "authorities" / "local" / "root.crt"),
    })  # fmt: skip
    said = subprocess.run([sys.executable, "-c", code], env=env, cwd=stack.home, capture_output=True, text=True)
    assert "workspaceblobstore" in said.stdout.split(), said.stderr


def _strangers_are_stopped(stranger: httpx.Client) -> None:
    """Before their bytes are read, and by the address that the proxy sees, whatever they say of themselves."""
    large = stranger.put(
        f"{REST}/datastores/workspaceblobstore/files/large", content=(b"x" * 65_536 for _ in range(800))
    )
    assert large.status_code == 401, large.text
    for number in range(11):
        page = stranger.get("/accounts/login/")
        fields = {"csrfmiddlewaretoken": hidden(page.text), "login": f"name-{number}", "password": "wrong"}
        forged = {"X-Forwarded-For": f"9.9.9.{number}", "Referer": str(stranger.base_url)}
        said = "Too many" in stranger.post("/accounts/login/", data=fields, headers=forged).text
        assert said == (number == 10), number
