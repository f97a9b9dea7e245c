"""What containers add to the promises of every launcher: their networks, their sandbox."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from duto_agent import files
from duto_agent.attempt.bindings import Bound
from duto_agent.attempt.causes import cause_of
from duto_agent.engine.client import Engine, EngineRefused
from duto_agent.engine.errors import EngineAway
from duto_agent.launchers.base import AttemptKey, LaunchFailed, Probe, Reservation
from duto_agent.launchers.docker import DockerLauncher, _of_state
from duto_agent.studio.shipments import Shipment
from tests.agent.containers import Boxes, gateway_of
from tests.agent.specs import step_of
from tests.agent.steps import until
from tests.agent.studio import Studio

docker = [pytest.mark.docker]
GPU = "GPU-8a56a4bc-0000-0000-0000-000000000000"


def test_an_engine_that_is_away_is_no_fault_of_the_step(tmp_path: Path) -> None:
    away = Engine(str(tmp_path / "nobody.sock"))
    with pytest.raises(EngineAway, match="does not answer"):
        away.info()
    assert away.facts() is None


def test_a_step_that_was_started_counts_as_running_while_the_engine_is_away(tmp_path: Path) -> None:
    launcher = DockerLauncher(tmp_path, Engine(str(tmp_path / "nobody.sock")), "i", "here", "http://127.0.0.1:9", None)
    key, other = AttemptKey("a", 1), AttemptKey("b", 1)
    launcher._begun.add(key)
    assert (launcher.probe(key).state, launcher.probe(other).state) == ("running", "none")


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"Status": "created", "StartedAt": "0001-01-01T00:00:00Z"}, "none"),
        ({"Status": "exited", "StartedAt": "0001-01-01T00:00:00Z", "ExitCode": 255}, "none"),
        ({"Status": "exited", "StartedAt": "2026-01-01T00:00:00Z", "ExitCode": 137}, "lost"),
        ({"Status": "exited", "StartedAt": "2026-01-01T00:00:00Z", "OOMKilled": True}, "exited"),
        ({"Status": "running", "StartedAt": "2026-01-01T00:00:00Z"}, "running"),
    ],
)
def test_what_the_engine_knows_of_a_container_without_a_verdict(state: dict[str, Any], expected: str) -> None:
    assert _of_state(state, Probe("none")).state == expected


def test_an_engine_that_goes_in_the_middle_of_an_answer_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def lines(api: object) -> Iterator[str]:
        yield "Step 1"
        raise requests.exceptions.ChunkedEncodingError("the connection was broken")

    engine = Engine("/nowhere")
    monkeypatch.setattr(engine, "_connected", lambda: None)
    heard = engine.lines(lines)
    assert next(heard) == "Step 1"
    with pytest.raises(EngineAway, match="broken"):
        next(heard)


class TestInContainers:
    """With a real engine."""

    pytestmark = docker

    def test_the_engine_got_what_was_meant(self, boxes: Boxes) -> None:
        key = boxes.start("import time; time.sleep(60)", reserved=Reservation(0.5, 256 << 20))
        found = boxes.engine.inspect(boxes.launcher.name(key))
        assert found is not None
        host = found["HostConfig"]
        assert (host["Memory"], host["MemorySwap"], host["NanoCpus"]) == (256 << 20, 256 << 20, 500_000_000)
        assert found["Config"]["Labels"]["duto.installation"] == boxes.installation
        until(lambda: boxes.launcher.probe(key).state == "running")
        status = Path(f"/proc/{found['State']['Pid']}/status").read_text() if found["State"]["Pid"] else ""
        if status:
            assert "CapEff:\t0000000000000000" in status and "NoNewPrivs:\t1" in status

    def test_a_step_is_another_user_who_cannot_write_beside_its_folders(self, boxes: Boxes) -> None:
        code = """
import os, tempfile
print(os.getuid())
for path in ("/usr/x", "/etc/x", os.getcwd() + "/../../x"):
    try:
        open(path, "w")
    except OSError as error:
        print("refused")
open("/tmp/mine", "w"), open(os.environ["HOME"] + "/mine", "w")
"""
        probe, directory = boxes.run(code)
        wanted = 10001 if os.geteuid() == 0 else os.geteuid()
        assert (directory / "log.data").read_text().split() == [str(wanted), "refused", "refused", "refused"]
        assert probe.verdict is not None and probe.verdict["exit_code"] == 0

    def test_the_folders_that_its_host_shares_may_be_read_and_written(self, boxes: Boxes) -> None:
        shared = boxes.home / "shared"
        shared.mkdir()
        shared.chmod(0o777)
        (shared / "there").write_text("from the host")
        boxes.launcher.folders = [shared]
        code = f"""
from pathlib import Path
print(Path({str(shared)!r}, "there").read_text())
Path({str(shared)!r}, "mine").write_text("from a step")
"""
        probe, directory = boxes.run(code)
        assert probe.verdict is not None and probe.verdict["exit_code"] == 0
        assert (directory / "log.data").read_text() == "from the host\n"
        assert (shared / "mine").read_text() == "from a step"

    def test_what_a_script_plants_beside_the_agents_files_is_never_followed(self, boxes: Boxes) -> None:
        secret = boxes.home / "secret.json"
        secret.write_text('{"key": "secret"}')
        code = f"""
import os
os.chdir("..")
for name in ("log.data", "spool.jsonl", "shim/status.json", "shim/pid.json", "finished.json", "cancel.1.new"):
    try:
        if os.path.lexists(name):
            os.unlink(name)
        os.symlink({str(secret)!r}, name)
    except OSError:
        pass
for name in ("launch.json", "work", "outputs"):
    try:
        os.rename(name, name + ".mine")
        print("moved", name)
    except OSError:
        pass
"""
        key = boxes.start(code)
        directory = boxes.launcher.directory(key)
        until(lambda: boxes.launcher.probe(key).state != "running")
        boxes.launcher.collect(key)
        assert not [path for path in directory.iterdir() if path.is_symlink()]
        assert Shipment(directory / "log.data", lambda *_: pytest.fail("a byte of it was sent")).ship() is False
        assert files.read_json(directory / "finished.json", own=True) is None
        assert (directory / "work").is_dir() and not (directory / "work.mine").exists()
        files.write_json(directory / "finished.json", {"mine": True})
        assert secret.read_text() == '{"key": "secret"}'
        assert files.read_json(directory / "finished.json", own=True) == {"mine": True}

    @pytest.mark.parametrize("user", ["its own", "the agent's"])
    def test_what_a_script_forges_of_its_attempt_is_not_believed(self, boxes: Boxes, user: str) -> None:
        """Its step is killed for want of memory, and says itself that it ended well."""
        options = {"user": str(os.geteuid())} if user == "the agent's" else {}
        launch = boxes.launch(FORGES, options=options, reserved=Reservation(memory=100 << 20))
        directory = launch.cwd.parent
        for name in ("spec.json", "staged.json", "finished.json"):
            files.write_json(directory / name, {"own": True})
        boxes.launcher.ensure(launch)
        until(lambda: (launch.cwd / "forged").exists() or boxes.launcher.probe(launch.key).state != "running")
        tried = json.loads((launch.cwd / "forged").read_text())
        assert [name for name, done in tried.items() if done and not name.startswith("shim/")] == []
        assert tried["shim/status.json"] and tried["shim/pid.json"], "the shim is the same user"
        assert boxes.launcher.probe(launch.key).state == "running" == boxes.again().probe(launch.key).state
        (launch.cwd / "go").touch()
        boxes.wait(launch.key)
        probe = boxes.again().collect(launch.key)
        assert probe.verdict is not None and cause_of(probe.verdict, step_of({}), Bound()).code == "out_of_memory"
        for name in ("spec.json", "staged.json", "finished.json"):
            assert files.read_json(directory / name, own=True) == {"own": True}

    def test_the_verdict_of_another_attempt_is_none_of_this_one(self, boxes: Boxes) -> None:
        key = boxes.start("pass")
        boxes.wait(key)
        sealed = (boxes.launcher.directory(key) / "shim/status.json").read_text()
        other = boxes.start(f"open('../shim/status.json', 'w').write({sealed!r})\nimport time; time.sleep(60)")
        until((boxes.launcher.directory(other) / "shim/status.json").exists)
        assert boxes.launcher.probe(other).state == "running"
        boxes.launcher.signal(other, 0)
        boxes.wait(other)
        assert (boxes.launcher.collect(other).verdict or {})["canceled"] is True

    def test_a_script_that_ends_its_container_by_force_has_no_verdict_of_its_own(self, boxes: Boxes) -> None:
        """Its shim, the first process, can be neither stopped nor looked into; one limit of it can be taken away."""
        probe, directory = boxes.run(ENDS_ITS_SHIM)
        assert (directory / "work" / "tried").read_text().split() == ["refused"] * 4
        assert probe.state == "lost"

    def test_a_step_whose_shim_does_not_end_it_is_ended_with_its_container(
        self, boxes: Boxes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("duto_agent.launchers.docker.DEAF_S", 0.5)
        launch = boxes.launch("import time\nopen('ran', 'w')\ntime.sleep(60)")
        boxes.launcher.ensure(launch)
        until((launch.cwd / "ran").exists)
        os.kill((boxes.engine.inspect(boxes.launcher.name(launch.key)) or {})["State"]["Pid"], signal.SIGSTOP)
        boxes.launcher.signal(launch.key, 0)
        assert boxes.wait(launch.key).state == "lost"
        assert boxes.launcher.collect(launch.key).state == "lost"

    def test_what_others_made_is_neither_found_nor_touched(self, boxes: Boxes, engine_socket: str) -> None:
        other = Boxes(engine_socket)
        try:
            key = other.start("import time; time.sleep(60)")
            assert boxes.launcher.discover() == []
            boxes.launcher.cleanup(key)
            assert other.engine.inspect(other.launcher.name(key)) is not None
        finally:
            other.close()

    def test_a_container_whose_directory_is_gone_is_found_by_its_label_and_removed(self, boxes: Boxes) -> None:
        key = boxes.start("import time; time.sleep(60)")
        files.remove_tree(boxes.launcher.directory(key))
        kept = boxes.start("import time; time.sleep(60)")
        boxes.again().tidy()
        assert boxes.engine.inspect(boxes.launcher.name(key)) is None
        assert boxes.engine.inspect(boxes.launcher.name(kept)) is not None

    def test_a_container_that_the_engine_cannot_remove_holds_up_no_other(
        self, boxes: Boxes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keys = [boxes.start("import time; time.sleep(60)") for _ in range(2)]
        for key in keys:
            files.remove_tree(boxes.launcher.directory(key))
        again = boxes.again()
        remove, refused = again.engine.remove, []

        def stuck(name: str) -> None:
            if not refused:
                refused.append(name)
                raise EngineRefused(500, "failed to remove root filesystem: device or resource busy")
            remove(name)

        monkeypatch.setattr(again.engine, "remove", stuck)
        again.tidy()
        assert [boxes.engine.inspect(boxes.launcher.name(key)) is None for key in keys].count(True) == 1
        again.tidy()
        assert all(boxes.engine.inspect(boxes.launcher.name(key)) is None for key in keys)

    def test_a_container_that_ended_before_it_began_is_made_anew_and_runs_once(
        self, boxes: Boxes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        create, inspect, answer = boxes.engine.create, boxes.engine.inspect, []

        def there_already(name: str, config: dict[str, Any]) -> bool:
            return create(name, config) and (bool(answer) or config["Labels"]["duto.kind"] != "step")

        def first_never_run(name: str) -> dict[str, Any] | None:
            found = inspect(name)
            if found and found["Config"]["Labels"]["duto.kind"] == "step" and not answer:
                answer.append(found["Id"])
                found["State"] |= {"Status": "exited", "ExitCode": 255}
            return found

        monkeypatch.setattr(boxes.engine, "create", there_already)
        monkeypatch.setattr(boxes.engine, "inspect", first_never_run)
        launch = boxes.launch("open('ran', 'a').write('x')")
        boxes.launcher.ensure(launch)
        probe = boxes.wait(launch.key)
        assert probe.verdict is not None and probe.verdict["exit_code"] == 0
        assert (launch.cwd / "ran").read_text() == "x"
        assert answer and boxes.engine.inspect(answer[0]) is None

    @pytest.mark.parametrize("is_begun", [True, False])
    @pytest.mark.parametrize("words", ["task 01ab: already exists", "id already in use"])
    def test_a_start_that_the_engine_has_half_forgotten_runs_the_step_once(
        self, boxes: Boxes, monkeypatch: pytest.MonkeyPatch, is_begun: bool, words: str
    ) -> None:
        start, kinds = boxes.engine.start, []

        def killed_amid_it(name: str) -> None:
            kind = (boxes.engine.inspect(name) or {})["Config"]["Labels"]["duto.kind"]
            kinds.append(kind)
            is_first = kinds.count(kind) == 1
            if not is_first or is_begun:
                start(name)
            if is_first:
                raise EngineRefused(409, words)

        monkeypatch.setattr("duto_agent.launchers.docker.BEGINS_S", 20.0 if is_begun else 0.2)
        monkeypatch.setattr(boxes.engine, "start", killed_amid_it)
        launch = boxes.launch("open('ran', 'a').write('x')")
        boxes.launcher.ensure(launch)
        probe = boxes.wait(launch.key)
        assert probe.verdict is not None and probe.verdict["exit_code"] == 0
        assert (launch.cwd / "ran").read_text() == "x"
        assert kinds == ["network", "network", "step", *(() if is_begun else ("step",))]

    def test_what_the_engine_did_not_put_away_goes_when_it_is_back(
        self, boxes: Boxes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        key = boxes.start("pass")
        boxes.wait(key)
        with monkeypatch.context() as away:
            away.setattr(boxes.engine, "socket", "/nowhere")
            away.setattr(boxes.engine, "_api", None)
            boxes.launcher.cleanup(key)
            assert boxes.launcher.directory(key).exists() and boxes.launcher.left == {key}
        boxes.launcher.tidy()
        assert boxes.engine.inspect(boxes.launcher.name(key)) is None
        assert not boxes.launcher.directory(key).exists() and not boxes.launcher.left

    def test_an_image_that_is_not_here_is_told_in_words(self, boxes: Boxes) -> None:
        with pytest.raises(LaunchFailed, match="is not on this host"):
            boxes.start("pass", image="duto-test/nowhere:1")

    def test_a_host_without_a_runtime_for_devices_says_so(self, boxes: Boxes) -> None:
        if "nvidia" in (boxes.engine.info().get("Runtimes") or {}):
            pytest.skip("this engine has a runtime for graphics processors")
        launch = boxes.launch("pass", reserved=Reservation(gpus=(GPU,)))
        with pytest.raises(LaunchFailed, match="no runtime for graphics processors"):
            boxes.launcher.ensure(launch)
        assert boxes.engine.inspect(boxes.launcher.name(launch.key)) is None

    def test_a_network_that_went_is_made_again(self, boxes: Boxes) -> None:
        boxes.run("pass")
        (net,) = boxes.engine.containers({**boxes.launcher.labels, "duto.kind": "network"})
        boxes.engine.kill(net["Id"])
        probe, _ = boxes.run("pass")
        assert probe.state == "exited"
        boxes.engine.remove(net["Id"])
        probe, _ = boxes.run("pass")
        assert probe.state == "exited"

    def test_a_network_that_nobody_uses_goes(self, boxes: Boxes, monkeypatch: pytest.MonkeyPatch) -> None:
        key = boxes.start("import time; time.sleep(60)")
        networks = boxes.launcher.networks
        monkeypatch.setattr("duto_agent.launchers.networks.IDLE_S", 0)
        nets = {**boxes.launcher.labels, "duto.kind": "network"}
        networks.tidy()
        assert len(boxes.engine.containers(nets)) == 1, "a step is in it"
        boxes.launcher.cleanup(key)
        networks.tidy()
        assert boxes.engine.containers(nets) == []


FORGES = """
import json, os, time
os.chdir("..")
tried = {}
NAMES = ("spec.json", "staged.json", "finished.json", "launch.json", "studio.json", "cancel", "status.json", "pid.json",
         "runner.lock", "samples.jsonl", "shim/pid.json", "shim/runner.lock", "shim/status.json", "shim")
for name in NAMES:
    for action in ("write", "replace"):
        try:
            if action == "write":
                open(name, "w").write("{}")
            else:
                open("work/" + action, "w").write(json.dumps({"exit_code": 0, "seal": "0" * 64, "canceled": False}))
                os.replace("work/" + action, name)
            tried[name] = True
        except OSError:
            tried.setdefault(name, False)
    if name.startswith("shim/"):
        try:
            os.unlink(name)
            if name == "shim/status.json":
                open(name, "w").write(json.dumps({"exit_code": 0, "seal": "0" * 64, "canceled": False}))
            tried[name] = True
        except OSError:
            pass
open("work/forging", "w").write(json.dumps(tried))
os.rename("work/forging", "work/forged")
while not os.path.exists("work/go"): time.sleep(0.01)
chunks = []
for _ in range(40): chunks.append(bytearray(10 << 20))
"""
ENDS_ITS_SHIM = """
import ctypes, json, os, resource, signal, time
libc, shim = ctypes.CDLL(None, use_errno=True), os.getppid()
assert shim == 1
def attempt(action):
    try:
        open("tried", "a").write("done " if action() else "refused ")
    except OSError:
        open("tried", "a").write("refused ")
attempt(lambda: libc.ptrace(16, shim, None, None) == 0)
attempt(lambda: open("/proc/1/environ").read())
attempt(lambda: open("/proc/1/mem", "r+b"))
os.kill(shim, signal.SIGSTOP), os.kill(shim, signal.SIGKILL)
attempt(lambda: open("/proc/1/stat").read().rpartition(")")[2].split()[0] in "TtZ")
open("../shim/status.json", "w").write(json.dumps({"exit_code": 0}))
resource.prlimit(shim, resource.RLIMIT_CPU, (0, 0))
time.sleep(60)
"""
REACH = """
import json, os, socket, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    opener.open(os.environ["STUDIO"] + "/here", timeout=30)
    print("studio")
except Exception as error:
    print("no studio")
try:
    socket.create_connection((os.environ["GATEWAY"], int(os.environ["PORT"])), timeout=3)
    print("others")
except OSError:
    print("nobody else")
"""


class TestNetworks:
    """Who is reached under each policy: the studio, and another server on this machine's other address."""

    pytestmark = docker

    @pytest.fixture
    def studio(self) -> Iterator[Studio]:
        made = Studio()
        made.blobs["/here"] = b"here"
        yield made
        made.close()

    @pytest.mark.parametrize(
        ("policy", "wanted"),
        [("none", "no studio,nobody else"), ("studio", "studio,nobody else"), ("open", "studio,others")],
    )
    def test_a_policy_is_kept(self, engine_socket: str, studio: Studio, policy: str, wanted: str) -> None:
        boxes = Boxes(engine_socket, studio.url)
        gateway = gateway_of(engine_socket)
        with socket.create_server((gateway, 0)) as other:
            try:
                launch = boxes.launch(REACH, network=policy)
                variables = {
                    "STUDIO": boxes.launcher.studio_for(policy, studio.url), "GATEWAY": gateway,
                    "PORT": str(other.getsockname()[1]),
                }  # fmt: skip
                launch = replace(launch, env=launch.env | variables)
                boxes.launcher.ensure(launch)
                boxes.wait(launch.key)
                log = (boxes.launcher.directory(launch.key) / "log.data").read_text()
            finally:
                boxes.close()
        assert ",".join(log.splitlines()) == wanted

    def test_another_policy_is_refused_in_words(self, boxes: Boxes) -> None:
        with pytest.raises(LaunchFailed, match="none, studio, open"):
            boxes.start("pass", network="everything")
