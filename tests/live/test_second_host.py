"""A second host by the copied command: installed, enrolled, used, lost, fenced, upgraded, detached. Nothing is pretended."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.testing.live import eventually
from tests.live.parallel import SCORE, scoring, taken_over, until_done
from tests.live.second import Second
from tests.live.studio import Studio, is_alive

pytestmark = [pytest.mark.slow]

WAITS = """
import socket, time
print("begun", flush=True)
while True:
    with socket.socket() as gate:
        if gate.connect_ex(("127.0.0.1", {port})) == 0:
            break
    time.sleep(0.1)
print("through")
"""
WRITE = """
import pathlib, sys
place = pathlib.Path(sys.argv[1])
(place / "deep").mkdir(parents=True)
(place / "deep" / "a b.txt").write_text("from far away")
pathlib.Path("outputs").mkdir(exist_ok=True)
pathlib.Path("outputs", "note.txt").write_text("kept")
print("written")
"""
READ = """
import pathlib, sys
print((pathlib.Path(sys.argv[1]) / "deep" / "a b.txt").read_text())
"""


class Gate:
    """What scripts wait for: the network is what the sandbox leaves them."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.script = WAITS.format(port=self._socket.getsockname()[1])

    def open(self) -> None:
        self._socket.listen(16)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.close()


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    made = Studio(tmp_path_factory.mktemp("two"), DUTO_LEASE_SECONDS="6")
    try:
        made.start()
        made.ensure_cluster()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def second(studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Second]:
    made = Second(studio, tmp_path_factory.mktemp("b"))
    try:
        yield made
    finally:
        made.kill()


def command(studio: Studio, **asked: Any) -> str:
    answer = studio.rest("POST", "host-enrolments/", role="owner", json=asked)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["command"])


def own(studio: Studio) -> str:
    return next(str(each["name"]) for each in studio.get("hosts/")["items"] if each["shared"])


def host_of(studio: Studio, run: Any, step: str) -> list[tuple[str, str]]:
    return [(each["host"], each["status"]) for each in run.step(step)["step"]["attempts"]]


def test_the_copied_command_makes_a_host_that_runs_steps(studio: Studio, second: Second) -> None:
    copied = command(studio, name="beta")
    done = second.install(copied)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "this machine is host beta" in done.stdout and "started" in done.stdout
    assert (second.home / "host.json").stat().st_mode & 0o777 == 0o600
    eventually(lambda: bool(second.facts.get("last_seen_at")), what="a word from the second host")
    assert second.facts["cores"] >= 1 and not second.facts["shared"]
    assert studio.rest("POST", f"hosts/{own(studio)}/drain/", role="owner").status_code == 200
    run = studio.submit({"here": "print('from the second host')"}).wait()
    assert run.log("here") == b"from the second host\n"
    assert host_of(studio, run, "here") == [("beta", "completed")]


def test_code_inputs_outputs_and_artifacts_travel_through_the_api(studio: Studio, second: Second) -> None:
    """It does not share the studio's disk: every byte goes through the agents' API, in both directions."""
    graph = studio.graph({"write": WRITE, "read": READ})
    steps: dict[str, dict[str, Any]] = {step["id"]: step for step in graph["steps"]}
    output = {"name": "data", "kind": "pipeline_data", "datastore": "workspaceblobstore", "mode": "mount"}
    steps["write"] |= {"outputs": [output], "arguments": [{"output": "data"}]}
    source = {"name": "data", "from": {"step": "write", "output": "data"}, "mode": "mount"}
    steps["read"] |= {"inputs": [source], "arguments": [{"input": "data"}]}
    run = studio.submit_graph(graph).wait()
    assert host_of(studio, run, "write") == host_of(studio, run, "read") == [("beta", "completed")]
    assert run.log("read") == b"from far away\n"
    step = run.step("write")
    (kept,) = (
        each for each in studio.get(f"runs/{step['id']}/artifacts/")["items"] if each["path"] == "outputs/note.txt"
    )
    assert kept["size"] == 4
    (items,) = studio.get(f"runs/{step['id']}/outputs/")["items"]
    assert (items["path"], items["file_count"]) == (f"azureml/{step['id']}/data", 1)
    # Where bytes wait that did not come by the shared disk: it was used, and is empty again.
    assert list((studio.data_dir / "staging").iterdir()) == []


def test_the_command_again_restarts_the_agent_and_keeps_its_identity(
    studio: Studio, second: Second, gate: Gate
) -> None:
    run = studio.submit({"long": gate.script})
    run.until("long", b"begun")
    before, key = second.pid, (second.home / "host.json").read_text()
    done = second.install(f"curl -fsSL {studio.url}/agent/v1/install | python3 -")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "its key is kept" in done.stdout and second.pid != before and not is_alive(before)
    assert (second.home / "host.json").read_text() == key
    assert f"--home {second.home}\n" in (second.home / "duto-agent.service").read_text()
    gate.open()
    run.wait()
    assert run.log("long") == b"begun\nthrough\n"
    assert host_of(studio, run, "long") == [("beta", "completed")]


def test_steps_of_a_silent_host_are_lost_with_the_evidence_and_its_orphan_is_stopped(
    studio: Studio, second: Second, gate: Gate
) -> None:
    run = studio.submit({"moved": gate.script})
    run.until("moved", b"begun")
    assert host_of(studio, run, "moved") == [("beta", "running")]
    assert studio.rest("POST", f"hosts/{own(studio)}/undrain/", role="owner").status_code == 200
    # The agent alone is stopped for longer than its lease: its script runs on, as behind a cut network.
    os.kill(second.pid, signal.SIGSTOP)
    orphans = [pid for pid in second.shims() if is_alive(pid)]
    assert len(orphans) == 1
    try:
        eventually(lambda: len(run.step("moved")["step"]["attempts"]) == 2, what="a second attempt")
        first = run.step("moved")["step"]["attempts"][0]
        assert (first["status"], first["cause"]) == ("lost", "host_lost"), first
        assert "without a word from the agent on beta" in first["message"]
    finally:
        os.kill(second.pid, signal.SIGCONT)
    # It returns with an old epoch: it is refused, and what it still runs is stopped.
    eventually(lambda: not any(map(is_alive, orphans)), what="the end of the orphan")
    gate.open()
    run.wait()
    assert host_of(studio, run, "moved")[1] == (own(studio), "completed")
    assert run.log("moved") == b"begun\nthrough\n"


def test_a_host_killed_with_all_that_it_runs_is_given_up_after_the_lease(
    studio: Studio, second: Second, gate: Gate
) -> None:
    assert studio.rest("POST", f"hosts/{own(studio)}/drain/", role="owner").status_code == 200
    eventually(lambda: is_alive(second.pid) and bool(second.facts), what="the second host")
    run = studio.submit_graph(scoring(studio, SCORE, gone=gate.script))
    run.until("gone", b"begun")
    until_done(studio, run, 20)
    second.kill()
    assert studio.rest("POST", f"hosts/{own(studio)}/undrain/", role="owner").status_code == 200
    eventually(lambda: len(run.step("gone")["step"]["attempts"]) == 2, what="a second attempt")
    gate.open()
    run.wait()
    assert [status for _, status in host_of(studio, run, "gone")] == ["lost", "completed"]
    # What the studio had heard of the mini-batches of a parallel step is not done again.
    assert [status for _, status in host_of(studio, run, "score")] == ["lost", "completed"]
    assert taken_over(studio, run) >= 20


def test_a_used_token_and_a_studio_that_is_away_are_told(studio: Studio, second: Second, tmp_path: Path) -> None:
    third = Second(studio, tmp_path)
    third.home.mkdir()
    # What the first installation made is taken over, so that this test waits for no index.
    (third.home / "releases").symlink_to(second.home / "releases")
    copied = command(studio, name="gamma")
    assert third.install(copied, "--no-start").returncode == 0
    (third.home / "host.json").unlink()
    done = third.install(copied, "--no-start")
    assert done.returncode == 1 and "was used already" in done.stderr
    done = third.install(copied, "--studio", "http://127.0.0.1:9", "--no-start")
    assert done.returncode == 1 and "cannot be reached" in done.stderr
    assert re.search(r"duto_enrol_\w+", done.stdout + done.stderr) is None


def test_a_detached_host_is_refused_and_comes_back_with_a_new_command(studio: Studio, second: Second) -> None:
    assert second.install(command(studio, name="delta"), "--no-start").returncode == 0  # beta's key is good: it is kept
    assert studio.rest("DELETE", "hosts/beta/", role="owner").status_code == 204
    assert not second.facts
    done = second.install(f"curl -fsSL {studio.url}/agent/v1/install | python3 -")
    assert done.returncode == 1 and "a token is needed" in done.stderr
    assert second.install(command(studio, name="beta")).returncode == 0
    eventually(lambda: bool(second.facts), what="the second host again")
