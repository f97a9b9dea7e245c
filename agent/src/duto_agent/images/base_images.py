"""The images that a step's begins with, where others have made them: fetched once when they are missing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial

from duto.spec.sentences import said
from duto_agent.disk_space import full, is_mentioned_in
from duto_agent.engine.buildkit import Watch
from duto_agent.engine.client import Engine, EngineRefused, ImageFacts
from duto_agent.engine.errors import EngineAway
from duto_agent.environments.builder import BuildFailed
from duto_agent.images.image_builds import BYTES, ImageBuild, SharedBuild, SharedBuilds
from duto_agent.images.image_store import ImageStore

PULLS = "duto/pull"


class BaseImages:
    """Whoever asks while one is fetched waits for the one fetch, and is canceled with it."""

    def __init__(self, engine: Engine, image_store: ImageStore, shared_builds: SharedBuilds) -> None:
        self.engine, self.image_store, self.shared_builds = engine, image_store, shared_builds

    def get(self, name: str, say: Callable[[str], None], attempt: str = "") -> ImageFacts:
        """The image of this name. Raises BuildFailed, DiskFull, EngineAway, EngineRefused."""
        if (found := self.engine.image(name)) is not None:
            return found
        making = ImageBuild(tag_of(name), {"image": name}, attempt)
        with self.shared_builds.asked(making.tag, name) as mine, self.image_store.only_one(making.tag):
            mine.check()
            return self.engine.image(name) or self._fetch(name, making, mine, say)

    def _fetch(self, name: str, making: ImageBuild, mine: SharedBuild, say: Callable[[str], None]) -> ImageFacts:
        say(f"Fetching the image {name}.")
        self.image_store.reporter.building(making)
        try:
            self._pull(name, making, mine)
            found = self.engine.image(name)
            if found is None:
                raise BuildFailed(said("base_not_here", name=name))
        except Exception as error:  # whatever it was, nobody must think that it is still being fetched
            self.image_store.reporter.failed(making, error)
            raise
        self.image_store.reporter.ready(making, found.id, found.size)
        self.image_store.use(making.tag, name)
        return found

    def _pull(self, name: str, making: ImageBuild, mine: SharedBuild) -> None:
        watch = Watch(partial(self.image_store.reporter.progress, making, unit=BYTES), mine.may_end_by)
        try:
            self.engine.pull(name, watch)
        except EngineRefused as error:
            mine.check()
            if is_mentioned_in(str(error)):
                raise full(said("base_image", name=name), self.engine.folder) from error
            raise BuildFailed(said("base_not_fetched", name=name, error=str(error))) from error
        except (EngineAway, ValueError):  # or it was us who hung up, amid a word
            mine.check()
            raise
        mine.check()


def tag_of(name: str) -> str:
    """By which the studio is told of the fetch; no image has it."""
    return f"{PULLS}:{hashlib.sha256(name.encode()).hexdigest()[:32]}"
