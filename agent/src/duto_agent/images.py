"""From an environment to a container image: a base, and on it the lock, byte-compiled. Each once on this host."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from duto_agent import buildkit
from duto_agent.environments import BuildFailed, explain
from duto_agent.launchers.engine import Engine, EngineRefused, ImageFacts
from duto_agent.shelf import Shelf, labelled
from duto_agent.uvtool import UvMissing, uv_binary, uv_environment

Say = Callable[[str], None]
PYTHON = "python3"
ENVIRONMENT = "/opt/duto/env"
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
    warnings: tuple[str, ...] = ()


class Images:
    """`base` is the image of hosts' configuration; an environment may bring its own."""

    def __init__(self, engine: Engine, base: str | None, shelf: Shelf, labels: Mapping[str, str]) -> None:
        self.engine, self.base, self.shelf, self.labels = engine, base, shelf, dict(labels)

    def ensure(self, spec: Mapping[str, Any], say: Say) -> Image:
        """The image of this step; whoever asks while it is built waits for the one build. Raises BuildFailed, EngineAway."""
        try:
            return self._ensure(spec, say)
        except EngineRefused as refused:
            raise BuildFailed(f"The container engine refused: {str(refused)[:300]}") from refused

    def _ensure(self, spec: Mapping[str, Any], say: Say) -> Image:
        environment, container = spec.get("environment") or {}, spec.get("container") or {}
        lock = str(environment.get("lock") or "")
        if container.get("base_dockerfile"):
            base = self._written(str(container["base_dockerfile"]), say)
        elif name := container.get("base_image") or self.base:
            with self.shelf.only_one(str(name)):
                base = self._base(str(name), say)
        else:
            raise BuildFailed("No base image is configured: set 'base_image' in host.json, or in the environment.")
        if environment.get("user_managed") or not lock.strip():
            return Image(base.id, PYTHON)
        tag = tag_of(base.id, lock)
        with self.shelf.only_one(tag):
            built = self.engine.image(tag) or self._build(tag, base, lock, say)
            self.shelf.use(tag)
        # The id, not the name: after a removal the same name may be another image.
        return Image(built.id, f"{ENVIRONMENT}/bin/python")

    def _base(self, name: str, say: Say) -> ImageFacts:
        found = self.engine.image(name)
        if found is None:
            say(f"Fetching the image {name}.")
            try:
                self.engine.pull(name)
            except EngineRefused as error:
                raise BuildFailed(
                    f"The base image '{name}' is not on this host and cannot be fetched: {error}"
                ) from error
            found = self.engine.image(name)
        if found is None:
            raise BuildFailed(f"The base image '{name}' is not on this host and cannot be fetched.")
        return found

    def _written(self, dockerfile: str, say: Say) -> ImageFacts:
        """A base that the environment itself describes; there are no files beside its Dockerfile."""
        tag = f"{BASES}:{hashlib.sha256(dockerfile.encode()).hexdigest()[:32]}"
        with self.shelf.only_one(tag):
            built = self.engine.image(tag)
            if built is None:
                say(f"Building the base image {tag}.")
                built = self._run(tag, {"Dockerfile": dockerfile.encode()}, say)
            self.shelf.use(tag)
        return built

    def _build(self, tag: str, base: ImageFacts, lock: str, say: Say) -> ImageFacts:
        say(f"Building the image {tag}.")
        try:
            uv = buildkit.readable(uv_binary())
        except (UvMissing, OSError) as error:
            raise BuildFailed(str(error)) from error
        variables, left_out = reachable(uv_environment())
        for each in left_out:
            say(f"{each} is a folder of this host and not used: a build does not see it.")
        settings, certificates = _settings(variables)
        short = base.id.rpartition(":")[2][:32]
        self.engine.tag(base.id, BASES, short)  # BuildKit takes a name, and looks for an id in a registry
        built = self._run(
            tag,
            {
                "Dockerfile": TEMPLATE.format(base=f"{BASES}:{short}", environment=ENVIRONMENT).encode(),
                "uv": uv,
                "lock.txt": lock.encode(),
                "settings.sh": settings.encode(),
                "certificates.pem": certificates,
            },
            say,
        )
        say("The image is ready.")
        return built

    def _run(self, tag: str, files: Mapping[str, bytes], say: Say) -> ImageFacts:
        said: list[str] = []
        for line in self._lines(tag, buildkit.context(files)):
            said.append(line)
            say(line)
        built = self.engine.image(tag)
        if built is None:
            own = [line for line in said if not line.startswith(BUILDKITS_OWN)]
            raise BuildFailed(explain("\n".join(own or said)))
        return built

    def _lines(self, tag: str, context: bytes) -> Iterator[str]:
        """What the build says; an error is its last line."""
        labels = labelled(self.labels, tag.rpartition(":")[2])
        params = {"version": "2", "t": tag, "labels": json.dumps(labels)}
        yield from self.engine.lines(lambda api: buildkit.build(api, params, context))


def tag_of(base: str, lock: str) -> str:
    """The same base, lock and way of building are the same image."""
    recipe = json.dumps({"base": base, "lock": lock, "template": TEMPLATE}, sort_keys=True)
    return f"{REPOSITORY}:{hashlib.sha256(recipe.encode()).hexdigest()[:32]}"


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
