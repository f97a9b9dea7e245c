"""One step on several nodes, on two agents of one machine that play two hosts. Nothing is pretended but the second machine."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from studio.testing.live import eventually
from tests.live.parallel import scoring, taken_over, until_done
from tests.live.second import Second
from tests.live.studio import LiveRun, Studio

pytestmark = [pytest.mark.slow]

# Each brings its number, and all have the sum of all: by sockets, and by Open MPI's own library.
BY_SOCKETS = """
import os, socket, time
rank, size, attempt = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "DUTO_ATTEMPT"))
place = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
if attempt == 1 and "--hang" in __import__("sys").argv:
    print("waiting", flush=True)
    time.sleep(600)
total = rank + 1
if rank == 0:
    with socket.create_server(("", place[1])) as server:
        guests = [server.accept()[0] for _ in range(size - 1)]
    total += sum(int(guest.recv(9)) for guest in guests)
    for guest in guests:
        guest.sendall(b"%d" % total)
else:
    while True:
        try:
            link = socket.create_connection(place)
            break
        except OSError:
            time.sleep(0.05)
    link.sendall(b"%d" % total)
    total = int(link.recv(9))
print("rank", rank, "of", size, "node", os.environ["NODE_RANK"], "local", os.environ["LOCAL_RANK"], "sum", total)
"""
BY_MPI = """
import ctypes, os
lib = ctypes.CDLL("libmpi.so.40", ctypes.RTLD_GLOBAL)
world = ctypes.byref(ctypes.c_char.in_dll(lib, "ompi_mpi_comm_world"))
kind, total = (ctypes.byref(ctypes.c_char.in_dll(lib, name)) for name in ("ompi_mpi_int", "ompi_mpi_op_sum"))
lib.MPI_Init(None, None)
rank, all_ = ctypes.c_int(), ctypes.c_int()
lib.MPI_Comm_rank(world, ctypes.byref(rank))
lib.MPI_Allreduce(ctypes.byref(ctypes.c_int(rank.value + 1)), ctypes.byref(all_), 1, kind, total, world)
print("rank", rank.value, "node", os.environ["NODE_RANK"], "sum", all_.value)
lib.MPI_Finalize()
"""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Studio, Second]]:
    """A studio with a second host, and a cluster of which each of the two holds one node."""
    studio = Studio(tmp_path_factory.mktemp("nodes"), DUTO_LEASE_SECONDS="6")
    second = Second(studio, tmp_path_factory.mktemp("b"))
    try:
        studio.start()
        answer = studio.rest("POST", "host-enrolments/", role="owner", json={"name": "beta"})
        done = second.install(str(answer.json()["command"]))
        assert done.returncode == 0, done.stdout + done.stderr
        eventually(lambda: bool(second.facts.get("last_seen_at")), what="a word from the second host")
        cluster = {"name": "cpu-cluster", "vm_size": "STANDARD_DS15_V2", "max_nodes": 2}
        assert studio.rest("POST", "compute/", role="owner", json=cluster).status_code in (200, 201)
        yield studio, second
    finally:
        second.kill()
        studio.stop()


def submit(studio: Studio, script: str, kind: str, processes: int, *arguments: str, **step: Any) -> LiveRun:
    spread = {"type": kind, "processes": processes}
    return studio.submit({"train": script}, distribution=spread, node_count=2, arguments=list(arguments), **step)


def members(run: LiveRun, attempt: int = -1) -> list[dict[str, Any]]:
    return list(run.step("train")["step"]["attempts"][attempt]["members"])


def logs(studio: Studio, run: LiveRun, count: int) -> list[str]:
    step = run.step("train")["id"]
    return [studio.rest("GET", f"runs/{step}/log/?rank={rank}").text.strip() for rank in range(count)]


def test_processes_on_two_hosts_find_each_other(pair: tuple[Studio, Second]) -> None:
    studio, _second = pair
    run = submit(studio, BY_SOCKETS, "pytorch", 4).wait()
    assert logs(studio, run, 4) == [f"rank {r} of 4 node {r // 2} local {r % 2} sum 10" for r in range(4)]
    assert len({each["host"] for each in members(run)}) == 2
    assert [(each["node_rank"], each["status"], each["exit_code"]) for each in members(run)] == [
        (0, "completed", 0),
        (1, "completed", 0),
    ]


def test_mpi_reaches_both_hosts(pair: tuple[Studio, Second]) -> None:
    studio, _second = pair
    run = submit(studio, BY_MPI, "mpi", 2).wait()
    assert logs(studio, run, 4) == [f"rank {r} node {r // 2} sum 10" for r in range(4)]


def test_a_member_that_is_killed_ends_the_others_and_a_retry_takes_all_again(pair: tuple[Studio, Second]) -> None:
    studio, second = pair
    run = submit(studio, BY_SOCKETS, "pytorch", 2, "--hang", retries=1)
    run.until("train", b"waiting")
    eventually(lambda: [each["status"] for each in members(run)] == ["running", "running"], what="both members")
    shim = next(pid for pid in second.shims() if pid in second.others())
    os.kill(shim, signal.SIGKILL)
    run.wait()
    first = members(run, 0)
    assert sorted(each["status"] for each in first) == ["canceled", "lost"], first
    assert [each["status"] for each in members(run)] == ["completed", "completed"]
    assert logs(studio, run, 2) == [f"rank {r} of 2 node {r} local 0 sum 3" for r in range(2)]


def test_mini_batches_are_done_on_both_hosts_and_a_host_that_dies_costs_what_it_was_at(
    pair: tuple[Studio, Second],
) -> None:
    studio, second = pair
    graph = scoring(studio)
    graph["steps"][1]["settings"]["node_count"] = 2
    run = studio.submit_graph(graph)
    until_done(studio, run, 20)
    eventually(lambda: len(attempts_of(run)) == 2, what="both nodes")
    eventually(
        lambda: all(ledger_of(studio, each).count(b'"e":"done"') > 3 for each in attempts_of(run)), what="work on both"
    )
    second.kill()
    run.wait()
    (attempt,) = run.step("score")["step"]["attempts"]
    assert sorted(each["status"] for each in attempt["members"]) == ["completed", "lost"], attempt
    assert taken_over(studio, run) > 3
    second.start()


def attempts_of(run: LiveRun) -> list[dict[str, Any]]:
    attempts = run.step("score")["step"]["attempts"]
    return [each for each in attempts[-1].get("members", ()) if each["status"] == "running"] if attempts else []


def ledger_of(studio: Studio, attempt: dict[str, Any]) -> bytes:
    file = studio.data_dir / "logs" / f"{attempt['id']}.ledger"
    return file.read_bytes() if file.exists() else b""
