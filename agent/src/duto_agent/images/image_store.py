"""The images that this host has built: when each was last used, what it costs, and how one goes.

Only images that carry the labels of this installation and this host are ever looked at or removed.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from duto.spec.units import size_text
from duto_agent.engine.client import Engine, EngineRefused, Facts
from duto_agent.engine.errors import EngineAway
from duto_agent.environments.builder import safe_name
from duto_agent.images.image_builds import ImageBuild, ImageReporter
from duto_agent.studio.exchange import discard

log = logging.getLogger("duto.agent")
OURS = ("duto/env:", "duto/base:")
# A step that was given an image a while ago may not have its container yet.
JUST_USED_S = 3600.0
# An image without a name was overtaken by another of its name, or its build was cut off: nobody can ask for it.
NAMELESS_S = 86400.0
# One that is just being listed and used at the same time is not missed yet.
NEW_S = 60.0
MADE_OF, HOST = "duto.made-of", "duto.host"
Item = dict[str, Any]


class ImageStore:
    """`folder` holds a stamp for each image: the engine does not know when one was last used. `build_cache`: how many
    bytes of what builds leave the engine may keep; None leaves that to the engine."""

    def __init__(
        self,
        engine: Engine,
        labels: Mapping[str, str],
        folder: Path,
        reporter: ImageReporter | None = None,
        build_cache: int | None = None,
    ) -> None:
        self.build_cache = build_cache
        self.engine, self.labels, self.folder = engine, {**labels, "duto.kind": "image"}, folder
        self.reporter = reporter or ImageReporter(discard)
        self._has_reported_all = False
        self._last_seen: list[Item] = []
        self._layers: dict[str, tuple[str, ...]] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def only_one(self, name: str) -> threading.Lock:
        """Held while an image is built, given to a step, or removed."""
        with self._guard:
            return self._locks.setdefault(name, threading.Lock())

    def use(self, tag: str, name: str = "") -> None:
        """A stamp is never a reason to fail. It holds what the studio calls the image, and the engine where that is
        another `name`: by it a removal by others is noticed."""
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._stamp(tag).write_text(f"{tag} {name}".strip())

    def was_fetched(self, tag: str) -> None:
        """Another host has built it and its labels say so; here it is ours to remove all the same."""
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._mark(tag).touch()

    def items(self, moment: float) -> list[Item]:
        """What stands here, as the studio is told it (docs/wire.md, `storage`); while the engine is away, what stood."""
        try:
            self._last_seen = self._look(moment)
        except (EngineAway, EngineRefused) as error:
            log.warning("images cannot be listed: %s", error)
        return self._last_seen

    def remove(self, item: Mapping[str, Any], before: float, moment: float) -> bool:
        """Whether it went. Looked at once more, so that a step which asks for it meanwhile keeps it, or builds it anew."""
        tag = str(item["key"])
        try:
            with self.only_one(tag):
                used = self._used(tag, item["used"])
                if used >= before or moment - used < JUST_USED_S:
                    return False
                for name in reversed(item["names"]):  # the one by which steps ask goes last, or not at all
                    self.engine.remove_image(name)
                if self.engine.image(tag) is not None:
                    return False  # a container has taken it
        except (EngineAway, EngineRefused) as error:
            log.warning("the image %s is still there: %s", tag, error)
            return False
        self._is_gone(tag)
        log.info("removed the image %s, which was not needed any more", tag)
        return True

    def tidy(self, moment: float) -> None:
        """Remove the nameless ones, whatever the policy: no step will ever ask for them."""
        try:
            used = self._in_use()
            for each in self.engine.images(self.labels):
                if not named(each) and each["Id"] not in used and moment - each["Created"] > NAMELESS_S:
                    self.engine.remove_image(each["Id"])
        except (EngineAway, EngineRefused) as error:
            log.warning("images cannot be tidied: %s", error)

    def trim(self) -> None:
        """Keep the engine's cache of builds within its bounds. Nothing in it says whose it is, so that whoever else builds
        on this engine has to build some steps anew."""
        if self.build_cache is None:
            return
        try:
            freed = self.engine.prune_builds(self.build_cache)
        except (EngineAway, EngineRefused) as error:
            log.warning("the cache of builds cannot be pruned: %s", error)
            return
        if freed:
            log.info("removed %s of the cache of builds, which was over its bounds", size_text(freed))

    def _look(self, moment: float) -> list[Item]:
        everything = {each["Id"]: each for each in self.engine.images({})}
        layers = {each: self._layers_of(each) for each in everything}
        self._layers = layers
        sizes = {each: int(facts.get("Size") or 0) for each, facts in everything.items()}
        used, found = self._in_use(), []
        for each in self._mine():
            names = ours(each)
            if names and each["Id"] in layers:
                self._report_ready(each, names[0])
                item = self._item(names, own_bytes(each["Id"], layers, sizes), float(each["Created"]))
                item["in_use"] = each["Id"] in used or moment - item["used"] < JUST_USED_S
                found.append(item)
        self._has_reported_all = True
        self._miss({name for each in everything.values() for name in named(each)}, moment)
        return sorted(found, key=lambda item: str(item["key"]))

    def _mine(self) -> list[Facts]:
        """What this host has built, and what it has fetched of the other hosts of its installation."""
        common = {name: value for name, value in self.labels.items() if name != HOST}
        return [each for each in self.engine.images(common) if self._is_mine(each)]

    def _is_mine(self, image: Facts) -> bool:
        names = ours(image)
        return (image.get("Labels") or {}).get(HOST) == self.labels[HOST] or any(self._mark(n).exists() for n in names)

    def _report_ready(self, image: Facts, tag: str) -> None:
        """With an agent's first look the studio hears of all images: a report may have gone with the last agent."""
        if not self._has_reported_all:
            making = ImageBuild(tag, made_of(image.get("Labels")), "")
            self.reporter.ready(making, str(image["Id"]), int(image.get("Size") or 0))

    def _miss(self, names: Collection[str], moment: float) -> None:
        """Images that were used here and were removed by others."""
        for stamp in self.folder.glob("*.used"):
            with contextlib.suppress(OSError):
                (tag, _, name), used = stamp.read_text().partition(" "), stamp.stat().st_mtime
                if not tag or (name or tag) in names or moment - used < NEW_S:
                    continue
                lock = self.only_one(tag)
                if not lock.acquire(blocking=False):
                    continue  # it is being made again
                try:
                    if self.engine.image(name or tag) is None:
                        self._is_gone(tag)
                finally:
                    lock.release()

    def _is_gone(self, tag: str) -> None:
        """The stamp goes when the studio knows."""
        self._mark(tag).unlink(missing_ok=True)
        self.reporter.removed(tag, heard=lambda: self._stamp(tag).unlink(missing_ok=True))

    def _item(self, names: list[str], size: int, created: float) -> Item:
        used = self._used(names[0], created)
        last_used = datetime.fromtimestamp(used, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return {"key": names[0], "bytes": size, "used_at": last_used, "used": used, "names": names}

    def _layers_of(self, image: str) -> tuple[str, ...]:
        """An image never changes; one that goes while we ask has none."""
        if image not in self._layers:
            found = self.engine.inspect_image(image) or {}
            self._layers[image] = tuple((found.get("RootFS") or {}).get("Layers") or ())
        return self._layers[image]

    def _in_use(self) -> set[str]:
        """By containers in any state, whoever made them."""
        return {str(each.get("ImageID")) for each in self.engine.containers({})}

    def _stamp(self, tag: str) -> Path:
        return self.folder / f"{safe_name(tag)}.used"

    def _mark(self, tag: str) -> Path:
        return self.folder / f"{safe_name(tag)}.fetched"

    def _used(self, tag: str, otherwise: float) -> float:
        try:
            return self._stamp(tag).stat().st_mtime
        except OSError:
            return otherwise


def named(image: Facts) -> list[str]:
    """Its names; the engine calls one that has none `<none>:<none>`."""
    return sorted(str(tag) for tag in image.get("RepoTags") or () if "<none>" not in str(tag))


def ours(image: Facts) -> list[str]:
    """The names that we gave, the one by which it is asked for first; none where others have named it too."""
    tags = named(image)
    asked = [tag for tag in tags if tag.rpartition(":")[2] == (image.get("Labels") or {}).get("duto.recipe")]
    return [*asked, *(tag for tag in tags if tag not in asked)] if asked and all(map(_is_ours, tags)) else []


def _is_ours(tag: str) -> bool:
    return tag.startswith(OURS)


def own_bytes(image: str, layers: Mapping[str, Collection[str]], sizes: Mapping[str, int]) -> int:
    """What removing it gives back: the layers below, which another image has too, stay."""
    mine = tuple(layers[image])
    below = [sizes[each] for each, its in layers.items() if its and tuple(its) == mine[: len(its)] != mine]
    return max(0, sizes[image] - max(below, default=0))


def labelled(labels: Mapping[str, str], tag: str, recipe: Mapping[str, str]) -> dict[str, str]:
    """The labels of an image that we build."""
    own = {"duto.kind": "image", "duto.recipe": tag.rpartition(":")[2], MADE_OF: json.dumps(dict(recipe))}
    return {**labels, **own}


def made_of(labels: Mapping[str, str] | None) -> dict[str, str]:
    """What an image is made of, by its label; nothing for one that is none of ours."""
    try:
        found = json.loads((labels or {}).get(MADE_OF) or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
