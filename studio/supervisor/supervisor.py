"""The studio as a whole: its parts in their order, from the first start to the last stop."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from types import FrameType
from typing import Any

from duto.spec.units import counted
from studio.bootstrap import index_settings
from studio.config import Config
from studio.supervisor import broker as brokers
from studio.supervisor.layout import Layout, Refusal
from studio.supervisor.parts import WINDOW, Part, stop_all
from studio.supervisor.running import clear_state, write_state
from studio.supervisor.web import PREPARE

STOP_SECONDS = 3.5
START_SECONDS = 60.0
ROOM = 8 * 1024 * 1024


class Stopped(Exception):
    """The user asked for the end while the studio was still starting."""


class Supervisor:
    """Starts, watches and stops the parts on one data directory."""

    def __init__(self, config: Config, layout: Layout, say: Callable[[str], None]) -> None:
        self.config, self.layout, self.say = config, layout, say
        self.parts: dict[str, Part] = {}
        self.stopping = False
        self.failed = False
        self.full_at: float | None = None
        # Whether the state on disk is the present one, and of which error it was told last that it is not.
        self.is_state_written = True
        self.complaint: int | None = None
        self.socket = listen_on(config.host, config.port)
        self.port = int(self.socket.getsockname()[1])
        # A port of 0 means any; from here on all parts know which.
        self.config = replace(config, port=self.port)
        self.env = {
            **os.environ,
            "DUTO_DATA_DIR": str(layout.home),
            "DUTO_HOST": config.host,
            "DUTO_PORT": str(self.port),
            "DUTO_EMBEDDED": "1",
            "PYTHONUNBUFFERED": "1",
        }
        os.environ.update({key: self.env[key] for key in ("DUTO_DATA_DIR", "DUTO_HOST", "DUTO_PORT", "DUTO_EMBEDDED")})

    @property
    def url(self) -> str:
        """The address for people and agents."""
        return self.config.url

    # --- start --------------------------------------------------------------------------------------------------

    def start(self) -> str:
        """Bring everything up; returns the one-time sign-in link, or nothing when nobody needs one."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        broker = brokers.plan(self.layout, self.config.redis_url, self.config.redis_bin)
        if broker.command:
            self._run("valkey", broker.command)
        report = self._start_web()
        if broker.port and not brokers.wait_for(broker.port, 10):
            raise Refusal(f"Valkey does not start:\n{self.parts['valkey'].tail()}")
        self._wait_for_web()
        self._start_workers(bool(report.get("agent")))
        return str(report.get("link") or "")

    def _start_web(self) -> dict[str, Any]:
        """Start the web process, and hear how its preparations went."""
        reads, writes = os.pipe()
        number = self.socket.fileno()
        command = (sys.executable, "-m", "studio.supervisor.web", "--socket", str(number), "--report", str(writes))
        web = self._run("web", command, fds=(number, writes), extra={PREPARE: "1"})
        os.close(writes)
        # Only the first start prepares; when web is started again, the descriptor is gone as well.
        web.env.pop(PREPARE)
        web.pass_fds = (number,)
        with os.fdopen(reads, "rb", buffering=0) as pipe:
            while not select.select([pipe], [], [], 0.05)[0]:
                self._check()
            said = pipe.read()
        report: dict[str, Any] = json.loads(said) if said else {}
        if "refusal" in report:
            raise Refusal(str(report["refusal"]))
        if not said:
            web.wait(time.monotonic() + 5)
            self._check()
        return report

    def _start_workers(self, has_agent: bool) -> None:
        """What a page does not need comes after the page."""
        threads = str(self.config.worker_threads)
        self._run(
            "worker",
            (
                *(sys.executable, "-m", "celery", "--app", "studio.celery", "worker"),
                *("--pool", "threads", "--concurrency", threads, "--queues", "studio"),
                *("--hostname", "worker@localhost", "--loglevel", self.config.log_level.lower()),
                *("--without-gossip", "--without-mingle", "--without-heartbeat"),
            ),
        )
        if has_agent:
            self._run(
                "agent",
                (
                    sys.executable,
                    "-m",
                    "duto_agent",
                    "run",
                    "--home",
                    str(self.layout.agent),
                    "--studio",
                    self.url,
                ),
                extra=index_settings(),
            )
        self._write_state()

    def _env_of(self, name: str) -> dict[str, str]:
        """The agent has no use for the credentials of the studio's store."""
        hidden = {f"DUTO_ARTIFACT_STORE_{part}" for part in ("KEY_ID", "KEY", "TOKEN")} if name == "agent" else set()
        return {key: value for key, value in self.env.items() if key not in hidden}

    def _run(
        self, name: str, command: tuple[str, ...], fds: tuple[int, ...] = (), extra: dict[str, str] | None = None
    ) -> Part:
        """Start one part, with its log."""
        part = Part(name, command, {**self._env_of(name), **(extra or {})}, self.layout.log(name), fds)
        part.start()
        self.parts[name] = part
        return part

    def _wait_for_web(self) -> None:
        """The first answer means that a page can be opened."""
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            self._check()
            if answers(self.socket.getsockname()):
                return
        raise Refusal(f"The web process does not answer:\n{self.parts['web'].tail()}")

    def _check(self) -> None:
        """End a start that cannot succeed any more."""
        if self.stopping:
            raise Stopped
        for part in self.parts.values():
            if not part.is_up:
                raise Refusal(f"The {part.name} process does not start:\n{part.tail()}")

    # --- life ---------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """One round: notice deaths, start again, rotate logs, give up where there is no hope."""
        for part in self.parts.values():
            before = part.pid
            line = part.look()
            self.is_state_written = self.is_state_written and part.pid == before
            if line:
                self.say(line)
            if part.is_hopeless and not part.is_up and not self._waits_for_room():
                self.say(
                    f"{part.name} died {counted(len(part.deaths), 'time')} within a minute; the studio stops. "
                    f"Its log: {part.log}\n{part.tail()}"
                )
                self.failed = self.stopping = True
            part.rotate()
        if not self.is_state_written:
            self._write_state()

    def watch(self) -> None:
        """Until someone says stop."""
        while not self.stopping:
            self.look()
            time.sleep(0.1)

    def stop(self) -> None:
        """Agent, worker and web together, the broker last. Steps go on; the next `up` adopts them."""
        first = [part for name, part in self.parts.items() if name != "valkey"]
        last = [part for name, part in self.parts.items() if name == "valkey"]
        self.socket.close()
        for name in stop_all([first, last], STOP_SECONDS):
            self.say(f"{name} did not stop by itself and was killed.")
        clear_state(self.layout)

    def _write_state(self) -> None:
        """A convenience for other commands, written again until it succeeds: without room the studio goes on."""
        try:
            write_state(self.layout, self.url, {name: part.pid for name, part in self.parts.items()})
            self.is_state_written, self.complaint = True, None
        except OSError as error:
            if self.complaint != error.errno:
                self.say(f"{self.layout.state} could not be written: {error.strerror}. It is tried again.")
            self.is_state_written, self.complaint = False, error.errno

    def _waits_for_room(self) -> bool:
        """Whether parts die of a full disk, or did a moment ago: they are started again until somebody has made room."""
        moment, full_at = time.monotonic(), self.full_at
        if self.layout.free() < ROOM:
            self.full_at = moment
            if full_at is None or moment - full_at > WINDOW:
                self.say(f"The disk of {self.layout.home} is full. Make room there: the studio waits for it.")
        return self.full_at is not None and moment - self.full_at <= WINDOW

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self.stopping:
            # The second Ctrl-C is impatient.
            for part in self.parts.values():
                part.kill()
        self.stopping = True


def listen_on(host: str, port: int) -> socket.socket:
    """Take the port now, so that a taken one is told before anything else is started."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server = socket.socket(family, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind((host, port))
    except OSError as error:
        server.close()
        hint = f"Choose another one, for example: --port {port + 1}" if port else "Choose another --host"
        raise Refusal(f"{host}:{port} cannot be used: {error.strerror}. {hint}.") from error
    return server


def answers(address: tuple[str, int]) -> bool:
    """True when the web process answers its health page (any status: the door is open)."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address[0], address[0])  # noqa: S104 - compared, not bound
    try:
        with socket.create_connection((host, address[1]), 1) as connection:
            connection.settimeout(2)
            connection.sendall(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
            return connection.recv(12).startswith(b"HTTP/1")
    except OSError:
        return False
