"""Why an attempt ended badly: each cause with its word, its icon, and whether and when it is tried again. Pure.

One table for the pages, for the services and for docs/reliability.md, which a test compares with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from core.words import duration_text
from duto_protocol.messages import Proof

SIGNALS = ("TERM", "KILL")


@dataclass(frozen=True)
class Cause:
    """`retries`: how many more attempts there are when the step says nothing. `delay`: seconds before each.

    `heeds`: whether the step's own `retries` and `retry_delay` count for it.
    """

    word: str | Promise
    icon: str
    retries: int = 0
    delay: float = 0.0
    heeds: bool = True


CAUSES: Mapping[str, Cause] = {
    "user_error": Cause(_("Your script"), "code"),
    "out_of_memory": Cause(_("Out of memory"), "compute"),
    "timeout": Cause(_("It took longer than it may"), "state-queued"),
    "environment": Cause(_("The environment"), "environments"),
    "disk_full": Cause(_("The disk is full"), "disk"),
    # Nobody's fault, and the host that may still run the script is fenced off by the lease.
    "host_lost": Cause(_("The host was lost"), "server", retries=2),
    # A person took it away from the step, which is not the step's fault; its processes are gone before.
    "node_removed": Cause(_("Its node was removed"), "compute", retries=2),
    # On a living host the script may have run half-way: again only if the step says that it may.
    "attempt_lost": Cause(_("The attempt was lost"), "state-notresponding"),
    "studio_fault": Cause(_("A fault of the studio"), "warning"),
    # What is not there does not come by waiting, nor does room within a limit; who canceled did not mean "again".
    "data_missing": Cause(_("Data is missing"), "data", heeds=False),
    # It may be back in a moment, and nothing of the step is at fault.
    "store_away": Cause(_("A datastore is away"), "data", retries=2, delay=60.0),
    # Other credentials do not come by waiting.
    "store_refused": Cause(_("A datastore refuses the credentials"), "data", heeds=False),
    "storage_limit": Cause(_("The storage limit"), "disk", heeds=False),
    "canceled": Cause(_("Canceled"), "state-canceled", heeds=False),
    "skipped": Cause(_("Skipped"), "state-skipped", heeds=False),
}


@dataclass(frozen=True)
class Retry:
    """The next attempt: its number, how many there may be, and the seconds before it."""

    number: int
    of: int
    delay: float


def cause_of(code: str | None) -> Cause:
    """What is known of a cause; an unknown one is the studio's fault."""
    return CAUSES.get(code or "", CAUSES["studio_fault"])


def of_refusal(code: str) -> str:
    """The cause where what a step reads is refused by this code before its script begins."""
    return code if code in CAUSES else "data_missing"


def attempts_allowed(code: str | None, retries: int | None) -> int:
    """How many attempts there may be when one ends by this cause; `retries` is what the step says, None for nothing."""
    cause = cause_of(code)
    return 1 + (retries if retries is not None and cause.heeds else cause.retries)


def next_try(code: str | None, number: int, retries: int | None, delay: float | None) -> Retry | None:
    """What follows attempt `number` that ended by this cause; None when it is not tried again."""
    cause = cause_of(code)
    allowed = attempts_allowed(code, retries)
    if number >= allowed:
        return None
    return Retry(number + 1, allowed, delay if delay is not None and cause.heeds else cause.delay)


def proof_of(reported: Proof) -> dict[str, Any]:
    """What an agent says that it saw after it had ended the processes, as it is kept."""
    proof: dict[str, Any] = {
        "left_over": int(reported.left_over),
        "signals": [each for each in SIGNALS if each in reported.signals],
        "seconds": round(reported.seconds, 3),
    }
    if reported.container in ("removed", "absent"):
        proof["container"] = reported.container
    return proof


def proof_words(proof: Mapping[str, Any] | None, *, by_itself: bool = False) -> str:
    """The proof as a sentence; empty without one. Where the script ended `by_itself`, it is about what it left behind."""
    if not proof:
        return ""
    left, signals = int(proof.get("left_over") or 0), list(proof.get("signals") or [])
    if not signals and not left:
        return gettext("Nothing of it was running.")
    how = gettext("The processes that it left were ended") if by_itself else gettext("Ended")
    if signals:
        with_signals = gettext("The processes that it left were ended with %(signals)s in %(time)s")
        how = (with_signals if by_itself else gettext("Ended with %(signals)s in %(time)s")) % {
            "signals": gettext("%(one)s then %(other)s") % {"one": signals[0], "other": signals[1]}
            if len(signals) > 1
            else signals[0],
            "time": duration_text(proof.get("seconds") or 0),
        }
    running = ngettext("%(n)d of its processes still running", "%(n)d of its processes still running", left)
    parts = [how, running % {"n": left} if left else gettext("nothing left running")]
    if proof.get("container") == "removed":
        parts.append(gettext("its container removed"))
    return ", ".join(parts) + "."
