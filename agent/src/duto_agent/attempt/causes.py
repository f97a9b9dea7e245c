"""Whose fault was it? From a verdict to a cause and one sentence that a person can act on. Pure."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from duto.spec import distribution
from duto.spec.kinds import KINDS
from duto.spec.sentences import Said, said
from duto.spec.units import duration_text, size_text
from duto_agent.attempt.bindings import Bound
from duto_agent.attempt.version_hints import hint_of
from duto_agent.disk_space import AMPLE, is_mentioned_in
from duto_protocol.messages import LaunchSpec, Proof

# Of native code.
CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE)
# Ends that the script itself may have brought about by what it could not read.
OF_SCRIPTS = ("user_error", "data_missing", "environment")
NOT_OF_A_RANK = ("canceled", "timeout")
MISSING_FILE = re.compile(r"^FileNotFoundError: .*?: '([^']+)'")
MISSING_MODULE = re.compile(r"^ModuleNotFoundError: No module named '([^']+)'")


@dataclass(frozen=True)
class Cause:
    """`code` is None for a step that ended well."""

    code: str | None
    message: Said | None = None
    # Where no verdict tells it: what was left after the end.
    proof: Proof | None = None


LOST = Cause("lost", said("watcher_killed"))
NOT_BEGUN = Cause("canceled", said("canceled_before_start"), Proof(left_over=0, signals=[], seconds=0.0))


def cause_of(verdict: Mapping[str, Any], spec: LaunchSpec, bound: Bound) -> Cause:
    """The cause of a verdict that the shim wrote."""
    found, rank = _cause_of(verdict, spec, bound), verdict.get("failed_rank")
    if found.message is None or not isinstance(rank, int) or spec.distribution is None or found.code in NOT_OF_A_RANK:
        return found
    count = spec.member.count if spec.member else 1
    count = distribution.workers_of(spec.distribution, count) + spec.distribution.parameter_servers
    return replace(
        found, message=said("of_rank", rank=rank, last=count - 1, why=found.message) if count > 1 else found.message
    )


def _cause_of(verdict: Mapping[str, Any], spec: LaunchSpec, bound: Bound) -> Cause:
    if verdict.get("slurm") and (found := of_slurm(verdict, spec)) is not None:
        return found
    if verdict.get("canceled"):
        left = verdict.get("left_over") or 0
        return Cause("canceled", said("canceled_left", left=left) if left else said("canceled_clean"))
    if verdict.get("timed_out"):
        return Cause("timeout", said("time_limit", time=duration_text(spec.timeout_seconds or 0)))
    if verdict.get("memory_exceeded"):
        held, limit = size_text(verdict["memory_exceeded"]), size_text(spec.limits.memory or 0)
        return Cause("out_of_memory", said("memory_limit", held=held, limit=limit))
    if verdict.get("signal"):
        return _of_signal(verdict, spec)
    if not verdict.get("exit_code"):
        return Cause(None)
    frame = verdict.get("traceback") or {}
    if count := _killed_children(verdict):
        facts = {"limit": _limit(spec), "code": verdict["exit_code"], "where": _where(frame)}
        killed = said("child_killed", **facts) if count == 1 else said("children_killed", count=count, **facts)
        return Cause("out_of_memory", killed)
    return _of_error(str(frame.get("text") or ""), frame, verdict, spec, bound)


def of_slurm(verdict: Mapping[str, Any], spec: LaunchSpec) -> Cause | None:
    """What the state tells in which Slurm left a job, beside what its shim knew; None where the shim knew it all."""
    state, facts = verdict["slurm"], {"node": verdict.get("node") or "?"}
    if state == "OUT_OF_MEMORY":
        return Cause("out_of_memory", said("step_out_of_memory", limit=_limit(spec)))
    if state in ("TIMEOUT", "DEADLINE"):
        return Cause("timeout", said("slurm_time_limit"))
    if state in ("NODE_FAIL", "BOOT_FAIL"):
        return Cause("host_lost", said("slurm_node_failed", **facts))
    if state == "PREEMPTED":
        return Cause("host_lost", said("slurm_preempted", **facts))
    if state == "CANCELLED":
        return Cause("lost", said("slurm_canceled"))
    if state == "UNKNOWN":
        return Cause("host_lost", said("slurm_forgotten"))
    if verdict.get("words"):
        return Cause("studio_fault", said("slurm_not_started", **facts, error=verdict["words"]))
    return None if verdict.get("finished_at") else LOST


def warnings_of(verdict: Mapping[str, Any]) -> list[Said]:
    """What a person should know of a step that ended well."""
    count = _killed_children(verdict)
    if not count or verdict.get("exit_code") != 0 or verdict.get("canceled"):
        return []
    return [said("child_killed_well") if count == 1 else said("children_killed_well", count=count)]


def _killed_children(verdict: Mapping[str, Any]) -> int:
    """How many were killed, while the script itself was not. Only the step's own group counts: a host has other processes."""
    return int(verdict.get("oom_kills") or 0) if _is_own_count(verdict) else 0


def _is_own_count(verdict: Mapping[str, Any]) -> bool:
    return verdict.get("oom_scope") == "step"


def _limit(spec: LaunchSpec) -> str:
    memory = spec.limits.memory
    return said("node_has", memory=size_text(memory)) if memory else ""


def _of_signal(verdict: Mapping[str, Any], spec: LaunchSpec) -> Cause:
    number = int(verdict["signal"])
    if number == signal.SIGKILL and verdict.get("oom_kills"):
        who = "step_out_of_memory" if _is_own_count(verdict) else "host_out_of_memory"
        return Cause("out_of_memory", said(who, limit=_limit(spec)))
    if number == signal.SIGKILL:
        return Cause("user_error", said("killed_by_others"))
    try:
        name = signal.Signals(number).name
    except ValueError:
        return Cause("user_error", said("by_unnamed_signal", number=number))
    return Cause("user_error", said("by_crash" if number in CRASHES else "by_signal", number=number, name=name))


def _of_error(text: str, frame: Mapping[str, Any], verdict: Mapping[str, Any], spec: LaunchSpec, bound: Bound) -> Cause:
    where = _where(frame)
    if text.startswith("MemoryError") or "ArrayMemoryError" in text.partition(":")[0]:
        return Cause("out_of_memory", said("memory_error", where=where))
    if is_mentioned_in(text) or is_mentioned_in(verdict.get("log_error") or ""):
        return _of_disk(where, verdict.get("disk_free"))
    if found := MISSING_FILE.match(text):
        explained = _missing_file(found[1], spec, bound, where)
        if explained is not None:
            return explained
    if hint := hint_of(text):
        return Cause(
            "user_error", said("hinted", first=said("failed_at", text=text.rstrip("."), where=where), hint=hint)
        )
    if found := MISSING_MODULE.match(text):
        return Cause("user_error", _missing_module(found[1], spec, where))
    if text:
        return Cause("user_error", said("failed_at", text=text, where=where))
    if verdict.get("missing") == "mpirun":
        return Cause("environment", said("no_mpirun"))
    if verdict["exit_code"] == 127 and _starts_a_program(spec):
        return Cause("user_error", said("program_not_found"))
    if verdict["exit_code"] == 127:
        return Cause("environment", said("script_not_started"))
    return Cause("user_error", said("exit_code", code=verdict["exit_code"]))


def _starts_a_program(spec: LaunchSpec) -> bool:
    """Whether what was not found is named by the step, and not by its environment."""
    return (kind := KINDS.get(spec.kind)) is not None and (kind.is_shell or kind.start[0] != "{python}")


def _missing_module(name: str, spec: LaunchSpec, where: str) -> Said:
    """What to do depends on where the module lies: in no folder of the snapshot, or in one that Python does not look at."""
    top = name.partition(".")[0]
    folders = {
        folder
        for file in spec.snapshot.files
        if (folder := _folder_of_module(PurePosixPath(file.path), top)) is not None
    }
    if not folders:
        return said("no_module", name=top, where=where)
    if folders & {".", str(PurePosixPath(spec.script).parent)}:
        return said("no_module_in", top=top, name=name, where=where)
    folder = min(folders)
    full = f"{folder.replace('/', '.')}.{top}"
    return said("module_elsewhere", name=top, folder=folder, full=full, where=where)


def _folder_of_module(path: PurePosixPath, name: str) -> str | None:
    """The folder in which a module of this name lies, if the file is it or is one of its package."""
    if path.suffix != ".py":
        return None
    parts = (*path.parts[:-1], path.stem)
    return str(PurePosixPath(*parts[: parts.index(name)])) if name in parts else None


def _of_disk(where: str, free: int | None) -> Cause:
    """The script alone knows what it wrote, and where: a container's /tmp may be full while the host has room."""
    if free is not None and free >= AMPLE:
        return Cause("disk_full", said("no_room_elsewhere", where=where, free=size_text(free)))
    left = said("were_free", size=size_text(free)) if free is not None else ""
    return Cause("disk_full", said("disk_filled", where=where, left=left))


def _where(frame: Mapping[str, Any]) -> str:
    return said("where", file=frame["file"], line=frame["line"]) if frame.get("file") else ""


def _missing_file(path: str, spec: LaunchSpec, bound: Bound, where: str) -> Cause | None:
    """The folder of a `PipelineData` is the script's to make; nothing surprises newcomers more."""
    for name, place in bound.outputs.items():
        if path == place or path.startswith(place + "/"):
            return Cause("user_error", said("output_folder_not_made", name=name, where=where))
    for name, place in bound.inputs.items():
        if place and (path == place or path.startswith(place + "/")):
            below = path[len(place) + 1 :] or name
            return Cause("data_missing", said("not_in_input", path=below, name=name, where=where))
    return None
