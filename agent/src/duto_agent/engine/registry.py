"""A registry that the hosts of a studio share: an image that one of them has built is fetched by the others."""

from __future__ import annotations

import re

from duto_agent.engine.buildkit import UNWATCHED, Watch
from duto_agent.engine.client import Engine, EngineRefused

ABSENT = ("manifest unknown", "name unknown", "not found")


class RegistryRefused(Exception):
    """It does not answer, or does not let us; its own words."""


class Registry:
    """`place` is its address, with a path if there is one. Each installation has a folder of its own below it.

    Who the agent is there stands where `docker login` of the agent's user has written it.
    """

    def __init__(self, engine: Engine, place: str, installation: str) -> None:
        self.engine, self.place = engine, place.rstrip("/")
        # A registry takes no name that begins or ends with a mark, or that has two of them in a row.
        self.folder = f"{self.place}/{re.sub(r'[^a-z0-9]+', '-', installation[:12].lower()).strip('-')}"

    def fetch(self, tag: str, watch: Watch = UNWATCHED) -> bool:
        """Whether it was there; it is then here under our own name. Raises RegistryRefused, EngineAway."""
        repository, version = self._repository(tag)
        try:
            self.engine.pull(f"{repository}:{version}", watch)
        except EngineRefused as refused:
            if refused.status == 404 or any(word in str(refused) for word in ABSENT):
                return False
            raise RegistryRefused(str(refused)) from refused
        own, _, _ = tag.rpartition(":")
        self.engine.tag(f"{repository}:{version}", own, version)
        self.engine.remove_image(f"{repository}:{version}")  # only the name: the image has another
        return True

    def give(self, tag: str) -> None:
        """Raises RegistryRefused, EngineAway."""
        repository, version = self._repository(tag)
        try:
            self.engine.tag(tag, repository, version)
            self.engine.push(repository, version)
        except EngineRefused as refused:
            raise RegistryRefused(str(refused)) from refused
        finally:
            self.engine.remove_image(f"{repository}:{version}")

    def _repository(self, tag: str) -> tuple[str, str]:
        name, _, version = tag.rpartition(":")
        return f"{self.folder}/{name.rpartition('/')[2]}", version
