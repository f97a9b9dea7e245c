"""The images that a step's begins with, where others have made them: fetched once when they are missing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial

from duto_agent.disk_space import full, is_told_in
from duto_agent.engine.buildkit import Watch
from duto_agent.engine.client import Engine, EngineRefused, ImageFacts
from duto_agent.engine.errors import EngineAway
from duto_agent.environments.builder import BuildFailed
from duto_agent.images.image_builds import BYTES, Making, Round, Rounds
from duto_agent.images.image_store import Shelf

PULLS = "duto/pull"


class Bases:
    """Whoever asks while one is fetched waits for the one fetch, and is canceled with it."""

    def __init__(self, engine: Engine, shelf: Shelf, rounds: Rounds) -> None:
        self.engine, self.shelf, self.rounds = engine, shelf, rounds

    def get(self, name: str, say: Callable[[str], None], attempt: str = "") -> ImageFacts:
        """The image of this name. Raises BuildFailed, DiskFull, EngineAway, EngineRefused."""
        if (found := self.engine.image(name)) is not None:
            return found
        making = Making(tag_of(name), {"image": name}, attempt)
        words = f"The fetch of the base image '{name}'"
        with self.rounds.asked(making.tag, words) as mine, self.shelf.only_one(making.tag):
            mine.heed()
            return self.engine.image(name) or self._fetch(name, making, mine, say)

    def _fetch(self, name: str, making: Making, mine: Round, say: Callable[[str], None]) -> ImageFacts:
        say(f"Fetching the image {name}.")
        self.shelf.teller.building(making)
        try:
            self._pull(name, making, mine)
            found = self.engine.image(name)
            if found is None:
                raise BuildFailed(f"The base image '{name}' is not on this host and cannot be fetched.")
        except Exception as error:  # whatever it was, nobody must think that it is still being fetched
            self.shelf.teller.failed(making, str(error))
            raise
        self.shelf.teller.ready(making, found.id, found.size)
        self.shelf.use(making.tag, name)
        return found

    def _pull(self, name: str, making: Making, mine: Round) -> None:
        watch = Watch(partial(self.shelf.teller.progress, making, unit=BYTES), mine.may_end_by)
        try:
            self.engine.pull(name, watch)
        except EngineRefused as error:
            mine.heed()
            if is_told_in(str(error)):
                raise full(f"the base image '{name}'", self.engine.folder) from error
            raise BuildFailed(f"The base image '{name}' is not on this host and cannot be fetched: {error}") from error
        except (EngineAway, ValueError):  # or it was us who hung up, amid a word
            mine.heed()
            raise
        mine.heed()


def tag_of(name: str) -> str:
    """By which the studio is told of the fetch; no image has it."""
    return f"{PULLS}:{hashlib.sha256(name.encode()).hexdigest()[:32]}"
