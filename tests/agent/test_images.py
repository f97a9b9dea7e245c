"""What an agent tells of the images that it makes, and how a person ends the making of one."""

from __future__ import annotations

import hashlib
import threading
import time
from typing import Any

import pytest

from duto_agent.engine.buildkit import Steps
from duto_agent.environments.builder import BuildFailed
from duto_agent.images.image_builds import ImageBuild, ImageReporter, SharedBuilds
from studio.testing.engine import IMAGE
from tests.agent.steps import until
from tests.agent.studio import Studio
from tests.agent.test_agent import Host
from tests.agent.test_container_host import environment, host, studio  # noqa: F401 - fixtures

docker = [pytest.mark.docker]
MAKING = ImageBuild("duto/env:1", {"lock": "l"}, "a")


class TestHost:
    """With a real engine."""

    pytestmark = docker

    def test_the_studio_hears_what_is_built_how_far_it_is_and_what_came_of_it(
        self,
        host: Host,  # noqa: F811
        studio: Studio,  # noqa: F811
    ) -> None:
        text, tag = dockerfile(host, "RUN echo one; sleep 2\nRUN echo two; sleep 2\n")
        key = host.give("pass", environment=environment(), container={"base_dockerfile": text})
        ready = studio.wait("ready", tag, 120)
        assert ready["size"] > 1 << 20 and ready["image_id"].startswith("sha256:")
        assert ready["attempt"] == key.attempt and ready["recipe"] == {"dockerfile": digest(text)}
        found = [each["progress"] for each in studio.reports if each.get("image") == tag and each.get("progress")]
        assert found and all(0 <= each["done"] <= each["total"] for each in found)
        assert any("RUN echo" in each["text"] for each in found)
        assert studio.wait("finished", key.attempt, 60)["exit_code"] == 0

    def test_a_canceled_build_ends_at_once_for_all_steps_that_wait_for_it(
        self,
        host: Host,  # noqa: F811
        studio: Studio,  # noqa: F811
    ) -> None:
        text, tag = dockerfile(host, "RUN echo begun; sleep 300\n")
        keys = [host.give("pass", environment=environment(), container={"base_dockerfile": text}) for _ in range(2)]
        until(lambda: any(b"begun" in studio.logs.get(key.attempt, b"") for key in keys))
        studio.cancel_image(tag, "ana")
        reports = [studio.wait("finished", key.attempt, 30) for key in keys]
        assert [(each["cause"], each["message"]) for each in reports] == [
            ("environment", "The build of its image was canceled by ana.")
        ] * 2
        # The studio may ask once more before it hears of the end; the answer to that changes nothing.
        studio.wait("failed", tag)
        first = next(each for each in studio.reports if each.get("image") == tag and each["event"] == "failed")
        assert first["message"] == "The build of its image was canceled by ana."
        assert studio.report("ready", tag) is None

    def test_a_cancel_of_what_nobody_builds_is_answered(self, host: Host, studio: Studio) -> None:  # noqa: F811
        studio.cancel_image("duto/env:0123", "ana")
        assert "not being built" in studio.wait("failed", "duto/env:0123", 30)["message"]


def dockerfile(host: Host, text: str) -> tuple[str, str]:  # noqa: F811
    """One that was never built before, and the name of its image."""
    whole = f"FROM {IMAGE}\nRUN echo {host.home} > /mine\n{text}"
    return whole, f"duto/base:{digest(whole)[:32]}"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_who_asks_after_a_cancel_is_not_canceled() -> None:
    shared_builds, ended = SharedBuilds(), []
    with shared_builds.asked("t") as first:
        first.may_end_by(lambda: ended.append(1))
        with shared_builds.asked("t") as second:
            assert second is first
            assert shared_builds.cancel("t", "ana") and shared_builds.cancel("t", "bert"), (
                "the second word is about the same end"
            )
            with shared_builds.asked("t") as third:
                third.check()
            with pytest.raises(BuildFailed, match="canceled by ana"):
                second.check()
    assert ended == [1]
    assert not shared_builds.cancel("t", "ana"), "nobody asks any more"


def test_a_cancel_that_comes_before_the_build_has_begun_ends_it_as_it_begins() -> None:
    shared_builds, ended = SharedBuilds(), threading.Event()
    with shared_builds.asked("t") as mine:
        shared_builds.cancel("t", "")
        mine.may_end_by(ended.set)
        assert ended.is_set()
        with pytest.raises(BuildFailed, match=r"was canceled\.$"):
            mine.check()


def test_a_studio_that_is_away_is_owed_one_word_of_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duto_agent.images.image_builds.PROGRESS_S", 0)
    calls: list[tuple[Any, Any]] = []
    reporter = ImageReporter(lambda report, urgent=False, heard=None: calls.append((report, heard)))
    for done in range(3):
        reporter.progress(MAKING, done, 4, "x")
    assert [report.progress.done for report, _ in calls] == [0]
    calls[0][1]()
    until(lambda: len(calls) == 2)
    assert calls[1][0].progress.done == 2, "and hears the last one, once it is back"
    reporter.progress(MAKING, 3, 4, "x")
    reporter.ready(MAKING, "sha256:1", 1)
    calls[1][1]()
    time.sleep(0.05)
    assert [report.event for report, _ in calls] == ["building", "building", "ready"], "what is over is not told of"


def test_the_steps_of_a_build_are_counted_from_its_trace() -> None:
    moved: list[tuple[int, int, str]] = []
    steps = Steps(lambda *given: moved.append(given))
    steps.take(vertex(b"a", b"[1/2] FROM x") + vertex(b"b", b"[2/2] RUN\n  y"))
    steps.take(vertex(b"a", b"[1/2] FROM x", started=True))
    steps.take(vertex(b"a", b"", started=True, ended=True) + vertex(b"b", b"[2/2] RUN\n  y", started=True))
    steps.take(b"")
    assert moved == [(0, 2, ""), (0, 2, "[1/2] FROM x"), (1, 2, "[2/2] RUN y")]


def vertex(name: bytes, words: bytes, started: bool = False, ended: bool = False) -> bytes:
    """A StatusResponse with one vertex."""
    inner = field(1, name) + field(3, words) + (field(5, b"\x08\x01") if started else b"")
    return field(1, inner + (field(6, b"\x08\x02") if ended else b""))


def field(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | 2, len(value)]) + value
