"""The conversation with the studio: one thread waits for work, the other tells what happened.

Everything that is told can be told again, so a lost answer costs a repetition and nothing else.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from duto_agent.studio_client import Away, KeyRefused, Refused, StudioClient, pauses

LONG_POLL_S = 10.0
# Reports that can wait this long after the latest of them travel with the verdict of a short step: one call instead of
# three. Where there is always another one, none waits longer than the second number.
LINGER_S, LINGER_MOST_S = 0.06, 0.25
# A lease is renewed when a fifth of it is over: calls that fail, and breaks of the studio's own, fit into the rest.
RENEW_SHARE, RENEW_S = 0.2, 6.0
AGAIN_S = 0.1
BATCH = 200
say = logging.getLogger("duto.agent")
Report = dict[str, Any]


class Hands(Protocol):
    """What the exchange needs of the supervisor."""

    def holding(self) -> list[dict[str, Any]]: ...
    def capacity(self) -> int: ...
    def take(self, answer: dict[str, Any]) -> None: ...


class Exchange:
    """Claims and reports. `tell` never blocks."""

    def __init__(self, client: StudioClient, facts: Callable[[], dict[str, Any]]) -> None:
        self.client, self.facts = client, facts
        self.hands: Hands
        self._pending: list[tuple[Report, Callable[[], None] | None]] = []
        self._lock = threading.Lock()
        self._news, self._urgent, self._stop = threading.Event(), threading.Event(), threading.Event()
        self._away = False
        self._renew_s = RENEW_S

    def start(self, hands: Hands) -> None:
        self.hands = hands
        for name, loop in (("claim", self._claim_loop), ("report", self._report_loop)):
            threading.Thread(target=loop, name=name, daemon=True).start()

    def stop(self) -> None:
        self._stop.set()
        self._news.set()
        self._urgent.set()

    def tell(self, report: Report, urgent: bool = False, heard: Callable[[], None] | None = None) -> None:
        """Queue a report; `heard` is called once the studio has it."""
        with self._lock:
            self._pending.append((report, heard))
        if urgent:
            self._urgent.set()
        self._news.set()

    def wake(self) -> None:
        """The bell: there may be work."""
        self._urgent.set()
        self._news.set()

    def _claim_loop(self) -> None:
        pause = pauses()
        while not self._stop.is_set():
            try:
                answer = self._call([], LONG_POLL_S)
                pause = pauses()
            except Away as error:
                self._note_away(error)
                self._stop.wait(next(pause))
                continue
            self._hand_over(answer)
            if answer.get("cancel") and not answer.get("work"):
                self._stop.wait(AGAIN_S)  # a cancel is repeated until its step is over, without a pause

    def _report_loop(self) -> None:
        pause = pauses()
        while not self._stop.is_set():
            self._gather()
            if self._stop.is_set():
                return
            with self._lock:
                batch = self._pending[:BATCH]
            try:
                answer = self._call(without_echoes([report for report, _ in batch]), 0)
            except Away as error:
                self._note_away(error)
                self._stop.wait(next(pause))
                self._news.set()
                continue
            pause = pauses()
            self._heard(batch)
            self._hand_over(answer)

    def _gather(self) -> None:
        """Wait until there is something to tell, or a lease to renew, and a little longer for what belongs to it."""
        self._news.wait(self._renew_s)
        most = time.monotonic() + LINGER_MOST_S
        while self._news.is_set() and not self._urgent.is_set() and time.monotonic() < most:
            self._news.clear()
            self._urgent.wait(LINGER_S)
        self._news.clear()
        self._urgent.clear()

    def _call(self, reports: list[Report], wait: float) -> dict[str, Any]:
        document = {
            "host": self.facts(), "holding": self.hands.holding(), "reports": reports,
            "want": self.hands.capacity(), "wait": wait,
        }  # fmt: skip
        try:
            answer = self.client.exchange(document, wait)
        except Refused as error:  # the studio cannot read us: keep everything, and say so
            raise Away(str(error)) from error
        if self._away:
            self._away = False
            say.info("the studio is back")
        if lease := answer.get("lease_seconds"):
            self._renew_s = min(RENEW_S, float(lease) * RENEW_SHARE)
        return answer

    def _heard(self, batch: list[tuple[Report, Callable[[], None] | None]]) -> None:
        with self._lock:
            del self._pending[: len(batch)]
            if self._pending:
                self._news.set()
        for _, heard in batch:
            if heard is not None:
                heard()

    def _hand_over(self, answer: dict[str, Any]) -> None:
        try:
            self.hands.take(answer)
        except Exception:  # one bad piece of work must not end the conversation
            say.exception("an answer of the studio could not be used")

    def _note_away(self, error: Away) -> None:
        if not self._away and not self._stop.is_set():
            self._away = True
            hint = "" if isinstance(error, KeyRefused) else "; steps go on, and it is tried again"
            say.warning("the studio is away: %s%s", error, hint)


def without_echoes(reports: list[Report]) -> list[Report]:
    """`preparing` says nothing beside the `started` or `finished` of the same attempt in the same call."""
    later = {report.get("attempt") for report in reports if report.get("event") in ("started", "finished")}
    return [each for each in reports if not (each.get("event") == "preparing" and each.get("attempt") in later)]
