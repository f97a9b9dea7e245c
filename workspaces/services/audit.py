"""The record of who did what: written in the transaction of the deed."""

from __future__ import annotations

from typing import Any

from workspaces.access import Room
from workspaces.models import AuditEntry, Workspace


def note(room: Room, action: str, target: str = "", **facts: Any) -> None:
    """Write down one deed of the one who is in the room."""
    write(room.actor, action, target, room.workspace, **facts)


def write(actor: str, action: str, target: str = "", workspace: Workspace | None = None, **facts: Any) -> None:
    """Write down one deed, also one outside of any workspace."""
    AuditEntry.objects.create(
        workspace=workspace, actor=actor[:150], action=action, target=str(target)[:200], facts=facts
    )
