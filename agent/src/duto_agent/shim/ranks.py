"""Starts the ranks of a step: several processes of one script on one node, which find each other by their variables.

`python -I -S ranks.py FOLDER` stands inside the step's sandbox in the place of its script. The folder is the attempt's
`tmp/ranks`: `plan.json` says what is to be started, the pipes `0`, `1`, ... take what each rank says (`rank_logs` reads
them), and `ended.json` is left with how each rank ended. Where MPI is asked for, `mpirun` starts `ranks.py FOLDER rank`
once a rank. One that fails ends the others. Standard library, Python 3.8 and later, and nothing else of the agent.
"""

from __future__ import annotations

import hmac
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
# How often another node is told something, a second apart.
TELLS = 60
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


# Where several nodes have ranks: `call` goes to each of them itself, and stays for as long as there is something.
RSH_AGENT = ("OMPI_MCA_plm_rsh_agent", "PRTE_MCA_plm_ssh_agent")
OF_SEVERAL = {
    "OMPI_MCA_plm_rsh_no_tree_spawn": "1",
    "OMPI_MCA_orte_leave_session_attached": "1",
    "PRTE_MCA_plm_ssh_no_tree_spawn": "1",
    "PRTE_MCA_prte_leave_session_attached": "1",
}
HERE, NODE, COMMAND_MOST = "localhost", "duto-node-%d", 1 << 20
RANK = ["/bin/sh", "-c", 'exec "$DUTO_RANKS_PYTHON" -I -S "$DUTO_RANKS" "$DUTO_RANKS_FOLDER" rank']


def main(folder: str, kind: str = "", *given: str) -> int:
    with open(os.path.join(folder, PLAN), encoding="utf-8") as file:
        plan = json.load(file)
    if kind == "rank":
        return one_of_mpi(folder, plan)
    if kind == "call":
        return call(plan, *given)
    return Starter(folder, plan).run()


class Starter:
    """All ranks of the step, from the first to the last."""

    def __init__(self, folder: str, plan: dict[str, Any]) -> None:
        self.folder, self.plan = folder, plan
        self.workers, self.servers = workers_of(plan), int(plan["parameter_servers"])
        self.is_mpi = plan["type"] == "mpi" and self.workers > 1
        self.numbers = numbers_of(plan)
        self.is_stopping = False

    def run(self) -> int:
        signal.signal(signal.SIGTERM, self._note)
        if self.is_mpi:
            return self._by_mpirun() if int(self.plan.get("node", 0)) == 0 else self._by_call()
        addresses = self.plan.get("addresses") or [
            "%s:%d" % (HOST, port) for port in free_ports(self.workers + self.servers + 1)
        ]
        others = Others(self.plan) if self.servers and "starters" in self.plan else None
        ranks: list[Rank] = []
        try:
            for number in self.numbers:
                ranks.append(Rank(self.folder, self.plan, number, addresses))
            failed = self._wait(ranks, others)
            if others is not None and failed is None and not self.is_stopping:
                others.tell()
        finally:
            self._end(ranks)
        leave(self.folder, [rank.record() for rank in ranks], failed.number if failed else None)
        if failed is not None:
            return end_like(failed.status)
        return end_like(-signal.SIGTERM) if self.is_stopping else 0

    def _wait(self, ranks: list[Rank], others: Others | None) -> Rank | None:
        """Until all workers are done, those of other nodes too where there are servers here that they need, or one rank has
        failed: that one."""
        while True:
            ended = [rank for rank in ranks if rank.poll() is not None]
            wrong = [rank for rank in ended if rank.status != 0]
            if wrong:
                return wrong[0]
            if self.is_stopping:
                return None
            if all(rank.status == 0 for rank in ranks if rank.role == "worker") and (
                others is None or others.are_done()
            ):
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
        hosts, variables = [], {**MPI, **os.environ, **self._own_ranks()}
        if "starters" in self.plan:
            names = [HERE, *(NODE % node for node in range(1, len(self.plan["starters"])))]
            slots = ("%s:%d" % (name, len(mine)) for name, mine in zip(names, self.plan["numbers"]))
            hosts = ["--host", ",".join(slots)]
            # Other nodes hear of this, too, and look whether its first word is there.
            script = os.path.join(self.folder, "call.sh")
            with open(script, "w", encoding="utf-8") as file:
                file.write('exec "$DUTO_RANKS_PYTHON" -I -S "$DUTO_RANKS" "$DUTO_RANKS_FOLDER" call "$@"\n')
            agent = "/bin/sh " + script
            variables.update(dict.fromkeys(RSH_AGENT, agent))
            variables.update(OF_SEVERAL)
        else:
            self.plan["addresses"] = ["%s:%d" % (HOST, port) for port in free_ports(self.workers + 1)]
            write(os.path.join(self.folder, PLAN), self.plan)
        # A shell finds the program of its own node by the variables that are set there.
        return self._watch(subprocess.Popen([program, "-n", str(self.workers), *hosts, *RANK], env=variables))

    def _by_call(self) -> int:
        """Of another node than the first: what `mpirun` there asks for by `call` is started here."""
        place, secret = self.plan["starters"][int(self.plan["node"])], self.plan["secret"].encode()
        with socket.create_server(("", int(place.rpartition(":")[2]))) as listener:
            listener.settimeout(LOOK_S)
            while not self.is_stopping:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    continue
                with peer:
                    peer.settimeout(KILL_S)
                    command = heard(peer, secret)
                    if command is None:
                        continue
                    variables = {**MPI, **os.environ, **self._own_ranks()}
                    code = self._watch(
                        subprocess.Popen(["/bin/sh", "-c", command], env=variables, start_new_session=True)
                    )
                    try:
                        peer.sendall(b"%d\n" % (code & 255))
                    except OSError:
                        pass
                    return code
        return end_like(-signal.SIGTERM)

    def _own_ranks(self) -> dict[str, str]:
        return {
            "DUTO_RANKS_PYTHON": sys.executable,
            "DUTO_RANKS": os.path.abspath(__file__),
            "DUTO_RANKS_FOLDER": self.folder,
        }

    def _watch(self, process: subprocess.Popen[bytes]) -> int:
        """Until what starts the ranks has ended; how the ranks ended is left."""
        sent = False
        while process.poll() is None:
            if self.is_stopping and not sent:
                sent = True
                process.send_signal(signal.SIGTERM)
            time.sleep(LOOK_S)
        records = sorted(notes(self.folder, self.numbers), key=lambda each: each["rank"])
        wrong = [each for each in records if not each["was_ended"] and (each["exit_code"] or each["signal"])]
        first = min(wrong, key=lambda each: each["at"], default=None)
        code = process.returncode or (1 if first else 0)
        leave(self.folder, records, first["rank"] if first and code else None)
        if code and first and first["signal"]:
            return end_like(-first["signal"])
        return end_like(first["exit_code"] if first else code)

    def _note(self, *_: Any) -> None:
        self.is_stopping = True


class Others:
    """How the first node, which has the servers, hears that the workers of another are done: that one says so with the secret
    of both. Of one that fails nothing is heard; then the studio ends all."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.secret, self.place = plan["secret"].encode(), plan["starters"][0]
        self.left = len(plan["starters"]) - 1
        self.is_first = int(plan["node"]) == 0
        self.listener: socket.socket | None = None
        if self.is_first:
            self.listener = socket.create_server(("", int(self.place.rpartition(":")[2])))
            self.listener.settimeout(0)

    def are_done(self) -> bool:
        """Of another node than the first: yes, since that one asks for nobody."""
        if self.listener is None:
            return True
        try:
            peer, _ = self.listener.accept()
        except OSError:
            return self.left <= 0
        with peer:
            peer.settimeout(KILL_S)
            try:
                message = peer.recv(len(self.secret), socket.MSG_WAITALL)
            except OSError:
                return False
        self.left -= hmac.compare_digest(message, self.secret)
        return self.left <= 0

    def tell(self) -> None:
        host, _, port = self.place.rpartition(":")
        for _ in range(0 if self.is_first else TELLS):
            try:
                with socket.create_connection((host, int(port)), KILL_S) as way:
                    way.sendall(self.secret)
                    return
            except OSError:
                time.sleep(1)


class Rank:
    """One process of the script. What it starts is ended with it."""

    def __init__(self, folder: str, plan: dict[str, Any], number: int, addresses: list[str]) -> None:
        self.number, self.was_ended, self.at = number, False, 0.0
        self.role = "ps" if number >= workers_of(plan) else "worker"
        variables = variables_of(plan, number, addresses)
        if plan["type"] == "mpi" and "starters" in plan:  # two nodes may be on one host, and MPI takes them for two
            variables["OMPI_MCA_btl_vader_backing_directory"] = folder
        pipe = os.open(os.path.join(folder, str(number)), os.O_WRONLY)
        try:
            self.process = subprocess.Popen(
                argv_of(plan, variables),
                cwd=plan.get("cwd"),  # of another node `mpirun` would be in that of the first
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


def call(plan: dict[str, Any], name: str, *command: str) -> int:
    """In the place of ssh: has a command of `mpirun` started on another node, and ends as that does."""
    host, _, port = plan["starters"][int(name.rpartition("-")[2])].rpartition(":")
    with connected(host, int(port)) as way:
        way.settimeout(None)
        way.sendall(plan["secret"].encode() + json.dumps(" ".join(command)).encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            more = way.recv(64)
            if not more:
                return 1
            answer += more
    return int(answer)


def connected(host: str, port: int) -> socket.socket:
    """To another node, which may begin a little later."""
    for _ in range(TELLS):
        try:
            return socket.create_connection((host, port), KILL_S)
        except OSError:
            time.sleep(1)
    return socket.create_connection((host, port), KILL_S)


def heard(peer: socket.socket, secret: bytes) -> str | None:
    """The command that somebody with the secret asks for; None for anybody else."""
    try:
        with peer.makefile("rb") as source:
            if not hmac.compare_digest(source.read(len(secret)), secret):
                return None
            return str(json.loads(source.readline(COMMAND_MOST)))
    except (OSError, ValueError):
        return None


def notes(folder: str, numbers: list[int]) -> Iterator[dict[str, Any]]:
    for number in numbers:
        try:
            with open(os.path.join(folder, "ended-%d.json" % number), encoding="utf-8") as file:
                yield json.load(file)
        except (OSError, ValueError):
            continue  # it was killed before it could note anything


def workers_of(plan: dict[str, Any]) -> int:
    """How many there are on all nodes, without servers."""
    return int(plan.get("workers", plan["processes"]))


def numbers_of(plan: dict[str, Any]) -> list[int]:
    """The ranks of this node."""
    if "numbers" in plan:
        return list(plan["numbers"][int(plan["node"])])
    return list(range(int(plan["processes"]) + int(plan["parameter_servers"])))


def variables_of(plan: dict[str, Any], number: int, addresses: list[str]) -> dict[str, str]:
    """What a rank knows of itself and of the others: PyTorch's names, TensorFlow's, and those of Azure's clusters."""
    workers, servers, mine = workers_of(plan), int(plan["parameter_servers"]), numbers_of(plan)
    meeting, node = addresses[-1], int(plan.get("node", 0))
    host, _, port = meeting.rpartition(":")
    hosts = ",".join(each.rpartition(":")[0] for each in plan.get("starters", (meeting,)))
    found = {
        "RANK": number,
        "LOCAL_RANK": mine.index(number),
        "WORLD_SIZE": workers + servers,
        "LOCAL_WORLD_SIZE": len(mine),
        "NODE_RANK": node,
        "MASTER_ADDR": host,
        "MASTER_PORT": port,
        "AZ_BATCHAI_TASK_INDEX": number,
        "AZ_BATCHAI_MPI_MASTER_NODE": host,
        "AZ_BATCHAI_PYTORCH_INIT_METHOD": "tcp://" + meeting,
        "AZ_BATCH_MASTER_NODE": meeting,
        "AZ_BATCH_HOST_LIST": hosts,
        "AZ_BATCH_NODE_LIST": hosts,
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
    sys.exit(main(*sys.argv[1:]))
