"""Whether a version can be used yet: pure, over its row."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from core.errors import Unprocessable
from core.sentences import Kept
from datasets.models import DatasetVersion
from datasets.stored_messages import localized, of_error, say


def refusal(version: DatasetVersion) -> tuple[str, str] | None:
    """(code, sentence) when the version has nothing to read: not fetched yet, or never."""
    if version.is_usable:
        return None
    what = localized(name_of(version))
    if version.status == DatasetVersion.Status.FETCHING:
        text = _("The dataset %(what)s is still being fetched from the web. Try again when it is ready.")
        return "still_fetching", text % {"what": what}
    why = localized(of_error(version.error)) or _("It could not be fetched.")
    text = _("The dataset %(what)s cannot be used.") % {"what": what}
    return (version.error or {}).get("code") or "not_fetched", f"{text} {why}"


def require(version: DatasetVersion) -> None:
    """Raises Unprocessable when there is nothing to read."""
    if (found := refusal(version)) is not None:
        facts: dict[str, Any] = {"dataset": str(version.pk), "what": name_of(version)}
        if (version.error or {}).get("said"):
            facts["reason"] = of_error(version.error)
        raise Unprocessable(found[1], code=found[0], **facts)


def name_of(version: DatasetVersion) -> Kept:
    """Its name and number, as a sentence about it says them; its id if it has none."""
    if version.dataset is None:
        return str(version.pk)
    return say("dataset_version", name=version.dataset.name, version=version.version)
