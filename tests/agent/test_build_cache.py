"""What builds leave in an engine is kept within its bounds: on an engine of this test's own, since it belongs to nobody."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from duto_agent.engine import buildkit
from duto_agent.engine.client import Engine
from duto_agent.host.housekeeping import Housekeeper
from duto_agent.host.launching import Identity, Unprotected
from duto_agent.images.image_store import ImageStore
from duto_agent.worker import containers_of
from studio.testing.engine import NoEngine, own
from studio.testing.plugin import lacking

MIB = 1 << 20
LABELS = {"duto.installation": "i", "duto.host": "h"}


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    try:
        with own(is_apart=True) as socket:
            yield Engine(socket)
    except NoEngine as reason:
        lacking(f"no engine of its own: {reason}", "DUTO_REQUIRE_DOCKER")


def build(engine: Engine, name: str) -> None:
    """An image with one layer of ten mebibytes that no other has. The engine keeps what it was sent, too."""
    dockerfile = f"FROM scratch\nCOPY {name} /\n"
    params = {"version": "2", "t": f"duto/env:{name}", "labels": json.dumps({**LABELS, "duto.kind": "image"})}
    tar = buildkit.context({"Dockerfile": dockerfile.encode(), name: os.urandom(10 * MIB)})
    said = list(engine.lines(lambda api: buildkit.build(api, params, tar, buildkit.UNWATCHED)))
    assert engine.image(f"duto/env:{name}") is not None, said


def left(engine: Engine) -> int:
    """Bytes that builds have left, beside images."""
    found: list[dict[str, Any]] = engine.call(lambda api: api.df())["BuildCache"]
    return sum(each["Size"] for each in found if not each["Shared"])


@pytest.mark.docker
def test_what_is_beyond_its_bounds_goes_and_images_stay(
    engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a", "b", "c"):
        build(engine, name)
    engine.remove_image("duto/env:a")
    engine.remove_image("duto/env:b")
    # What was sent three times, and two layers that no image has any more.
    before = left(engine)
    assert before > 40 * MIB
    Housekeeper(tmp_path, set, ImageStore(engine, LABELS, tmp_path / "images")).scan(time.time())
    assert left(engine) == before, "unless it is asked for"
    keeper = Housekeeper(tmp_path, set, ImageStore(engine, LABELS, tmp_path / "images", build_cache=25 * MIB))
    with caplog.at_level(logging.INFO, "duto.agent"):
        keeper.scan(time.time())
    assert 0 < left(engine) <= 25 * MIB, "what fits is kept"
    assert "of the cache of builds, which was over its bounds" in caplog.text
    assert engine.read("duto/env:c", ["/c"], {})[0], "an image that stands has lost nothing"
    caplog.clear()
    keeper.scan(time.time())
    assert "over its bounds" not in caplog.text


def test_an_engine_that_is_away_is_no_reason_to_stop(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ImageStore(Engine(str(tmp_path / "none")), LABELS, tmp_path, build_cache=MIB).trim()
    assert "the cache of builds cannot be pruned" in caplog.text


def test_a_size_that_is_none_is_refused_when_the_agent_starts(tmp_path: Path) -> None:
    me, given = Identity("i", "here", "http://127.0.0.1:1"), {"launcher": "docker", "base_image": "x"}
    for wrong in ("much", "12", "-3g"):
        with pytest.raises(Unprotected, match="DUTO_BUILD_CACHE cannot be"):
            containers_of(tmp_path, me, {**given, "build_cache": wrong}, None)
    made = containers_of(tmp_path, me, {**given, "build_cache": "2g"}, None)
    assert made is not None and made.images.image_store.build_cache == 2 << 30
