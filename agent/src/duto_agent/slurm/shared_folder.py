"""Whether the nodes of a cluster see the agent's folder as the agent does, found out by a job."""

from __future__ import annotations

import fcntl
import json
import logging
import secrets
import shlex
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from duto.spec.slurm import arguments_of
from duto_agent.files import read_json, write_json
from duto_agent.slurm.client import Job
from duto_agent.slurm.queue import JobQueue

log = logging.getLogger("duto.agent")
PATIENCE_S, TELL_S, LOOK_S = 600.0, 30.0, 0.1
# Minutes that the job may take, and bytes of its memory.
LIMITS = ("--time=5", "--mem=64M", "--nodes=1", "--ntasks=1")
# What the job does: reads the marker, looks for the shim, and asks for the lock that the agent holds.
LOOKS = """
import fcntl, json, os, sys
folder, shim = sys.argv[1:]
with open(os.path.join(folder, "lock"), "r+") as lock:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_held = False
    except OSError:
        is_held = True
seen = {"marker": open(os.path.join(folder, "marker")).read(), "is_held": is_held, "shim": os.path.isdir(shim)}
with open(os.path.join(folder, "answer.new"), "w") as file:
    json.dump(seen, file)
os.rename(os.path.join(folder, "answer.new"), os.path.join(folder, "answer.json"))
"""


class NotShared(Exception):
    """A node does not see what the agent writes; the message says what it lacks, and what to do."""


def check(queue: JobQueue, name: str, home: Path, python: str, shim: Path, options: Mapping[str, str]) -> None:
    """Wait for a job that has seen a marker, the lock that is held here, and the shim, once for each home and Python.

    Raises NotShared, EngineAway, SlurmRefused, OSError.
    """
    proof, seen = home / "slurm.json", {"home": str(home), "python": python, "shim": str(shim)}
    if read_json(proof) == seen:
        return
    folder = home / f"slurm-{secrets.token_hex(4)}"
    folder.mkdir()
    try:
        marker = secrets.token_hex(16)
        (folder / "marker").write_text(marker)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            asked = [*LIMITS, f"--output={folder}/out", f"--chdir={folder}", *arguments_of(options)]
            queue.client.submit(name, asked, shlex.join([python, "-I", "-S", "-c", LOOKS, str(folder), str(shim)]))
            _judge(_answer(queue, name, folder), marker, home, shim)
        write_json(proof, seen)
    finally:
        queue.end(name, 0)
        shutil.rmtree(folder, ignore_errors=True)


def _answer(queue: JobQueue, name: str, folder: Path) -> object:
    began = last_said = time.monotonic()
    while time.monotonic() < began + PATIENCE_S:
        queue.want()
        job = queue.job(name)
        if (answer := read_json(folder / "answer.json")) is not None:
            return answer
        if job is not None and job.is_over and _is_settled(queue, name, folder):
            raise NotShared(_why(job, folder))
        if job is not None and time.monotonic() > last_said + TELL_S:
            last_said = time.monotonic()
            log.info("the job '%s' that looks at this folder is %s (%s)", name, job.state, job.reason)
        time.sleep(LOOK_S)
    job = queue.job(name)
    state = f"{job.state} ({job.reason})" if job else "unknown to Slurm"
    raise NotShared(f"The job that looks at the agent's folder from a node is {state} after {PATIENCE_S:g} seconds.")


def _is_settled(queue: JobQueue, name: str, folder: Path) -> bool:
    """Whether the job has ended and left nothing, a look later, too."""
    queue.look_after(time.monotonic(), PATIENCE_S)
    return not (folder / "answer.json").exists()


def _why(job: Job, folder: Path) -> str:
    try:
        words = (folder / "out").read_text(errors="replace").strip()[-500:]
    except OSError:
        words = ""
    return (
        f"Slurm's node {job.node or '?'} does not see the agent's folder, or has no such Python: the job that looks at it"
        f" ended as {job.state} ({job.reason}). {words} Put the agent's home on a file system that all nodes mount at the"
        " same path, and name a Python of theirs by DUTO_SLURM_PYTHON."
    )


def _judge(answer: object, marker: str, home: Path, shim: Path) -> None:
    seen = answer if isinstance(answer, dict) else json.loads("{}")
    if seen.get("marker") != marker:
        raise NotShared(f"Another folder is at {home} on Slurm's nodes. Mount one file system there on all of them.")
    if not seen.get("shim"):
        raise NotShared(f"Slurm's nodes have no {shim}: install the agent where all of them see it at the same path.")
    if not seen.get("is_held"):
        raise NotShared(
            f"A lock that the agent holds in {home} is free on Slurm's nodes, so a step could run twice. Use a file system"
            " that shares locks between its clients (NFS does; Lustre with -o flock)."
        )
