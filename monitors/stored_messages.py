"""Why a window has no magnitude or no metric, or a column takes no part in it: kept in English with a code, shown in the reader's language."""

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
    # The model could not be measured.
    "few_labels": _(
        "%(labelled)s of %(predictions)s predictions have a label, and fewer than %(least)s say too little."
    ),
    "no_prediction_column": _("The target has no column '%(column)s', which belongs to the predictions."),
    "no_label_column": _("The labels have no column '%(column)s'."),
    "key_type": _(
        "The key '%(column)s' is %(before)s in the target and %(now)s in the labels, so no label finds its prediction. Declare one type for both."
    ),
    "label_type": _(
        "The predictions in '%(column)s' are %(before)s and the labels %(now)s, which are never equal. Declare one type for both."
    ),
    "no_numbers_in": _("The column '%(column)s' holds no numbers, but %(type)s."),
    "conflicting_labels": _(
        "%(count)s keys have two different labels, among them %(key)s. Keep one label for each key in the dataset of the labels."
    ),
    "infinite_numbers": _("%(count)s labelled predictions, or their labels, are infinite, so there is no mean error."),
    "labels_not_tabular": _("The dataset of the labels is no table any more."),
    # Of one metric.
    "missing_scores": _("%(count)s labelled predictions have no score in '%(column)s'."),
    "many_classes": _("There are %(count)s classes, and one score tells two apart."),
    "no_positive_class": _("There is no class '%(name)s'; there are: %(there)s."),
    "one_class": _("All labels are of one class."),
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
