"""Slurm's commands: submit, look, cancel. Each with a deadline, and with none of the agent's own variables."""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace

from duto.spec.sentences import said
from duto_agent.engine.errors import EngineAway
from duto_agent.worded import Worded

CALL_S = 30.0
# What its commands say when nobody answers, or who signs their messages does not.
AWAY = re.compile(
    r"unable to contact|connection (refused|failure|timed out)|timed out|zero bytes|standby mode|munge|authentication"
    r"|transport endpoint|temporarily unavailable|temporarily unable|dns srv lookup",
    re.I,
)
# Of a job nothing comes any more in these states. COMPLETING is not one: its processes may still be there.
OVER = frozenset({
    "COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE", "PREEMPTED",
    "REVOKED", "SPECIAL_EXIT",
})  # fmt: skip
WAITING = frozenset({"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD"})
# The name last: it alone may hold a bar. A reason may hold blanks and commas.
FORMAT = "%i|%T|%r|%B|%j"
NODE_FORMAT = "NodeList:|,StateLong:|,CPUsState:|,Memory:|,AllocMem:|,Gres:|,GresUsed:|,Partition:|"
# What jobs hold, in full and as they asked for devices: GPUs are in the first only where Slurm accounts for them.
HELD_FORMAT = "tres-alloc:|,tres-per-node:|,BatchHost:|,Name:|"
HOLDING = "RUNNING,COMPLETING,CONFIGURING"
# Of the queue: partitions, the start that is expected, the reason, and the name.
PLACE_FORMAT = "%P|%S|%r|%j"
# A look at the queue of all users may take so many seconds: it is worth less than what else waits for its thread.
PLACES_S = 8.0
# What waits for these stands in no line yet.
NOT_IN_LINE = re.compile(r"Dependency|BeginTime|JobHeld|JobArrayTaskLimit")
MEMORY = re.compile(r"(?:^|,)mem=(\d+(?:\.\d+)?)([KMGTP]?)")
MIB_OF = {"K": 1 / 1024, "M": 1, "": 1, "G": 1024, "T": 1 << 20, "P": 1 << 30}
GPUS = re.compile(r"(?:^|,)gpu(?::[^:,(]+)?:(\d+)(?![^,(])")


class SlurmRefused(Worded):
    """Slurm answered, and refused; its own words are in the message."""


@dataclass(frozen=True)
class Job:
    """A job as `squeue` tells of it: its state and reason in Slurm's words, and the first of its nodes."""

    number: int
    name: str
    state: str
    reason: str = ""
    node: str = ""

    @property
    def is_over(self) -> bool:
        return self.state in OVER

    @property
    def is_waiting(self) -> bool:
        return self.state in WAITING


@dataclass(frozen=True)
class SlurmNode:
    """A node as `sinfo` tells of it: its cores and those that jobs have, MiB of memory, and GPUs."""

    name: str
    state: str
    cores: int
    cores_held: int
    memory: int
    memory_held: int
    gpus: int
    gpus_held: int
    partitions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Held:
    """What jobs hold of a node: cores, MiB of memory, and GPUs."""

    cores: int = 0
    memory: int = 0
    gpus: int = 0

    def __add__(self, other: Held) -> Held:
        return Held(self.cores + other.cores, self.memory + other.memory, self.gpus + other.gpus)


@dataclass(frozen=True)
class QueuePlace:
    """Where a job stands in the queue: 1 is the next of its partition, and 0 unknown. `start`: when it is expected to begin,
    in seconds since 1970; 0 where Slurm has not worked that out."""

    position: int = 0
    start: int = 0


class SlurmClient:
    """`conf`: the path of slurm.conf, where the commands do not find it themselves."""

    def __init__(self, conf: str | None = None) -> None:
        # sbatch hands its whole surroundings to the job: what is not here cannot leak.
        self.env = {"PATH": os.environ.get("PATH") or os.defpath, "LC_ALL": "C.UTF-8"}
        if conf:
            self.env["SLURM_CONF"] = conf
        self.queue_env = {**self.env, "SLURM_TIME_FORMAT": "%s"}  # whatever zone the machine is in

    def submit(self, name: str, options: Sequence[str], script: str) -> None:
        """Hand in a job by this name, which is its identity: its number is given out again after a crash of the controller.

        Raises EngineAway, after which it may be submitted or not, and SlurmRefused.
        """
        self._call(
            "sbatch", "--parsable", "--export=ALL", "--no-requeue", f"--job-name={name}", *options, "--wrap", script
        )

    def jobs(self) -> dict[str, Job]:
        """All jobs of this user that Slurm still knows, by name; of one name the one that is not over, else the last.

        Raises EngineAway, SlurmRefused.
        """
        found: dict[str, Job] = {}
        for line in self._call("squeue", "--noheader", "--states=all", "--me", f"--format={FORMAT}").splitlines():
            job = job_of(line)
            if job is not None and _counts_more(job, found.get(job.name)):
                found[job.name] = job
        return found

    def cancel(self, name: str, *options: str) -> None:
        """End the jobs of this name; none is no error. Raises EngineAway, SlurmRefused."""
        self._call("scancel", f"--name={name}", "--me", *options)

    def settings(self) -> Mapping[str, str]:
        """What its configuration says, by the names of slurm.conf. Raises EngineAway, SlurmRefused."""
        lines = self._call("scontrol", "show", "config").splitlines()
        pairs = (line.partition(" = ") for line in lines)
        return {name.strip(): value.strip() for name, equals, value in pairs if equals}

    def nodes(self) -> list[SlurmNode]:
        """All nodes of the cluster, each once, by name. Raises EngineAway, SlurmRefused."""
        found: dict[str, SlurmNode] = {}
        for line in self._call("sinfo", "--Node", "--noheader", f"--Format={NODE_FORMAT}").splitlines():
            node = node_of(line)
            if node is not None:
                before = found[node.name].partitions if node.name in found else ()
                found[node.name] = replace(node, partitions=(*before, *node.partitions))
        return [found[name] for name in sorted(found)]

    def held(self, prefix: str) -> dict[str, Held]:
        """What jobs of this user whose names begin so hold, by node. Raises EngineAway, SlurmRefused."""
        found: dict[str, Held] = {}
        asked = ("--noheader", f"--states={HOLDING}", "--me", f"--Format={HELD_FORMAT}")
        for line in self._call("squeue", *asked).splitlines():
            parts = line.split("|", 3)
            if len(parts) == 4 and parts[3].startswith(prefix):
                found[parts[2]] = found.get(parts[2], Held()) + held_of(parts[0], parts[1])
        return found

    def places(self, names: Container[str]) -> dict[str, QueuePlace]:
        """Where the jobs of these names stand among those of all users. Raises EngineAway, SlurmRefused."""
        asked = ("--noheader", "--start", "--array", "--sort=-p,i", f"--format={PLACE_FORMAT}")
        return places_of(self._call("squeue", *asked, env=self.queue_env, seconds=PLACES_S), names)

    def _call(self, *words: str, env: Mapping[str, str] | None = None, seconds: float = CALL_S) -> str:
        try:
            done = subprocess.run(
                words,
                env=env or self.env,
                cwd="/",
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise EngineAway(said("slurm_away", error=f"{words[0]}: {seconds:g} s")) from error
        except OSError as error:
            raise SlurmRefused(said("slurm_refused", error=f"{words[0]}: {error.strerror}")) from error
        if done.returncode == 0:
            return done.stdout.decode(errors="replace")
        words_of_it = done.stderr.decode(errors="replace").strip()[-500:] or f"{words[0]}: {done.returncode}"
        if AWAY.search(words_of_it):
            raise EngineAway(said("slurm_away", error=words_of_it))
        raise SlurmRefused(said("slurm_refused", error=words_of_it))


def job_of(line: str) -> Job | None:
    """A line of `FORMAT`; None for what is none, and for the tasks of an array that wait together."""
    number, *rest = line.split("|", 4)
    return Job(int(number), rest[3], rest[0], rest[1], rest[2]) if number.isdigit() and len(rest) == 4 else None


def node_of(line: str) -> SlurmNode | None:
    """A line of `NODE_FORMAT`; None for what is none."""
    parts = [part.strip() for part in line.split("|")]
    try:
        name, state, cores, memory, held, gres, used, partition = parts[:8]
        allocated, _idle, _other, total = map(int, cores.split("/"))
        return SlurmNode(
            name, state.rstrip("*~#!%$@^-+"), total, allocated, int(memory), int(held), gpus_of(gres), gpus_of(used),
            (partition.rstrip("*"),),
        )  # fmt: skip
    except ValueError:
        return None


def held_of(allocated: str, asked: str) -> Held:
    """Of `cpu=2,mem=512M,node=1,gres/gpu=1`, and of `gres:gpu:1`, as the job asked for each of its nodes."""
    parts = dict(part.partition("=")[::2] for part in allocated.split(","))
    memory = MEMORY.search(allocated)
    gpus = int(parts.get("gres/gpu") or 0) or gpus_of(re.sub(r"gres[:/]", "", asked))
    return Held(int(parts.get("cpu") or 0), round(float(memory[1]) * MIB_OF[memory[2]]) if memory else 0, gpus)


def places_of(answer: str, names: Container[str]) -> dict[str, QueuePlace]:
    """Lines of `PLACE_FORMAT` in the order of the queue. A job that may go to several partitions is as near as in the best."""
    found: dict[str, QueuePlace] = {}
    before: Counter[str] = Counter()
    for line in answer.splitlines():
        parts = line.split("|", 3)
        if len(parts) != 4:
            continue
        partitions, start, reason, name = parts
        position = 0
        if not NOT_IN_LINE.match(reason):
            before.update(every := partitions.split(","))
            position = min(before[each] for each in every)
        if name in names:
            found[name] = QueuePlace(position, int(start) if start.isdigit() else 0)
    return found


def gpus_of(gres: str) -> int:
    """The GPUs of `gpu:a100:4(S:0-1),gpu:2`: 6."""
    return sum(int(count) for count in GPUS.findall(gres))


def _counts_more(job: Job, other: Job | None) -> bool:
    return other is None or (not job.is_over, job.number) > (not other.is_over, other.number)
