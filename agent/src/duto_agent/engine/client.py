"""This host's container engine over its own unix socket: the few calls that the launcher needs, and what may go wrong."""

from __future__ import annotations

import contextlib
import io
import re
import tarfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import requests
from docker import APIClient
from docker.errors import APIError, DockerException

from duto.spec.sentences import said
from duto_agent.engine.buildkit import UNWATCHED, Watch
from duto_agent.engine.errors import EngineAway
from duto_agent.engine.pulling import Layers, NoCredentials, credentials, pull
from duto_protocol import messages

SOCKET = "/var/run/docker.sock"
CALL_S = 60
POOL = 80
T = TypeVar("T")
Facts = dict[str, Any]


class EngineRefused(Exception):
    """The engine understood and said no; `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


# The most that is read of a file of a container.
FILE_MAX = 16 << 20

# What the engine says while a part of it is down or it is just ending: its containerd, its builder, its own calls.
PASSING = re.compile(
    r"transport is closing|connection (?:error: desc|closed: )|code = Unavailable|: unavailable$|context canceled"
    r"|client connection is closing|ttrpc: closed|containerd\.sock",
    re.I,
)


def is_passing(words: str) -> bool:
    """Whether the engine could not even try: nothing is wrong with what it was asked for."""
    return PASSING.search(words.strip()) is not None


def refusal(status: int, words: str) -> EngineRefused | EngineAway:
    """What an error of the engine means to whoever asked."""
    if status == 503 or (status >= 500 and is_passing(words)):
        return EngineAway(said("engine_half_silent", error=words[:300]))
    return EngineRefused(status, words)


@dataclass(frozen=True)
class ImageFacts:
    """An image that stands here. The id is the truth, a name only leads to it."""

    id: str
    env: Mapping[str, str]
    size: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)


class Engine:
    """Connects when it is first needed: an agent starts, and waits, while its engine is away."""

    def __init__(self, socket: str = SOCKET) -> None:
        self.socket = socket
        self._lock = threading.Lock()
        self._api: Any = None
        self._info: Facts | None = None

    def call(self, ask: Callable[[Any], T]) -> T:
        """Raises EngineAway, EngineRefused."""
        with self._translated():
            return ask(self._connected())

    def lines(self, ask: Callable[[Any], Iterable[T]]) -> Iterator[T]:
        """The same for an answer that comes in pieces: the engine may go in the middle of it."""
        with self._translated():
            yield from ask(self._connected())

    def info(self) -> Facts:
        """What the engine says of itself, asked once. Raises EngineAway, EngineRefused."""
        if self._info is None:
            self._info = dict(self.call(lambda api: api.info()))
        return self._info

    @property
    def folder(self) -> Path | None:
        """Where it keeps its images and containers, where that is on this machine; None too while it is away."""
        try:
            place = Path(str(self.info().get("DockerRootDir") or ""))
        except (EngineAway, EngineRefused):
            return None
        return place if place.is_absolute() and place.is_dir() else None

    def facts(self) -> messages.Engine | None:
        """For the studio (docs/wire.md, `engine`); None while it is away."""
        try:
            info = self.info()
            version = self.call(lambda api: api.version())
        except (EngineAway, EngineRefused):
            return None
        return messages.Engine(
            name=str(info.get("Name") or ""),
            version=str(info.get("ServerVersion") or ""),
            api=str(version.get("ApiVersion") or ""),
            runtimes=sorted(info.get("Runtimes") or ()),
            cdi=bool(info.get("CDISpecDirs")),
        )

    def image(self, name: str) -> ImageFacts | None:
        """The image of this name or id, or None where it is not here."""
        found = self.inspect_image(name)
        if found is None:
            return None
        pairs = (str(each).partition("=") for each in (found.get("Config") or {}).get("Env") or ())
        env = {key: value for key, _, value in pairs}
        labels = (found.get("Config") or {}).get("Labels") or {}
        return ImageFacts(str(found["Id"]), env, int(found.get("Size") or 0), labels)

    def inspect_image(self, name: str) -> Facts | None:
        """All that the engine tells of an image, or None."""
        try:
            return dict(self.call(lambda api: api.inspect_image(name)))
        except EngineRefused as refused:
            if refused.status == 404:
                return None
            raise

    def pull(self, name: str, watch: Watch = UNWATCHED) -> None:
        """By tag (`latest` unless told) or by digest; `watch` hears of bytes. Raises EngineRefused with the registry's
        own words, EngineAway."""
        layers = Layers(watch.moved)
        for message in self.lines(lambda api: pull(api, name, watch)):
            layers.take(message)
            if message.get("error"):
                raise EngineRefused(502, str(message["error"]))

    def push(self, repository: str, tag: str) -> None:
        """Raises EngineRefused with the registry's own words, EngineAway."""
        self.call(lambda api: credentials(api, repository))  # read anew: it keeps what it has read
        for line in self.lines(lambda api: api.push(repository, tag=tag, stream=True, decode=True)):
            if line.get("error"):
                raise refusal(502, str(line["error"]))

    def images(self, labels: Mapping[str, str]) -> list[Facts]:
        """Images that carry all these labels."""
        wanted = [f"{key}={value}" for key, value in labels.items()]
        return list(self.call(lambda api: api.images(filters={"label": wanted})))

    def remove_image(self, name: str) -> None:
        """One that is in use (409) or gone stays so."""
        self._suppressing(lambda api: api.remove_image(name))

    def prune_builds(self, keep: int) -> int:
        """Remove what builds have left, in the engine's own order, until no more than `keep` bytes are left; layers of
        images that stand and what a build just uses stay. How many bytes came free. Raises EngineRefused, EngineAway."""
        return int(self.call(lambda api: api.prune_builds(keep_storage=keep)).get("SpaceReclaimed") or 0)

    def tag(self, image: str, repository: str, tag: str) -> None:
        """A further name for an image."""
        self.call(lambda api: api.tag(image, repository, tag=tag, force=True))

    def read(self, image: str, paths: Sequence[str], labels: Mapping[str, str]) -> list[bytes]:
        """Files of an image, which is not started for it. Raises EngineRefused, EngineAway."""
        name = f"duto-read-{image.rpartition(':')[2]}"
        config = {"Image": image, "Cmd": ["-"], "Labels": dict(labels), "NetworkDisabled": True}
        self.remove(name)
        self.create(name, config)
        try:
            return [self.call(partial(_file_of, name=name, path=path)) for path in paths]
        finally:
            self.remove(name)

    def create(self, name: str, config: Facts) -> bool:
        """Whether it was made now; False where a container of this name is there already."""
        try:
            self.call(lambda api: api.create_container_from_config(config, name))
            return True
        except EngineRefused as refused:
            if refused.status == 409:
                return False
            raise

    def inspect(self, name: str) -> Facts | None:
        """The container, or None."""
        try:
            return dict(self.call(lambda api: api.inspect_container(name)))
        except EngineRefused as refused:
            if refused.status == 404:
                return None
            raise

    def start(self, name: str) -> None:
        """Call it only for a container that was `created`: one that has ended would run again."""
        self.call(lambda api: api.start(name))

    def kill(self, name: str) -> None:
        """No error where it does not run (409) or is not there (404)."""
        self._suppressing(lambda api: api.kill(name))

    def ended_within(self, name: str, seconds: float) -> bool:
        """Whether it does not run any more."""
        try:
            self.call(lambda api: api.wait(name, timeout=seconds))
            return True
        except EngineRefused as refused:
            return refused.status == 404
        except EngineAway:
            state = (self.inspect(name) or {}).get("State") or {}
            return not state.get("Running")

    def remove(self, name: str) -> None:
        """With force, and its volumes. One that is gone, or just going, is no error."""
        self._suppressing(lambda api: api.remove_container(name, force=True, v=True))

    def containers(self, labels: Mapping[str, str]) -> list[Facts]:
        """Containers in any state that carry all these labels."""
        wanted = [f"{key}={value}" for key, value in labels.items()]
        return list(self.call(lambda api: api.containers(all=True, filters={"label": wanted})))

    def _suppressing(self, ask: Callable[[Any], object]) -> None:
        try:
            self.call(ask)
        except EngineRefused as refused:
            if refused.status not in (404, 409):
                raise

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Its library's errors as ours."""
        try:
            yield
        except APIError as error:
            status = int(getattr(error.response, "status_code", 500) or 500)
            raise refusal(status, str(error.explanation or error)) from error
        except NoCredentials as error:
            raise EngineRefused(401, str(error)) from error
        except (requests.RequestException, DockerException, OSError) as error:
            raise EngineAway(said("engine_silent", socket=str(self.socket), error=str(error))) from error

    def _connected(self) -> Any:
        with self._lock:
            if self._api is None:
                api = APIClient(f"unix://{self.socket}", version="auto", timeout=CALL_S, max_pool_size=POOL)
                api.trust_env = False  # certificates and proxies of the surroundings are not meant for a socket
                self._api = api
            return self._api


def _file_of(api: Any, name: str, path: str) -> bytes:
    """The engine sends a tar, whatever is asked for. What it holds was written by what ran there: it has a limit, packed and
    unpacked (a file may say that it is mostly empty)."""
    pieces, _ = api.get_archive(name, path)
    packed = bytearray()
    for piece in pieces:
        packed += piece
        if len(packed) > FILE_MAX:
            raise _too_large(path)
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        first = tar.next()
        member = tar.extractfile(first) if first is not None and first.isreg() else None
        data = member.read(FILE_MAX + 1) if member is not None else b""
    if len(data) > FILE_MAX:
        raise _too_large(path)
    return data


def _too_large(path: str) -> EngineRefused:
    return EngineRefused(413, f"'{path}' in the container is larger than {FILE_MAX} bytes.")
