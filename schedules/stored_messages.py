"""Why a tick did not fire, or a schedule is disabled: kept in English with a code, shown in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_noop as _

from core import sentences

SENTENCES: Mapping[str, str] = {
    "missed": _("The studio was away at that time, and ticks so far back are not made up for."),
    "missed_many": _("The studio was away at that time and at %(count)s ticks before it, which are not made up for."),
    "missed_more": _(
        "The studio was away at that time and at more than %(count)s ticks, of which only the newest are made up for, if any."
    ),
    "overlaps": _("Run #%(number)s of the schedule was still under way."),
    "queue_full": _(
        "Run #%(number)s of the schedule was still under way, and another tick waited for its end already."
    ),
    "disabled": _("The schedule was disabled before the tick could fire."),
    "nobody": _(
        "Nobody answers for the schedule: the account of who made it is gone, or may run nothing here any more."
    ),
    "fault": _("It could not be started, after %(tries)s tries: %(error)s"),
    "given_up": _("The studio ended %(tries)s times while it started the run of this tick, which is given up."),
    "slow": _("The datastore has not answered for %(seconds)s seconds. It is waited for."),
    "too_deep": _(
        "More than %(count)s triggers have led to it, one after the other: it was stopped, as a loop has no end."
    ),
    "backfill_canceled": _("The backfill was canceled before its turn came."),
    "all_done": _("The schedule has started as many runs as it may: %(most)s."),
}


def keep(code: str, /, **facts: Any) -> dict[str, Any]:
    """The sentence, to be kept with a row."""
    return sentences.made(code, SENTENCES, **facts)


def localized(kept: Mapping[str, Any]) -> str:
    """The sentence in the reader's language; one without a known code as it is kept."""
    return sentences.localized(kept, SENTENCES) if kept else ""
