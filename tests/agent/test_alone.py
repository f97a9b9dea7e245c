"""One agent a home: the next one waits for one that is ending, and tells of one that is not."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from duto_agent import worker


def test_an_agent_that_is_ending_is_waited_for(tmp_path: Path) -> None:
    held = (tmp_path / "agent.lock").open("a")
    fcntl.flock(held, fcntl.LOCK_EX)
    threading.Timer(0.5, held.close).start()
    with worker._alone(tmp_path) as alone:
        assert alone and held.closed


def test_two_agents_at_once_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker, "ENDING_S", 0.2)
    with (tmp_path / "agent.lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with worker._alone(tmp_path) as alone:
            assert not alone


WAITS = """
import os, sys
from duto_agent import worker
class Agent:
    def __init__(self, *_): pass
    def start(self): print(os.getpid(), flush=True)
    def stop(self): print("stopped", flush=True)
    class config: name = "here"
worker.Agent, worker.LOOK_S = Agent, 0.1
worker.run(__import__("pathlib").Path(sys.argv[1]))
"""
STARTS = "import subprocess, sys; subprocess.run([sys.executable, '-c', *sys.argv[1:]])"


def waits(home: Path, *before: str, **env: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", *before, WAITS, str(home)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **env})


def test_signals_that_come_together_end_it(tmp_path: Path) -> None:
    process = waits(tmp_path)
    assert process.stdout is not None
    process.stdout.readline()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        process.send_signal(number)
    assert "stopped" in process.communicate(timeout=60)[0] and process.returncode == 0


def test_it_goes_with_the_studio_that_brought_it(tmp_path: Path) -> None:
    """Also where no signal tells it so."""
    parent = waits(tmp_path, STARTS, DUTO_EMBEDDED="1")
    assert parent.stdout is not None
    number = int(parent.stdout.readline())
    parent.kill()
    assert "stopped" in parent.stdout.read()
    until = time.monotonic() + 60
    while Path(f"/proc/{number}").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(f"/proc/{number}").exists()
