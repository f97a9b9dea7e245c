"""Keeps a host's disk: tells what lies there unused, and removes what the studio's policy lets go.

Only what this agent has made is ever touched: folders of attempts, environments and cached files below its own home,
and images with its labels.
"""

from __future__ import annotations

import contextlib
import json
import logging
import stat
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from duto.spec import trees
from duto_agent.environments import r_libraries
from duto_agent.environments.builder import READY, key_of
from duto_agent.files import GONE, read_json, remove_tree
from duto_agent.launchers.base import AttemptKey
from duto_agent.loops import start_loop, succeeds
from duto_protocol.messages import Keep, Storage, Stored
from duto_protocol.values import Moment

if TYPE_CHECKING:  # the library behind it takes long to load; hosts of processes do without
    from duto_agent.images.image_store import ImageStore

log = logging.getLogger("duto.agent")
FIRST_S, EVERY_S = 5.0, 600.0
DAY_S = 86400.0
Item = dict[str, Any]


class Housekeeper:
    """`policy` is what the studio last said: days for `attempts`, `environments` and `images`; None keeps for ever."""

    def __init__(
        self, home: Path, holding: Callable[[], Collection[AttemptKey]], images: ImageStore | None = None
    ) -> None:
        self.home, self.holding, self.images = home, holding, images
        self.policy = Keep()
        self.storage: dict[str, list[Item]] = {}
        self._sizes: dict[Path, int] = {}
        self._stop = threading.Event()

    def start(self) -> None:
        start_loop("housekeeping", self._turn, self._stop)

    def stop(self) -> None:
        self._stop.set()

    def _turn(self) -> None:
        if not self._stop.wait(EVERY_S if self.storage else FIRST_S):
            self.scan(time.time())

    def scan(self, moment: float) -> None:
        """One round: remove what may go, then measure what is left. What cannot go is told, and tried again."""
        for left in (*self.home.glob(f"attempts/*{GONE}"), *self.home.glob(f"envs/*{GONE}")):
            succeeds(f"removal of {left}", partial(remove_tree, left))  # of an agent that was killed amid it
        succeeds("removal of what nobody uses", partial(self._clean, moment))
        succeeds("removal of images", partial(self._clean_images, moment))
        images = self.images.items(moment) if self.images is not None else []
        self.storage = {
            "attempts": list(self.attempts()), "environments": list(self.environments()), "images": images,
        }  # fmt: skip

    def attempts(self) -> Iterator[Item]:
        """Folders of attempts that this agent does not hold: a fault of its own left them."""
        held = {key.folder for key in self.holding()}
        for path in _folders(self.home / "attempts"):
            if path.name not in held:
                yield self._item(path, path.stat().st_mtime, in_use=False)

    def environments(self) -> Iterator[Item]:
        """Environments that stand, with the time of their last use; those of held attempts are in use."""
        needed = self._needed()
        for path in _folders(self.home / "envs"):
            if (path / READY).exists():
                yield self._item(path, _used(path), in_use=any(path.name.startswith(key) for key in needed))

    def _needed(self) -> set[str]:
        specs = (read_json(self.home / "attempts" / key.folder / "spec.json") for key in self.holding())
        wanted = [spec.get("environment") or {} for spec in specs if isinstance(spec, dict)]
        libraries = {r_libraries.key_of(each["r"]) for each in wanted if each.get("r")}
        return {key_of(str(each["lock"])) for each in wanted if each.get("lock")} | libraries | {key_of("")}

    def _clean(self, moment: float) -> None:
        for kind, items, folder in (
            ("attempts", self.attempts, "attempts"),
            ("environments", self.environments, "envs"),
        ):
            if (before := self._cutoff(kind, moment)) is None:
                continue
            for item in list(items()):
                if item["used"] < before and not item["in_use"]:
                    self._remove(self.home / folder / item["key"], before)
        if (before := self._cutoff("environments", moment)) is not None:
            self._clean_cache(before)

    def _clean_images(self, moment: float) -> None:
        if self.images is None:
            return
        self.images.tidy(moment)
        self.images.trim()
        if (before := self._cutoff("images", moment)) is not None:
            for item in self.images.items(moment):
                if item["used"] < before and not item["in_use"]:
                    self.images.remove(item, before, moment)

    def _cutoff(self, kind: str, moment: float) -> float | None:
        days = getattr(self.policy, kind)
        return None if days is None else moment - days * DAY_S

    def _remove(self, path: Path, before: float) -> None:
        """Renamed first, looked at again, then removed: whoever began to use it meanwhile gets it back."""
        aside = path.with_name(f"{path.name}{GONE}")
        try:
            path.rename(aside)
        except OSError:
            return
        if (path.parent / f"{path.name}.used").exists() and _stamp(path) >= before:
            aside.rename(path)
            return
        succeeds(f"removal of {aside}", partial(remove_tree, aside))
        path.with_name(f"{path.name}.used").unlink(missing_ok=True)
        self._sizes.pop(path, None)
        log.info("removed %s, which was not needed any more", path.name)

    def _clean_cache(self, before: float) -> None:
        """Files of snapshots and inputs, by their last use; each is fetched again when it is missing."""
        for file in (self.home / "cache" / "blobs").glob("*/*"):
            with contextlib.suppress(OSError):
                if file.stat().st_mtime < before:
                    file.unlink()

    def _item(self, path: Path, used: float, in_use: bool) -> Item:
        if path not in self._sizes:
            self._sizes[path] = _size(path)
        moment = datetime.fromtimestamp(used, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return {"key": path.name, "bytes": self._sizes[path], "used_at": moment, "used": used, "in_use": in_use}


def storage_report(storage: Mapping[str, list[Item]]) -> Storage:
    """What the studio hears: without what only the agent needs. Nothing before the first scan."""
    found = {kind: [_stored(item) for item in items] for kind, items in storage.items()}
    return Storage(**found)


def _stored(item: Item) -> Stored:
    used_at = Moment.read(item["used_at"])
    return Stored(key=item["key"], bytes=item["bytes"], used_at=used_at, in_use=item["in_use"])


def _folders(parent: Path) -> list[Path]:
    try:
        return sorted(path for path in parent.iterdir() if path.is_dir() and ".tmp." not in path.name)
    except FileNotFoundError:
        return []


def _used(path: Path) -> float:
    """The stamp that every use leaves beside the environment, else the time when it was built."""
    with contextlib.suppress(OSError):
        return _stamp(path)
    with contextlib.suppress(OSError, ValueError, KeyError):
        built = json.loads((path / READY).read_text())["built_at"]
        return datetime.fromisoformat(str(built).replace("Z", "+00:00")).timestamp()
    return path.stat().st_mtime


def _stamp(path: Path) -> float:
    return path.with_name(f"{path.name}.used").stat().st_mtime


def _size(path: Path) -> int:
    """Bytes that removing it gives back: files that others share by hard links stay."""
    total = 0
    for _, entries in trees.walk(path):
        for each in entries:
            with contextlib.suppress(OSError):
                facts = each.stat(follow_symlinks=False)
                total += facts.st_blocks * 512 if facts.st_nlink == 1 or stat.S_ISDIR(facts.st_mode) else 0
    return total
