"""The attempts of a step in words: why each ended, what its end left behind, and what comes next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from core.clock import now
from runs import causes
from runs.models import Attempt, Run
from runs.services.maintenance import unresponsive
from runs.stored_messages import error_text
from runs.web.tree import StepRow


@dataclass(frozen=True)
class Note:
    """A line below the step's name: an icon, a sentence, and a moment that it speaks of."""

    icon: str
    text: str
    moment: datetime | None = None


@dataclass(frozen=True)
class AttemptRow:
    """One attempt as the list of attempts shows it."""

    attempt: Attempt
    icon: str
    word: str
    # The first line of its message, and what follows.
    message: str
    rest: str
    proof: str
    frame: str

    @property
    def rest_count(self) -> int:
        return len(self.rest.splitlines())


def attempt_rows(attempts: list[Attempt]) -> list[AttemptRow]:
    """Each attempt with its cause in a word, its message, the line it failed in, and the proof of its end."""
    return [_row(attempt) for attempt in attempts]


def _row(attempt: Attempt) -> AttemptRow:
    first, _newline, rest = error_text({"message": attempt.message, "said": attempt.said}).strip().partition("\n")
    return AttemptRow(
        attempt,
        icon=causes.cause_of(attempt.cause).icon if attempt.cause else "",
        word=str(causes.cause_of(attempt.cause).word) if attempt.cause else "",
        message=first,
        rest=rest.strip("\n"),
        proof=causes.proof_words(attempt.proof, by_itself=attempt.cause in ("", "user_error")),
        frame=_frame(attempt.traceback),
    )


def note_of(step: StepRow, spec: Mapping[str, Any]) -> Note | None:
    """What a reader should know now: that it is tried again and when, that its host is silent, or how it was canceled."""
    last = step.last
    if last is None or step.is_reused:
        return None
    if step.status == Run.Status.NOT_RESPONDING:
        return _silent(last)
    if step.status == Run.Status.CANCELED:
        return Note("state-canceled", error_text(step.run.error))
    if last.number > 1 and not step.run.is_final:
        return _again(step.attempts, spec)
    return None


def _again(attempts: list[Attempt], spec: Mapping[str, Any]) -> Note:
    before, last = attempts[-2], attempts[-1]
    allowed = causes.attempts_allowed(before.cause, spec.get("retries"))
    text = _("Tried again because of attempt %(before)s: %(why)s. Attempt %(n)s of %(all)s") % {
        "before": before.number,
        "why": _within(str(causes.cause_of(before.cause).word)),
        "n": last.number,
        "all": max(allowed, last.number),
    }
    waits = last.status == Attempt.Status.QUEUED and last.not_before is not None and last.not_before > now()
    if waits:
        return Note("resubmit", text + _(", next try at"), last.not_before)
    return Note("resubmit", f"{text}.")


def _silent(attempt: Attempt) -> Note:
    """A host that is silent altogether, or one that speaks but not of this attempt."""
    host = attempt.host
    name = host.name if host else _("its host")
    seen = host.last_seen_at if host else None
    if seen and seen > now() - timedelta(seconds=settings.DUTO.lease_seconds) / 3:
        text = _("%(host)s is heard of, but not of this attempt, since") % {"host": name}
        return Note("state-notresponding", text, unresponsive.since(attempt))
    text = _("No word from %(host)s since") % {"host": name}
    return Note("state-notresponding", text, seen or unresponsive.since(attempt))


def _within(word: str) -> str:
    return word[:1].lower() + word[1:]


def _frame(trace: Mapping[str, Any] | None) -> str:
    """`train.py:31`, the line that the attempt failed in."""
    if not trace or not trace.get("file"):
        return ""
    return f"{trace['file']}:{trace['line']}" if trace.get("line") else str(trace["file"])
