"""What lies where in a data directory. Standard library only, so that a start can begin before Django."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from duto.spec.units import size_text

NEEDED_BYTES = 100 << 20
WORDS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "this user may not write there",
    errno.ENOTDIR: "a part of the path is not a folder",
    errno.EEXIST: "a file stands where a folder is needed",
}


class Refusal(Exception):
    """The studio does not start, and the text says why and what to do."""


@dataclass(frozen=True)
class Layout:
    """The folders of one studio."""

    home: Path

    @property
    def run(self) -> Path:
        """What is true only while the studio runs: pid, state, the parts' logs."""
        return self.home / "run"

    @property
    def valkey(self) -> Path:
        """The broker's own files."""
        return self.home / "valkey"

    @property
    def agent(self) -> Path:
        """The local agent's home: host key, attempts, environments."""
        return self.home / "agent"

    @property
    def state(self) -> Path:
        """Where the running studio says that it runs."""
        return self.run / "state.json"

    @property
    def broker(self) -> Path:
        """The address of the broker, with its password."""
        return self.run / "broker"

    def log(self, part: str) -> Path:
        """Where a part's output goes."""
        return self.run / f"{part}.log"

    def free(self) -> int:
        """Bytes that are free on the disk of the data directory."""
        try:
            return shutil.disk_usage(self.home).free
        except OSError:
            return 0

    def prepare(self) -> None:
        """Create every folder, private to this user, and prove that it can be written."""
        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name in ("store", "datastores", "logs", "agent", "valkey", "run", "tmp", "backups"):
                (self.home / name).mkdir(mode=0o700, exist_ok=True)
            probe = self.run / f".probe-{os.getpid()}"
            probe.write_bytes(b"x" * 4096)
            probe.unlink()
        except OSError as error:
            reason = WORDS.get(error.errno or 0, str(error))
            raise Refusal(
                f"The data directory {self.home} cannot be used: {reason}.\n"
                "Choose another one with --data-dir, or make room there."
            ) from error
        free = shutil.disk_usage(self.home).free
        if free < NEEDED_BYTES:
            raise Refusal(
                f"The disk of the data directory {self.home} is almost full: {size_text(free)} are free, "
                f"{size_text(NEEDED_BYTES)} are needed to start."
            )


def write_private(path: Path, text: str) -> None:
    """Replace a file in one move, readable for this user alone."""
    draft = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        descriptor = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        draft.replace(path)
    except OSError:  # half of it would only take the room away
        draft.unlink(missing_ok=True)
        raise
