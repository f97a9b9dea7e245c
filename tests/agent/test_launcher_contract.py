"""What every launcher promises, on real processes and in real containers."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from duto_agent.attempt.bindings import Bound
from duto_agent.attempt.causes import cause_of
from duto_agent.attempt.staging import SHELL
from duto_agent.launchers.base import Bind, Launch, Probe, Reservation
from duto_agent.launchers.resource_usage import Processes
from duto_agent.shim.verdict import ROOM
from tests.agent.containers import Boxes
from tests.agent.jobs import Jobs
from tests.agent.specs import step_of
from tests.agent.steps import IN_ORDER, Steps, in_order, until

Host = Steps | Boxes | Jobs
MIB = 1 << 20
SLEEPS = "import time\nopen('ran', 'a').write('x')\ntime.sleep(60)"


def log_of(directory: Path) -> str:
    return (directory / "log.data").read_text()


def verdict_of(probe: Probe) -> dict[str, object]:
    assert probe.verdict is not None
    return probe.verdict


def started(host: Host, launch: Launch) -> None:
    host.launcher.ensure(launch)
    # A file is there before what was written into it.
    until(lambda: (launch.cwd / "ran").exists() and (launch.cwd / "ran").read_text() == "x")


def test_ensure_runs_a_step_once_whoever_calls_it_how_often(host: Host) -> None:
    launch = host.launch("import time\nopen('ran', 'a').write('x')\ntime.sleep(0.5)")
    started(host, launch)
    host.launcher.ensure(launch)
    host.again().ensure(launch)
    host.wait(launch.key)
    host.again().ensure(launch)
    assert (launch.cwd / "ran").read_text() == "x"


def test_probe_tells_what_is_known(host: Host) -> None:
    launch = host.launch(SLEEPS)
    assert host.launcher.probe(launch.key).state == "none"
    started(host, launch)
    assert host.launcher.probe(launch.key).state == "running"
    host.launcher.signal(launch.key, 0)
    host.wait(launch.key)
    assert host.launcher.collect(launch.key).state == "exited"


def test_a_new_agent_adopts_what_runs_and_misses_no_byte(host: Host) -> None:
    code = """
import sys, time
for number in range(20000):
    sys.stdout.write("line %d\\n" % number)
    if number % 1000 == 0: time.sleep(0.05)
sys.exit(5)
"""
    key = host.start(code)
    later = host.again()
    assert later.discover() == [key]
    until(lambda: later.probe(key).state == "exited")
    assert verdict_of(later.collect(key))["exit_code"] == 5
    assert log_of(later.directory(key)) == "".join(f"line {number}\n" for number in range(20_000))


def test_both_streams_stand_in_the_log_in_the_order_of_the_writes(host: Host) -> None:
    probe, directory = host.run(IN_ORDER)
    assert verdict_of(probe)["exit_code"] == 0
    assert log_of(directory) == in_order()


@pytest.mark.parametrize(
    ("code", "exit_code", "number"),
    [("pass", 0, None), ("raise SystemExit(3)", 3, None), ("import os; os.kill(os.getpid(), 11)", None, 11)],
)
def test_the_end_of_a_script_is_told_as_it_was(
    host: Host, code: str, exit_code: int | None, number: int | None
) -> None:
    probe, _ = host.run(code)
    assert (verdict_of(probe)["exit_code"], verdict_of(probe)["signal"]) == (exit_code, number)


@pytest.mark.parametrize(
    ("line", "exit_code", "said"),
    [
        (
            "cat one* && echo \"$0\" | tr a-z A-Z; python3 -c 'import sys; print(sys.argv)' 'a b'",
            0,
            "1COMMAND\n['-c', 'a b']\n",
        ),
        ("exit 3; echo no", 3, ""),
        ("-c 'echo no' 2>/dev/null", 127, ""),
        ("kill -11 $$", None, ""),
    ],
)
def test_a_command_is_run_by_a_shell_in_its_folder(host: Host, line: str, exit_code: int | None, said: str) -> None:
    launch = host.launch("")
    (launch.cwd / "one.txt").write_text("1")
    host.launcher.ensure(replace(launch, argv=(*SHELL, line), python=launch.argv[0]))
    probe = host.wait(launch.key)
    assert (verdict_of(probe)["exit_code"], log_of(host.launcher.directory(launch.key))) == (exit_code, said)


def test_a_script_says_what_its_log_may_not_show(host: Host) -> None:
    """As the SDK does, which stands in no container of these tests."""
    launch = host.launch("""
import os, socket
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as caller:
    os.chdir(os.path.dirname(os.environ["DUTO_MASKS"]))  # the address of a socket has 108 bytes
    caller.connect("masks")
    caller.send(b"hunter2")
    print(caller.recv(1).decode(), "hunter2")
""")
    place = host.launcher.directory(launch.key) / "tmp/masks"
    place.parent.mkdir(exist_ok=True)
    host.launcher.ensure(replace(launch, env={**launch.env, "DUTO_MASKS": str(place)}))
    assert verdict_of(host.wait(launch.key))["exit_code"] == 0
    assert log_of(host.launcher.directory(launch.key)) == "+ ***\n"


def test_a_deaf_script_is_killed_after_its_grace(host: Host) -> None:
    code = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SLEEPS
    launch = host.launch(code)
    started(host, launch)
    host.launcher.signal(launch.key, 0.2)
    probe = host.wait(launch.key)
    assert (verdict_of(probe)["canceled"], verdict_of(probe)["left_over"]) == (True, 0)


def test_a_time_limit_ends_a_step(host: Host) -> None:
    probe, _ = host.run(SLEEPS, timeout_seconds=0.5, grace_seconds=0.2)
    assert verdict_of(probe)["timed_out"] is True


def test_a_daemon_that_forked_twice_ends_with_its_step(host: Host) -> None:
    code = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            open('beat', 'a').write('x')
            time.sleep(0.01)
    os._exit(0)
while not os.path.exists('beat'): time.sleep(0.01)
"""
    probe, directory = host.run(code)
    assert (verdict_of(probe)["exit_code"], verdict_of(probe)["left_over"]) == (0, 0)
    beats = (directory / "work" / "beat").stat().st_size
    host.run("import time; time.sleep(0.1)")
    assert (directory / "work" / "beat").stat().st_size == beats > 0


def test_a_fork_bomb_meets_its_limit_and_nothing_of_it_is_left(host: Host) -> None:
    if isinstance(host, Jobs):
        pytest.skip("Slurm limits no number of processes")
    if isinstance(host, Steps) and host.launcher.cgroups is None:
        pytest.skip("no control groups may be made here")
    code = """
import os, time
made = 0
try:
    while made < 2000:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        made += 1
except OSError:
    pass
print(made)
"""
    probe, directory = host.run(code, options={"pids_limit": 64})
    assert (verdict_of(probe)["exit_code"], verdict_of(probe)["left_over"]) == (0, 0)
    # A sandbox that had to be made again says so before.
    assert 20 < int(log_of(directory).splitlines()[-1]) < 64


def test_a_line_of_ten_megabytes_arrives_whole(host: Host) -> None:
    probe, directory = host.run("print('x' * 10_000_000)")
    assert verdict_of(probe)["log_size"] == 10_000_001
    assert log_of(directory) == "x" * 10_000_000 + "\n"


@pytest.fixture
def small_disk(host: Host) -> Iterator[None]:
    """All attempts of this host on a disk of four megabytes."""
    host.root.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=755", "duto-small", host.root], check=False)
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    yield
    for key in host.launcher.discover():
        host.launcher.signal(key, 0)
        host.wait(key)
        host.launcher.cleanup(key)
    subprocess.run(["umount", "--lazy", host.root], check=True)


# A log line that is printed, but not yet written when the disk is full, is counted as dropped: so the script waits for it.
FILLS = """
import os, time
open('kept', 'w').write('kept')
print('begun', flush=True)
while not os.path.getsize('../log.data'): time.sleep(0.01)
def fill():
    with open('huge', 'wb', buffering=0) as file:
        while True: file.write(bytes(1 << 12))
"""


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_is_told_as_the_cause_and_what_was_there_is_kept(host: Host) -> None:
    probe, directory = host.run(FILLS + "fill()")
    assert os.statvfs(directory).f_bavail * 4096 < ROOM
    cause = cause_of(verdict_of(probe), step_of({}), Bound())
    assert (verdict_of(probe)["exit_code"], cause.code) == (1, "disk_full")
    assert "(script.py, line 8): " in cause.message and " were free when the script ended." in cause.message
    assert log_of(directory).startswith("begun\n")
    assert (directory / "work" / "kept").read_text() == "kept"
    # The host goes on, with the room that the step gives back.
    (key,) = host.launcher.discover()
    host.launcher.cleanup(key)
    probe, directory = host.run("print('next')")
    assert (verdict_of(probe)["exit_code"], log_of(directory)) == (0, "next\n")


@pytest.mark.usefixtures("small_disk")
def test_a_step_that_has_filled_its_disk_can_be_ended(host: Host) -> None:
    key = host.start(FILLS + "try: fill()\nexcept OSError: time.sleep(60)", grace_seconds=0.2)
    until(lambda: os.statvfs(host.root).f_bavail == 0)
    host.launcher.signal(key, 0)
    probe = host.wait(key)
    assert (verdict_of(probe)["canceled"], verdict_of(probe)["left_over"]) == (True, 0)


def test_what_is_shown_to_a_step_cannot_be_changed_by_it(host: Host, tmp_path: Path) -> None:
    if isinstance(host, Steps) and host.launcher.sandbox is None:
        pytest.skip("bubblewrap is not here, or may not make namespaces")
    if isinstance(host, Jobs):
        pytest.skip("jobs stand in no sandbox of ours")
    data = tmp_path / "data"
    data.mkdir()
    (data / "raw.csv").write_text("a\n1\n")
    data.chmod(0o777)  # not by permission, but by force
    (data / "raw.csv").chmod(0o666)
    code = f"""
import os
print(open({str(data / "raw.csv")!r}).read().split())
for act in (lambda: open({str(data / "raw.csv")!r}, 'a'), lambda: os.unlink({str(data / "raw.csv")!r})):
    try:
        act()
    except OSError as error:
        print(error.strerror)
"""
    _, directory = host.run(code, binds=(Bind(data, data),))
    assert log_of(directory).splitlines() == ["['a', '1']"] + ["Read-only file system"] * 2
    assert (data / "raw.csv").read_text() == "a\n1\n"


def test_a_step_sees_neither_the_packages_nor_the_variables_of_the_server(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_SECRET", "must not pass")
    code = """
import importlib.util, os
print([name for name in ("django", "duto_agent", "celery", "studio", "docker") if importlib.util.find_spec(name)])
print([name for name in os.environ if "DJANGO" in name or "AGENT" in name or "VIRTUAL" in name])
"""
    probe, directory = host.run(code)
    assert verdict_of(probe)["exit_code"] == 0 and log_of(directory).split() == ["[]", "[]"]


def test_more_memory_than_the_node_has_ends_the_script_and_its_shim_tells_it(host: Host) -> None:
    if isinstance(host, Steps) and host.launcher.cgroups is None:
        pytest.skip("no control groups may be made here")
    if isinstance(host, Jobs) and not host.cluster.has_groups:
        pytest.skip("this Slurm holds no job to its memory")
    code = "chunks = []\nfor _ in range(40): chunks.append(bytearray(10 << 20))"
    probe, directory = host.run(code, reserved=Reservation(memory=100 * MIB))
    verdict = verdict_of(probe)
    assert verdict["signal"] == signal.SIGKILL, log_of(directory)
    assert cause_of(verdict, step_of({"limits": {"memory": 100 * MIB}}), Bound()).code == "out_of_memory"


def test_a_step_that_was_killed_from_outside_is_lost_and_never_runs_again(host: Host) -> None:
    launch = host.launch(SLEEPS)
    started(host, launch)
    host.end_from_outside(launch.key)
    until(lambda: host.launcher.probe(launch.key).state == "lost")
    host.launcher.ensure(launch)
    host.again().ensure(launch)
    assert host.launcher.collect(launch.key).state == "lost"
    assert (launch.cwd / "ran").read_text() == "x"


def test_cleanup_leaves_nothing_and_may_be_repeated(host: Host) -> None:
    _, directory = host.run("import os; os.mkdir('ro'); open('ro/f', 'w'); os.chmod('ro', 0o500)")
    (key,) = host.launcher.discover()
    for _ in range(2):
        host.launcher.cleanup(key)
    assert not directory.exists() and host.again().discover() == []
    assert host.launcher.probe(key).state == "none"


def test_stats_count_the_whole_tree(host: Host) -> None:
    key = host.start("import subprocess\nsubprocess.run(['sleep', '60'])")

    def is_seen() -> bool:
        """All of it: the sandbox is two small processes before the script is one."""
        sample = host.launcher.stats(key, Processes.now())
        return sample is not None and sample.processes >= 2 and sample.memory > MIB

    until(is_seen)
    host.launcher.signal(key, 0)
    host.wait(key)
    until(lambda: host.launcher.stats(key, Processes.now()) is None)
