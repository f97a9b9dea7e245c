"""From an environment to a container image: a base, and on it the lock, byte-compiled. Each once on this host."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from duto.spec.sentences import Said, said
from duto_agent.disk_space import full, is_mentioned_in
from duto_agent.engine import buildkit
from duto_agent.engine.client import Engine, EngineRefused, ImageFacts, is_passing
from duto_agent.engine.errors import EngineAway
from duto_agent.engine.registry import Registry, RegistryRefused
from duto_agent.environments import conda
from duto_agent.environments.builder import BuildFailed, failure_of
from duto_agent.environments.uv_tool import UvMissing, uv_binary, uv_environment
from duto_agent.images import conda_images
from duto_agent.images.base_images import BaseImages
from duto_agent.images.dockerfiles import images_of
from duto_agent.images.image_builds import BYTES, Canceled, ImageBuild, SharedBuild, SharedBuilds
from duto_agent.images.image_store import ImageStore, labelled, made_of
from duto_agent.worded import words_of
from duto_protocol.messages import LaunchSpec

Say = Callable[[str], None]
PYTHON = "python3"
ENVIRONMENT = conda_images.ENVIRONMENT
REPOSITORY = "duto/env"
BASES = "duto/base"
BUILDKITS_OWN = ("executor failed running", "failed to solve", "process ")
# uv and what it is told of indexes are only shown to the build: neither becomes a layer of the image.
TEMPLATE = """FROM {base}
USER 0:0
RUN --mount=type=bind,source=uv,target=/run/duto/uv \\
    --mount=type=bind,source=lock.txt,target=/run/duto/lock.txt \\
    --mount=type=bind,source=settings.sh,target=/run/duto/settings.sh \\
    --mount=type=bind,source=certificates.pem,target=/run/duto/certificates.pem \\
    --mount=type=cache,target=/run/duto/cache \\
    set -e; . /run/duto/settings.sh; export UV_CACHE_DIR=/run/duto/cache UV_LINK_MODE=copy; \\
    /run/duto/uv venv --no-project --python python3 {environment}; \\
    /run/duto/uv pip sync --compile-bytecode --python {environment}/bin/python /run/duto/lock.txt
ENV PATH={environment}/bin:$PATH
"""


@dataclass(frozen=True)
class Image:
    """What a step runs in: the image, and the interpreter inside."""

    name: str
    python: str
    warnings: tuple[Said, ...] = ()


class Images:
    """`base` is the image of hosts' configuration; an environment may bring its own. `micromamba`, if there is one, is
    the image by which conda packages are installed."""

    def __init__(
        self,
        engine: Engine,
        base: str | None,
        image_store: ImageStore,
        labels: Mapping[str, str],
        registry: Registry | None = None,
        micromamba: str | None = None,
    ) -> None:
        self.engine, self.base, self.image_store, self.labels, self.registry = (
            engine,
            base,
            image_store,
            dict(labels),
            registry,
        )
        self.micromamba = micromamba
        self.shared_builds = SharedBuilds()
        self.bases = BaseImages(engine, image_store, self.shared_builds)

    def cancel(self, tag: str, by: str) -> None:
        """End the making of an image for all who wait for it; the studio hears of an end in any case."""
        if not self.shared_builds.cancel(tag, by):
            self.image_store.reporter.not_made(tag)

    def ensure(self, spec: LaunchSpec, say: Say, attempt: str = "") -> Image:
        """The image of this step; whoever asks while it is built waits for the one build.

        Raises BuildFailed, DiskFull, EngineAway.
        """
        try:
            return self._ensure(spec, say, attempt)
        except EngineRefused as refused:
            if is_mentioned_in(str(refused)):
                raise full(said("step_image"), self.engine.folder) from refused
            raise BuildFailed(said("engine_refused", error=str(refused)[:300])) from refused

    def _ensure(self, spec: LaunchSpec, say: Say, attempt: str) -> Image:
        environment, container = spec.environment, spec.container
        lock = environment.lock or ""
        if conda.is_lock(lock) and not self.micromamba:
            raise BuildFailed(said("no_conda_base"))
        if container.base_dockerfile:
            base = self._written(container.base_dockerfile, say, attempt)
        else:
            base = self._resolve_runtime(container.base_image, say, attempt)
        if environment.user_managed or not lock.strip():
            return Image(base.id, PYTHON)
        own = self.bases.get(str(self.micromamba), say, attempt).id if conda.is_lock(lock) else ""
        making = ImageBuild(tag_of(base.id, lock, own), recipe_of(base.id, lock, own), attempt)
        built = self._one(making, say, lambda: self._files(making.recipe, lock, say))
        # The id, not the name: after a removal the same name may be another image.
        return Image(built.id, f"{ENVIRONMENT}/bin/python")

    def resolve(self, recipe: Mapping[str, Any], say: Say) -> str:
        """The lock of a recipe with conda packages, on the base of this host. Raises BuildFailed, DiskFull, EngineAway."""
        if not self.micromamba:
            raise BuildFailed(said("no_conda_base"))
        if conda.is_too_old(recipe.get("python")):
            raise BuildFailed(said("python_too_old", version=recipe["python"]))
        try:
            micromamba, base = self.bases.get(self.micromamba, say), self._resolve_runtime(None, say)
            files = conda_images.of_recipe(self._for_build(micromamba.id), self._for_build(base.id), recipe)
            tag = f"{conda_images.LOCKS}:{_digest(json.dumps(dict(recipe), sort_keys=True))[:32]}"
            with self.image_store.only_one(tag):
                return self._found(tag, {**files, **self._shown(say)}, say)
        except EngineRefused as refused:
            if is_mentioned_in(str(refused)):
                raise full(said("an_environment"), self.engine.folder) from refused
            raise BuildFailed(said("engine_refused", error=str(refused)[:300])) from refused

    def _found(self, tag: str, files: Mapping[str, bytes], say: Say) -> str:
        """Build it anew, since channels change, and read what came of it out of the image."""
        labels = json.dumps({**self.labels, "duto.kind": "lock"})
        params = {"version": "2", "t": tag, "labels": labels, "nocache": "1", "forcerm": "1"}
        heard: list[str] = []
        self.engine.remove_image(tag)
        for line in self.engine.lines(
            lambda api: buildkit.build(api, params, buildkit.context(files), buildkit.UNWATCHED)
        ):
            heard.append(line)
            say(line)
        if self.engine.image(tag) is None:
            raise self._reason(heard)
        try:
            found = self.engine.read(tag, [f"/{name}" for name in conda_images.FOUND], json.loads(labels))
        finally:
            self.engine.remove_image(tag)
        return conda.join(*(text.decode() for text in found))

    def _one(
        self, making: ImageBuild, say: Say, files: Callable[[], Mapping[str, bytes]], needs: Sequence[str] = ()
    ) -> ImageFacts:
        """The image of this name; if there is none it is made now, by one of those who ask for it, of the images that it
        `needs`."""
        with self.shared_builds.asked(making.tag) as mine, self.image_store.only_one(making.tag):
            mine.check()
            built = self._standing(making) or self._fetched(making, mine, say)
            if built is None:
                self._bring(needs, making, say)
                built = self._make(making, mine, say, files)
                self._give(making, say)
            self.image_store.use(making.tag)
        return built

    def _standing(self, making: ImageBuild) -> ImageFacts | None:
        """The image of this name, if its labels say that it is made of the same: others may have given it the name."""
        found = self.engine.image(making.tag)
        return found if found is not None and made_of(found.labels) == making.recipe else None

    def _bring(self, names: Sequence[str], making: ImageBuild, say: Say) -> None:
        try:
            for name in names:
                self.bases.get(name, say, making.attempt)
        except Canceled as canceled:  # that ends it for all who wait for what was to be made of it
            self.shared_builds.cancel(making.tag, canceled.by)
            raise

    def _fetched(self, making: ImageBuild, mine: SharedBuild, say: Say) -> ImageFacts | None:
        """From the registry, where another host has built it. One that cannot be asked is no reason to fail."""
        if self.registry is None:
            return None
        try:
            if not self._fetch(self.registry, making, mine):
                return None
        except RegistryRefused as refused:
            say(f"The registry {self.registry.place} was asked for the image in vain: {refused}")
            return None
        found = self._standing(making)
        if found is None:
            say(f"The registry's image {making.tag} is made of something else by its labels, and not used.")
        else:
            say(f"Fetched the image {making.tag} from the registry.")
            self.image_store.was_fetched(making.tag)
            self.image_store.reporter.ready(making, found.id, found.size, fetched=True)
        return found

    def _fetch(self, registry: Registry, making: ImageBuild, mine: SharedBuild) -> bool:
        """The studio hears of it once there is something that comes. Raises BuildFailed where it was canceled."""
        coming = threading.Event()

        def moved(done: int, total: int, text: str) -> None:
            if not coming.is_set():
                coming.set()
                self.image_store.reporter.building(making)
            self.image_store.reporter.progress(making, done, total, text, BYTES)

        try:
            try:
                return registry.fetch(making.tag, buildkit.Watch(moved, mine.may_end_by))
            finally:
                mine.check()
        except (BuildFailed, EngineAway, ValueError) as error:
            if coming.is_set():
                self.image_store.reporter.failed(making, error)
            raise

    def _give(self, making: ImageBuild, say: Say) -> None:
        if self.registry is None:
            return
        try:
            self.registry.give(making.tag)
            say("The image is in the registry.")
        except RegistryRefused as refused:
            say(f"The registry {self.registry.place} did not take the image: {refused}")

    def _resolve_runtime(self, wanted: object, say: Say, attempt: str = "") -> ImageFacts:
        """What the environment names, else this host; where it names only a micromamba, that has to do."""
        name = wanted or self.base or self.micromamba
        if not name:
            raise BuildFailed(said("no_base_image"))
        return self.bases.get(str(name), say, attempt)

    def _written(self, dockerfile: str, say: Say, attempt: str) -> ImageFacts:
        """A base that the environment itself describes; there are no files beside its Dockerfile."""
        digest = _digest(dockerfile)
        making = ImageBuild(f"{BASES}:{digest[:32]}", {"dockerfile": digest}, attempt)
        return self._one(making, say, lambda: {"Dockerfile": dockerfile.encode()}, images_of(dockerfile))

    def _files(self, recipe: Mapping[str, str], lock: str, say: Say) -> Mapping[str, bytes]:
        """What the build of an environment is shown."""
        base = self._for_build(recipe["base"])
        if "micromamba" in recipe:
            files = conda_images.of_lock(self._for_build(recipe["micromamba"]), base, lock)
        else:
            dockerfile = TEMPLATE.format(base=base, environment=ENVIRONMENT)
            files = {"Dockerfile": dockerfile.encode(), "lock.txt": lock.encode()}
        return {**files, **self._shown(say)}

    def _for_build(self, image: str) -> str:
        """A name for an image: BuildKit takes one, and looks for an id in a registry."""
        short = image.rpartition(":")[2][:32]
        self.engine.tag(image, BASES, short)
        return f"{BASES}:{short}"

    def _shown(self, say: Say) -> dict[str, bytes]:
        """uv, and what it is told of indexes and certificates."""
        try:
            uv = buildkit.readable(uv_binary())
        except (UvMissing, OSError) as error:
            raise BuildFailed(words_of(error)) from error
        variables, left_out = reachable(uv_environment())
        for each in left_out:
            say(f"{each} is a folder of this host and not used: a build does not see it.")
        settings, certificates = _settings(variables)
        return {"uv": uv, "settings.sh": settings.encode(), "certificates.pem": certificates}

    def _make(
        self, making: ImageBuild, mine: SharedBuild, say: Say, files: Callable[[], Mapping[str, bytes]]
    ) -> ImageFacts:
        """Build it, and tell the studio how that goes."""
        say(f"Building the image {making.tag}.")
        self.image_store.reporter.building(making)
        try:
            built = self._run(making, mine, say, files())
        except Exception as error:  # whatever it was, nobody must think that it is still being built
            self.image_store.reporter.failed(making, error)
            raise
        self.image_store.reporter.ready(making, built.id, built.size)
        say("The image is ready.")
        return built

    def _run(self, making: ImageBuild, mine: SharedBuild, say: Say, files: Mapping[str, bytes]) -> ImageFacts:
        heard: list[str] = []
        for line in self._lines(making, mine, buildkit.context(files)):
            heard.append(line)
            say(line)
        built = self.engine.image(making.tag)
        if built is None:
            mine.check()
            if heard and is_passing(heard[-1]):
                raise EngineAway(said("engine_went", error=heard[-1][:300]))
            raise self._reason(heard)
        return built

    def _reason(self, heard: Sequence[str]) -> Exception:
        """Why a build failed, by what its commands said."""
        own = "\n".join([line for line in heard if not line.startswith(BUILDKITS_OWN)] or heard)
        unsolved = conda.explain(own)
        return BuildFailed(unsolved) if unsolved else failure_of(own, self.engine.folder)

    def _lines(self, making: ImageBuild, mine: SharedBuild, context: bytes) -> Iterator[str]:
        """What the build says; an error is its last line. Raises BuildFailed where it was canceled."""
        labels = labelled(self.labels, making.tag, making.recipe)
        params = {"version": "2", "t": making.tag, "labels": json.dumps(labels)}
        moved = partial(self._moved, making)
        watch = buildkit.Watch(moved, mine.may_end_by)
        try:
            yield from self.engine.lines(lambda api: buildkit.build(api, params, context, watch))
        except (EngineAway, ValueError):  # or it was us who hung up, amid a word
            mine.check()
            raise

    def _moved(self, making: ImageBuild, done: int, total: int, text: str) -> None:
        self.image_store.reporter.progress(making, done, total, said("installing") if ENVIRONMENT in text else text)


def recipe_of(base: str, lock: str, micromamba: str = "") -> dict[str, str]:
    """The named parts that an environment's image is made of."""
    if micromamba:
        return {
            "base": base, "micromamba": micromamba, "lock": _digest(lock), "template": _digest(conda_images.TEMPLATE),
        }  # fmt: skip
    return {"base": base, "lock": _digest(lock), "template": _digest(TEMPLATE)}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def tag_of(base: str, lock: str, micromamba: str = "") -> str:
    """The same bases, lock and way of building are the same image."""
    recipe = {"base": base, "lock": lock, "template": conda_images.TEMPLATE if micromamba else TEMPLATE}
    text = json.dumps({**recipe, **({"micromamba": micromamba} if micromamba else {})}, sort_keys=True)
    return f"{REPOSITORY}:{_digest(text)[:32]}"


def reachable(variables: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Indexes and links that a build reaches, and the folders of this host that it does not."""
    found, left_out = dict(variables), []
    for name, separator in (("UV_INDEX", " "), ("UV_FIND_LINKS", ","), ("UV_DEFAULT_INDEX", " ")):
        given = [each for each in found.pop(name, "").split(separator) if each]
        near = [each for each in given if each.startswith(("file:", "/", "."))]
        left_out += near
        if kept := [each for each in given if each not in near]:
            found[name] = separator.join(kept)
    return found, left_out


def _settings(variables: Mapping[str, str]) -> tuple[str, bytes]:
    """uv's variables as a shell file, and the certificates that this host trusts."""
    kept = {name: value for name, value in variables.items() if name.startswith("UV_") and name != "UV_CACHE_DIR"}
    kept |= {name: value for name, value in variables.items() if name.upper().endswith("_PROXY")}
    certificates = b""
    if variables.get("SSL_CERT_FILE"):
        certificates = buildkit.readable(variables["SSL_CERT_FILE"])
        kept["SSL_CERT_FILE"] = "/run/duto/certificates.pem"
    lines = ("export {}='{}'".format(name, value.replace("'", "'\\''")) for name, value in sorted(kept.items()))
    return "".join(f"{line}\n" for line in lines), certificates
