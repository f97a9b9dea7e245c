"""`manage.py up` as a person meets it: real processes on a real data directory."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.bootstrap import ROOT
from studio.testing.live import LiveStudio, clean_env, eventually, live_studio

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStudio]:
    with live_studio(tmp_path_factory.mktemp("up") / "var") as running:
        yield running


def again(studio: LiveStudio, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The same command once more, to its end."""
    return subprocess.run(
        [*studio.command, *arguments], cwd=ROOT, env=studio.env, capture_output=True, text=True, timeout=180
    )


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_pages_answer_and_secrets_are_private(studio: LiveStudio) -> None:
    assert studio.get("/healthz")[0] == 200
    assert {"valkey", "web", "worker"} <= set(studio.state["parts"])
    for name in ("secret", "run/broker", "run/state.json", "valkey/valkey.conf"):
        assert stat.S_IMODE((studio.home / name).stat().st_mode) == 0o600, name
    assert stat.S_IMODE(studio.home.stat().st_mode) == 0o700


def test_the_broker_wants_a_password_that_no_process_list_shows(studio: LiveStudio) -> None:
    url = (studio.home / "run" / "broker").read_text()
    password, port = url.split(":")[2].split("@")[0], int(url.split(":")[3].split("/")[0])
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"PING\r\n")
        assert connection.recv(64).startswith(b"-NOAUTH")
    shown = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    assert password not in shown


def test_a_second_start_says_where_the_first_one_is(studio: LiveStudio) -> None:
    second = again(studio)
    assert second.returncode == 0
    assert f"already running at {studio.url}" in second.stdout
    assert studio.get("/healthz")[0] == 200


@pytest.mark.parametrize("name", ["web", "worker", "valkey"])
def test_a_part_that_dies_is_started_again(studio: LiveStudio, name: str) -> None:
    old = studio.state["parts"][name]
    os.kill(old, signal.SIGKILL)
    # The supervisor holds the door: this request waits for the next web process instead of failing.
    assert studio.get("/healthz")[0] == 200
    eventually(lambda: studio.state["parts"][name] != old, what=f"the restart of {name}")
    assert is_alive(studio.state["parts"][name])


def test_a_taken_port_is_told(studio: LiveStudio, tmp_path: Path) -> None:
    port = studio.url.rsplit(":", 1)[1]
    other = LiveStudio(tmp_path / "other", "up", "--port", port)
    ended = again(other)
    assert ended.returncode == 1
    assert f"127.0.0.1:{port} cannot be used" in ended.stderr
    assert "--port" in ended.stderr


def stopped(studio: LiveStudio, number: int) -> None:
    """By a signal: all parts end, and none has to be killed."""
    parts = dict(studio.state["parts"])
    code, output = studio.stop(number)
    assert (code, "Stopped." in output) == (0, True), output
    assert "did not stop by itself" not in output
    assert not [name for name, pid in parts.items() if is_alive(pid)]
    assert not (studio.home / "run" / "state.json").exists()


def test_a_killed_supervisor_leaves_nothing_behind_and_the_next_one_starts_and_stops_by_a_signal(
    tmp_path: Path,
) -> None:
    studio = LiveStudio(tmp_path / "var").start()
    parts = dict(studio.state["parts"])
    studio.kill()
    eventually(lambda: not [pid for pid in parts.values() if is_alive(pid)], what="the end of the parts")
    assert studio.start().get("/healthz")[0] == 200
    stopped(studio, signal.SIGTERM)


def test_a_data_directory_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    ended = again(LiveStudio(tmp_path / "file"))
    assert ended.returncode == 1
    assert "cannot be used" in ended.stderr and "--data-dir" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_newer_schema_is_refused_and_left_alone(studio: LiveStudio) -> None:
    """The last of those that need the studio of all: it is stopped, as by Ctrl-C."""
    stopped(studio, signal.SIGINT)
    with sqlite3.connect(studio.home / "db.sqlite3") as database:
        database.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('core', '9999_later', '2030-01-01')"
        )
    ended = again(studio)
    assert ended.returncode == 1
    assert "newer version" in ended.stderr and "core.9999_later" in ended.stderr


def test_wrong_settings_are_told_all_at_once(tmp_path: Path) -> None:
    env = clean_env({"DUTO_PORT": "many", "DUTO_LEASE_SECONDS": "0", "DUTO_DATABASE_URL": "mysql://x"})
    command = ["up", "--data-dir", str(tmp_path / "var"), "--no-browser"]
    ended = subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env=env, capture_output=True, text=True)
    assert ended.returncode == 1
    for name in ("DUTO_PORT", "DUTO_LEASE_SECONDS", "DUTO_DATABASE_URL"):
        assert name in ended.stderr
    assert "Traceback" not in ended.stderr
