"""Starts the process that serves an attempt's mounts, hears what it tells, and takes the mounts away."""

from __future__ import annotations

import ctypes.util
import importlib.util
import json
import logging
import os
import select
import shutil
import subprocess
import sys
import threading
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

from duto.spec.sentences import Said, foreign, said, said_in
from duto_agent.files import read_json, write_json
from duto_agent.loops import succeeds
from duto_agent.mounts.listing import Listing
from duto_agent.mounts.places import Places, all_in
from duto_agent.paths import BadPath
from duto_agent.shim.tree import boot_id, start_ticks
from duto_agent.studio.file_cache import FileCache
from duto_agent.worded import Worded
from duto_protocol.messages import InputSpec
from duto_protocol.reading import builtins_of

log = logging.getLogger("duto.agent")
DEVICE = Path("/dev/fuse")
START_S = 30.0
# A process that has not stamped its lock for so long answers nobody: its readers get an error rather than wait for ever.
SILENT_S = 60.0
TOLD_MOST = 1 << 20


class NotMounted(Worded):
    """It cannot be mounted here; the files can still be brought."""


class Mounts:
    """All of this host. Used by many threads; what is known of an attempt's mounts is read from its files."""

    def __init__(self, home: Path, studio: str, cache: FileCache, is_off: bool) -> None:
        self.home, self.studio, self.cache = home, studio, cache
        self.why_not = said("mount_off") if is_off else lacks()
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()

    def places(self, directory: Path) -> Places:
        return Places(self.home, directory.name)

    def folder(self, directory: Path, name: str) -> Path:
        """Where the files of an input lie."""
        return self.places(directory).root / name

    def start(self, directory: Path, inputs: Sequence[InputSpec]) -> None:
        """Mount these inputs for the attempt of this directory. Raises NotMounted, OSError."""
        if self.why_not is not None:
            raise NotMounted(self.why_not)
        try:
            Listing({each.name: each.files for each in inputs})
        except BadPath as error:
            raise NotMounted(error.message) from error
        places = self.places(directory)
        self.release(directory)
        places.root.mkdir(parents=True)
        places.root.parent.chmod(0o700)  # only what a step is shown of it is seen by its user
        plan = {
            "home": str(self.home), "attempt": str(directory), "studio": self.studio, "most": self.cache.most,
            "is_for_all": os.geteuid() == 0, "inputs": [builtins_of(each) for each in inputs],
        }  # fmt: skip
        write_json(places.plan, plan)
        places.plan.chmod(0o600)
        try:
            self._spawn(places)
        except NotMounted:
            self.release(directory)
            raise

    def _spawn(self, places: Places) -> None:
        variables = {**os.environ, "FUSE_LIBRARY_NAME": "fuse3"}
        command = [sys.executable, "-m", "duto_agent.mounts", str(places.plan)]
        with places.log.open("wb") as log_file:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log_file, env=variables, cwd="/",
                start_new_session=True,
            )  # fmt: skip
        write_json(places.process, {"pid": child.pid, "start": start_ticks(child.pid), "boot": boot_id()})
        with self._lock:
            self._children[places.name] = child
        assert child.stdout is not None
        with child.stdout:
            readable, _, _ = select.select([child.stdout], [], [], START_S)
            word = child.stdout.readline() if readable else b""
        if word.strip() != b"mounted":
            output = places.log.read_text(errors="replace").strip()[-500:]
            child.kill()
            raise NotMounted(
                said("mount_failed", error=output.splitlines()[-1] if output else f"no answer in {START_S:.0f} s")
            )

    def refuse(self, why: Said) -> None:
        """Mount nothing from now on: what runs steps here does not see it."""
        self.why_not = why

    def is_alive(self, directory: Path) -> bool:
        """Whether the attempt's mounts can be read."""
        return self.places(directory).is_served()

    def news(self, directory: Path, offset: int) -> tuple[list[Said], int]:
        """What its process has told since, and up to where."""
        try:
            with self.places(directory).notes.open("rb") as notes:
                notes.seek(offset)
                data = notes.read(TOLD_MOST)
        except OSError:
            return [], offset
        whole = data[: data.rfind(b"\n") + 1]
        found = []
        for line in whole.splitlines():
            document = json.loads(line)
            found.append(foreign(said_in(document, document["text"])))
        return found, offset + len(whole)

    def end_silent(self, directory: Path) -> bool:
        """Kill a process that answers nobody any more; whether it was one."""
        places = self.places(directory)
        if not places.is_served() or places.silent_for() < SILENT_S:
            return False
        log.warning("the mounts of %s do not answer and are ended", places.name)
        places.end()
        return True

    def moved(self, directory: Path) -> None:
        """Tell it where the studio is by now."""
        places = self.places(directory)
        plan = read_json(places.plan, own=True)
        if plan and plan["studio"] != self.studio:
            write_json(places.plan, {**plan, "studio": self.studio})

    def release(self, directory: Path) -> None:
        """The attempt has ended: nothing of its mounts stays. May be repeated. Raises OSError."""
        self._clear(self.places(directory))

    def tidy(self, held: Collection[str]) -> None:
        """Take away what attempts have left that are not held any more, and what is dead of the others: a read then gives an
        error. For the agent's start."""
        for places in all_in(self.home):
            if places.name not in held:
                succeeds(f"removal of the mounts of {places.name}", partial(self._clear, places))
            elif not places.is_served():
                succeeds(f"removal of the dead mounts of {places.name}", places.unmount)

    def _clear(self, places: Places) -> None:
        if not places.exists():
            return
        places.clear()
        with self._lock:
            child = self._children.pop(places.name, None)
        if child is not None:
            child.wait()
        self.cache.recount()


def lacks() -> Said | None:
    """What this host lacks for mounts; None where it has all."""
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        return said("mount_no_device")
    if importlib.util.find_spec("mfusepy") is None:
        return said("mount_no_package")
    if shutil.which("fusermount3") is None or ctypes.util.find_library("fuse3") is None:
        return said("mount_no_library")
    return None
