"""The record of who did what: written in the transaction of the action."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from workspaces.access import WorkspaceContext
from workspaces.models import ApiToken, AuditEntry, Workspace

Via = AuditEntry.Via
LONGEST = {"actor": 150, "person": 150, "via": 8, "through": 160}


def note(context: WorkspaceContext, action: str, target: str = "", *, left: Iterable[str] = (), **facts: Any) -> None:
    """Write down one action of the caller, with how they came in. `left`: see `edits.note`."""
    via, through = _way_of(context)
    who = {"actor": context.actor, "person": context.person, "via": via, "through": through}
    _write(context.workspace, action, target, facts, left, **who)


def note_outside(context: WorkspaceContext, action: str, target: str = "", **facts: Any) -> None:
    """As note(), of what is not the workspace's own: its end, or an action of those who look after the studio."""
    via, through = _way_of(context)
    _write(None, action, target, facts, (), actor=context.actor, person=context.person, via=via, through=through)


def write(
    actor: str,
    action: str,
    target: str = "",
    workspace: Workspace | None = None,
    *,
    through: str = "",
    left: Iterable[str] = (),
    **facts: Any,
) -> None:
    """Write down one action without a workspace: of the studio itself, of somebody who signs in, or of a machine that
    comes `through` a key of theirs. `left`: see `edits.note`."""
    person = "" if actor == "studio" else actor
    via = Via.TOKEN if through else Via.PAGE if person else Via.STUDIO
    _write(workspace, action, target, facts, left, actor=actor, person=person, via=via, through=through)


def _write(
    workspace: Workspace | None, action: str, target: str, facts: dict[str, Any], left: Iterable[str], **who: str
) -> None:
    kept = {name: text[: LONGEST[name]] for name, text in who.items()}
    kept["left"] = " ".join(left)
    AuditEntry.objects.create(workspace=workspace, action=action, target=str(target)[:200], facts=facts, **kept)


def _way_of(context: WorkspaceContext) -> tuple[Via, str]:
    if context.token is None:
        return (Via.PAGE if context.user else Via.STUDIO), ""
    if context.is_run:
        return Via.RUN, str(context.token.run_id)
    is_form = context.token.kind == ApiToken.Kind.FORM
    return (Via.FORM if is_form else Via.TOKEN), f"{context.token.prefix} {context.token.name}"
