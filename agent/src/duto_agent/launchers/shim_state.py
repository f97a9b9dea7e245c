"""What a shim leaves in its attempt's directory, read from outside: alive, ended, or gone without a word."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from duto_agent.disk_space import is_full
from duto_agent.files import read_json, write_json
from duto_agent.launchers.base import Launch, Probe
from duto_agent.launchers.ownership import NOTES

DEFAULT_LIMITS = {"core": 0}
VERDICT_MOST = 1 << 20  # bytes: it is looked at again and again, and a script may have put anything in its place
Trusted = Callable[[dict[str, Any]], bool]


def trust_all(_: dict[str, Any]) -> bool:
    """Where a script cannot write what its shim writes."""
    return True


def probe_files(directory: Path, is_shims: Trusted = trust_all) -> Probe:
    """The state by the files alone; the same for a shim in a container, whose locks are seen from here too.

    A verdict that is not the shim's is none.
    """
    # The lock first: a shim that ends between the two looks has then left its verdict.
    held = is_locked(directory / "runner.lock")
    verdict = _verdict(directory, is_shims)
    if verdict is not None:
        return Probe("exited", verdict)
    if held:
        return Probe("running")
    if not (directory / "pid.json").exists():
        return Probe("none")
    # It may have begun, or even ended, since the first look: only a lock that is free again tells of an end.
    if is_locked(directory / "runner.lock"):
        return Probe("running")
    verdict = _verdict(directory, is_shims)
    return Probe("lost") if verdict is None else Probe("exited", verdict)


def ask_to_end(directory: Path, grace_seconds: float) -> None:
    """Leave the shim its order to end the tree. On a full disk it is an empty one, with the grace of the step itself.

    Raises OSError.
    """
    try:
        write_json(directory / "cancel", {"grace_seconds": grace_seconds})
    except OSError as error:
        if not is_full(error):
            raise
        with contextlib.suppress(FileExistsError):
            os.close(os.open(directory / "cancel", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644))


def order_of(launch: Launch, notify_address: str | None) -> dict[str, Any]:
    """`launch.json`, as far as it is the same wherever the shim stands."""
    return {
        "argv": list(launch.argv),
        "cwd": str(launch.cwd),
        "env": launch.env | visible_devices(launch.reserved.gpus),
        "bell": notify_address,  # the key that shims of all releases read; a step may outlive its agent
        "grace_seconds": launch.grace_seconds,
        "timeout_seconds": launch.timeout_seconds,
        "log_cap": launch.log_cap,
        **({"masks": list(launch.masks)} if launch.masks else {}),
        **(
            {"ranks": {"folder": str(ranks_folder(launch.cwd.parent)), "numbers": list(launch.ranks)}}
            if launch.ranks
            else {}
        ),
        "limits": {**DEFAULT_LIMITS, **launch.limits},
    }


def ranks_folder(directory: Path) -> Path:
    """Where the program that starts the ranks of an attempt stands, with its plan and their pipes."""
    return directory / "tmp" / "ranks"


def visible_devices(gpus: tuple[str, ...]) -> dict[str, str]:
    """A step sees the devices that its node holds, in the order of their places on the bus; others' it does not see."""
    return {"CUDA_VISIBLE_DEVICES": ",".join(gpus), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def is_locked(path: Path) -> bool:
    """Whether a shim holds it. Never waits."""
    try:
        number = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(number)
    return False


def has_begun(directory: Path) -> bool:
    """Whether the script of this attempt was started, as its shim says."""
    notes = (read_json(folder / "pid.json", most=VERDICT_MOST) for folder in (directory, directory / NOTES))
    return any(isinstance(found, dict) and found.get("child") for found in notes)


def _verdict(directory: Path, is_shims: Trusted) -> dict[str, Any] | None:
    found = read_json(directory / "status.json", most=VERDICT_MOST)
    return found if isinstance(found, dict) and is_shims(found) else None
