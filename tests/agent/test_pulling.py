"""Base images that are fetched: how far it is, and how a person ends it, with a real engine and a real registry."""

from __future__ import annotations

import hashlib
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from duto_agent.engine.pulling import Layers
from duto_agent.engine.registry import Registry
from duto_agent.environments.builder import BuildFailed
from duto_agent.images.base_images import tag_of
from duto_agent.images.dockerfiles import images_of
from duto_agent.images.image_store import labelled
from duto_protocol.reading import builtins_of
from studio.testing.engine import IMAGE, forget
from tests.agent.slow import Slow, publish, slow
from tests.agent.specs import step_of
from tests.agent.steps import until
from tests.agent.test_registry import Host, place  # noqa: F401 - fixture

SIZE = 24 << 20


def test_the_bytes_of_layers_are_summed_up() -> None:
    moved: list[tuple[int, int, str]] = []
    layers = Layers(lambda *given: moved.append(given))
    for layer, status, current, total in (
        ("", "Pulling from x", 0, 0),
        ("a", "Pulling fs layer", 0, 0),
        ("b", "Already exists", 0, 0),
        ("a", "Downloading", 10, 100),
        ("c", "Downloading", 5, 50),
        ("a", "Verifying Checksum", 0, 0),
        ("c", "Download complete", 0, 0),
        ("a", "Extracting", 3, 900),
        ("a", "Pull complete", 0, 0),
    ):
        layers.take({"id": layer, "status": status, "progressDetail": {"current": current, "total": total}})
    assert moved == [
        (10, 100, "1 layer"),
        (15, 150, "2 layers"),
        (105, 150, "2 layers"),
        (150, 150, "unpacking, 0 of 2 layers done"),
        (150, 150, "unpacking, 0 of 2 layers done"),
        (150, 150, "unpacking, 1 of 2 layers done"),
    ]


@pytest.mark.parametrize(
    ("dockerfile", "wanted"),
    [
        ("FROM a", ["a"]),
        ("# FROM x\nfrom --platform=linux/amd64 a:1 as One\nFROM one\nFROM scratch\nCOPY --from=0 /a /b\n", ["a:1"]),
        ("ARG V=3 \nARG N\nFROM py:${V}\nFROM py:$V-${X:-slim}\nFROM $N\n", ["py:3", "py:3-slim"]),
        ("FROM a AS b\nCOPY --chown=1 \\\n  --from=c/d@sha256:1 /x /y\nCOPY --from=b /x /y\n", ["a", "c/d@sha256:1"]),
        (
            "FROM a\nRUN --mount=type=bind,from=e:2,target=/m --mount=type=cache,target=/c echo --from=f from=g\n",
            ["a", "e:2"],
        ),
        ("", []),
    ],
)
def test_a_dockerfile_names_the_images_that_it_begins_with(dockerfile: str, wanted: list[str]) -> None:
    assert images_of(dockerfile) == wanted


@pytest.fixture
def host(engine_socket: str, place: str) -> Iterator[Host]:  # noqa: F811
    with tempfile.TemporaryDirectory(prefix="dutopull") as folder:
        made = Host(engine_socket, Path(folder), "one", place)
        made.images.registry = None
        yield made
        forget(engine_socket, Path(folder).name)


@pytest.fixture
def pushed(host: Host, place: str) -> Iterator[str]:  # noqa: F811
    """An image in the registry that the engine never had: its name behind the address."""
    name = uuid.uuid4().hex
    publish(place, name, "1", SIZE)
    yield f"{name}:1"
    for each in host.engine.images({}):
        for tag in each.get("RepoTags") or ():
            if name in tag:
                host.engine.remove_image(tag)


@pytest.fixture
def registry(place: str) -> Iterator[Slow]:  # noqa: F811
    with slow(place, 8 << 20) as made:
        yield made


def spec(name: str) -> dict[str, Any]:
    return {"container": {"base_image": name}, "environment": {"user_managed": True}}


def reports_of(host: Host, tag: str) -> list[dict[str, Any]]:
    return [each for each in all_reports(host) if each["image"] == tag]


def all_reports(host: Host) -> list[dict[str, Any]]:
    """As it goes over the wire."""
    return [builtins_of(each) for each in host.events]


def ends_of_two(host: Host, wanted: dict[str, Any], name: str) -> list[str]:
    """Two ask for the same at once; when the first bytes of this image have come, ana cancels its fetch: what each is told."""
    ends: list[str] = []

    def ask() -> None:
        try:
            host.images.ensure(step_of(wanted), host.said.append, "a")
        except BuildFailed as error:
            ends.append(str(error))

    asking = [threading.Thread(target=ask) for _ in range(2)]
    for each in asking:
        each.start()
    until(lambda: any((each.get("progress") or {}).get("done") for each in reports_of(host, tag_of(name))))
    host.images.cancel(tag_of(name), "ana")
    for each in asking:
        each.join(60)
    return ends


@pytest.mark.docker
class TestEngine:
    """With a real engine and a real registry, which is slow."""

    def test_a_fetch_tells_its_bytes_and_its_end_and_when_others_remove_the_image(
        self, host: Host, pushed: str, registry: Slow
    ) -> None:
        name = f"{registry.place}/{pushed}"
        image = host.images.ensure(step_of(spec(name)), host.said.append, "a")
        assert image.name == (host.engine.inspect_image(name) or {})["Id"]
        events = reports_of(host, tag_of(name))
        begin, *middle, end = events
        assert (begin["event"], begin["recipe"], begin["attempt"]) == ("building", {"image": name}, "a")
        assert begin["at"] and end["event"] == "ready"
        assert (end["image_id"], end["size"] >= SIZE) == (image.name, True)
        seen = [each["progress"] for each in middle]
        assert all(each["unit"] == "bytes" and 0 <= each["done"] <= each["total"] for each in seen)
        assert any(0 < each["done"] < SIZE <= each["total"] for each in seen), seen
        assert host.said == [f"Fetching the image {name}."]
        before = len(host.events)
        host.images.ensure(step_of(spec(name)), host.said.append, "b")
        assert len(host.events) == before, "it is here"
        host.keeper.scan(time.time() + 99)
        assert len(host.events) == before
        host.engine.remove_image(name)
        host.keeper.scan(time.time() + 99)
        assert all_reports(host)[before:] == [{"image": tag_of(name), "event": "removed"}]
        assert list(host.image_store.folder.iterdir()) == []

    def test_a_cancel_ends_the_fetch_for_all_who_wait_for_it(self, host: Host, pushed: str, registry: Slow) -> None:
        registry.rate = 1 << 20
        name = f"{registry.place}/{pushed}"
        ends = ends_of_two(host, spec(name), name)
        assert ends == [f"The fetch of the base image '{name}' was canceled by ana."] * 2
        assert [each["message"] for each in reports_of(host, tag_of(name)) if each["event"] == "failed"] == ends[:1]
        assert registry.cut.wait(60), "the engine has hung up"
        assert registry.sent < SIZE
        assert host.engine.image(name) is None
        registry.rate = 1 << 30
        assert host.images.ensure(step_of(spec(name)), host.said.append, "a"), "who asks again gets it"

    def test_a_dockerfile_whose_first_image_is_not_wanted_any_more_fails_for_all_who_wait(
        self, host: Host, pushed: str, registry: Slow
    ) -> None:
        registry.rate = 1 << 20
        name = f"{registry.place}/{pushed}"
        one = {"container": {"base_dockerfile": f"FROM {name}\n"}, "environment": {"user_managed": True}}
        ends = ends_of_two(host, one, name)
        fetch, build = f"The fetch of the base image '{name}'", "The build of its image"
        assert sorted(ends) == [f"{build} was canceled by ana.", f"{fetch} was canceled by ana."]
        assert host.said.count(f"Fetching the image {name}.") == 1

    def test_what_another_host_has_built_comes_in_bytes_too(self, host: Host, registry: Slow) -> None:
        text = f"FROM {IMAGE}\nRUN echo {uuid.uuid4().hex}\n"
        digest = hashlib.sha256(text.encode()).hexdigest()
        version = digest[:32]
        labels = labelled({}, f"duto/base:{version}", {"dockerfile": digest})
        publish(registry.behind, "dutopulls/base", version, SIZE, labels)
        one = {"container": {"base_dockerfile": text}, "environment": {"user_managed": True}}
        host.images.registry = Registry(host.engine, registry.place, "dutopulls")
        try:
            assert host.images.ensure(step_of(one), host.said.append, "b")
        finally:
            host.engine.remove_image(f"duto/base:{version}")
        events = all_reports(host)
        kinds = [each["event"] for each in events]
        assert kinds[0] == "building" and kinds[-1] == "ready" and events[-1]["fetched"] is True
        seen = [each["progress"] for each in events if each.get("progress")]
        assert any(each["unit"] == "bytes" and each["total"] >= SIZE for each in seen)
