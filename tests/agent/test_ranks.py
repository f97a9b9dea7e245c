"""Several processes of one script: what they know of each other, what they say, and what becomes of all when one fails."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from duto.spec import distribution
from duto.spec.values import Distribution
from duto_agent.attempt import staging
from duto_agent.attempt.bindings import Bound
from duto_agent.attempt.causes import cause_of
from duto_agent.launchers.base import Launch, Probe
from duto_agent.launchers.ownership import NOTES
from duto_agent.shim import ranks
from duto_agent.shim.rank_logs import name_of
from duto_protocol.messages import LaunchSpec
from tests.agent.containers import Boxes
from tests.agent.specs import step_of
from tests.agent.steps import Steps, until

Host = Steps | Boxes
# MPI without a package: Open MPI's own library. The sum of all ranks, and a secret.
BY_MPI = """
import ctypes, os, sys
lib = ctypes.CDLL("libmpi.so.40", ctypes.RTLD_GLOBAL)
world = ctypes.byref(ctypes.c_char.in_dll(lib, "ompi_mpi_comm_world"))
kind, total = ctypes.byref(ctypes.c_char.in_dll(lib, "ompi_mpi_int")), ctypes.byref(ctypes.c_char.in_dll(lib, "ompi_mpi_op_sum"))
lib.MPI_Init(None, None)
rank, size, all_ = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
lib.MPI_Comm_rank(world, ctypes.byref(rank))
lib.MPI_Comm_size(world, ctypes.byref(size))
lib.MPI_Allreduce(ctypes.byref(ctypes.c_int(rank.value + 1)), ctypes.byref(all_), 1, kind, total, world)
print("rank", rank.value, "of", size.value, "sum", all_.value, *(os.environ[n] for n in ("RANK", "LOCAL_RANK", "WORLD_SIZE")))
if len(sys.argv) > 1 and rank.value == int(sys.argv[1]):
    raise ValueError("no more")
lib.MPI_Barrier(world)
lib.MPI_Finalize()
"""


def spec_of(kind: str, processes: int, servers: int = 0, **more: Any) -> LaunchSpec:
    spread = {"type": kind, "processes": processes, "parameter_servers": servers}
    return step_of({"script": "script.py", "grace_seconds": 0.5, "distribution": spread, **more})


def launch_of(host: Host, code: str, spec: LaunchSpec, *arguments: str) -> Launch:
    launch = host.launch(code)
    directory = launch.cwd.parent
    (directory / "tmp").mkdir(exist_ok=True)
    assert spec.distribution is not None
    argv = staging.started_together(directory, spec, spec.distribution, (*launch.argv, *arguments), launch.argv[0])
    return replace(launch, argv=argv, ranks=staging.ranks_of(spec), grace_seconds=0.5)


def run(host: Host, code: str, spec: LaunchSpec, *arguments: str) -> tuple[Probe, dict[int, str], str]:
    launch = launch_of(host, code, spec, *arguments)
    host.launcher.ensure(launch)
    probe = host.wait(launch.key)
    return probe, logs_of(launch, len(staging.ranks_of(spec))), (launch.cwd.parent / "log.data").read_text()


def logs_of(launch: Launch, count: int) -> dict[int, str]:
    folder = launch.cwd.parent
    notes = folder / NOTES if (folder / NOTES).is_dir() else folder
    return {number: (notes / name_of(number)).read_text() for number in range(count)}


def verdict_of(probe: Probe) -> dict[str, Any]:
    assert probe.verdict is not None
    return probe.verdict


def test_each_rank_knows_its_place_and_has_a_log_of_its_own(host: Host) -> None:
    code = """
import os, socket, sys, time
rank, place = int(os.environ["RANK"]), (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
if rank == 0:
    door = socket.create_server(place)
    guests = [door.accept()[0] for _ in range(int(os.environ["WORLD_SIZE"]) - 1)]
    print("met", sorted(int(each.recv(9)) for each in guests))
else:
    while True:
        try:
            link = socket.create_connection(place)
            break
        except OSError:
            time.sleep(0.02)
    link.send(b"%d" % rank)
print(*sys.argv[1:], os.environ["LOCAL_RANK"], os.environ["NODE_RANK"], os.environ["AZ_BATCHAI_TASK_INDEX"], file=sys.stderr)
sys.stdout.write("no end")
"""
    probe, logs, whole = run(host, code, spec_of("pytorch", 3), "--rank", "${AZ_BATCHAI_TASK_INDEX}", "$RANKS", "$HOME")
    verdict = verdict_of(probe)
    assert verdict["exit_code"] == 0 and verdict["failed_rank"] is None and verdict["proof"] is None, (whole, verdict)
    assert logs[0] == "met [1, 2]\n--rank 0 $RANKS $HOME 0 0 0\nno end"
    assert logs[2] == "--rank 2 $RANKS $HOME 2 0 2\nno end"
    assert sorted(whole.splitlines()) == sorted(f"[{n}] {line}" for n, log in logs.items() for line in log.splitlines())
    ends = [(each["rank"], each["exit_code"], each["was_ended"]) for each in verdict["ranks"]]
    assert ends == [(0, 0, False), (1, 0, False), (2, 0, False)]


def test_one_that_fails_ends_the_others_and_is_named(guarded: Steps) -> None:
    code = """
import os, subprocess, sys, time
rank = int(os.environ["RANK"])
if rank == 1:
    while not os.path.exists("child"): time.sleep(0.01)
    raise ValueError("not converged")
child = subprocess.Popen(["sleep", "300"])
open("child", "w").write(str(child.pid))
time.sleep(300)
"""
    spec = spec_of("pytorch", 3)
    probe, logs, whole = run(guarded, code, spec)
    verdict = verdict_of(probe)
    assert (verdict["exit_code"], verdict["failed_rank"], verdict["left_over"]) == (1, 1, 0), whole
    assert [(each["signal"], each["was_ended"]) for each in verdict["ranks"]] == [(15, True), (None, False), (15, True)]
    cause = cause_of(verdict, spec, Bound())
    assert cause.message == (
        "Rank 1 (of 0 to 2) failed, and the others were ended: ValueError: not converged (script.py, line 6)"
    )
    assert "ValueError: not converged" in logs[1] and logs[0] == ""


def test_a_rank_that_a_signal_ends_is_told_as_such(guarded: Steps) -> None:
    spec = spec_of("pytorch", 2)
    code = "import os, time\nif os.environ['RANK'] == '0': os.kill(os.getpid(), 11)\ntime.sleep(300)"
    verdict = verdict_of(run(guarded, code, spec)[0])
    assert verdict["signal"] == 11
    assert str(cause_of(verdict, spec, Bound()).message).startswith("Rank 0 (of 0 to 1) failed, and the others were ended: "
        "The script was ended by signal 11 (SIGSEGV)")  # fmt: skip


def test_a_cancel_reaches_every_rank(steps: Steps) -> None:
    launch = launch_of(steps, "import os, time\nprint('here', flush=True)\ntime.sleep(300)", spec_of("pytorch", 2))
    steps.launcher.ensure(launch)
    until(lambda: [(launch.cwd.parent / name_of(n)).exists() for n in (0, 1)] == [True, True])
    until(lambda: logs_of(launch, 2) == {0: "here\n", 1: "here\n"})
    steps.launcher.signal(launch.key, 0.5)
    verdict = verdict_of(steps.wait(launch.key))
    assert verdict["canceled"] and verdict["left_over"] == 0


def test_servers_of_parameters_are_ended_when_the_workers_are_done(guarded: Steps) -> None:
    code = """
import json, os, time
told = json.loads(os.environ["TF_CONFIG"])
print(told["task"], {kind: len(hosts) for kind, hosts in told["cluster"].items()}, os.environ["AZ_BATCHAI_TASK_INDEX"], flush=True)
if told["task"]["type"] == "ps":
    open("here", "w").close()
    time.sleep(300)
while not os.path.exists("here"):
    time.sleep(0.01)
"""
    probe, logs, whole = run(guarded, code, spec_of("tensorflow", 2, 1))
    verdict = verdict_of(probe)
    assert verdict["exit_code"] == 0, whole
    assert logs[1] == "{'type': 'worker', 'index': 1} {'worker': 2, 'ps': 1} 1\n"
    assert logs[2] == "{'type': 'ps', 'index': 0} {'worker': 2, 'ps': 1} 0\n"
    assert [(each["role"], each["was_ended"]) for each in verdict["ranks"]] == [
        ("worker", False), ("worker", False), ("ps", True),
    ]  # fmt: skip
    assert cause_of(verdict, spec_of("tensorflow", 2, 1), Bound()).code is None


@pytest.fixture
def mpirun() -> str:
    found = shutil.which("mpirun")
    if found is None:
        assert not os.environ.get("DUTO_REQUIRE_MPI"), "this machine must have Open MPI's mpirun, and has none"
        pytest.skip("there is no mpirun here")
    return found


def test_mpi_starts_the_ranks_which_sum_up_what_each_has(guarded: Steps, mpirun: str) -> None:
    probe, logs, whole = run(guarded, BY_MPI, spec_of("mpi", 3))
    assert verdict_of(probe)["exit_code"] == 0, (whole, logs)
    assert logs == {n: f"rank {n} of 3 sum 6 {n} {n} 3\n" for n in range(3)}
    spec = spec_of("mpi", 3)
    probe, logs, whole = run(guarded, BY_MPI, spec, "2")
    verdict = verdict_of(probe)
    assert verdict["failed_rank"] == 2 and verdict["left_over"] == 0, (verdict, whole)
    assert str(cause_of(verdict, spec, Bound()).message).endswith("ValueError: no more (script.py, line 13)")
    assert "mpirun" in whole, "what it says itself stands in the log of the step"


def test_one_process_of_mpi_needs_no_mpirun(guarded: Steps) -> None:
    code = "import os\nprint(*(os.environ[name] for name in ('RANK', 'OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE')))"
    probe, logs, whole = run(guarded, code, spec_of("mpi", 1))
    assert verdict_of(probe)["exit_code"] == 0 and logs[0] == "0 0 1\n", whole


def test_a_host_without_mpirun_is_told_what_to_install(steps: Steps) -> None:
    spec = spec_of("mpi", 2)
    launch = launch_of(steps, "print('never')", spec)
    launch.env["PATH"] = str(launch.cwd)
    steps.launcher.ensure(launch)
    cause = cause_of(verdict_of(steps.wait(launch.key)), spec, Bound())
    assert cause.code == "environment" and "openmpi-bin" in str(cause.message)


def test_what_the_notes_of_the_ranks_pretend_costs_nothing(steps: Steps) -> None:
    """They lie in the script's own folder, so that it may have written anything."""
    for text in ("no json", "[1]", json.dumps({"ranks": "x", "failed": {}}), "x" * 300_000):
        code = f"import os, sys\nopen(os.path.join(os.path.dirname(os.getcwd()), 'tmp/ranks/ended.json'), 'w').write({text!r})"
        launch = steps.launch(code)
        (launch.cwd.parent / "tmp/ranks").mkdir(parents=True)
        steps.launcher.ensure(replace(launch, ranks=(0,)))
        verdict = verdict_of(steps.wait(launch.key))
        assert verdict["exit_code"] == 0
        assert cause_of({**verdict, "exit_code": 3}, spec_of("pytorch", 2), Bound()).message is not None


def test_a_secret_is_hidden_in_the_log_of_each_rank_and_in_that_of_the_step(steps: Steps) -> None:
    code = """
import os, socket, sys
door = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
door.connect(os.environ["DUTO_MASKS"])
door.send(b"s3cr3t-of-all")
assert door.recv(1) == b"+"
os.write(1, b"a s3cr3t")
os.write(1, b"-of-all b\\n")
"""
    launch = launch_of(steps, code, spec_of("pytorch", 2))
    launch.env["DUTO_MASKS"] = str(launch.cwd.parent / "tmp/masks")
    steps.launcher.ensure(launch)
    steps.wait(launch.key)
    assert logs_of(launch, 2) == {0: "a *** b\n", 1: "a *** b\n"}
    assert sorted((launch.cwd.parent / "log.data").read_text().splitlines()) == ["[0] a *** b", "[1] a *** b"]


def test_ports_differ() -> None:
    assert len(set(ranks.free_ports(20))) == 20


# --- on several nodes, each with a program of its own that starts its ranks ---


def two_nodes(tmp_path: Path, spread: dict[str, Any], code: str, *arguments: str) -> tuple[list[int], list[str]]:
    """How both programs ended, and what each rank said, on one machine that plays two."""
    found = Distribution(**spread)
    numbers = [distribution.ranks_on(found, 2, node) for node in range(2)]
    ports = ranks.free_ports(sum(map(len, numbers)) + 3)
    *addresses, first, second = (f"127.0.0.1:{port}" for port in ports)
    shared = {"numbers": numbers, "workers": distribution.workers_of(found, 2), "addresses": addresses}
    started, pipes = [], {}
    for node, mine in enumerate(numbers):
        folder, work = tmp_path / str(node) / "ranks", tmp_path / str(node) / "work"
        folder.mkdir(parents=True)
        work.mkdir()
        (work / "script.py").write_text(code)
        plan = {"argv": [sys.executable, "script.py", *arguments], "own": 2, "grace_seconds": 1, "cwd": str(work)}
        plan |= {**spread, "node": node, **shared, "starters": [first, second], "secret": "s" * 64}
        (folder / ranks.PLAN).write_text(json.dumps(plan))
        for number in mine:
            os.mkfifo(folder / str(number))
            pipes[number] = os.open(folder / str(number), os.O_RDWR | os.O_NONBLOCK)
        started.append(subprocess.Popen([sys.executable, "-I", "-S", ranks.__file__, str(folder)], cwd=work))
    codes = [process.wait(60) for process in started]
    said = [os.read(pipe, 1 << 16).decode() for _, pipe in sorted(pipes.items())]
    for pipe in pipes.values():
        os.close(pipe)
    return codes, said


@pytest.mark.skipif(shutil.which("mpirun") is None, reason="no Open MPI here")
def test_mpi_starts_ranks_on_another_node_and_one_that_fails_ends_those_of_both(tmp_path: Path) -> None:
    spread = {"type": "mpi", "processes": 2, "parameter_servers": 0}
    codes, said = two_nodes(tmp_path / "well", spread, BY_MPI)
    assert codes == [0, 0]
    assert [each.split("\n")[0] for each in said] == [f"rank {r} of 4 sum 10 {r} {r % 2} 4" for r in range(4)]
    codes, said = two_nodes(tmp_path / "badly", spread, BY_MPI, "3")
    assert 0 not in codes and "ValueError: no more" in said[3]
    ended = json.loads((tmp_path / "badly" / "1" / "ranks" / ranks.ENDED).read_text())
    assert ended["failed"] == 3


def test_servers_of_the_first_node_are_there_until_the_workers_of_all_are_done(tmp_path: Path) -> None:
    code = """
import json, os, time
task = json.loads(os.environ["TF_CONFIG"])
print(task["task"]["type"], task["task"]["index"], len(task["cluster"]["worker"]), os.environ["NODE_RANK"], flush=True)
if task["task"]["type"] == "ps":
    time.sleep(60)
time.sleep(2 * int(os.environ["NODE_RANK"]))
"""
    began = time.monotonic()
    codes, said = two_nodes(tmp_path, {"type": "tensorflow", "processes": 3, "parameter_servers": 1}, code)
    assert codes == [0, 0] and 2 < time.monotonic() - began < 30
    assert [each.strip() for each in said] == ["worker 0 3 0", "worker 1 3 1", "worker 2 3 1", "ps 0 3 0"]


def test_nobody_without_the_secret_has_anything_started(tmp_path: Path) -> None:
    for message in (b"", b"x" * 64 + b'"id"\n', b"s" * 64 + b"no json\n"):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(message)
            theirs.shutdown(socket.SHUT_WR)
            assert ranks.heard(ours, b"s" * 64) is None
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"s" * 64 + b'"orted -x"\n')
        assert ranks.heard(ours, b"s" * 64) == "orted -x"


@pytest.mark.parametrize(
    ("spread", "nodes", "expected"),
    [
        (Distribution("mpi", 2), 3, [[0, 1], [2, 3], [4, 5]]),
        (Distribution("pytorch", 4), 3, [[0], [1], [2, 3]]),
        (Distribution("tensorflow", 2, 2), 2, [[0, 2, 3], [1]]),
        (Distribution("pytorch", 3), 1, [[0, 1, 2]]),
    ],
)
def test_ranks_are_shared_out_over_nodes(spread: Distribution, nodes: int, expected: list[list[int]]) -> None:
    assert [distribution.ranks_on(spread, nodes, node) for node in range(nodes)] == expected
