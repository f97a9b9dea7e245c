"""Whether a version can be used yet: pure, over its row."""

from __future__ import annotations

from django.utils.translation import gettext as _

from core.errors import Unprocessable
from datasets.models import DatasetVersion


def refusal(version: DatasetVersion) -> tuple[str, str] | None:
    """(code, sentence) when the version has nothing to read: not fetched yet, or never."""
    if version.is_usable:
        return None
    what = name_of(version)
    if version.status == DatasetVersion.Status.FETCHING:
        text = _("The dataset %(what)s is still being fetched from the web. Try again when it is ready.")
        return "still_fetching", text % {"what": what}
    told = (version.error or {}).get("message") or _("It could not be fetched.")
    text = _("The dataset %(what)s cannot be used.") % {"what": what}
    return (version.error or {}).get("code") or "not_fetched", f"{text} {told}"


def require(version: DatasetVersion) -> None:
    """Raises Unprocessable when there is nothing to read."""
    if (found := refusal(version)) is not None:
        raise Unprocessable(found[1], code=found[0], dataset=str(version.pk), what=name_of(version))


def name_of(version: DatasetVersion) -> str:
    """Its name and number, as a sentence about it says them; its id if it has none."""
    return f"'{version.dataset.name}' version {version.version}" if version.dataset else str(version.pk)
