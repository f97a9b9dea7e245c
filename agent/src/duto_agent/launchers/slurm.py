"""Runs a step as a job of Slurm's, with the shim as its program.

The attempt's directory lies on a file system that all nodes see at the same path, so all that a step says travels through
files, as everywhere. Slurm decides where and when. Truth in this order: the verdict that the shim left, its lock, what Slurm
says; where the lock looks free and Slurm says that the job runs, Slurm is believed.
"""

from __future__ import annotations

import math
import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from duto.spec.sentences import said
from duto.spec.slurm import BadOption, arguments_of, options_of
from duto_agent.engine.errors import EngineAway
from duto_agent.files import put_away, read_json, write_json
from duto_agent.launchers.base import AttemptKey, Launch, LaunchFailed, Probe
from duto_agent.launchers.ownership import undo_swaps
from duto_agent.launchers.resource_usage import Processes, Sample
from duto_agent.launchers.shim_state import ask_to_end, order_of, probe_files
from duto_agent.shim.tree import boot_id, start_ticks
from duto_agent.slurm.client import Job, SlurmClient, SlurmRefused
from duto_agent.slurm.queue import JobQueue

SHIM = Path(__file__).resolve().parent.parent / "shim"
# Written before a job is submitted: an agent that finds it looks at Slurm's queue before it submits again.
SUBMITTED = "submitted.json"
# Of a job that Slurm has forgotten before it began: it is lost, whatever comes of it later.
FORGOTTEN = "forgotten.json"
MIB = 1 << 20
# How long a look at the queue may take before Slurm counts as away.
LOOK_S = 20.0
# How long a job may be unknown to Slurm after it was submitted, and the files of one that has ended may be on their way.
UNKNOWN_S, SETTLE_S = 5.0, 1.0
# What a shim may take for the kill after its patience, before its job is ended.
DEAF_S = 8.0
# How long the end of a job is waited for whose shim was told by somebody else to end.
TOLD_S = 60.0
# Slurm's own default, in seconds, where its configuration cannot be read; and what of it the shim keeps for its last words.
KILL_WAIT_S, LAST_WORDS_S = 30.0, 2.0
# Of Slurm's own variables a script needs to know; `srun` inside of it needs them too.
PASSED = ("SLURM_", "CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK")


@dataclass(frozen=True)
class SlurmSetting:
    """What the owner of a host says: options of sbatch for each job, the Python that stands at every node, and how many
    seconds Slurm leaves between TERM and KILL."""

    options: Mapping[str, str] = field(default_factory=dict)
    python: str = sys.executable
    kill_wait: float = KILL_WAIT_S


class SlurmLauncher:
    """Implements Launcher with one job per attempt, named after it and the installation."""

    def __init__(self, attempts: Path, queue: JobQueue, installation: str, setting: SlurmSetting) -> None:
        self.attempts, self.queue, self.setting = attempts, queue, setting
        self.client: SlurmClient = queue.client
        self.prefix = f"duto-{installation[:12]}"
        self._submitted_at: dict[AttemptKey, float] = {}
        # Since when a job is unknown to Slurm that should not be, or has ended without a verdict.
        self._missing_since: dict[AttemptKey, float] = {}
        self._ended_since: dict[AttemptKey, float] = {}

    def directory(self, key: AttemptKey) -> Path:
        return self.attempts / key.folder

    def name(self, key: AttemptKey) -> str:
        """The job's name, which is its identity: Slurm's number is given out again after a crash of its controller."""
        return f"{self.prefix}-{key.folder}"

    def ensure(self, launch: Launch) -> None:
        directory, name = self.directory(launch.key), self.name(launch.key)
        if probe_files(directory).state != "none":
            return
        self.queue.want()
        if (directory / SUBMITTED).exists() and self._is_known(name):
            return
        write_json(directory / "launch.json", self._order(launch))
        write_json(directory / SUBMITTED, {"name": name})
        self._missing_since.pop(launch.key, None)
        self._submitted_at[launch.key] = float("inf")  # no look tells anything before the command has ended
        try:
            self.client.submit(name, self._options(launch), self._script(directory))
        except SlurmRefused as refused:
            (directory / SUBMITTED).unlink()
            raise LaunchFailed(refused.message, "environment") from refused
        finally:
            self._submitted_at[launch.key] = time.monotonic()

    def studio_for(self, network: str, studio: str) -> str:
        return studio

    def probe(self, key: AttemptKey) -> Probe:
        directory = self.directory(key)
        if (directory / FORGOTTEN).exists():
            return Probe("lost", UNKNOWN)
        known = probe_files(directory)
        if known.state == "exited" or not (directory / SUBMITTED).exists():
            return known
        self.queue.want()
        if known.state == "running":
            return known
        look, job = self.queue.last, self.queue.job(self.name(key))
        known = probe_files(directory)  # it may have begun, or ended, since the look
        if known.state in ("running", "exited"):
            return known
        if look.began <= self._submitted_at.get(key, 0.0):  # nobody has looked since
            return Probe("pending") if known.state == "none" else Probe("running")
        return self._unknown(key, known, look.began) if job is None else self._known(key, known, job)

    def signal(self, key: AttemptKey, grace_seconds: float) -> None:
        """The shim ends the tree. A job that waits, or whose shim does not listen, is ended by Slurm."""
        ask_to_end(self.directory(key), grace_seconds)
        if (self.directory(key) / SUBMITTED).exists():
            self.queue.end(self.name(key), time.monotonic() + grace_seconds + DEAF_S)

    def stats(self, key: AttemptKey, processes: Processes) -> Sample | None:
        """Of a step on this very machine alone; those of other nodes have no samples, and their verdicts tell the sums."""
        known = read_json(self.directory(key) / "pid.json")
        if not isinstance(known, dict) or known.get("boot") != boot_id():
            return None
        pid = int(known.get("pid") or 0)
        return processes.sample(pid, key.folder) if pid and start_ticks(pid) == known.get("start") else None

    def collect(self, key: AttemptKey) -> Probe:
        probe = self.probe(key)
        if probe.verdict is not None and self._is_told_by_slurm(key, probe.verdict):
            probe = Probe(probe.state, self._with_reason(key, probe.verdict))
        undo_swaps(self.directory(key))
        return probe

    def cleanup(self, key: AttemptKey) -> None:
        put_away(self.directory(key))
        for known in (self._submitted_at, self._missing_since, self._ended_since):
            known.pop(key, None)

    def discover(self) -> list[AttemptKey]:
        names = sorted(path.name for path in self.attempts.iterdir()) if self.attempts.is_dir() else []
        return [key for key in map(AttemptKey.of_folder, names) if key is not None]

    def _is_known(self, name: str) -> bool:
        """Whether a job was submitted of which nothing was heard: a command that was killed may have done its work.

        Raises EngineAway.
        """
        if (look := self.queue.look_after(time.monotonic(), LOOK_S)) is None:
            raise self.queue.away if isinstance(self.queue.away, EngineAway) else _silent()
        return name in (look.jobs or {})

    def _order(self, launch: Launch) -> dict[str, Any]:
        order = order_of(launch, None)  # notifications do not cross machines
        del order["env"]["CUDA_VISIBLE_DEVICES"]  # Slurm gives devices, and says which
        grace = max(0.0, self.setting.kill_wait - LAST_WORDS_S)
        return order | {"term_grace_seconds": min(grace, launch.grace_seconds), "passed": list(PASSED)}

    def _options(self, launch: Launch) -> list[str]:
        """Sizes, then what the host's owner says, then what the cluster's does."""
        directory, reserved = self.directory(launch.key), launch.reserved
        sizes = [
            "--nodes=1",
            "--ntasks=1",
            f"--output={directory}/shim.err",
            "--open-mode=append",
            f"--chdir={directory}",
        ]
        if reserved.cores:
            sizes.append(f"--cpus-per-task={max(1, math.ceil(reserved.cores))}")
        if reserved.memory:
            sizes.append(f"--mem={math.ceil(reserved.memory / MIB)}M")
        if reserved.gpus:
            sizes.append(f"--gres=gpu:{len(reserved.gpus)}")
        if launch.timeout_seconds:  # the shim ends the step exactly; this is a net below it
            sizes.append(f"--time={math.ceil((launch.timeout_seconds + launch.grace_seconds) / 60) + 1}")
        try:
            wanted = options_of(str(launch.options.get("slurm") or ""))
        except BadOption as error:
            raise LaunchFailed(said("slurm_refused", error=str(error))) from error
        return [*sizes, *arguments_of({**self.setting.options, **wanted})]

    def _script(self, directory: Path) -> str:
        return "exec " + shlex.join([self.setting.python, "-I", "-S", str(SHIM), str(directory)])

    def _unknown(self, key: AttemptKey, known: Probe, looked_at: float) -> Probe:
        """Slurm has no such job. Its controller may have crashed and forgotten it, or ended it long ago."""
        if known.state == "lost":
            return known
        if looked_at - self._missing_since.setdefault(key, looked_at) < UNKNOWN_S:
            return Probe("pending")
        if _is_asked_to_end(self.directory(key)):
            return Probe("exited", CANCELED)
        write_json(self.directory(key) / FORGOTTEN, {})
        ask_to_end(self.directory(key), 0)  # a shim that comes after all runs nothing
        return Probe("lost", UNKNOWN)

    def _known(self, key: AttemptKey, known: Probe, job: Job) -> Probe:
        self._missing_since.pop(key, None)
        if not job.is_over:
            self._ended_since.pop(key, None)
            place = self.queue.place(job.name)
            waiting = Probe("pending", reason=job.reason, position=place.position, start=place.start)
            return waiting if job.is_waiting else Probe("running")
        since = self._ended_since.setdefault(key, time.monotonic())
        if time.monotonic() - since < SETTLE_S:
            return Probe("running")
        if known.state == "none" and _is_asked_to_end(self.directory(key)):
            return Probe("exited", CANCELED)
        return Probe("lost", self._reason(key, job, known.state == "none"))

    def _reason(self, key: AttemptKey, job: Job, has_not_begun: bool) -> dict[str, Any]:
        """Why Slurm ended a job, for `causes`; and what was said where its shim never began."""
        words = ""
        if has_not_begun:
            try:
                words = (self.directory(key) / "shim.err").read_text(errors="replace").strip()[-500:]
            except OSError:
                words = job.reason
        return {"slurm": job.state, "node": job.node, "words": words}

    def _is_told_by_slurm(self, key: AttemptKey, verdict: Mapping[str, Any]) -> bool:
        """Whether somebody else than us may have ended the step: only then it is worth while to wait for Slurm's word."""
        is_ours = _is_asked_to_end(self.directory(key))
        return bool(verdict.get("terminated") or verdict.get("signal") in (9, 15)) and not is_ours

    def _with_reason(self, key: AttemptKey, verdict: dict[str, Any]) -> dict[str, Any]:
        name, deadline = self.name(key), time.monotonic() + TOLD_S
        while (look := self.queue.look_after(time.monotonic(), LOOK_S)) is not None and time.monotonic() < deadline:
            job = (look.jobs or {}).get(name)
            if job is None:
                break
            if job.is_over:
                return verdict | self._reason(key, job, has_not_begun=False)
        return verdict


# Of a job that was ended before its shim began.
CANCELED: dict[str, Any] = {"exit_code": None, "signal": None, "canceled": True, "left_over": 0}


UNKNOWN: dict[str, Any] = {"slurm": "UNKNOWN", "node": ""}


def _is_asked_to_end(directory: Path) -> bool:
    return (directory / "cancel").exists()


def _silent() -> EngineAway:
    return EngineAway(said("slurm_away", error=f"squeue: {LOOK_S:g} s"))
