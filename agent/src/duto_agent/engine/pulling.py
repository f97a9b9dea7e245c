"""Images that others have made: how far the engine is with fetching one, and what ends that."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from docker import auth
from docker.errors import DockerException
from docker.utils import parse_repository_tag

from duto.spec.sentences import Said, said
from duto_agent.engine.buildkit import Watch, disconnect

# What the engine says of a layer that is here, or has come.
COME = ("Verifying Checksum", "Download complete", "Extracting", "Pull complete")


class Layers:
    """How much of an image's layers has come, in bytes of what is sent: more become known as it goes."""

    def __init__(self, moved: Callable[[int, int, str], None]) -> None:
        self._moved = moved
        self._sizes: dict[str, int] = {}
        self._come: dict[str, int] = {}
        self._unpacked: set[str] = set()

    def take(self, message: Mapping[str, Any]) -> None:
        """One message of the engine about one layer; others change nothing."""
        layer, status = str(message.get("id") or ""), str(message.get("status") or "")
        detail = message.get("progressDetail") or {}
        if status == "Downloading" and detail.get("total"):
            self._sizes[layer] = int(detail["total"])
            self._come[layer] = min(int(detail.get("current") or 0), self._sizes[layer])
        elif status in COME and layer in self._sizes:
            self._come[layer] = self._sizes[layer]
        else:
            return
        if status == "Pull complete":
            self._unpacked.add(layer)
        done, total = sum(self._come.values()), sum(self._sizes.values())
        self._moved(done, total, self._words(done == total))

    def _words(self, has_come: bool) -> Said:
        count, done = len(self._sizes), len(self._unpacked)
        if has_come:
            return said("unpacking_one", done=done) if count == 1 else said("unpacking", done=done, count=count)
        return said("one_layer") if count == 1 else said("layers", count=count)


class NoCredentials(Exception):
    """What `docker login` has written cannot be used."""


def credentials(api: Any, repository: str) -> dict[str, str]:
    """The header that says who we are to the registry of a repository: as `docker login` of the agent's user has written
    it by now, to its file or to the store that the file names. Raises NoCredentials."""
    try:
        api.reload_config()
        registry, _ = auth.resolve_repository_name(repository)
        header = auth.get_config_header(api, registry)
    except DockerException as error:  # the program of a store, which may be missing
        raise NoCredentials(f"The credentials of its registry cannot be read: {error}") from error
    return {"X-Registry-Auth": header} if header else {}


def pull(api: Any, name: str, watch: Watch) -> Iterator[Mapping[str, Any]]:
    """Each message of the engine as it comes; an error is a message too. By tag (`latest` unless told) or by digest.

    Raises NoCredentials, and what the API raises.
    """
    repository, tag = parse_repository_tag(name)
    answer = api._post(
        api._url("/images/create"),
        params={"fromImage": repository, "tag": tag or "latest"},
        headers=credentials(api, repository),
        stream=True,
        timeout=None,
    )
    api._raise_for_status(answer)
    watch.opened(lambda: disconnect(answer))
    return (json.loads(line) for line in answer.iter_lines() if line)
