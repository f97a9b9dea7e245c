"""The conversation with the studio: one thread waits for work, the other tells what happened.

Everything that is told can be told again, so a lost answer costs a repetition and nothing else. A report that the studio
cannot take is found out among the others, and ends its own attempt with the reason.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from msgspec import Raw

from duto.spec.sentences import Said, foreign, said
from duto_agent.loops import LONGEST_PAUSE_S, backoff, start_loop, succeeds
from duto_agent.studio.client import (  # fmt: skip
    PATIENCE_S,
    Away,
    KeyRefused,
    Refused,
    StudioClient,
    StudioFaulty,
)
from duto_protocol import messages
from duto_protocol.messages import Answer, AttemptReport, BuildReport, Finished, Held, HostFacts
from duto_protocol.reading import written
from duto_protocol.reports import AnyReport
from duto_protocol.values import Moment

LONG_POLL_S = 10.0
# Reports that can wait this long after the latest of them travel with the verdict of a short step: one call instead of
# three. Where there is always another one, none waits longer than the second number.
LINGER_S, LINGER_MOST_S = 0.06, 0.25
# A lease is renewed when a fifth of it is over: calls that fail, and breaks of the studio's own, fit into the rest.
RENEW_SHARE, RENEW_S = 0.2, 6.0
AGAIN_S = 0.1
# Reports of one call: how many, and how many bytes of them unless one alone has more.
BATCH, BATCH_BYTES = 200, 16 << 20
# The end of an attempt that the studio does not take even in the fewest words is told again so often.
LAST_WORD_S, WORDS_MOST = 60.0, 2000
log = logging.getLogger("duto.agent")
Heard = Callable[[], None]


class SendReport(Protocol):
    """Queues a report for the studio."""

    def __call__(self, report: AnyReport, urgent: bool = False, heard: Heard | None = None) -> None: ...


def discard(report: AnyReport, urgent: bool = False, heard: Heard | None = None) -> None:
    """For whoever has nobody to tell: taken as heard."""
    if heard is not None:
        heard()


class WorkHandler(Protocol):
    """What the exchange needs of the supervisor."""

    def holding(self) -> list[Held]: ...
    def capacity(self) -> int: ...
    def take(self, answer: Answer) -> None: ...


@dataclass(eq=False)
class QueuedReport:
    """A report on its way. It is JSON already: what cannot be told is found out by whoever tells it."""

    attempt: str | None
    epoch: int | None
    event: str
    data: bytes
    heard: Heard | None = None
    is_last_word: bool = False
    # Since when the studio fails at it, and when it is told again.
    faulty_since: float | None = None
    again_at: float = 0.0

    @classmethod
    def of(cls, report: AnyReport, heard: Heard | None = None, is_last_word: bool = False) -> QueuedReport:
        """Raises TypeError, RecursionError for what cannot be said."""
        attempt = None if isinstance(report, BuildReport) else report.attempt or None
        epoch = report.epoch if isinstance(report, AttemptReport) else None
        return cls(attempt, epoch, report.event, written(report.with_said()), heard, is_last_word)


def final_report(attempt: str, epoch: int, message: Said, cause: str = "studio_fault") -> Finished:
    """The end of an attempt in the fewest words."""
    words = message if len(message) <= WORDS_MOST else foreign(message[:WORDS_MOST])
    return Finished(event="finished", attempt=attempt, epoch=epoch, at=Moment.present(), cause=cause, message=words)


class Exchange:
    """Claims and reports. `send_report` never blocks."""

    def __init__(self, client: StudioClient, facts: Callable[[], HostFacts]) -> None:
        self.client, self.facts = client, facts
        self.handler: WorkHandler
        self._pending: list[QueuedReport] = []
        self._lock = threading.Lock()
        self._news, self._urgent, self._stop = threading.Event(), threading.Event(), threading.Event()
        self._away = False
        self._renew_s = RENEW_S
        self._claim_pause, self._report_pause = backoff(), backoff()

    def start(self, handler: WorkHandler) -> None:
        self.handler = handler
        start_loop("claim", self._claim, self._stop)
        start_loop("report", self._tell_pending, self._stop)

    def stop(self) -> None:
        self._stop.set()
        self._news.set()
        self._urgent.set()

    def send_report(self, report: AnyReport, urgent: bool = False, heard: Heard | None = None) -> None:
        """Queue a report; `heard` is called once the studio has it.

        Raises TypeError, RecursionError for what cannot be said.
        """
        queued = QueuedReport.of(report, heard)
        with self._lock:
            self._pending.append(queued)
        if urgent:
            self._urgent.set()
        self._news.set()

    def wake(self) -> None:
        """The wake-up: there may be work."""
        self._urgent.set()
        self._news.set()

    def _claim(self) -> None:
        """One turn of the thread that waits for work."""
        try:
            answer = self._call([], LONG_POLL_S)
        except (Away, Refused) as error:
            self._note_away(error)
            self._stop.wait(next(self._claim_pause))
            return
        self._claim_pause = backoff()
        self.handler.take(answer)
        if answer.cancel and not answer.work:
            self._stop.wait(AGAIN_S)  # a cancel is repeated until its step is over, without a pause

    def _tell_pending(self) -> None:
        """One turn of the thread that tells."""
        self._gather()
        if self._stop.is_set():
            return
        batch = self._batch()
        try:
            answer = self._call(without_duplicates(batch), 0)
        except (Refused, StudioFaulty) as error:
            if batch:
                self._tell_one_by_one(batch)
            else:
                self._wait_for_studio(error)
            return
        except Away as error:
            self._wait_for_studio(error)
            return
        self._report_pause = backoff()
        self._heard(batch)
        self.handler.take(answer)

    def _wait_for_studio(self, error: Away | Refused) -> None:
        self._note_away(error)
        self._stop.wait(next(self._report_pause))
        self._news.set()

    def _batch(self) -> list[QueuedReport]:
        """What is told next: one that the studio has failed at alone, for it may fail again."""
        moment = time.monotonic()
        with self._lock:
            due = [each for each in self._pending if each.again_at <= moment]
        doubted = [each for each in due if each.faulty_since is not None]
        if doubted:
            return doubted[:1]
        size = 0
        batch: list[QueuedReport] = []
        for each in due[:BATCH]:
            size += len(each.data)
            if batch and size > BATCH_BYTES:
                break
            batch.append(each)
        return batch

    def _tell_one_by_one(self, batch: list[QueuedReport]) -> None:
        """The studio could not take this call: is it out of order, or is it one of these reports?"""
        try:
            self.handler.take(self._call([], 0))
            for each in batch:
                try:
                    answer = self._call([each], 0)
                except (Refused, StudioFaulty) as error:
                    self._isolate_refused(each, error)
                    continue
                self._heard([each])
                self.handler.take(answer)
        except (Away, Refused) as error:
            self._wait_for_studio(error)
        self._news.set()

    def _isolate_refused(self, queued: QueuedReport, error: Away | Refused) -> None:
        """A fault of the studio's may pass; a refusal will not, and neither will a fault that lasts."""
        moment = time.monotonic()
        queued.faulty_since = queued.faulty_since or moment
        queued.again_at = moment + LONGEST_PAUSE_S
        if isinstance(error, StudioFaulty) and moment - queued.faulty_since < PATIENCE_S:
            return
        log.error("the studio cannot take '%s' of attempt %s: %s", queued.event, queued.attempt, error)
        if queued.is_last_word:
            queued.again_at = moment + LAST_WORD_S
        elif queued.event == "finished" and queued.attempt:
            message = said("end_not_taken", error=str(error))
            self._replace(queued, final_report(queued.attempt, queued.epoch or 0, message))
        else:
            self._heard([queued])

    def _replace(self, queued: QueuedReport, last: Finished) -> None:
        word = QueuedReport.of(last, queued.heard, is_last_word=True)
        with self._lock:
            self._pending[self._pending.index(queued)] = word

    def _gather(self) -> None:
        """Wait until there is something to tell, or a lease to renew, and a little longer for what belongs to it."""
        self._news.wait(self._renew_s)
        most = time.monotonic() + LINGER_MOST_S
        while self._news.is_set() and not self._urgent.is_set() and time.monotonic() < most:
            self._news.clear()
            self._urgent.wait(LINGER_S)
        self._news.clear()
        self._urgent.clear()

    def _call(self, reports: Iterable[QueuedReport], wait: float) -> Answer:
        """Raises Away, Refused."""
        message = messages.Exchange(
            host=self._facts(),
            holding=self.handler.holding(),
            reports=[Raw(each.data) for each in reports],
            want=self.handler.capacity(),
            wait=wait,
        )
        answer = self.client.exchange(message)
        if self._away:
            self._away = False
            log.info("the studio is back")
        if answer.lease_seconds:
            self._renew_s = min(RENEW_S, answer.lease_seconds * RENEW_SHARE)
        return answer

    def _facts(self) -> HostFacts:
        """What the host tells of itself; leases are renewed even where that cannot be found out."""
        found: list[HostFacts] = []
        succeeds("facts of this host", lambda: found.append(self.facts()))
        return found[0] if found else HostFacts()

    def _heard(self, batch: Iterable[QueuedReport]) -> None:
        heard = set(batch)
        with self._lock:
            self._pending = [each for each in self._pending if each not in heard]
            if any(each.again_at <= time.monotonic() for each in self._pending):
                self._news.set()
        for each in heard:
            if each.heard is not None:
                succeeds("a report that was heard", each.heard)

    def _note_away(self, error: Away | Refused) -> None:
        if not self._away and not self._stop.is_set():
            self._away = True
            hint = "" if isinstance(error, KeyRefused) else "; steps go on, and it is tried again"
            log.warning("the studio is away: %s%s", error, hint)


def without_duplicates(reports: list[QueuedReport]) -> list[QueuedReport]:
    """`preparing` says nothing beside the `started` or `finished` of the same attempt in the same call, nor does
    `collecting` beside its `finished`."""
    started = {each.attempt for each in reports if each.event in ("started", "finished")}
    finished = {each.attempt for each in reports if each.event == "finished"}
    echoes = {"preparing": started, "collecting": finished}
    return [each for each in reports if each.attempt not in echoes.get(each.event, ())]
