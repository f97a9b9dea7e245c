"""Images through a registry that hosts share, on a real engine and a real registry."""

from __future__ import annotations

import json
import os
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from duto_agent.engine.client import Engine
from duto_agent.engine.registry import Registry
from duto_agent.host.housekeeping import DAY_S, Housekeeper
from duto_agent.images.environment_images import Images
from duto_agent.images.image_builds import ImageReporter
from duto_agent.images.image_store import ImageStore
from duto_protocol.messages import ImageReport, Keep
from duto_protocol.reports import AnyReport
from studio.testing.engine import IMAGE, NoEngine, forget
from studio.testing.plugin import lacking
from studio.testing.registry import registry
from tests.agent.specs import step_of

pytestmark = [pytest.mark.docker]


@pytest.fixture(scope="module")
def place(engine_socket: str) -> Iterator[str]:
    try:
        with registry() as address:
            yield address
    except NoEngine as reason:
        lacking(f"no registry here: {reason}", "DUTO_REQUIRE_DOCKER")


class Host:
    """One of two hosts of an installation. They share the engine of the tests: what one has built is removed there first."""

    def __init__(self, socket: str, folder: Path, name: str, place: str) -> None:
        self.engine, labels = Engine(socket), {"duto.installation": folder.name, "duto.host": name}
        self.events: list[AnyReport] = []
        self.said: list[str] = []
        self.image_store = ImageStore(self.engine, labels, folder / name / "images", ImageReporter(self.tell))
        self.images = Images(self.engine, IMAGE, self.image_store, labels, Registry(self.engine, place, folder.name))
        self.keeper = Housekeeper(folder / name, set, self.image_store)

    def tell(self, report: AnyReport, urgent: bool = False, heard: Any = None) -> None:
        self.events.append(report)
        if heard is not None:
            heard()

    def ensure(self, dockerfile: str) -> tuple[str, str]:
        """The image's id and its own name."""
        spec = {"container": {"base_dockerfile": dockerfile}, "environment": {"user_managed": True}}
        image = self.images.ensure(step_of(spec), self.said.append, "a")
        found = self.engine.inspect_image(image.name) or {}
        assert len(found["RepoTags"]) == 1, "the registry's name is not left on it"
        return image.name, found["RepoTags"][0]

    def last(self) -> tuple[str, bool]:
        ready = next(each for each in reversed(self.events) if each.event == "ready")
        assert isinstance(ready, ImageReport)
        return ready.image, bool(ready.fetched)


@pytest.fixture
def hosts(engine_socket: str, place: str) -> Iterator[tuple[Host, Host]]:
    with tempfile.TemporaryDirectory(prefix="duto-reg-") as folder:
        path = Path(folder)
        yield Host(engine_socket, path, "one", place), Host(engine_socket, path, "two", place)
        forget(engine_socket, path.name)


def fresh() -> str:
    return f"FROM {IMAGE}\nRUN echo {uuid.uuid4().hex} > /mine\n"


def test_what_one_host_has_built_the_other_fetches_and_removes_by_its_own_policy(hosts: tuple[Host, Host]) -> None:
    one, two = hosts
    text = fresh()
    built, tag = one.ensure(text)
    assert one.last() == (tag, False) and "The image is in the registry." in one.said
    one.engine.remove_image(tag)
    fetched, name = two.ensure(text)
    assert (fetched, name) == (built, tag), "the very same image"
    assert two.last() == (tag, True) and not any("Building" in line for line in two.said)
    one.keeper.scan(time.time())
    two.keeper.scan(time.time())
    (found,) = two.keeper.storage["images"]
    assert found["key"] == tag
    stamp = next(two.image_store.folder.glob("*.used"))
    os.utime(stamp, (time.time() - 9 * DAY_S,) * 2)
    two.keeper.policy = Keep(images=3)
    two.keeper.scan(time.time())
    assert two.engine.image(tag) is None and two.events[-1] == ImageReport(event="removed", image=tag)
    assert list(two.image_store.folder.iterdir()) == []


def test_an_image_that_others_gave_our_name_is_not_used_here_nor_fetched(hosts: tuple[Host, Host]) -> None:
    one, two = hosts
    text = fresh()
    _, tag = one.ensure(text)
    foreign = one.engine.image(IMAGE)
    assert foreign is not None
    repository, _, version = tag.rpartition(":")
    one.engine.tag(foreign.id, repository, version)
    one.images.registry.give(tag)  # type: ignore[union-attr]
    spec = {"container": {"base_dockerfile": text}, "environment": {"user_managed": True}}
    again = two.images.ensure(step_of(spec), two.said.append, "a")
    assert again.name != foreign.id and any("made of something else" in line for line in two.said)
    assert json.loads((two.engine.inspect_image(tag) or {})["Config"]["Labels"]["duto.made-of"])["dockerfile"]


def test_any_installation_has_a_folder_that_a_registry_takes(engine_socket: str) -> None:
    names = {
        name: Registry(Engine(engine_socket), "r/d/", name).folder for name in ("0190ab-c12", "duto-reg-_b_", "Ab__c")
    }
    assert names == {"0190ab-c12": "r/d/0190ab-c12", "duto-reg-_b_": "r/d/duto-reg-b", "Ab__c": "r/d/ab-c"}


def test_installations_do_not_fetch_each_others_images(
    hosts: tuple[Host, Host], engine_socket: str, place: str
) -> None:
    one, _ = hosts
    text = fresh()
    _, tag = one.ensure(text)
    one.engine.remove_image(tag)
    with tempfile.TemporaryDirectory(prefix="duto-oth-") as folder:
        other = Host(engine_socket, Path(folder), "one", place)
        other.ensure(text)
        assert other.last() == (tag, False)
        forget(engine_socket, Path(folder).name)


def test_a_registry_that_is_away_costs_a_line_and_no_step(
    hosts: tuple[Host, Host], engine_socket: str, tmp_path: Path
) -> None:
    one, _ = hosts
    one.images.registry = Registry(one.engine, "127.0.0.1:9", "x")
    _, tag = one.ensure(fresh())
    assert one.last() == (tag, False)
    assert any("asked for the image in vain" in line for line in one.said)
    assert any("did not take the image" in line for line in one.said)


def test_a_base_image_is_fetched_by_its_digest(hosts: tuple[Host, Host], place: str) -> None:
    one, _ = hosts
    one.engine.tag(IMAGE, f"{place}/base", "1")
    one.engine.push(f"{place}/base", "1")
    digest = (one.engine.inspect_image(f"{place}/base:1") or {})["RepoDigests"][-1]
    assert "@sha256:" in digest
    one.engine.remove_image(f"{place}/base:1")
    wanted = f"{place}/base@{digest.partition('@')[2]}"
    assert one.engine.image(wanted) is None
    spec = {"container": {"base_image": wanted}, "environment": {"user_managed": True}}
    try:
        assert one.images.ensure(step_of(spec), one.said.append).name == (one.engine.inspect_image(IMAGE) or {})["Id"]
        assert one.said == [f"Fetching the image {wanted}."]
    finally:
        one.engine.remove_image(wanted)
