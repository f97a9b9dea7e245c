"""No garbage is looked for while somebody holds the collector; it is given back whatever happens."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest

from core import collector


@pytest.fixture(autouse=True)
def enabled() -> Iterator[None]:
    gc.enable()
    yield
    gc.enable()


def test_it_is_held_until_the_last_one_is_done() -> None:
    with collector.held():
        assert not gc.isenabled()
        with collector.held():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_comes_back_after_a_fault() -> None:
    with pytest.raises(ValueError, match="on purpose"), collector.held():
        raise ValueError("on purpose")
    assert gc.isenabled()


def test_another_thread_keeps_it_held() -> None:
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with collector.held():
            inside.set()
            leave.wait(60)

    other = threading.Thread(target=hold)
    other.start()
    assert inside.wait(60)
    with collector.held():
        pass
    assert not gc.isenabled()
    leave.set()
    other.join(60)
    assert gc.isenabled()


def test_transactions_without_a_gap_do_not_hold_it_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "MOST_S", -1.0)
    with collector.held():
        assert not gc.isenabled()
        with collector.held():
            assert gc.isenabled()
    with collector.held():
        assert not gc.isenabled()
