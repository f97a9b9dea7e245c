"""Which images an agent tells of and removes, on a real engine."""

from __future__ import annotations

import os
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from duto_agent.engine.client import Engine
from duto_agent.host.housekeeping import DAY_S, Housekeeper, storage_report
from duto_agent.images.environment_images import Image, Images
from duto_agent.images.image_builds import ImageReporter
from duto_agent.images.image_store import ImageStore, named, ours, own_bytes
from duto_protocol.messages import ImageReport, Keep
from duto_protocol.reports import AnyReport
from studio.testing.engine import IMAGE
from tests.agent.specs import step_of

docker = [pytest.mark.docker]


def test_an_image_costs_what_no_other_image_has() -> None:
    layers = {"base": ("a",), "mine": ("a", "b"), "on top": ("a", "b", "c"), "scratch": ()}
    sizes = {"base": 100, "mine": 130, "on top": 131, "scratch": 0}
    assert [own_bytes(each, layers, sizes) for each in layers] == [100, 30, 1, 0]


@pytest.mark.parametrize(
    ("tags", "wanted"),
    [
        (["duto/base:9", "duto/env:1"], ["duto/env:1", "duto/base:9"]),
        (["duto/env:1", "mine/model:2"], []),
        (["mine/model:2"], []),
        (["<none>:<none>"], []),
        (None, []),
    ],
)
def test_an_image_that_somebody_else_has_named_is_not_ours_to_remove(tags: list[str] | None, wanted: list[str]) -> None:
    image = {"RepoTags": tags, "Labels": {"duto.recipe": "1"}}
    assert ours(image) == wanted
    assert not any("<none>" in each for each in named(image))


class Host:
    """The images and the housekeeping of one host, on an engine that others use too."""

    def __init__(self, socket: str, folder: Path, name: str) -> None:
        self.engine, self.labels = Engine(socket), {"duto.installation": folder.name, "duto.host": name}
        self.image_store = ImageStore(self.engine, self.labels, folder / name / "images")
        self.images = Images(self.engine, IMAGE, self.image_store, self.labels)
        self.keeper = Housekeeper(folder / name, set, self.image_store)
        self.made: list[str] = []

    def build(self, text: str = "") -> tuple[Image, str]:
        """An image that was never built before, and its name."""
        dockerfile = f"FROM {IMAGE}\nRUN echo {uuid.uuid4().hex} > /mine\n{text}"
        spec: dict[str, Any] = {"container": {"base_dockerfile": dockerfile}, "environment": {"user_managed": True}}
        image = self.images.ensure(step_of(spec), lambda line: None)
        self.made.append(image.name)
        (name,) = named(self.engine.inspect_image(image.name) or {})
        return image, name

    def used(self, name: str, days: float) -> None:
        stamp = self.image_store.folder / f"{name.replace('/', '_').replace(':', '_')}.used"
        assert stamp.exists()
        os.utime(stamp, (time.time() - days * DAY_S,) * 2)

    def keys(self) -> set[str]:
        return {item.key for item in storage_report(self.keeper.storage).images or ()}


@pytest.fixture
def hosts(engine_socket: str) -> Iterator[tuple[Host, Host]]:
    with tempfile.TemporaryDirectory(prefix="duto-image_store-") as folder:
        made = Host(engine_socket, Path(folder), "mine"), Host(engine_socket, Path(folder), "other")
        yield made
        engine = made[0].engine
        for each in engine.containers({"duto.installation": Path(folder).name}):
            engine.remove(each["Id"])
        for name in (name for host in made for name in host.made):
            engine.remove_image(name)


class TestOnAnEngine:
    """With real images."""

    pytestmark = docker

    def test_images_that_nobody_used_for_long_enough_go_and_the_rest_stays(self, hosts: tuple[Host, Host]) -> None:
        mine, other = hosts
        (_, old), (_, young), (taken, held), (_, theirs) = mine.build(), mine.build(), mine.build(), other.build()
        for host, name, days in ((mine, old, 31), (mine, young, 29), (mine, held, 400), (other, theirs, 400)):
            host.used(name, days)
        container = {"Image": taken.name, "Cmd": ["true"], "Labels": mine.labels}
        mine.engine.create(f"{mine.labels['duto.installation']}-held", container)
        mine.keeper.scan(time.time())
        assert mine.keys() == {old, young, held}, "without a policy everything stays, and what others made is not told"
        reports = {item.key: item for item in storage_report(mine.keeper.storage).images or ()}
        assert [reports[each].in_use for each in (old, young, held)] == [False, False, True]
        assert 0 < (reports[old].bytes or 0) < 1 << 20, "the base is not given back with it"

        mine.keeper.policy = Keep(images=30)
        mine.keeper.scan(time.time())
        assert mine.keys() == {young, held} and mine.engine.image(old) is None
        assert mine.engine.image(theirs) is not None and mine.engine.image(IMAGE) is not None
        assert not list(mine.image_store.folder.glob(f"*{old.partition(':')[2]}*"))

    def test_an_image_that_a_step_was_just_given_stays_under_any_policy(self, hosts: tuple[Host, Host]) -> None:
        mine, _ = hosts
        image, name = mine.build()
        mine.keeper.policy = Keep(images=0)
        mine.keeper.scan(time.time())
        assert mine.engine.image(name) is not None
        mine.used(name, 2)
        (item,) = mine.image_store.items(time.time())
        mine.image_store.use(name)  # between the look and the removal
        assert not mine.image_store.remove(item, time.time() - DAY_S, time.time())
        assert mine.engine.image(image.name) is not None

    def test_a_container_that_comes_meanwhile_keeps_its_image(self, hosts: tuple[Host, Host]) -> None:
        mine, _ = hosts
        image, name = mine.build()
        mine.used(name, 2)
        (item,) = mine.image_store.items(time.time())
        container = {"Image": image.name, "Cmd": ["true"], "Labels": mine.labels}
        mine.engine.create(f"{mine.labels['duto.installation']}-late", container)
        mine.engine.tag(image.name, "duto/base", image.name[-32:])  # as a build on top of it does
        item["names"].append(f"duto/base:{image.name[-32:]}")
        assert not mine.image_store.remove(item, time.time() - DAY_S, time.time())
        assert mine.engine.image(name) is not None

    def test_a_nameless_leftover_of_ours_goes_after_a_day_whatever_the_policy(self, hosts: tuple[Host, Host]) -> None:
        mine, other = hosts
        (left, name), (theirs, their_name) = mine.build(), other.build()
        fresh, _ = mine.build()
        for image, each in ((left, name), (theirs, their_name)):
            repository, _, tag = each.partition(":")
            mine.engine.tag(fresh.name, repository, tag)  # another image takes the name
            assert named(mine.engine.inspect_image(image.name) or {}) == []
        mine.keeper.scan(time.time())
        assert mine.engine.image(left.name) is not None, "it may be a build that goes on"
        mine.keeper.scan(time.time() + 2 * DAY_S)
        assert mine.engine.image(left.name) is None and mine.engine.image(theirs.name) is not None

    def test_the_studio_hears_of_what_stands_and_of_what_others_have_removed(self, hosts: tuple[Host, Host]) -> None:
        mine, _ = hosts
        heard: list[Any] = []
        reports: list[tuple[str, str]] = []

        def tell(report: AnyReport, urgent: bool = False, **more: Any) -> None:
            assert isinstance(report, ImageReport)
            reports.append((report.event, report.image))
            heard.append((report, more.get("heard")))

        _, name = mine.build()
        mine.image_store.reporter = ImageReporter(tell)
        mine.keeper.scan(time.time())
        assert reports == [("ready", name)], "a new agent tells of all that it finds"
        assert heard[0][0].recipe["dockerfile"].startswith(name.partition(":")[2])
        mine.engine.remove_image(name)
        mine.keeper.scan(time.time())
        assert len(reports) == 1, "it was used a moment ago and may just be made anew"
        for _ in range(2):
            mine.used(name, 1)
            mine.keeper.scan(time.time())
        assert reports[1:] == [("removed", name)] * 2, "until the studio has heard it"
        heard[-1][1]()
        mine.keeper.scan(time.time())
        assert len(reports) == 3

    def test_an_engine_that_is_away_does_not_make_images_unknown(self, hosts: tuple[Host, Host]) -> None:
        mine, _ = hosts
        _, name = mine.build()
        mine.keeper.scan(time.time())
        mine.image_store.engine = Engine("/nowhere/engine.sock")
        mine.keeper.policy = Keep(images=0)
        mine.keeper.scan(time.time() + 9 * DAY_S)
        assert mine.keys() == {name} and mine.engine.image(name) is not None
