"""Why a window has no magnitude, or a column takes no part in it: kept in English with a code, shown in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_noop as _

from core import sentences
from core.errors import StudioError
from datasets import stored_messages as of_datasets
from runs import stored_messages as of_runs

SENTENCES: Mapping[str, str] = {
    # There is nothing to compare.
    "no_rows": _("The target has no rows with a time in this window."),
    "few_rows": _("The target has %(rows)s rows in this window, and fewer than %(least)s say too little."),
    "few_baseline_rows": _("The baseline has %(rows)s rows, and fewer than %(least)s say too little."),
    "no_timestamp": _("The target has no column '%(column)s' any more, by which its rows are in windows."),
    "timestamp_type": _("The column '%(column)s' of the target holds no times any more, but %(type)s."),
    "no_features": _("No column can be compared; %(count)s were looked at, and each says why not."),
    "not_tabular": _("The dataset is no table any more."),
    # A column takes no part.
    "vanished": _("The target has no such column any more."),
    "not_in_baseline": _("The baseline has no such column."),
    "type_changed": _("Its type has changed from %(before)s to %(now)s."),
    "no_values_to_compare": _("Values of the type %(type)s are not compared."),
    "many_missing_baseline": _("More than 15 %% of its values are missing in the baseline (%(share)s %%)."),
    "many_missing_target": _("More than 15 %% of its values are missing in this window (%(share)s %%)."),
    "no_numbers": _("One of the two has no number in it."),
    "no_categories": _("One of the two has no value in it."),
    "many_values": _(
        "The baseline has %(unique)s different texts in %(rows)s rows; categories are fewer than 100, and fewer than 5 %% of the rows."
    ),
    # It could not be looked at.
    "fault": _("It could not be looked at, after %(tries)s tries: %(error)s"),
    "interrupted": _("The studio ended %(tries)s times while it looked at this window. Run it again."),
    "nobody": _(
        "Nobody answers for the monitor: the account of who made it is gone, or may run nothing here any more."
    ),
}


def keep(code: str, /, **facts: Any) -> dict[str, Any]:
    """The sentence, to be kept with a row."""
    return sentences.made(code, SENTENCES, **facts)


def of_reading(error: StudioError) -> dict[str, Any]:
    """Why a table could not be read, to be kept."""
    kept = of_datasets.of_refusal(error)
    return {"text": kept} if isinstance(kept, str) else dict(kept)


def of_trigger(error: StudioError) -> dict[str, Any]:
    """Why a run was not started, to be kept."""
    return {"text": error.message, **of_runs.kept_of(error)}


def localized(kept: Mapping[str, Any]) -> str:
    """In the reader's language; what is none of ours, as the apps below say it."""
    if not kept:
        return ""
    if kept.get("code") in SENTENCES or "code" not in kept:
        return sentences.localized(kept, SENTENCES)
    if kept["code"] in of_datasets.SENTENCES:
        return of_datasets.localized(kept)
    return of_runs.localized(kept)
