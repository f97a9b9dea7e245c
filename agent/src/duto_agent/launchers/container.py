"""How a step's container looks: hardened by default, relaxed only where the cluster's owner said so. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from duto.spec.capabilities import CAPABILITIES
from duto.spec.sentences import Said, foreign, said
from duto_agent.launchers.base import Bind, Launch, LaunchFailed
from duto_agent.shim.step import KEY

UID = 10001
PIDS = 512
SHM = 1 << 30
TMP = 1 << 30
OOM_SCORE = 500
LOG = {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "1"}}  # for a shim that cannot even start
SYSTEM = ("/usr/local/bin", "/usr/bin", "/bin")
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmg]?)(?:i?b)?", re.I)
UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


@dataclass(frozen=True)
class Relaxed:
    """The options that a cluster's owner may change."""

    user: str | None = None
    read_only: bool = True
    no_new_privileges: bool = True
    capabilities: tuple[str, ...] = ()
    pids_limit: int = PIDS
    shm_size: int = SHM
    tmp_size: int = TMP
    swap: int = 0


def relaxed(options: Mapping[str, Any]) -> Relaxed:
    """Read and check them. Raises LaunchFailed for one that is unknown or means nothing."""
    found: dict[str, Any] = {}
    for name, value in options.items():
        if name in OF_OTHERS:
            continue
        if name not in READERS:
            known = ", ".join(sorted(READERS))
            raise LaunchFailed(said("no_such_option", name=name, known=known))
        try:
            found[name] = READERS[name](value)
        except (TypeError, ValueError, AttributeError) as error:
            why = reason_of(error)
            raise LaunchFailed(said("bad_option", name=name, value=repr(value), error=why)) from error
    return Relaxed(**found)


def reason_of(error: Exception) -> Said:
    """Why a value is none of its kind; a sentence of ours, or what Python says of it."""
    return foreign(error.args[0] if error.args else error)


def _user(value: Any) -> str:
    text = "0:0" if value == "root" else str(value)
    if not re.fullmatch(r"\d{1,9}(:\d{1,9})?", text):
        raise ValueError(said("no_user_option"))
    return text if ":" in text else f"{text}:{text}"


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(said("no_truth"))
    return value


def _capabilities(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(said("no_list"))
    names = sorted({str(name).upper().removeprefix("CAP_") for name in value})
    if wrong := [name for name in names if name not in CAPABILITIES]:
        raise ValueError(said("no_capability", names=", ".join(wrong), known=", ".join(sorted(CAPABILITIES))))
    return tuple(names)


def _pids(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 16 <= value <= 1 << 16:
        raise ValueError(said("no_pids"))
    return value


def size_of(value: Any) -> int:
    """Bytes of `67108864`, `"64m"`, `"2 GiB"`. Raises ValueError."""
    found = SIZE.fullmatch(str(value).strip())
    size = int(float(found[1]) * UNITS[found[2].lower()]) if found and not isinstance(value, bool) else 0
    if size < 1 << 20:
        raise ValueError(said("no_size"))
    return size


def _swap(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(said("no_bytes"))
    return value


# Options of a cluster that are for its hosts of another kind.
OF_OTHERS = frozenset({"slurm"})
READERS: dict[str, Callable[[Any], Any]] = {
    "user": _user,
    "read_only": _truth,
    "no_new_privileges": _truth,
    "capabilities": _capabilities,
    "pids_limit": _pids,
    "shm_size": size_of,
    "tmp_size": size_of,
    "swap": _swap,
}


@dataclass(frozen=True)
class ContainerSetting:
    """What surrounds the container: who it belongs to, what it sees, whose network it joins."""

    image: str
    entrypoint: tuple[str, ...]
    labels: Mapping[str, str]
    binds: tuple[Bind, ...]
    network: str
    user: str
    cores: int
    seal: str  # the key of its shim, which is the first process: its variables are nobody else's


def config_of(launch: Launch, given: Relaxed, place: ContainerSetting) -> dict[str, Any]:
    """The body of the engine's `create`. The script's variables are not in it: they stand in `launch.json`."""
    # An image made for graphics processors asks for all of them by a variable of its own.
    seen = [] if launch.reserved.gpus else ["NVIDIA_VISIBLE_DEVICES=void"]
    return {
        "Image": place.image,
        "Entrypoint": list(place.entrypoint),
        "Cmd": [],
        "User": given.user or place.user,
        "WorkingDir": "/",
        "Env": ["PYTHONDONTWRITEBYTECODE=1", f"{KEY}={place.seal}", *seen],
        "Labels": dict(place.labels),
        "StopSignal": "SIGTERM",
        "HostConfig": _host_config(launch, given, place),
    }


def _host_config(launch: Launch, given: Relaxed, place: ContainerSetting) -> dict[str, Any]:
    return {
        "Init": False,  # the shim is the first: what the script may send to it does not end or stop it
        "AutoRemove": False,  # the exit code of a container that is gone is gone too
        "ReadonlyRootfs": given.read_only,
        "CapDrop": ["ALL"],
        "CapAdd": list(given.capabilities),
        "SecurityOpt": ["no-new-privileges"] if given.no_new_privileges else [],
        "PidsLimit": given.pids_limit,
        "ShmSize": given.shm_size,
        "OomScoreAdj": OOM_SCORE,
        "NetworkMode": place.network,
        "Tmpfs": {"/tmp": f"rw,nosuid,nodev,size={given.tmp_size},mode=1777"},  # noqa: S108 - the container's own
        "Mounts": [_mount(bind) for bind in place.binds],
        "LogConfig": LOG,
        "RestartPolicy": {"Name": "no"},
        **_limits(launch, given.swap, place.cores),
    }


def _limits(launch: Launch, swap: int, cores: int) -> dict[str, Any]:
    """Memory and swap together, or the limit would be a suggestion; more cores than there are is an error of the engine's."""
    reserved = launch.reserved
    found: dict[str, Any] = {}
    if reserved.memory:
        found |= {"Memory": int(reserved.memory), "MemorySwap": int(reserved.memory) + swap}
    if reserved.cores:
        found["NanoCpus"] = int(min(reserved.cores, cores) * 1e9)
    devices = {"Driver": "", "Count": 0, "DeviceIDs": list(reserved.gpus), "Capabilities": [["gpu"]], "Options": {}}
    return found | ({"DeviceRequests": [devices]} if reserved.gpus else {})


def _mount(bind: Bind) -> dict[str, Any]:
    return {"Type": "bind", "Source": str(bind.source), "Target": str(bind.target), "ReadOnly": bind.read_only}


def script_variables(env: Mapping[str, str], image: Mapping[str, str]) -> dict[str, str]:
    """What the image sets holds unless the step sets it; programs are looked for in the step's folders first."""
    own, given = env.get("PATH", "").split(":"), image.get("PATH", "").split(":")
    special = [part for part in own if part not in SYSTEM]
    folders = dict.fromkeys(part for part in (*special, *given, *own) if part)
    return {**image, **env, "PATH": ":".join(folders)}
