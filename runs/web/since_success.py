"""What differs from the last success of a step, in the reader's language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from runs import differences
from runs.queries.last_success import Change, SinceSuccess


@dataclass(frozen=True)
class Row:
    """One difference: which part, in words, and the values where there are any."""

    part: str
    text: str
    old: Any
    new: Any


def rows_of(comparison: SinceSuccess) -> list[Row]:
    """The step's own first, since they are the likeliest; packages and the host after them."""
    rows = [
        Row(differences.part_word(each["part"]), differences.localized(each), each["old"], each["new"])
        for each in comparison.differences
    ]
    rows += [
        Row(differences.part_word("environment"), _package(each), each.old, each.new) for each in comparison.packages
    ]
    if host := comparison.host:
        text = _("host %(old)s → %(new)s") % {"old": host.old, "new": host.new}
        rows.append(Row(_("host"), text, host.old, host.new))
    return rows


def _package(change: Change) -> str:
    facts = {"name": change.name, "old": change.old, "new": change.new}
    if change.old is None:
        return _("package `%(name)s` %(new)s is new") % facts
    if change.new is None:
        return _("package `%(name)s` is gone") % facts
    return _("package `%(name)s` %(old)s → %(new)s") % facts
