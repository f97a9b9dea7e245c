"""What a workspace may take of its studio: values alone, which its settings keep. None is no limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.utils.translation import gettext as _

from core.errors import Invalid

SETTING = "limits"
AUDIT_DAYS = "audit_days"
# The largest number that the databases compare with.
LARGEST = (1 << 63) - 1
LONGEST_AUDIT = 36_500


@dataclass(frozen=True)
class Limits:
    """Bytes of files that it keeps, steps that run at once, people who belong to it or are invited."""

    storage_bytes: int | None = None
    running_steps: int | None = None
    members: int | None = None

    def as_document(self) -> dict[str, int | None]:
        return asdict(self)


LEAST = {"storage_bytes": 0, "running_steps": 0, "members": 1}


def of_settings(settings: object) -> Limits:
    """The limits that a workspace's settings name."""
    stored = settings.get(SETTING) if isinstance(settings, dict) else None
    known = {name: value for name, value in (stored or {}).items() if name in LEAST and type(value) is int}
    return Limits(**known)


def read(document: Mapping[str, Any], was: Limits) -> Limits:
    """The limits after a change: what the document does not name stays. Raises Invalid."""
    values = was.as_document()
    for name, value in document.items():
        if name not in LEAST:
            names = ", ".join(LEAST)
            raise Invalid(_("There is no limit '%(name)s'. There are: %(names)s.") % {"name": name, "names": names})
        if value is not None and (type(value) is not int or not LEAST[name] <= value <= LARGEST):
            raise Invalid(
                _("The limit '%(name)s' is a whole number from %(least)s, or null for none.")
                % {"name": name, "least": LEAST[name]},
                code="bad_limit",
            )
        values[name] = value
    return Limits(**values)


def audit_days_in(settings: object) -> int | None:
    """For how many days the audit is kept; None is for ever."""
    stored = settings.get(AUDIT_DAYS) if isinstance(settings, dict) else None
    return stored if type(stored) is int and stored > 0 else None


def read_audit_days(value: object) -> int | None:
    """Raises Invalid."""
    if value is None or (type(value) is int and 1 <= value <= LONGEST_AUDIT):
        return value
    raise Invalid(
        _("The audit is kept for 1 to %(most)s days, or for ever (null).") % {"most": LONGEST_AUDIT}, code="bad_days"
    )
