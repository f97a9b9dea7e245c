"""Why a tick did not fire, or a schedule is disabled: kept in English with a code, shown in the reader's language."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from django.utils import translation
from django.utils.translation import gettext_noop as _

from core import sentences
from core.errors import StudioError
from core.sentences import Kept
from datasets import stored_messages as of_datasets
from duto.spec.sentences import Said
from runs import stored_messages as of_runs

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
    # Raised by the apps below, which say them in the language of who asks; a tick has them from the facts that come with them.
    "no_pipeline": _("There is no published pipeline %(pipeline_id)s in workspace '%(workspace)s'."),
    "pipeline_disabled": _("The pipeline '%(pipeline)s' is disabled. Enable it on its page first."),
    "endpoint_disabled": _("The endpoint '%(endpoint)s' is disabled. Enable it on its page first."),
    "endpoint_archived": _("The endpoint '%(endpoint)s' is archived. Reactivate it on its page first."),
    "no_version": _("The endpoint '%(name)s' has no version '%(version)s'. Its newest: %(there)s."),
}
# Which of them a refusal may be, by its code.
OF_CODE: Mapping[str, tuple[str, ...]] = {
    "not_found": ("no_pipeline", "no_version"),
    "disabled": ("pipeline_disabled", "endpoint_disabled"),
    "archived": ("endpoint_archived",),
}


def keep(code: str, /, **facts: Any) -> dict[str, Any]:
    """The sentence, to be kept with a row."""
    return sentences.made(code, SENTENCES, **facts)


def of_refusal(error: StudioError) -> dict[str, Any]:
    """Why a run was not started, to be kept with its tick; a text alone where nobody can say it anew."""
    for name in OF_CODE.get(error.code, ()):
        with contextlib.suppress(KeyError):
            if SENTENCES[name] % error.facts == error.message:
                return keep(name, **error.facts)
    if lines := _lines(error):
        return {"text": error.message, "lines": lines}
    if error.code in of_runs.SENTENCES or error.code in of_runs.OF_CODE:
        return {"text": error.message, **of_runs.kept_of(error)}
    return {"text": error.message}


def _lines(error: StudioError) -> list[Kept]:
    """The problems of a graph, each as it can be said anew; none where one cannot, or the refusal says something else."""
    messages = [each["message"] for each in error.facts.get("problems") or ()]
    if "\n".join(messages) != error.message or not all(isinstance(each, Said) for each in messages):
        return []
    return [sentences.keep(each) for each in messages]


def localized(kept: Mapping[str, Any]) -> str:
    """The sentence in the reader's language; what is none of ours, as it was told."""
    if not kept:
        return ""
    if (asked := kept.get("texts", {}).get(translation.get_language())) is not None:
        return str(asked)
    if "lines" in kept:
        return "\n".join(sentences.localized(each) for each in kept["lines"])
    code = kept.get("code")
    if code is None or code in SENTENCES:
        return sentences.localized(kept, SENTENCES)
    return of_datasets.localized(kept) if code in of_datasets.SENTENCES else of_runs.localized(kept)
