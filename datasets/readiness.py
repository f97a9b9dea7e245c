"""Whether a version can be used yet: pure, over its row."""

from __future__ import annotations

from core.errors import Unprocessable
from datasets.models import DatasetVersion


def refusal(version: DatasetVersion) -> tuple[str, str] | None:
    """(code, sentence) when the version has nothing to read: not fetched yet, or never."""
    if version.is_usable:
        return None
    what = f"'{version.dataset.name}' version {version.version}" if version.dataset else f"{version.pk}"
    if version.status == DatasetVersion.Status.FETCHING:
        text = f"The dataset {what} is still being fetched from the web. Try again when it is ready."
        return "still_fetching", text
    told = (version.error or {}).get("message") or "It could not be fetched."
    return (version.error or {}).get("code") or "not_fetched", f"The dataset {what} cannot be used. {told}"


def require(version: DatasetVersion) -> None:
    """Raises Unprocessable when there is nothing to read."""
    if (found := refusal(version)) is not None:
        raise Unprocessable(found[1], code=found[0], dataset=str(version.pk))
