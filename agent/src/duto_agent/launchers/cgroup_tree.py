"""Where a process stands in the kernel's tree of control groups."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
CONTROLLERS = ("memory", "pids", "cpu")


def folders_of(root: Path, memberships: str) -> tuple[int, dict[str, Path]]:
    """(version, controller → folder of the process) from the lines `id:controllers:path` of /proc/self/cgroup."""
    unified = root / "cgroup.controllers"
    for line in memberships.splitlines():
        _, names, path = line.split(":", 2)
        if not names and unified.exists():
            # An agent that was started from inside `agent` makes its groups beside it, not below.
            own = root / path.strip("/").removesuffix("/agent")
            return 2, dict.fromkeys(CONTROLLERS, own)
    found = {}
    for line in memberships.splitlines():
        _, names, path = line.split(":", 2)
        for name in set(names.split(",")) & set(CONTROLLERS):
            folder = root / name / path.strip("/")
            if folder.is_dir():
                found[name] = folder
    return 1, found if "memory" in found else {}
