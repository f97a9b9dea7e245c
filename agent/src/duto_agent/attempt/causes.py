"""Whose fault was it? From a verdict to a cause and one sentence that a person can act on. Pure."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from duto_agent.attempt.bindings import Bound
from duto_agent.disk_space import ADVICE, AMPLE, is_mentioned_in, size_of

MISSING_FILE = re.compile(r"^FileNotFoundError: .*?: '([^']+)'")
MISSING_MODULE = re.compile(r"^ModuleNotFoundError: No module named '([^']+)'")


@dataclass(frozen=True)
class Cause:
    """`code` is None for a step that ended well."""

    code: str | None
    message: str = ""
    # Where no verdict tells it: what was left after the end.
    proof: Mapping[str, Any] | None = None


LOST = Cause(
    "lost", "The program that watches the script on its host was killed, so how the script ended is not known."
)
NOT_BEGUN = Cause(
    "canceled",
    "The step was canceled before its script started.",
    {"left_over": 0, "signals": [], "seconds": 0.0},
)


def cause_of(verdict: Mapping[str, Any], spec: Mapping[str, Any], bound: Bound) -> Cause:
    """The cause of a verdict that the shim wrote."""
    if verdict.get("canceled"):
        left = verdict.get("left_over") or 0
        proof = f" {left} of its processes could not be ended." if left else " None of its processes is left."
        return Cause("canceled", "The step was canceled." + proof)
    if verdict.get("timed_out"):
        return Cause("timeout", f"The step was ended at its time limit of {spec.get('timeout_seconds')} seconds.")
    if verdict.get("memory_exceeded"):
        held, limit = size_of(verdict["memory_exceeded"]), size_of((spec.get("limits") or {}).get("memory") or 0)
        return Cause("out_of_memory", f"The step held {held} of memory, more than its node's {limit}, and was ended.")
    if verdict.get("signal"):
        return _of_signal(verdict, spec)
    if not verdict.get("exit_code"):
        return Cause(None)
    frame = verdict.get("traceback") or {}
    if children := _killed_children(verdict):
        return Cause(
            "out_of_memory",
            f"{children} for want of memory{_limit(spec)}; the script itself went on and ended with exit code "
            f"{verdict['exit_code']}{_where(frame)}.",
        )
    return _of_error(str(frame.get("text") or ""), frame, verdict, spec, bound)


def warnings_of(verdict: Mapping[str, Any]) -> list[str]:
    """What a person should know of a step that ended well."""
    children = _killed_children(verdict)
    if not children or verdict.get("exit_code") != 0 or verdict.get("canceled"):
        return []
    return [f"{children} for want of memory; the script itself went on and ended well."]


def _killed_children(verdict: Mapping[str, Any]) -> str:
    """Who was killed, while the script itself was not. Only the step's own group counts: a host has other processes."""
    kills = int(verdict.get("oom_kills") or 0)
    if not kills or not _is_own_count(verdict):
        return ""
    return (
        "The kernel killed a child of the script" if kills == 1 else f"The kernel killed {kills} children of the script"
    )


def _is_own_count(verdict: Mapping[str, Any]) -> bool:
    return verdict.get("oom_scope") == "step"


def _limit(spec: Mapping[str, Any]) -> str:
    memory = (spec.get("limits") or {}).get("memory")
    return f" (its node has {size_of(memory)})" if memory else ""


def _of_signal(verdict: Mapping[str, Any], spec: Mapping[str, Any]) -> Cause:
    number = int(verdict["signal"])
    if number == signal.SIGKILL and verdict.get("oom_kills"):
        who = "The step" if _is_own_count(verdict) else "The host"
        return Cause("out_of_memory", f"{who} ran out of memory{_limit(spec)}, and the kernel ended the script itself.")
    if number == signal.SIGKILL:
        return Cause("user_error", "The script was killed (SIGKILL) by something other than the studio.")
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = "an unnamed signal"
    crash = (
        ": a crash in native code" if number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE) else ""
    )
    return Cause("user_error", f"The script was ended by signal {number} ({name}){crash}.")


def _of_error(
    text: str, frame: Mapping[str, Any], verdict: Mapping[str, Any], spec: Mapping[str, Any], bound: Bound
) -> Cause:
    where = _where(frame)
    if text.startswith("MemoryError") or "ArrayMemoryError" in text.partition(":")[0]:
        return Cause("out_of_memory", f"The script asked for more memory than there is{where}.")
    if is_mentioned_in(text) or is_mentioned_in(verdict.get("log_error") or ""):
        return _of_disk(where, verdict.get("disk_free"))
    if found := MISSING_FILE.match(text):
        explained = _missing_file(found[1], spec, bound, where)
        if explained is not None:
            return explained
    if found := MISSING_MODULE.match(text):
        return Cause("user_error", _missing_module(found[1], spec, where))
    if text:
        return Cause("user_error", f"{text}{where}")
    if verdict["exit_code"] == 127:
        return Cause("environment", "The script could not be started; the log says why.")
    return Cause("user_error", f"The script ended with exit code {verdict['exit_code']}.")


def _missing_module(name: str, spec: Mapping[str, Any], where: str) -> str:
    """What to do depends on where the module lies: in no folder of the snapshot, or in one that Python does not look at."""
    top = name.partition(".")[0]
    folders = {
        folder
        for file in (spec.get("snapshot") or {}).get("files") or ()
        if (folder := _folder_of_module(PurePosixPath(str(file["path"])), top)) is not None
    }
    if not folders:
        return f"The step's environment has no module '{top}'{where}: add it to its packages."
    if folders & {".", str(PurePosixPath(str(spec.get("script") or "")).parent)}:
        return (
            f"The snapshot has '{top}', but there is no module '{name}' in it{where}: look whether its file lies in the "
            "source directory, and whether .amlignore or .gitignore leaves it out."
        )
    folder = min(folders)
    return (
        f"The module '{top}' lies in the snapshot's folder '{folder}', where Python does not look{where}: import it as "
        f"'{folder.replace('/', '.')}.{top}', or name the folder in the environment variable PYTHONPATH."
    )


def _folder_of_module(path: PurePosixPath, name: str) -> str | None:
    """The folder in which a module of this name lies, if the file is it or is one of its package."""
    if path.suffix != ".py":
        return None
    parts = (*path.parts[:-1], path.stem)
    return str(PurePosixPath(*parts[: parts.index(name)])) if name in parts else None


def _of_disk(where: str, free: int | None) -> Cause:
    """The script alone knows what it wrote, and where: a container's /tmp may be full while the host has room."""
    if free is not None and free >= AMPLE:
        text = (
            f"The script found no room for what it wrote{where}. The disk of the host has {size_of(free)} free, so it "
            "was another place, such as /tmp or /dev/shm of a container, or the script has removed its files since."
        )
        return Cause("disk_full", text)
    left = f": {size_of(free)} were free when the script ended" if free is not None else ""
    return Cause("disk_full", f"The disk of the host is full{where}{left}. {ADVICE}")


def _where(frame: Mapping[str, Any]) -> str:
    return f" ({frame['file']}, line {frame['line']})" if frame.get("file") else ""


def _missing_file(path: str, spec: Mapping[str, Any], bound: Bound, where: str) -> Cause | None:
    """The folder of a `PipelineData` is the script's to make; nothing surprises newcomers more."""
    for name, place in bound.outputs.items():
        if path == place or path.startswith(place + "/"):
            return Cause(
                "user_error",
                f"The script writes below its output '{name}' without having made that folder{where}: call "
                f"os.makedirs(path, exist_ok=True) first, or declare the output with is_directory=True.",
            )
    for name, place in bound.inputs.items():
        if place and (path == place or path.startswith(place + "/")):
            return Cause(
                "data_missing", f"There is no '{path[len(place) + 1 :] or name}' in the input '{name}'{where}."
            )
    return None
