"""How long a workspace keeps what its runs leave. Pure: from a document to a policy, from a policy to moments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from core.errors import Invalid

LONGEST_DAYS, MOST_KEPT = 3650, 1000
KEY = "retention"


@dataclass(frozen=True)
class Policy:
    """Days after which each kind goes; None keeps it for ever.

    `logs`, `artifacts` and `outputs` count from the end of their run. `keep_last`: the newest completed runs of each
    experiment that keep everything. `attempts`, `environments` and `images` lie on hosts: folders of attempts that
    no run waits for, and what has not been used for so long.
    """

    logs: int | None = None
    artifacts: int | None = None
    outputs: int | None = None
    keep_last: int = 1
    attempts: int | None = 7
    environments: int | None = None
    images: int | None = None

    def as_document(self) -> dict[str, int | None]:
        return asdict(self)

    def cutoff(self, kind: str, moment: datetime) -> datetime | None:
        """Whatever ended before this goes; None when nothing does."""
        days = getattr(self, kind)
        return None if days is None else moment - timedelta(days=days)


DAYS = tuple(field.name for field in fields(Policy) if field.name != "keep_last")
ON_HOSTS = ("attempts", "environments", "images")


def read(document: Mapping[str, Any]) -> Policy:
    """The policy that a document asks for; what it leaves out has its default. Raises Invalid."""
    unknown = sorted(set(document) - {*DAYS, "keep_last"})
    if unknown:
        raise Invalid(
            _("Retention knows no '%(unknown)s'. It knows: %(names)s.")
            % {"unknown": unknown[0], "names": ", ".join((*DAYS, "keep_last"))}
        )
    values: dict[str, Any] = {name: _days(name, document[name]) for name in DAYS if name in document}
    if "keep_last" in document:
        values["keep_last"] = _number("keep_last", document["keep_last"], 0, MOST_KEPT)
    return Policy(**values)


def of_settings(settings: Mapping[str, Any]) -> Policy:
    """The policy that a workspace's settings hold."""
    return read(settings.get(KEY) or {})


def strictest_of_hosts(policies: list[Policy]) -> dict[str, int | None]:
    """What a host that serves several workspaces keeps: the longest that any of them asks for."""
    kept: dict[str, int | None] = {}
    for kind in ON_HOSTS:
        days = [getattr(policy, kind) for policy in policies or [Policy()]]
        kept[kind] = None if None in days else max(days)
    return kept


def _days(name: str, value: Any) -> int | None:
    return None if value is None or value == "" else _number(name, value, 0, LONGEST_DAYS)


def _number(name: str, value: Any, least: int, most: int) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError) as error:
        raise Invalid(
            _("'%(name)s' is a whole number of days, or empty to keep it for ever, not %(value)r.")
            % {"name": name, "value": value}
        ) from error
    if isinstance(value, bool) or not least <= number <= most:
        raise Invalid(
            _("'%(name)s' is from %(least)s to %(most)s, not %(value)r.")
            % {"name": name, "least": least, "most": most, "value": value}
        )
    return number
