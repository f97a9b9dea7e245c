"""What stands between a local process and the rest of its host: sandbox, limits, devices."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import duto
import duto_agent
from duto_agent.attempt.bindings import Bound
from duto_agent.attempt.causes import cause_of
from duto_agent.host.launching import Unprotected, isolate
from duto_agent.launchers import bubblewrap
from duto_agent.launchers.base import Bind, LaunchFailed, Reservation
from duto_agent.launchers.bubblewrap import Bubblewrap
from duto_agent.launchers.cgroups import Cgroups
from duto_agent.launchers.process import ProcessLauncher
from duto_protocol.messages import Isolation
from tests.agent.specs import step_of
from tests.agent.steps import Steps, pid_in, until

MIB = 1 << 20
LIMITED = "import sys\nchunk = []\nfor _ in range(40): chunk.append(bytearray(10 << 20))\n"


@pytest.fixture
def sandboxed(tmp_path: Path) -> Iterator[Steps]:
    program = bubblewrap.find()
    if program is None:
        pytest.skip("bubblewrap is not here, or may not make namespaces")
    made = Steps(tmp_path / "home" / "attempts")
    sandbox = Bubblewrap(program, tmp_path / "home", [tmp_path / "data"])
    made.launcher = ProcessLauncher(made.root, made.zygote, sandbox=sandbox)
    yield made
    made.close()


@pytest.fixture
def grouped(tmp_path: Path) -> Iterator[Steps]:
    cgroups = Cgroups.find()
    if cgroups is None:
        pytest.skip("no control groups may be made here")
    made = Steps(tmp_path / "attempts")
    made.launcher = ProcessLauncher(made.root, made.zygote, cgroups=cgroups)
    yield made
    for key in made.launcher.discover():
        made.launcher.cleanup(key)
    made.close()


def let_others_pass(path: Path) -> None:
    """Folders of tests are closed to other users; open the way to this one."""
    for folder in (path, *itertools.takewhile(lambda each: each != Path(tempfile.gettempdir()), path.parents)):
        folder.chmod(0o711)


def log_of(directory: Path) -> str:
    return (directory / "log.data").read_text()


def test_in_a_sandbox_a_step_sees_its_own_directory_and_nothing_of_the_studio(sandboxed: Steps, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "secret").write_text("key")
    sandboxed.root.mkdir(parents=True)
    (sandboxed.root.parent / "host.json").write_text("host key")
    code = f"""
import os
open('mine', 'w').write('x')
for path in ({str(tmp_path / "data" / "secret")!r}, {str(sandboxed.root.parent / "host.json")!r}):
    print(os.path.exists(path))
print(sorted(os.listdir({str(sandboxed.root)!r})) == [os.path.basename(os.path.dirname(os.getcwd()))])
print(len([name for name in os.listdir('/proc') if name.isdigit()]) < 5)
try:
    open('/etc/duto-was-here', 'w')
except OSError as error:
    print(type(error).__name__)
"""
    probe, directory = sandboxed.run(code)
    assert probe.verdict is not None and probe.verdict["exit_code"] == 0, log_of(directory)
    assert log_of(directory).split() == ["False", "False", "True", "True", "OSError"]
    assert (directory / "work" / "mine").read_text() == "x"


def test_a_folder_that_steps_share_leaves_the_way_to_their_own_open(sandboxed: Steps, tmp_path: Path) -> None:
    program = bubblewrap.find()
    assert program is not None
    (shared := tmp_path / "shared").mkdir()
    shared.chmod(0o777)
    let_others_pass(tmp_path)  # a folder that they may not pass is hidden with all that is in it
    sandbox = Bubblewrap(program, tmp_path / "home", folders=[shared])
    sandboxed.launcher = ProcessLauncher(sandboxed.root, sandboxed.zygote, sandbox=sandbox)
    probe, directory = sandboxed.run(f"open('mine', 'w').close(); open({str(shared / 'ours')!r}, 'w').close()")
    assert probe.verdict is not None and probe.verdict["exit_code"] == 0, log_of(directory)
    assert (directory / "work" / "mine").exists() and (shared / "ours").exists()


def test_mounted_data_are_read_only_by_force(sandboxed: Steps, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    raw = tmp_path / "data" / "raw.csv"
    raw.write_text("a\n1\n")
    raw.chmod(0o666)  # not by permission
    code = f"print(open({str(raw)!r}).read().split())\nopen({str(raw)!r}, 'a')"
    probe, directory = sandboxed.run(code, binds=(Bind(raw, raw),))
    assert probe.verdict is not None and probe.verdict["exit_code"] == 1
    assert "['a', '1']" in log_of(directory) and "Read-only file system" in log_of(directory)
    assert raw.read_text() == "a\n1\n"


@pytest.mark.parametrize(
    ("code", "exit_code", "number"),
    [("raise SystemExit(3)", 3, None), ("import os; os.kill(os.getpid(), 9)", None, 9), ("raise SystemExit(200)", 200, None)],
)  # fmt: skip
def test_a_sandbox_tells_how_the_script_ended(
    sandboxed: Steps, code: str, exit_code: int | None, number: int | None
) -> None:
    probe, _ = sandboxed.run(code)
    assert probe.verdict is not None
    assert (probe.verdict["exit_code"], probe.verdict["signal"]) == (exit_code, number)


def test_a_cancel_reaches_through_the_sandbox_and_nothing_is_left(sandboxed: Steps) -> None:
    code = """
import signal, subprocess, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen(['sleep', '98765'], start_new_session=True)
open('ready', 'w').write('1')
time.sleep(60)
"""
    key = sandboxed.start(code)
    pid_in(sandboxed.launcher.directory(key) / "work" / "ready")
    sandboxed.launcher.signal(key, 0.2)
    probe = sandboxed.wait(key)
    assert probe.verdict is not None
    assert (probe.verdict["canceled"], probe.verdict["left_over"]) == (True, 0)
    assert subprocess.run(["pgrep", "-f", "sleep 98765"], capture_output=True).returncode == 1


def test_a_step_that_takes_more_memory_than_its_node_has_is_ended_and_says_so(grouped: Steps) -> None:
    reserved = Reservation(memory=100 * MIB)
    probe, directory = grouped.run(LIMITED, reserved=reserved)
    assert probe.verdict is not None and probe.verdict["signal"] == signal.SIGKILL, log_of(directory)
    assert probe.verdict["oom_kills"] >= 1
    assert 50 * MIB < probe.verdict["usage"]["peak_memory"] <= 101 * MIB
    cause = cause_of(probe.verdict, step_of({"limits": {"memory": reserved.memory}}), Bound())
    assert cause.code == "out_of_memory"


def test_a_child_that_takes_too_much_does_not_take_the_script_with_it(grouped: Steps) -> None:
    code = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {LIMITED!r}])\nsys.exit(3)"
    probe, _ = grouped.run(code, reserved=Reservation(memory=100 * MIB))
    assert probe.verdict is not None
    assert (probe.verdict["exit_code"], probe.verdict["oom_kills"]) == (3, 1)


def test_a_fork_bomb_ends_at_the_limit_of_processes_and_its_host_lives(grouped: Steps) -> None:
    code = """
import os, time
made = 0
try:
    while made < 500:
        if os.fork() == 0:
            time.sleep(30)
            os._exit(0)
        made += 1
except OSError as error:
    print(made, type(error).__name__)
"""
    probe, directory = grouped.run(code, options={"pids_limit": 40})
    assert probe.verdict is not None and probe.verdict["exit_code"] == 0
    made, name = log_of(directory).split()
    assert (30 < int(made) < 40, name, probe.verdict["left_over"]) == (True, "BlockingIOError", 0)


def test_the_group_of_an_attempt_goes_with_it(grouped: Steps) -> None:
    key = grouped.start("pass")
    grouped.wait(key)
    folders = [Path(name).parent for name in json.loads(
        (grouped.launcher.directory(key) / "launch.json").read_text())["cgroup"]["join"]]  # fmt: skip
    assert folders and all(folder.is_dir() for folder in folders)
    until(lambda: grouped.launcher.probe(key).state == "exited")
    grouped.launcher.cleanup(key)
    assert not any(folder.exists() for folder in folders)


def test_without_groups_the_memory_of_the_tree_is_watched(steps: Steps) -> None:
    code = LIMITED + "import time; time.sleep(30)"
    probe, _ = steps.run(code, reserved=Reservation(memory=100 * MIB))
    assert probe.verdict is not None and probe.verdict["memory_exceeded"] > 100 * MIB
    cause = cause_of(probe.verdict, step_of({"limits": {"memory": 100 * MIB}}), Bound())
    assert (cause.code, "more than its node's 100 MiB" in cause.message) == ("out_of_memory", True)


@pytest.mark.parametrize(("gpus", "seen"), [((), ""), (("GPU-b", "GPU-a"), "GPU-b,GPU-a")])
def test_a_step_sees_the_devices_that_its_node_holds(steps: Steps, gpus: tuple[str, ...], seen: str) -> None:
    code = "import os; print(os.environ['CUDA_VISIBLE_DEVICES'], os.environ['CUDA_DEVICE_ORDER'])"
    _, directory = steps.run(code, reserved=Reservation(gpus=gpus))
    assert log_of(directory).split() == [*([seen] if seen else []), "PCI_BUS_ID"]


def test_version_two_limits_are_written_below_the_own_group(tmp_path: Path) -> None:
    """On files of the same names: what the kernel makes of them is not tried here."""
    own = tmp_path / "system.slice" / "agent.service"
    (own / "duto").mkdir(parents=True)
    for name in ("cgroup.controllers", "system.slice/agent.service/cgroup.procs"):
        (tmp_path / name).touch()
    found = Cgroups.find(tmp_path, "0::/system.slice/agent.service\n")
    assert found is not None and found.version == 2
    group = found.make("a-1", Reservation(cores=0.5, memory=64 * MIB), pids=30)
    made = {file.name: file.read_text() for file in (own / "duto" / "a-1").iterdir()}
    assert made == {"memory.max": str(64 * MIB), "memory.swap.max": "0", "pids.max": "30", "cpu.max": "50000 100000"}
    assert group.join == [str(own / "duto/a-1/cgroup.procs")] and group.oom.endswith("memory.events")


def test_what_is_required_and_missing_is_refused_with_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unprotected, match="install it"):
        isolate(tmp_path, None, {"bwrap": "required"})
    monkeypatch.setenv("DUTO_BWRAP", "perhaps")
    with pytest.raises(Unprotected, match="auto, off, required"):
        isolate(tmp_path, None, {})
    monkeypatch.setenv("DUTO_BWRAP", "off")
    monkeypatch.setenv("DUTO_STEP_LIMITS", "off")
    assert isolate(tmp_path, None, {"bwrap": "required"}).facts() == Isolation(
        bwrap=False, cgroup=None, root=os.geteuid() == 0
    )


def test_the_sandbox_itself_is_nothing_that_a_script_left(sandboxed: Steps) -> None:
    for code in ("print('on')", "raise ValueError"):
        probe, _ = sandboxed.run(code)
        assert probe.verdict is not None and probe.verdict["proof"] is None


@pytest.fixture
def anothers_groups(grouped: Steps) -> Iterator[str]:
    """Groups that root has made, with the folder in them that an agent would make: the memberships of a process there."""
    name = f"duto-test-{os.getpid()}"
    made = [Path("/sys/fs/cgroup", controller, name) for controller in ("memory", "pids", "cpu")]
    if not Path("/sys/fs/cgroup/memory").is_dir():
        pytest.skip("this machine has control groups of version 2")
    for folder in made:
        (folder / "duto").mkdir(parents=True)
    yield "".join(f"{number}:{each.parent.name}:/{name}\n" for number, each in enumerate(made, 1))
    for folder in made:
        for left in (*(folder / "duto").glob("*/"), folder / "duto", folder):
            left.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make groups and become another user")
def test_groups_that_are_there_and_cannot_be_used_are_none(anothers_groups: str, tmp_path: Path) -> None:
    own = Cgroups.find(memberships=anothers_groups)
    assert own is not None and own.version == 1
    assert not list(Path("/sys/fs/cgroup/pids").glob("duto-test-*/duto/*/")), "what was tried is gone"
    for package in (duto_agent, duto):
        shutil.copytree(Path(str(package.__file__)).parent, tmp_path / "source" / package.__name__)
    let_others_pass(tmp_path)
    code = (
        f"import sys; sys.path[:0] = [{str(tmp_path / 'source')!r}]\n"
        "from duto_agent.launchers.cgroups import Cgroups\n"
        f"print(Cgroups.find(memberships={anothers_groups!r}))"
    )
    words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-B", "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, cwd="/", env={})
    if "No such file" in done.stderr or "SyntaxError" in done.stderr:
        pytest.skip("there is no Python here that an ordinary user could run")
    assert done.stdout.strip() == "None", done.stderr


def test_a_step_whose_group_cannot_be_made_fails_where_limits_are_required(grouped: Steps, tmp_path: Path) -> None:
    gone = Cgroups(1, {"memory": tmp_path / "nowhere"}, 1)
    for required in (False, True):
        grouped.launcher = ProcessLauncher(grouped.root, grouped.zygote, cgroups=gone, limits_required=required)
        launch = grouped.launch("print('ran')")
        if required:
            with pytest.raises(LaunchFailed, match="'required'"):
                grouped.launcher.ensure(launch)
            assert grouped.launcher.probe(launch.key).state == "none"
            continue
        grouped.launcher.ensure(launch)
        assert grouped.wait(launch.key).verdict is not None
    grouped.launcher.cgroups = None


def test_a_sandbox_that_could_not_be_made_is_made_once_more(sandboxed: Steps, tmp_path: Path) -> None:
    """As when a container's mount goes away between bubblewrap's look at the system and its work."""
    comes = tmp_path / "comes"
    key = sandboxed.start("print('ran')", binds=(Bind(comes, comes),))
    said = sandboxed.launcher.directory(key) / "log.data"
    until(lambda: said.exists() and "tried once more" in said.read_text())
    comes.mkdir()
    probe = sandboxed.wait(key)
    assert probe.verdict is not None and probe.verdict["exit_code"] == 0
    assert said.read_text().startswith("bwrap: ") and said.read_text().endswith("\nran\n")


def test_a_sandbox_that_can_never_be_made_is_given_up(sandboxed: Steps, tmp_path: Path) -> None:
    probe, directory = sandboxed.run("print('ran')", binds=(Bind(tmp_path / "never", tmp_path / "never"),))
    assert probe.verdict is not None and probe.verdict["exit_code"] == 1
    assert log_of(directory).count("bwrap: ") == 5 and "ran" not in log_of(directory)


@pytest.mark.parametrize("end", ["sys.exit(1)", "os.kill(os.getpid(), 9)", "os.execv('/nowhere', ['x'])"])
def test_a_script_that_has_begun_never_runs_twice(sandboxed: Steps, end: str) -> None:
    probe, directory = sandboxed.run(f"import os, sys\nprint('began', flush=True)\n{end}")
    assert probe.verdict is not None and (probe.verdict["exit_code"], probe.verdict["signal"]) != (0, None)
    assert log_of(directory).count("began\n") == 1
