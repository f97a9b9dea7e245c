"""docker-compose.yml: right by the schema, and each of its commands works as a plain process."""

from __future__ import annotations

import contextlib
import json
import os
import re
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

from studio.bootstrap import ROOT
from studio.supervisor.broker import find_binary, free_port
from studio.testing.live import clean_env, eventually

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
        self.ports = {"web": free_port(), "valkey": free_port()}
        server = urlsplit(os.environ["DUTO_DATABASE_URL"])
        self.database = f"{server.hostname}:{server.port}"
        self.services = compose({**SECRETS, "DUTO_PUBLIC_URL": f"http://127.0.0.1:{self.ports['web']}"})["services"]
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

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
        words = [self.here(word) for word in self.services[name]["command"]]
        programs = {"python": sys.executable, "valkey-server": find_binary("")}
        if name == "web":
            words = [str(self.ports["web"]) if word == "8000" else word for word in words]
        if name == "valkey":
            words += ["--port", str(self.ports["valkey"]), "--bind", "127.0.0.1", "--dir", str(self.home)]
        return [programs[words[0]], *words[1:]]

    def environment(self, name: str) -> dict[str, str]:
        said = {key: self.here(value) for key, value in self.services[name].get("environment", {}).items()}
        return clean_env({**said, "DUTO_NO_BOOTSTRAP": "1"})

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
            process.wait(10)
        process.kill()
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("DROP DATABASE duto WITH (FORCE)")
        connection.execute("DROP ROLE duto")


@pytest.mark.slow
def test_each_command_works_with_its_environment(stack: Stack) -> None:
    stack.start("valkey")
    assert stack.start("prepare").wait(120) == 0, stack.log("prepare")
    web = stack.start("web")
    eventually(lambda: stack.answers() or web.poll() is not None, 60, "the first page")
    assert web.poll() is None, stack.log("web")
    # The proxy's word about the browser is believed, and the browser's own about itself is not.
    assert [stack.tries_to_sign_in("9.9.9.9", f"name-{number}") for number in range(11)] == [False] * 10 + [True]
    assert stack.tries_to_sign_in("8.8.8.8, 9.9.9.9", "name")
    assert not stack.tries_to_sign_in("9.9.9.9, 8.8.8.8", "name")
    worker = stack.start("worker")
    eventually(lambda: "ready" in stack.log("worker") or worker.poll() is not None, 60, "the worker")
    assert worker.poll() is None, stack.log("worker")
    if (stack.home / "data" / "agent" / "host.json").exists():
        agent = stack.start("agent")
        with contextlib.suppress(subprocess.TimeoutExpired):
            agent.wait(4)
        assert agent.poll() is None, stack.log("agent")
