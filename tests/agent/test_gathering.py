"""What belongs together is told in one call: a report that can wait does so after the latest one, not the first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from duto_agent.studio.exchange import LINGER_MOST_S, LINGER_S, Exchange
from duto_protocol.messages import AttemptReport, HostFacts


class Scripted(threading.Event):
    """An event whose waits do something instead of waiting."""

    def __init__(self, *actions: Callable[[], Any]) -> None:
        super().__init__()
        self.actions, self.waits = list(actions), 0

    def wait(self, timeout: float | None = None) -> bool:
        self.waits += 1
        if self.actions:
            self.actions.pop(0)()
        return self.is_set()


def sending(event: str, urgent: bool = False) -> Callable[[Exchange], None]:
    return lambda exchange: exchange.send_report(AttemptReport(event=event), urgent=urgent)


def gathered(*actions: Callable[[Exchange], None]) -> tuple[Exchange, int]:
    """The exchange after one gathering in which this happens, wait by wait; and how often it waited for more."""
    exchange = Exchange(None, HostFacts)  # type: ignore[arg-type]
    urgent = Scripted(*[lambda action=action: action(exchange) for action in actions[1:]])  # type: ignore[misc]
    exchange._urgent = urgent
    actions[0](exchange)
    exchange._gather()
    return exchange, urgent.waits


def test_the_start_of_a_short_step_waits_for_its_end() -> None:
    exchange, waits = gathered(sending("preparing"), sending("started"), sending("finished", urgent=True))
    assert (len(exchange._pending), waits) == (3, 2)


def test_a_report_after_which_nothing_comes_waits_once() -> None:
    exchange, waits = gathered(sending("started"))
    assert (len(exchange._pending), waits) == (1, 1)


def test_what_is_urgent_waits_for_nothing() -> None:
    exchange, waits = gathered(sending("finished", urgent=True))
    assert (len(exchange._pending), waits) == (1, 0)


def test_where_there_is_always_another_one_none_waits_for_ever(monkeypatch: Any) -> None:
    ticks = iter(range(1000))
    monkeypatch.setattr("duto_agent.studio.exchange.time.monotonic", lambda: next(ticks) * LINGER_S)
    _, waits = gathered(*[sending("started")] * 100)
    assert waits <= LINGER_MOST_S / LINGER_S + 1
