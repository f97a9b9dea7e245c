"""Two people edit one thing at once: who saves says in which state they saw it, and is refused where it is another by now.

Optimistic concurrency control, as HTTP has it: an entity tag stands for what may be edited, forms carry it in a field and REST in
`ETag` and `If-Match` (RFC 9110). Services ask under the lock of the row.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.utils.http import parse_etags
from django.utils.translation import gettext as _

from core.clock import iso
from core.errors import Invalid, PreconditionFailed
from workspaces.access import WorkspaceContext
from workspaces.models import AuditEntry, Workspace
from workspaces.services import audit

# The entity tags that a caller takes for the present state; None asks nothing.
Seen = frozenset[str] | None
# Any state will do, as long as the thing is there.
ANY = "*"


def etag(state: Mapping[str, Any]) -> str:
    """The entity tag of what may be edited of a thing."""
    text = json.dumps(state, sort_keys=True, cls=DjangoJSONEncoder)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def read_if_match(header: str | None) -> Seen:
    """The entity tags of an `If-Match`; those that a proxy has made weak when it compressed the answer count as well. Raises Invalid."""
    if header is None:
        return None
    tags = parse_etags(header)
    if not tags:
        raise Invalid(_("'If-Match' is an entity tag in quotes, as 'ETag' has it, or *."), code="bad_if_match")
    # One of another's in quotes, "*", is not any.
    return frozenset(tags if tags == [ANY] else {each.removeprefix("W/").strip('"') for each in tags} - {ANY})


def note(context: WorkspaceContext, action: str, target: str, *left: Mapping[str, Any], **facts: Any) -> None:
    """Write a change down in the audit with the states that it has left, by which `require_unchanged` knows whose it was."""
    audit.note(context, action, target, left=map(etag, left), **facts)


def require_unchanged(
    seen: Seen, state: Mapping[str, Any], workspace: Workspace | None, target: object = None, **facts: Any
) -> None:
    """Refuse a change that was made to another state than the present one, of a row that is locked.

    The audit says who left the present state, of this `target` and with these `facts`; of a change that stands in none nobody
    is named. Raises PreconditionFailed.
    """
    present = etag(state)
    if seen is None or seen & {present, ANY}:
        return
    named: dict[str, Any] = {f"facts__{name}": value for name, value in facts.items()}
    if target is not None:
        named["target"] = str(target)[:200]
    last = AuditEntry.objects.filter(workspace=workspace, left__contains=present, **named).order_by("-id").first()
    text = _("This was changed meanwhile. Nothing was saved. Load it anew and change that.")
    if last is not None:
        text = _(
            "%(who)s has changed this meanwhile, at %(when)s UTC. Nothing was saved. Load it anew and change that."
        )
        text %= {"who": last.actor, "when": f"{last.created_at:%Y-%m-%d %H:%M:%S}"}
    by = {"changed_by": last.actor, "changed_at": iso(last.created_at)} if last is not None else {}
    raise PreconditionFailed(text, code="changed", etag=present, **by)
