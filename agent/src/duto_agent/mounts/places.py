"""Where the mounts of an attempt lie below the agent's home, and what lies beside them."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from duto_agent.files import read_json
from duto_agent.launchers.shim_state import is_locked
from duto_agent.shim.tree import boot_id, start_ticks

FOLDER = "mounts"
UNMOUNT_S, END_S = 10.0, 5.0
# An octal number, by which the kernel writes what would part the fields of a line.
ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Places:
    """Of one attempt, by the name of its directory."""

    home: Path
    name: str

    @classmethod
    def of_plan(cls, path: Path) -> Places:
        return cls(path.parent.parent, path.name.removesuffix(".json"))

    @property
    def root(self) -> Path:
        """The place of the mount; below it lies a folder for each input."""
        return self.home / FOLDER / self.name

    @property
    def plan(self) -> Path:
        """What the process is to serve."""
        return self._beside("json")

    @property
    def lock(self) -> Path:
        """What the process holds while it lives."""
        return self._beside("lock")

    @property
    def process(self) -> Path:
        """Which process it is."""
        return self._beside("pid")

    @property
    def notes(self) -> Path:
        """What it tells the step."""
        return self._beside("notes")

    @property
    def log(self) -> Path:
        """What libfuse and the process tell of themselves."""
        return self._beside("log")

    @property
    def tally(self) -> Path:
        """What came through it (`duto_agent.mounts.tally`)."""
        return self._beside("tally")

    def _beside(self, kind: str) -> Path:
        return self.home / FOLDER / f"{self.name}.{kind}"

    def is_served(self) -> bool:
        """Whether the process lives."""
        return is_locked(self.lock)

    def silent_for(self) -> float:
        """How long the process has not stamped its lock, in seconds of the kernel's clock."""
        try:
            return (time.monotonic_ns() - self.lock.stat().st_mtime_ns) / 1e9
        except OSError:
            return 0.0

    def unmount(self) -> None:
        """Take it out of sight, whoever has files of it open. It may be dead, and no question is put to it."""
        for _ in range(3):
            if str(self.root) not in mounted():
                return
            program = shutil.which("fusermount3") or "fusermount3"
            commands = [[program, "-u", "-z", "-q", str(self.root)]]
            if os.geteuid() == 0:  # it may be of a user whom fusermount3 does not serve any more
                commands.append(["umount", "-l", str(self.root)])
            for command in commands:
                try:
                    if subprocess.run(command, capture_output=True, timeout=UNMOUNT_S).returncode == 0:
                        break
                except (OSError, subprocess.TimeoutExpired):
                    continue

    def end(self) -> None:
        """Kill the process, whose requests then end with an error, and wait until it is gone."""
        found = read_json(self.process, own=True)
        if not found or found["boot"] != boot_id():
            return
        try:
            handle = os.pidfd_open(found["pid"])
        except OSError:
            return
        try:
            if start_ticks(found["pid"]) == found["start"]:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        except OSError:
            pass
        finally:
            os.close(handle)
        until = time.monotonic() + END_S
        while self.is_served() and time.monotonic() < until:
            time.sleep(0.01)

    def clear(self) -> None:
        """Unmount, end, and leave nothing. Raises OSError where the mount stays: what is below it is nobody's to remove."""
        self.unmount()
        self.end()
        if str(self.root) in mounted():
            raise OSError(f"{self.root} cannot be unmounted")
        with contextlib.suppress(FileNotFoundError):
            self.root.rmdir()
        for path in (self.notes, self.tally, self.log, self.process, self.lock, self.plan):
            path.unlink(missing_ok=True)

    def exists(self) -> bool:
        """Whether anything of it is here. It puts no question to the mount."""
        return self.plan.exists() or str(self.root) in mounted()


def all_in(home: Path) -> Iterator[Places]:
    """All that this home has, by their files and by what is mounted."""
    folder = home / FOLDER
    names = {path.name.rpartition(".")[0] for path in folder.glob("*.*")} if folder.is_dir() else set()
    names |= {Path(place).name for place in mounted() if Path(place).parent == folder}
    for name in sorted(names - {""}):
        yield Places(home, name)


def mounted() -> set[str]:
    """The places of this process's view at which something is mounted."""
    lines = Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines()
    return {ESCAPED.sub(lambda found: chr(int(found[1], 8)), line.split(" ")[4]) for line in lines}
