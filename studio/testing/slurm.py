"""A Slurm of the tests' own: a controller, three nodes and what signs their messages, all on this machine.

Debian's programs can stand several to a machine (`slurmd -N`). Nothing of it leaves its folder but its control groups, which
are named after its nodes and removed at the end.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "squeue", "scancel")
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
READY_S, ENDING_S = 60.0, 10.0
NODES, CORES, MEMORY_MB = 3, 2, 4000
# Seconds between TERM and KILL at the end of a job.
KILL_WAIT = 5
GROUPS = Path("/sys/fs/cgroup")
# What it needs of them, each a hierarchy of its own: control groups of version 1.
HIERARCHIES = ("memory", "freezer", "cpuset", "devices", "cpuacct")
CONF = """
ClusterName=duto
SlurmctldHost=localhost
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
SlurmctldPort={port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
TmpFS={folder}/tmp.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=1
SlurmdTimeout=120
KillWait={kill_wait}
MinJobAge=300
SchedulerParameters=batch_sched_delay=0,bf_interval=1
DefMemPerCPU=256
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SlurmdParameters=config_overrides
PartitionName=batch Nodes=ALL Default=YES MaxTime=INFINITE State=UP DefaultTime=60
"""
WITH_GROUPS = """
ProctrackType=proctrack/cgroup
TaskPlugin=task/cgroup
"""
WITHOUT_GROUPS = """
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
"""
CGROUP_CONF = """
CgroupPlugin=cgroup/v1
CgroupMountpoint=/sys/fs/cgroup
CgroupAutomount=no
ConstrainRAMSpace=yes
ConstrainSwapSpace=no
ConstrainCores=no
ConstrainDevices=no
"""


class NoSlurm(Exception):
    """Why Slurm cannot be tested here."""


@dataclass
class SlurmCluster:
    """A running cluster. `conf` is what its clients need in SLURM_CONF."""

    folder: Path
    has_groups: bool
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def conf(self) -> Path:
        return self.folder / "slurm.conf"

    def ask(self, *words: str) -> str:
        """What a client of Slurm's says. Raises CalledProcessError, TimeoutExpired."""
        env = {"PATH": PATH, "SLURM_CONF": str(self.conf)}
        return subprocess.run(words, env=env, check=True, capture_output=True, text=True, timeout=60).stdout

    def start(self, name: str, *command: str) -> None:
        """Start one of its daemons, or start it again."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [*command],
                env={"PATH": PATH, "SLURM_CONF": str(self.conf)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start_controller(self) -> None:
        self.start("slurmctld", "slurmctld", "-D", "-f", str(self.conf))

    def end(self, name: str) -> None:
        """End one of its daemons, by force where it does not listen."""
        process = self.processes.pop(name)
        process.terminate()
        try:
            process.wait(ENDING_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def wait_until_idle(self) -> None:
        """Until all nodes take jobs. Raises NoSlurm."""
        deadline, said = time.monotonic() + READY_S, ""
        while time.monotonic() < deadline:
            try:
                said = self.ask("sinfo", "-N", "-h", "-o", "%T")
                if said.split() == ["idle"] * NODES:
                    return
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                said = str(error.stderr)
            if ended := [name for name, process in self.processes.items() if process.poll() is not None]:
                log = (self.folder / f"{ended[0]}.log").read_text(errors="replace")
                raise NoSlurm(f"{ended[0]} does not start: {log[-500:]}")
            time.sleep(0.05)
        raise NoSlurm(f"its nodes are not ready: {said}")


@contextmanager
def cluster(*, groups: bool = True) -> Iterator[SlurmCluster]:
    """A cluster of three nodes, for the length of the block; with control groups where it may make them. Raises NoSlurm."""
    if missing := [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]:
        raise NoSlurm(f"{', '.join(missing)} not installed")
    if os.geteuid() != 0:
        raise NoSlurm("its daemons need root here")
    folder = Path(tempfile.mkdtemp(prefix="duto-slurm-"))
    made = SlurmCluster(folder, groups and all(os.access(GROUPS / name / "tasks", os.W_OK) for name in HIERARCHIES))
    # Control groups are the machine's, and are named after nodes: those of several clusters must not meet.
    nodes = [f"duto{os.getpid()}n{number}" for number in range(1, NODES + 1)]
    with ExitStack() as at_end:
        at_end.callback(shutil.rmtree, folder, ignore_errors=True)
        at_end.callback(_remove_groups, nodes)
        _write(made, nodes)
        at_end.callback(_end_all, made)
        key, sock = folder / "munge.key", folder / "munge.sock"
        files = [f"--{name}={folder}/munge.{end}" for name, end in MUNGE_FILES]
        made.start("munged", "munged", "--foreground", "--force", f"--socket={sock}", f"--key-file={key}", *files)
        deadline = time.monotonic() + READY_S
        while not sock.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        made.start_controller()
        for node in nodes:
            made.start(node, "slurmd", "-D", "-N", node, "-f", str(made.conf))
        made.wait_until_idle()
        yield made


MUNGE_FILES = (("pid-file", "pid"), ("log-file", "log"), ("seed-file", "seed"))


def _write(made: SlurmCluster, nodes: list[str]) -> None:
    folder = made.folder
    folder.chmod(0o755)  # whoever has a key of munge's may come to its socket
    for name in ("state", *(f"{kind}.{node}" for kind in ("spool", "tmp") for node in nodes)):
        (folder / name).mkdir()
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)
    port, *ports = _free_ports(1 + len(nodes))
    text = CONF.format(folder=folder, port=port, kill_wait=KILL_WAIT)
    text += WITH_GROUPS if made.has_groups else WITHOUT_GROUPS
    for node, number in zip(nodes, ports, strict=True):
        text += (
            f"NodeName={node} NodeHostname=localhost NodeAddr=127.0.0.1 Port={number} CPUs={CORES}"
            f" RealMemory={MEMORY_MB}\n"
        )
    made.conf.write_text(text)
    if made.has_groups:
        (folder / "cgroup.conf").write_text(CGROUP_CONF)


def _free_ports(count: int) -> list[int]:
    """All held at once, so that no number comes twice."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _end_all(made: SlurmCluster) -> None:
    """Jobs first, while there is somebody to end them; what signs messages last."""
    try:
        made.ask("scancel", "--signal=KILL", "--user=root")
        made.ask("scancel", "--user=root")
        deadline = time.monotonic() + ENDING_S
        while made.ask("squeue", "-h") and time.monotonic() < deadline:
            time.sleep(0.05)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pass  # it has no controller any more
    for name in reversed(list(made.processes)):
        made.end(name)


def _remove_groups(nodes: list[str]) -> None:
    """Slurm leaves its control groups behind."""
    for node in nodes:
        for top in GROUPS.glob(f"*/slurm_{node}"):
            for folder, _, _ in os.walk(top, topdown=False):
                try:
                    Path(folder).rmdir()
                except OSError:
                    continue  # a process that is just ending
