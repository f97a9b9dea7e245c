"""Addresses of files that will be read soon are asked for together, and used once."""

from __future__ import annotations

import pytest

from duto_agent.studio import addresses
from duto_agent.studio.addresses import Addresses
from duto_protocol.messages import ADDRESSES_MOST


class Studio:
    """Gives an address for each file but odd ones, and counts the questions."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.is_silent = False

    def ask(self, files: list[str]) -> list[str]:
        self.asked.append(files)
        return [] if self.is_silent else ["" if "odd" in file else f"http://store/{file}" for file in files]


def test_many_are_asked_for_at_once_and_each_is_used_once() -> None:
    studio = Studio()
    found = Addresses(studio.ask)
    names = [f"f{number}" for number in range(ADDRESSES_MOST + 10)]
    found.announce(names)
    assert [found.take(name) for name in names] == [f"http://store/{name}" for name in names]
    assert [len(each) for each in studio.asked] == [ADDRESSES_MOST, 10]
    assert found.take("f0") is None and len(studio.asked) == 2, "who needs it again asks for it alone"


def test_who_begins_in_the_middle_gets_what_follows_and_what_was_left_later() -> None:
    studio = Studio()
    found = Addresses(studio.ask)
    found.announce(["a", "b", "odd"])
    assert found.take("b") == "http://store/b"
    assert found.take("odd") == "" and found.take("a") == "http://store/a"
    assert found.take("unknown") is None


def test_a_studio_that_does_not_say_is_not_asked_again_for_the_same() -> None:
    studio = Studio()
    studio.is_silent = True
    found = Addresses(studio.ask)
    found.announce(["a", "b"])
    assert (found.take("a"), found.take("b"), len(studio.asked)) == (None, None, 1)


def test_an_address_that_has_waited_too_long_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    studio = Studio()
    found = Addresses(studio.ask)
    monkeypatch.setattr(addresses, "GOOD_S", 0.0)
    found.announce(["a"])
    assert found.take("a") is None


def test_a_new_announcement_forgets_the_one_before() -> None:
    studio = Studio()
    found = Addresses(studio.ask)
    found.announce(["a"])
    found.announce(["b"])
    assert found.take("a") is None and found.take("b") == "http://store/b"
