"""Who may authorize a workspace, and what they may do there. Default deny: to a stranger the workspace does not exist."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Protocol, TypeVar
from uuid import UUID

from django.utils.translation import gettext as _

from core.clock import format_utc, now
from core.errors import Conflict, Forbidden, NotFound, Unauthenticated
from core.prepared import Prepared
from workspaces.models import ApiToken, Member, Role, RunMade, User, Workspace
from workspaces.scopes import OF_ENDPOINT, Act, EndpointScope, Scope, allows, scope_in

T = TypeVar("T")
# So many names are asked for by one statement.
SLICE = 500
# The workspace that a studio begins with, and always has.
FIRST_WORKSPACE = "main"
# What every request asks: of a program by its token's user, of a person by the name in the address.
_ROLE: Prepared[str] = Prepared(
    lambda user, workspace: Member.objects.filter(user=user, user__is_active=True, workspace=workspace).values_list(
        "role", flat=True
    )
)
_MEMBER: Prepared[Member] = Prepared(
    lambda user, name: Member.objects.select_related("workspace").filter(user=user, workspace__name=name), UUID, str
)


class Treed(Protocol):
    """A run, as far as this app may know it."""

    @property
    def root_id(self) -> UUID | None: ...


@dataclass(frozen=True)
class WorkspaceContext:
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

    @property
    def endpoint(self) -> EndpointScope | None:
        """The one endpoint that is open to this caller; None for whom the workspace is."""
        return self.token.endpoint if self.token is not None else None

    @property
    def person(self) -> str:
        """The name of who answers for what is done here: of a step its run's submitter."""
        return self.user.get_username() if self.user else ""

    @property
    def keys_of(self) -> str:
        """Whose idempotency keys are meant here: those of one person, of one step, or of one token of an endpoint."""
        who = f"user:{self.user.pk if self.user else ''}"
        if self.token is not None and self.is_run:
            who = f"run:{self.token.run_id}"
        elif self.token is not None and self.endpoint is not None:
            who = f"token:{self.token.pk}"
        return f"{self.workspace.pk}:{who}"

    def may(self, role: Role) -> bool:
        return self.role.rank >= role.rank

    def require(self, role: Role) -> WorkspaceContext:
        """The context itself. Raises Forbidden when the role is too small, Conflict where more than looking is meant and
        the workspace is archived."""
        self.require_role(role)
        return self if role == Role.READER else self.require_open()

    def require_open(self) -> WorkspaceContext:
        """The context itself. Raises Conflict (`archived`) for an archived workspace; the studio itself may go on."""
        if self.workspace.is_archived and (self.user is not None or self.token is not None):
            raise Conflict(
                _("Workspace '%(workspace)s' is archived: it can be read, and nothing in it changes. An owner can bring it back.")
                % {"workspace": self.workspace.name},
                code="archived",
            )  # fmt: skip
        return self

    def require_role(self, role: Role) -> WorkspaceContext:
        """As require(), for what may be done in an archived workspace too: let people go, end keys, bring it back."""
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

    @property
    def scope(self) -> Scope:
        """How far the tokens of this workspace's runs reach."""
        return scope_in(self.workspace.settings)

    def can(self, act: Act) -> bool:
        """Whether the scope allows it; only tokens of runs and of endpoints have one."""
        if self.endpoint is not None:
            return act in OF_ENDPOINT
        return not self.is_run or allows(self.scope, act)

    def require_act(self, act: Act) -> WorkspaceContext:
        """The context itself. Raises Forbidden (`run_scope`, `endpoint_scope`) for the token of a run, or of an endpoint,
        whose scope does not reach so far."""
        if self.can(act):
            return self
        if self.endpoint is not None:
            raise beyond_endpoint()
        facts = {"act": act.value, "scope": self.scope.value}
        if not allows(Scope.PERMISSIVE, act):
            text = _("A step may not do this with its run's token: no scope allows '%(act)s'. Use a token of your own.")
        else:
            text = _(
                "A step may not do this with its run's token: the scope '%(scope)s' of this workspace does not allow "
                "'%(act)s'. An owner can change the scope on the page Settings."
            )
        raise Forbidden(text % facts, code="run_scope", **facts)

    def require_end(self, end: datetime | None) -> WorkspaceContext:
        """The context itself. Raises Forbidden for a token that makes what lasts longer than itself; None is for ever."""
        if self.token is not None and self.token.ends_before(end):
            raise Forbidden(
                _("What is made with a token does not last longer than that, and this one ends at %(end)s. Ask for less, or do it while signed in.")
                % {"end": format_utc(self.token.expires_at)},
                code="outlives_parent",
            )  # fmt: skip
        return self

    def require_person(self) -> WorkspaceContext:
        """The context itself. Raises Forbidden for a run's token: steps do not manage people, keys or machines."""
        return self.require_act(Act.MANAGE)

    def made(self, kind: str, key: object) -> None:
        """Write down that this run's tree made a thing, so that it may change it. Of persons nothing is written down."""
        if self.is_run and self.token is not None and self.token.root_run_id is not None:
            note_made(self.workspace, self.token.root_run_id, kind, [key])

    def replaced(self, kind: str, key: object) -> None:
        """As made(), for what has a name that may have been another's: a person's file is no run's any more."""
        if self.is_run:
            self.made(kind, key)
        else:
            forget_made(self.workspace, kind, [key])

    def has_made(self, kind: str, *keys: object) -> bool:
        """Whether this run's tree made all of these things."""
        if self.token is None or self.token.root_run_id is None:
            return False
        return bool(keys) and made_by(self.workspace, {self.token.root_run_id}, kind, keys) == set(keys)

    def require_own(self, kind: str, *keys: object) -> WorkspaceContext:
        """The context itself. Raises Forbidden (`run_scope`) for a step that wants to change what another made."""
        return self if not self.is_run or self.has_made(kind, *keys) else self.require_act(Act.CHANGE)


def beyond_endpoint() -> Forbidden:
    """What the token of an endpoint is told wherever else it comes."""
    return Forbidden(
        _("This token starts one endpoint and sees the runs that it started, nothing else. Use a token of your own."),
        code="endpoint_scope",
    )


def authorize(
    caller: Any, workspace: str, needs: Role = Role.READER, *, archived_too: bool = False
) -> WorkspaceContext:
    """The context of `workspace` for a request (page or REST) or a user.

    Raises Unauthenticated for nobody, NotFound for a stranger, Forbidden for a member whose role is too small, and
    unless `archived_too` Conflict where more than looking is asked for in an archived workspace.
    """
    user, token = _who(caller)
    context = _context_of_token(token, workspace) if token else _context_of_user(user, workspace)
    return context.require_role(needs) if archived_too else context.require(needs)


def first_owner() -> User | None:
    """Whose studio it is: of the active owners of the first workspace the one who has been there longest."""
    owners = Member.objects.filter(workspace__name=FIRST_WORKSPACE, role=Role.OWNER, user__is_active=True)
    member = owners.select_related("user").order_by("id").first()
    return member.user if member else None


def owns_studio(user: object) -> bool:
    """Whether this person looks after the installation: a superuser, or the first owner."""
    return isinstance(user, User) and user.is_active and (user.is_superuser or user == first_owner())


def hold(context: WorkspaceContext) -> WorkspaceContext:
    """The context of its caller as it is now, with the workspace's row locked: its people and their tokens change one
    at a time, and who lost their rights while they waited has lost them. Inside a transaction.

    Raises as authorize() does, and Unauthenticated for a token that ended meanwhile.
    """
    Workspace.objects.select_for_update(no_key=True).get(pk=context.workspace.pk)
    if context.token is not None:
        token = ApiToken.objects.select_related("workspace", "user").filter(pk=context.token.pk).first()
        if token is None or not token.is_good(now()):
            raise Unauthenticated(_("This token has ended. Make a new one on the page Settings."), code="token_revoked")
        return _context_of_token(token, context.workspace.name)
    if context.user is None:
        return context
    return _context_of_user(User.objects.filter(pk=context.user.pk, is_active=True).first(), context.workspace.name)


def studio_context(workspace: Workspace) -> WorkspaceContext:
    """The context of the studio itself: schedules, first start, commands on this machine."""
    return WorkspaceContext(workspace, Role.OWNER)


def may_touch_run(context: WorkspaceContext, run: Treed) -> bool:
    """Whether this caller may change that run: a run's token writes to its own tree, and to what that submitted."""
    if not context.is_run or context.token is None or context.token.root_run_id == run.root_id:
        return True
    return context.can(Act.CHANGE) or context.has_made("run", run.root_id)


def require_run(context: WorkspaceContext, run: Treed) -> None:
    """Raises Forbidden (`run_scope`) when a step wants to change what is not of its own tree."""
    if not may_touch_run(context, run):
        context.require_act(Act.CHANGE)


def effective_role(token: ApiToken) -> Role | None:
    """What a token carries at this moment: never more than its user's present role; None where that is none.

    The token of a run is no exception: it leans on who submitted the run.
    """
    if token.user_id is None:
        return None
    role = _ROLE.first(token.user_id, token.workspace_id)
    return None if role is None else min(Role(token.role), Role(role), key=lambda each: each.rank)


def reach_of(token: ApiToken) -> Iterator[ApiToken]:
    """The token, which opens its own workspace, and one for each that was made with it."""
    yield token
    moment = now()
    further = token.children.filter(scope="").exclude(workspace_id=token.workspace_id)
    further = further.select_related("workspace", "user")
    yield from (each for each in further.order_by("id") if each.is_good(moment))


def note_made(workspace: Workspace, root_run: UUID, kind: str, keys: Iterable[object]) -> None:
    """Write down that the tree of this root made these things: whoever made them before did so no more."""
    rows = [RunMade(workspace=workspace, root_run_id=root_run, digest=_digest(kind, key)) for key in keys]
    RunMade.objects.bulk_create(
        rows, batch_size=SLICE, update_conflicts=True, update_fields=["root_run_id"],
        unique_fields=["workspace", "digest"],
    )  # fmt: skip


def forget_made(workspace: Workspace, kind: str, keys: Iterable[object]) -> None:
    """What a person or the studio put in its place is no tree's any more."""
    for some in _slices([_digest(kind, key) for key in keys]):
        RunMade.objects.filter(workspace=workspace, digest__in=some).delete()


def made_by(workspace: Workspace, trees: Collection[UUID], kind: str, keys: Iterable[T]) -> set[T]:
    """Those of these things that the trees of these roots made."""
    wanted = {_digest(kind, key): key for key in keys}
    rows = RunMade.objects.filter(workspace=workspace, root_run_id__in=trees)
    found = (rows.filter(digest__in=some).values_list("digest", flat=True) for some in _slices(sorted(wanted)))
    return {wanted[digest] for some in found for digest in some}


def maker_of(workspace: Workspace, kind: str, key: object) -> UUID | None:
    """The root of the tree that made a thing; None where a person did, or the studio."""
    rows = RunMade.objects.filter(workspace=workspace, digest=_digest(kind, key))
    return rows.values_list("root_run_id", flat=True).first()


def _digest(kind: str, key: object) -> str:
    return sha256(f"{kind}:{key}".encode("utf-8", "surrogatepass")).hexdigest()


def _slices(values: list[str], size: int = SLICE) -> list[list[str]]:
    return [values[at : at + size] for at in range(0, len(values), size)]


def _who(caller: Any) -> tuple[User | None, ApiToken | None]:
    if isinstance(caller, User):
        return caller, None
    token = getattr(caller, "auth", None)
    user = getattr(caller, "user", None)
    return (
        user if isinstance(user, User) and user.is_active else None,
        token if isinstance(token, ApiToken) else None,
    )


def _context_of_user(user: User | None, name: str) -> WorkspaceContext:
    if user is None:
        raise Unauthenticated(_("Sign in first, or send a token: 'Authorization: Bearer duto_...'."))
    member = _MEMBER.first(user.pk, name)
    if member is None:
        raise _no_workspace(name)
    return WorkspaceContext(member.workspace, Role(member.role), user=user)


def _context_of_token(token: ApiToken, name: str) -> WorkspaceContext:
    found = next((each for each in reach_of(token) if each.workspace.name == name), None)
    role = effective_role(found) if found else None
    if found is None or role is None:
        raise _no_workspace(name)
    if found.endpoint is not None and role.rank < Role.CONTRIBUTOR.rank:
        raise Forbidden(
            _("Who made this token may not submit runs any more, so it starts none. Ask a contributor for a new one."),
            code="maker_may_not_submit",
        )
    return WorkspaceContext(found.workspace, role, user=found.user, token=found)


def context_of_form(token: ApiToken) -> WorkspaceContext | None:
    """What whoever follows the link of a form does: starts runs for the owner who opened it. None where the link is off:
    it has ended, or who opened it is no owner any more."""
    if token.kind != ApiToken.Kind.FORM or not token.is_good(now()) or effective_role(token) != Role.OWNER:
        return None
    return WorkspaceContext(token.workspace, Role.CONTRIBUTOR, user=token.user, token=token)


def _no_workspace(name: str) -> NotFound:
    return NotFound(_("There is no workspace '%(name)s', or you are no member of it.") % {"name": name}, workspace=name)
