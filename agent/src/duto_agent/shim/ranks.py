"""Starts the ranks of a step: several processes of one script on one node, which find each other by their variables.

`python -I -S ranks.py FOLDER` stands inside the step's sandbox in the place of its script. The folder is the attempt's
`tmp/ranks`: `plan.json` says what is to be started, the pipes `0`, `1`, ... take what each rank says (`rank_logs` reads
them), and `ended.json` is left with how each rank ended. Where MPI is asked for, `mpirun` starts `ranks.py FOLDER rank`
once a rank. One that fails ends the others. Standard library, Python 3.8 and later, and nothing else of the agent.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from typing import Any, Callable, Iterator

HOST = "127.0.0.1"
PLAN, ENDED = "plan.json", "ended.json"
LOOK_S, KILL_S = 0.05, 5.0
# The rank by Open MPI's name, and by that of others (MPICH, Intel MPI).
OF_MPI = ("OMPI_COMM_WORLD_RANK", "PMI_RANK")
# Open MPI 4 and 5 take these for their options: as many ranks as are asked for, whatever the cores, wherever they run, also
# as root of a container and where nobody may look into others' memory.
MPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_hwloc_base_binding_policy": "none",
    "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
    "OMPI_MCA_btl_base_warn_component_unused": "0",
    "OMPI_MCA_plm_rsh_agent": "/bin/false",  # nobody is called: all ranks are here
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "PRTE_MCA_hwloc_default_binding_policy": "none",
    "PRTE_MCA_plm_ssh_agent": "/bin/false",
}


def main(folder: str, kind: str = "") -> int:
    with open(os.path.join(folder, PLAN), encoding="utf-8") as file:
        plan = json.load(file)
    if kind == "rank":
        return one_of_mpi(folder, plan)
    return Starter(folder, plan).run()


class Starter:
    """All ranks of the step, from the first to the last."""

    def __init__(self, folder: str, plan: dict[str, Any]) -> None:
        self.folder, self.plan = folder, plan
        self.workers, self.servers = int(plan["processes"]), int(plan["parameter_servers"])
        self.is_mpi = plan["type"] == "mpi" and self.workers > 1
        self.is_stopping = False

    def run(self) -> int:
        signal.signal(signal.SIGTERM, self._note)
        if self.is_mpi:
            return self._by_mpirun()
        addresses = ["%s:%d" % (HOST, port) for port in free_ports(self.workers + self.servers + 1)]
        ranks: list[Rank] = []
        try:
            for number in range(self.workers + self.servers):
                ranks.append(Rank(self.folder, self.plan, number, addresses))
            failed = self._wait(ranks)
        finally:
            self._end(ranks)
        leave(self.folder, [rank.record() for rank in ranks], failed.number if failed else None)
        if failed is not None:
            return end_like(failed.status)
        return end_like(-signal.SIGTERM) if self.is_stopping else 0

    def _wait(self, ranks: list[Rank]) -> Rank | None:
        """Until all workers are done, or one rank has failed: that one."""
        while True:
            ended = [rank for rank in ranks if rank.poll() is not None]
            wrong = [rank for rank in ended if rank.status != 0]
            if wrong:
                return wrong[0]
            if self.is_stopping or all(rank.status == 0 for rank in ranks[: self.workers]):
                return None
            time.sleep(LOOK_S)

    def _end(self, ranks: list[Rank]) -> None:
        """TERM to those that still run, patience, KILL."""
        for rank in ranks:
            if rank.poll() is None:
                rank.was_ended = True
                rank.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + float(self.plan["grace_seconds"])
        while any(rank.poll() is None for rank in ranks) and time.monotonic() < deadline:
            time.sleep(LOOK_S)
        for rank in ranks:
            if rank.poll() is None:
                rank.send_signal(signal.SIGKILL)
            rank.wait()

    def _by_mpirun(self) -> int:
        """`mpirun` ends the others when one fails. Which one it was say the notes of the ranks."""
        program = shutil.which("mpirun")
        if program is None:
            leave(self.folder, [], None, missing="mpirun")
            sys.stderr.write("duto: there is no mpirun here, which starts the ranks of this step.\n")
            return 127
        addresses = ["%s:%d" % (HOST, port) for port in free_ports(self.workers + 1)]
        self.plan["addresses"] = addresses
        write(os.path.join(self.folder, PLAN), self.plan)
        me = [sys.executable, "-I", "-S", os.path.abspath(__file__), self.folder, "rank"]
        process = subprocess.Popen([program, "-n", str(self.workers), *me], env={**MPI, **os.environ})
        sent = False
        while process.poll() is None:
            if self.is_stopping and not sent:
                sent = True
                process.send_signal(signal.SIGTERM)
            time.sleep(LOOK_S)
        records = sorted(notes(self.folder, self.workers), key=lambda each: each["rank"])
        wrong = [each for each in records if not each["was_ended"] and (each["exit_code"] or each["signal"])]
        first = min(wrong, key=lambda each: each["at"], default=None)
        leave(self.folder, records, first["rank"] if first and process.returncode else None)
        if process.returncode and first and first["signal"]:
            return end_like(-first["signal"])
        return end_like(process.returncode)

    def _note(self, *_: Any) -> None:
        self.is_stopping = True


class Rank:
    """One process of the script. What it starts is ended with it."""

    def __init__(self, folder: str, plan: dict[str, Any], number: int, addresses: list[str]) -> None:
        self.number, self.was_ended, self.at = number, False, 0.0
        self.role = "ps" if number >= int(plan["processes"]) else "worker"
        variables = variables_of(plan, number, addresses)
        pipe = os.open(os.path.join(folder, str(number)), os.O_WRONLY)
        try:
            self.process = subprocess.Popen(
                argv_of(plan, variables),
                env={**os.environ, **variables},
                stdin=subprocess.DEVNULL,
                stdout=pipe,
                stderr=pipe,
                start_new_session=True,
            )
        finally:
            os.close(pipe)

    @property
    def status(self) -> int | None:
        return self.process.returncode

    def poll(self) -> int | None:
        if self.process.returncode is None and self.process.poll() is not None:
            self.at = time.time()
        return self.process.returncode

    def wait(self) -> None:
        if self.poll() is None:
            self.process.wait()
            self.at = time.time()

    def send_signal(self, number: int) -> None:
        try:
            os.killpg(self.process.pid, number)
        except OSError:
            pass

    def record(self) -> dict[str, Any]:
        status = self.process.returncode or 0
        return {
            "rank": self.number,
            "role": self.role,
            "exit_code": None if status < 0 else status,
            "signal": -status if status < 0 else None,
            "was_ended": self.was_ended,
            "at": self.at,
        }


def one_of_mpi(folder: str, plan: dict[str, Any]) -> int:
    """Stands between `mpirun` and a rank: gives it its pipe and variables, and notes how it ended."""
    number = int(next((os.environ[name] for name in OF_MPI if name in os.environ), "0"))
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
    rank = Rank(folder, plan, number, plan["addresses"])
    stopping_since = 0.0
    while rank.poll() is None:
        if ended and not stopping_since:
            stopping_since = time.monotonic()
            rank.was_ended = True
            rank.send_signal(signal.SIGTERM)
        elif stopping_since and time.monotonic() - stopping_since > KILL_S:
            rank.send_signal(signal.SIGKILL)
        time.sleep(LOOK_S)
    write(os.path.join(folder, "ended-%d.json" % number), rank.record())
    return end_like(rank.status)


def notes(folder: str, count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        try:
            with open(os.path.join(folder, "ended-%d.json" % number), encoding="utf-8") as file:
                yield json.load(file)
        except (OSError, ValueError):
            continue  # it was killed before it could note anything


def variables_of(plan: dict[str, Any], number: int, addresses: list[str]) -> dict[str, str]:
    """What a rank knows of itself and of the others: PyTorch's names, TensorFlow's, and those of Azure's clusters."""
    workers, servers = int(plan["processes"]), int(plan["parameter_servers"])
    meeting = addresses[-1]
    found = {
        "RANK": number,
        "LOCAL_RANK": number,
        "WORLD_SIZE": workers + servers,
        "LOCAL_WORLD_SIZE": workers + servers,
        "NODE_RANK": 0,
        "MASTER_ADDR": HOST,
        "MASTER_PORT": meeting.rpartition(":")[2],
        "AZ_BATCHAI_TASK_INDEX": number,
        "AZ_BATCHAI_MPI_MASTER_NODE": HOST,
        "AZ_BATCHAI_PYTORCH_INIT_METHOD": "tcp://" + meeting,
        "AZ_BATCH_MASTER_NODE": meeting,
        "AZ_BATCH_HOST_LIST": HOST,
        "AZ_BATCH_NODE_LIST": HOST,
    }
    if plan["type"] == "mpi" and workers == 1:  # run as it is: a process that MPI finds alone
        found.update(OMPI_COMM_WORLD_RANK=0, OMPI_COMM_WORLD_LOCAL_RANK=0)
        found.update(OMPI_COMM_WORLD_SIZE=1, OMPI_COMM_WORLD_LOCAL_SIZE=1)
    if plan["type"] == "tensorflow":
        is_server = number >= workers
        cluster = {"worker": addresses[:workers], "ps": addresses[workers : workers + servers]}
        task = {"type": "ps" if is_server else "worker", "index": number - workers if is_server else number}
        found["TF_CONFIG"] = json.dumps(
            {"cluster": {kind: each for kind, each in cluster.items() if each}, "task": task, "environment": "cloud"}
        )
        found["AZ_BATCHAI_WORKER_HOSTS"] = ",".join(cluster["worker"])
        found["AZ_BATCHAI_PS_HOSTS"] = ",".join(cluster["ps"])
        found["AZ_BATCHAI_JOB_NAME"] = task["type"]
        found["AZ_BATCHAI_TASK_INDEX"] = task["index"]
    return {name: str(value) for name, value in found.items()}


def argv_of(plan: dict[str, Any], variables: dict[str, str]) -> list[str]:
    """A script's arguments may name the variables of its rank (`$AZ_BATCHAI_TASK_INDEX`), which no shell would replace."""
    own = int(plan["own"])
    names = "|".join(sorted(variables, key=len, reverse=True))
    named = re.compile(r"\$(?:\{(%s)\}|(%s)\b)" % (names, names))
    value: Callable[[Any], str] = lambda found: variables[found[1] or found[2]]  # noqa: E731
    return [*plan["argv"][:own], *(named.sub(value, each) for each in plan["argv"][own:])]


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at now; all are held until the last is found, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((HOST, 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


def leave(folder: str, records: list[dict[str, Any]], failed: int | None, **more: str) -> None:
    kept = [{name: each[name] for name in each if name != "at"} for each in records]
    write(os.path.join(folder, ENDED), {"ranks": kept, "failed": failed, **more})


def write(path: str, value: Any) -> None:
    with open("%s.%d" % (path, os.getpid()), "w", encoding="utf-8") as file:
        json.dump(value, file)
    os.replace("%s.%d" % (path, os.getpid()), path)


def end_like(status: int | None) -> int:
    """The exit code of a process that ended so; by the same signal where one ended it."""
    if not status or status > 0:
        return status or 0
    if -status not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
    return 128 - status  # a signal that ends nobody


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
