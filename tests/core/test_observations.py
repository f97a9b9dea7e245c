"""What lies elsewhere is looked at before the lock under which it decides, once, and refused where it is decided."""

from __future__ import annotations

import pytest

from core.errors import Unprocessable
from core.observations import Far, Observations, Unobserved, ask, require_no_lock


class Store:
    """Answers, and counts how often."""

    def __init__(self, *, is_away: bool = False) -> None:
        self.asked, self.is_away = 0, is_away

    def look(self) -> str:
        require_no_lock()
        self.asked += 1
        if self.is_away:
            raise Unprocessable("away")
        return "found"


def test_without_a_lock_it_is_asked_at_once() -> None:
    store = Store()
    assert ask("a", store.look) == "found" and store.asked == 1


def test_under_a_lock_it_is_noted_looked_at_after_and_known_then() -> None:
    store, observations = Store(), Observations()
    with observations.deciding():
        with pytest.raises(Unobserved):
            ask("a", store.look)
        assert ask("near", lambda: "here") == "here", "what needs nothing from elsewhere is no trouble"
    assert store.asked == 0 and observations.are_missed
    assert observations.look() and not observations.look() and store.asked == 1
    with observations.deciding():
        assert ask("a", store.look) == "found"
    assert store.asked == 1 and not observations.are_missed


def test_a_refusal_is_raised_where_it_is_decided() -> None:
    store, observations = Store(is_away=True), Observations()
    with observations.deciding(), pytest.raises(Unobserved):
        ask("a", store.look)
    observations.look()
    with observations.deciding(), pytest.raises(Unprocessable, match="away"):
        ask("a", store.look)


def test_what_nobody_asked_for_in_this_way_goes_nowhere() -> None:
    store = Store()
    with Observations().deciding(), pytest.raises(Far):
        store.look()
    assert store.asked == 0
