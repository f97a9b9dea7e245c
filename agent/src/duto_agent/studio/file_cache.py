"""What this host has fetched already: files by names that mean their bytes, up to a size. Those unused longest go first."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from duto_agent.disk_space import DiskFull

# How an unfinished file ends: no file of the cache has such a name, and what an agent that was killed left goes at the next start.
PART = ".part"
MOST = 20 << 30
# What is made room for at once, so that not each further file looks through all of them.
SLACK = 0.9
TRIES = 5


class FileCache:
    """One for each agent, and one for each process that mounts; used by many threads. An entry is whole, or it is not there."""

    def __init__(self, folder: Path, most: int = MOST, *, sweeps: bool = True) -> None:
        """`sweeps`: what is unfinished there is of an agent that is gone."""
        self.folder, self.most = folder, most
        self._where = str(folder)
        self._turn = threading.Lock()
        self._fetching: dict[str, tuple[threading.Lock, int]] = {}
        self._total: int | None = None
        for left in folder.glob(f"*/*{PART}") if sweeps else ():
            left.unlink(missing_ok=True)

    def give(self, name: str, size: int | None, fetch: Callable[[Path], None], take: Callable[[Path], None]) -> None:
        """Have `take` use the file of this name, which `fetch` writes where it is not here. Two who want it fetch it once.

        Raises what these raise.
        """
        place = self.place_of(name)
        for left in reversed(range(TRIES)):
            with self._alone(name):
                if not _is_here(place, size):
                    self._fetch(place, fetch)
            try:
                return take(place)
            except FileNotFoundError:  # it made room for another at this very moment
                if place.exists() or not left:
                    raise

    def link(self, name: str, size: int | None, target: Path) -> bool:
        """Make a link to the file of this name, where it is here and can be linked to; it is noted as used.

        In a few calls of the system and without a lock: of many small files this is all that is done.
        """
        try:
            os.link(f"{self._where}/{name[:2]}/{name}", target)
        except OSError:
            return False
        if size is not None and target.stat().st_size != size:  # as `_is_here` says; it is fetched anew
            target.unlink()
            return False
        with contextlib.suppress(PermissionError):  # of another user
            os.utime(target)
        return True

    def forget(self, name: str) -> None:
        """It is not what its name says."""
        self.place_of(name).unlink(missing_ok=True)

    def opened(self, name: str, size: int) -> int | None:
        """A descriptor of the file of this name, which stays though the file goes; None where it is not here."""
        place = self.place_of(name)
        try:
            return os.open(place, os.O_RDONLY) if _is_here(place, size) else None
        except OSError:
            return None

    def unnamed(self) -> int:
        """A descriptor of a new file on the disk of the cache, which goes with whoever has it open. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return os.open(self.folder, os.O_RDWR | os.O_TMPFILE, 0o600)

    def adopt(self, name: str, descriptor: int) -> None:
        """Keep an unnamed file, which is whole by now, under this name. Raises OSError."""
        place = self.place_of(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        os.fchmod(descriptor, 0o444)
        folder = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            # By a descriptor of a folder, or Python would link to the link.
            os.link(f"/proc/self/fd/{descriptor}", place.name, src_dir_fd=folder, dst_dir_fd=folder)
        except FileExistsError:  # another step was as quick
            return
        finally:
            os.close(folder)
        self._grown_by(os.fstat(descriptor).st_size)

    def recount(self) -> None:
        """Others have added to it."""
        with self._turn:
            self._total = None

    def place_of(self, name: str) -> Path:
        """Where it lies, if it is here."""
        return self.folder / name[:2] / name

    def _fetch(self, place: Path, fetch: Callable[[Path], None]) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_name(f"{place.name}.{os.getpid()}.{threading.get_ident()}{PART}")
        try:
            try:
                fetch(part)
            except DiskFull:
                if not self._make_room(0):
                    raise
                part.unlink(missing_ok=True)
                fetch(part)
            size = part.stat().st_size
            part.chmod(0o444)
            part.replace(place)
        finally:
            part.unlink(missing_ok=True)
        self._grown_by(size)

    def _grown_by(self, size: int) -> None:
        with self._turn:
            self._total = self._measured() if self._total is None else self._total + size
            is_full = self._total > self.most
        if is_full:
            self._make_room(int(self.most * SLACK))

    def _make_room(self, most: int) -> bool:
        """Remove what was unused longest until no more than this is left; whether anything went. What a step holds by a link of
        its own stays for that step."""
        with self._turn:
            entries = sorted(self._entries(), key=lambda each: each[0])
            total, went = sum(size for _used, size, _place in entries), False
            for _used, size, place in entries:
                if total <= most:
                    break
                with contextlib.suppress(OSError):
                    place.unlink()
                    total, went = total - size, True
            self._total = total
        return went

    def _measured(self) -> int:
        return sum(size for _used, size, _place in self._entries())

    def _entries(self) -> Iterator[tuple[float, int, Path]]:
        for place in self.folder.glob("*/*"):
            if place.suffix != PART:
                with contextlib.suppress(OSError):
                    facts = place.stat()
                    yield facts.st_mtime, facts.st_size, place

    @contextlib.contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        with self._turn:
            lock, waiting = self._fetching.get(name, (threading.Lock(), 0))
            self._fetching[name] = (lock, waiting + 1)
        try:
            with lock:
                yield
        finally:
            with self._turn:
                lock, waiting = self._fetching[name]
                self._fetching[name] = (lock, waiting - 1)
                if waiting == 1:
                    del self._fetching[name]


def _is_here(place: Path, size: int | None) -> bool:
    """Whether it is there with its size, which a disk that lost power may not have kept; noted as used."""
    try:
        if size is not None and place.stat().st_size != size:
            place.unlink()
            return False
        os.utime(place)
    except FileNotFoundError:
        return False
    except OSError:  # of another user: its time of use is not ours to set
        return place.is_file()
    return True
