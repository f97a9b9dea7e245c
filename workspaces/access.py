"""Who may enter a workspace, and what they may do there. Default deny: to a stranger the workspace does not exist."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from django.utils.translation import gettext as _

from core.errors import Forbidden, NotFound, Unauthenticated
from workspaces.models import ApiToken, Member, Role, User, Workspace


class Treed(Protocol):
    """A run, as far as this app may know it."""

    @property
    def root_id(self) -> UUID | None: ...


@dataclass(frozen=True)
class Room:
    """A workspace, with the rights of the one who has entered it."""

    workspace: Workspace
    role: Role
    user: User | None = None
    token: ApiToken | None = None

    @property
    def actor(self) -> str:
        """The name to write down for what is done here."""
        if self.is_run:
            return f"run {self.token.run_id}" if self.token else "run"
        return self.user.get_username() if self.user else "studio"

    @property
    def is_run(self) -> bool:
        """True for a step that speaks with its run's own token."""
        return self.token is not None and self.token.kind == ApiToken.Kind.RUN

    def may(self, role: Role) -> bool:
        return self.role.rank >= role.rank

    def require(self, role: Role) -> Room:
        """The room itself. Raises Forbidden when the role is too small."""
        if not self.may(role):
            raise Forbidden(
                _(
                    "This needs the role %(role)s, and yours in workspace '%(workspace)s' is %(mine)s. Ask an owner of the workspace for it."
                )
                % {"role": role.value, "workspace": self.workspace.name, "mine": self.role.value},
                needs=role.value,
                role=self.role.value,
            )
        return self

    def require_person(self) -> Room:
        """The room itself. Raises Forbidden for a run's token: steps do not manage people, keys or machines."""
        if self.is_run:
            raise Forbidden(_("A step may not do this with its run's token. Use a token of your own."))
        return self


def enter(caller: Any, workspace: str, needs: Role = Role.READER) -> Room:
    """The room of `workspace` for a request (page or REST) or a user.

    Raises Unauthenticated for nobody, NotFound for a stranger, Forbidden for a member whose role is too small.
    """
    user, token = _who(caller)
    room = _room_of_token(token, workspace) if token else _room_of_user(user, workspace)
    return room.require(needs)


def studio_room(workspace: Workspace) -> Room:
    """The room as the studio itself enters it: schedules, first start, commands on this machine."""
    return Room(workspace, Role.OWNER)


def may_touch_run(room: Room, run: Treed) -> bool:
    """Whether this caller may change that run: a run's token writes to its own tree only."""
    return room.token is None or not room.is_run or room.token.root_run_id == run.root_id


def require_run(room: Room, run: Treed) -> None:
    """Raises Forbidden when a step wants to change what is not of its own tree."""
    if not may_touch_run(room, run):
        raise Forbidden(_("A step may change its own run and the runs of its tree only."), code="foreign_run")


def _who(caller: Any) -> tuple[User | None, ApiToken | None]:
    if isinstance(caller, User):
        return caller, None
    token = getattr(caller, "auth", None)
    user = getattr(caller, "user", None)
    return (
        user if isinstance(user, User) and user.is_active else None,
        token if isinstance(token, ApiToken) else None,
    )


def _room_of_user(user: User | None, name: str) -> Room:
    if user is None:
        raise Unauthenticated(_("Sign in first, or send a token: 'Authorization: Bearer duto_...'."))
    member = Member.objects.select_related("workspace").filter(user=user, workspace__name=name).first()
    if member is None:
        raise _no_workspace(name)
    return Room(member.workspace, Role(member.role), user=user)


def _room_of_token(token: ApiToken, name: str) -> Room:
    """A personal token never carries more than its owner's present role; a run's token carries its own."""
    if token.workspace.name != name:
        raise _no_workspace(name)
    role = Role(token.role)
    if token.kind == ApiToken.Kind.RUN:
        return Room(token.workspace, role, user=token.user, token=token)
    if token.user is None:
        raise _no_workspace(name)
    member = Member.objects.filter(user=token.user, workspace_id=token.workspace_id).first()
    if member is None:
        raise _no_workspace(name)
    smaller = min(role, Role(member.role), key=lambda each: each.rank)
    return Room(token.workspace, smaller, user=token.user, token=token)


def _no_workspace(name: str) -> NotFound:
    return NotFound(_("There is no workspace '%(name)s', or you are no member of it.") % {"name": name}, workspace=name)
