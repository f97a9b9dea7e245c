"""Slurm's commands: submit, look, cancel. Each with a deadline, and with none of the agent's own variables."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
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


class SlurmClient:
    """`conf`: the path of slurm.conf, where the commands do not find it themselves."""

    def __init__(self, conf: str | None = None) -> None:
        # sbatch hands its whole surroundings to the job: what is not here cannot leak.
        self.env = {"PATH": os.environ.get("PATH") or os.defpath, "LC_ALL": "C.UTF-8"}
        if conf:
            self.env["SLURM_CONF"] = conf

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

    def _call(self, *words: str) -> str:
        try:
            done = subprocess.run(
                words, env=self.env, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, timeout=CALL_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise EngineAway(said("slurm_away", error=f"{words[0]}: {CALL_S:g} s")) from error
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


def gpus_of(gres: str) -> int:
    """The GPUs of `gpu:a100:4(S:0-1),gpu:2`: 6."""
    return sum(int(count) for count in GPUS.findall(gres))


def _counts_more(job: Job, other: Job | None) -> bool:
    return other is None or (not job.is_over, job.number) > (not other.is_over, other.number)
