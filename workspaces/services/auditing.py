"""Reading the audit: filtered, as documents, as files; and letting go of what is older than its owner wants it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from core import slices
from core.clock import iso, now, parse
from core.errors import Invalid
from workspaces import limits
from workspaces.access import WorkspaceContext
from workspaces.models import AuditEntry, Role, Workspace

COLUMNS = ("at", "person", "actor", "via", "through", "action", "target", "facts")
FORMATS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}
# Rows that are read at a time while a file is sent.
READ = 500
# Entries that one look of the ticker lets go of; it looks again within minutes.
PRUNED = 5_000


@dataclass(frozen=True)
class Filter:
    """Whose actions, of what kind, from when (inclusive) until when (exclusive). A kind that ends with a dot is all of
    its sort."""

    person: str = ""
    action: str = ""
    since: datetime | None = None
    until: datetime | None = None


def read_filter(person: str = "", action: str = "", since: str = "", until: str = "") -> Filter:
    """What an address asks for; times as in ISO 8601, a day for its beginning. Raises Invalid."""
    return Filter(person.strip(), action.strip(), _moment("since", since), _moment("until", until))


def entries(context: WorkspaceContext, wanted: Filter) -> QuerySet[AuditEntry]:
    """What was done in the workspace, for its owners. Raises Forbidden."""
    context.require_role(Role.OWNER).require_person()
    return filtered(AuditEntry.objects.filter(workspace=context.workspace), wanted)


def filtered(rows: QuerySet[AuditEntry], wanted: Filter) -> QuerySet[AuditEntry]:
    if wanted.person:
        rows = rows.filter(Q(person=wanted.person) | Q(actor=wanted.person))
    if wanted.action:
        rows = (
            rows.filter(action__startswith=wanted.action)
            if wanted.action.endswith(".")
            else rows.filter(action=wanted.action)
        )
    if wanted.since:
        rows = rows.filter(created_at__gte=wanted.since)
    return rows.filter(created_at__lt=wanted.until) if wanted.until else rows


def document(entry: AuditEntry) -> dict[str, Any]:
    """One entry as REST and files tell it."""
    return {
        "at": iso(entry.created_at), "person": entry.person, "actor": entry.actor, "via": entry.via,
        "through": entry.through, "action": entry.action, "target": entry.target, "facts": entry.facts,
    }  # fmt: skip


def export(rows: QuerySet[AuditEntry], kind: str) -> Generator[bytes, None, None]:
    """The entries as a file, newest first, in pieces. Raises Invalid for a format that there is not."""
    if kind not in FORMATS:
        raise Invalid(_("'kind' is one of: %(names)s.") % {"names": ", ".join(FORMATS)})
    line = _csv_line if kind == "csv" else _json_line
    return _lines(rows, line, [",".join(COLUMNS) + "\r\n"] if kind == "csv" else [])


def kinds(rows: QuerySet[AuditEntry]) -> list[str]:
    """The kinds of actions that there are."""
    return list(rows.order_by("action").values_list("action", flat=True).distinct()[:200])


def people(rows: QuerySet[AuditEntry]) -> list[str]:
    """Whose actions there are."""
    return [name for name in rows.order_by("person").values_list("person", flat=True).distinct()[:500] if name]


def prune(most: int = PRUNED) -> int:
    """Let go of what is older than the owners of its workspace want, so many at a time; how many entries."""
    moment, count = now(), 0
    for key, settings in Workspace.objects.values_list("id", "settings"):
        if (days := limits.audit_days_in(settings)) is not None:
            old = AuditEntry.objects.filter(workspace=key, created_at__lt=moment - timedelta(days=days))
            keys = list(old.order_by("id").values_list("pk", flat=True)[: most - count])
            for some in slices.of(keys):
                AuditEntry.objects.filter(pk__in=some).delete()
            count += len(keys)
    return count


def _lines(
    rows: QuerySet[AuditEntry], line: Callable[[dict[str, Any]], str], head: list[str]
) -> Generator[bytes, None, None]:
    """By key, some rows at a time: a reader who is slow holds no connection to the database."""
    yield from (each.encode() for each in head)
    after = None
    while some := list((rows.filter(pk__lt=after) if after else rows).order_by("-id")[:READ]):
        yield "".join(line(document(entry)) for entry in some).encode()
        after = some[-1].pk


def _json_line(entry: dict[str, Any]) -> str:
    return json.dumps(entry, ensure_ascii=False) + "\n"


def _csv_line(entry: dict[str, Any]) -> str:
    text = io.StringIO()
    values = {**entry, "facts": json.dumps(entry["facts"], ensure_ascii=False)}
    csv.writer(text).writerow([_plain(str(values[name] or "")) for name in COLUMNS])
    return text.getvalue()


def _plain(text: str) -> str:
    """What a spreadsheet would take for a formula is text."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _moment(name: str, text: str) -> datetime | None:
    if not text.strip():
        return None
    found = parse(f"{text.strip()}T00:00:00Z" if len(text.strip()) == 10 else text.strip())
    if found is None:
        raise Invalid(_("'%(name)s' is a day or a time, such as 2026-03-04 or 2026-03-04T05:06:00Z.") % {"name": name})
    return found
