"""Keys for programs: made, checked, revoked. The text of a key is shown once; only its digest is kept."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from core import once
from core.clock import now
from core.errors import Forbidden, Invalid, NotFound, Unauthenticated
from core.ids import as_key
from core.names import one_line
from core.prepared import Prepared
from workspaces.access import WorkspaceContext, context_of_form, hold
from workspaces.models import ApiToken, Role, User, Workspace
from workspaces.scopes import EndpointScope
from workspaces.services import audit, usage

MAX_DAYS = 3650
MAX_RUNS_PER_HOUR = 10_000
RUN_PREFIX = "duto_run"
# Each request of a program begins with it.
_BY_DIGEST: Prepared[ApiToken] = Prepared(
    lambda digest: ApiToken.objects.select_related("workspace", "user").filter(digest=digest), str
)


@dataclass(frozen=True)
class Minted:
    """A new token, and its text, which exists only here."""

    token: ApiToken
    text: str


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def mint(
    user: User,
    workspace: Workspace,
    role: Role,
    name: str,
    expires_at: datetime | None = None,
    parent: ApiToken | None = None,
) -> Minted:
    """Make a personal token. Callers have checked that it carries no more than the user or the parent does."""
    prefix = f"duto_{secrets.token_hex(4)}"
    text = f"{prefix}_{secrets.token_urlsafe(32)}"
    token = ApiToken.objects.create(
        user=user, workspace=workspace, role=role, name=name, prefix=prefix, digest=digest_of(text),
        expires_at=expires_at, parent=parent,
    )  # fmt: skip
    return Minted(token, text)


@transaction.atomic
def create(
    context: WorkspaceContext, name: str, role: str = Role.CONTRIBUTOR, expires_in_days: int | None = None
) -> Minted:
    """A token of the caller, with at most their own role.

    One that is made with a token is no wider and lasts no longer than that, and ends with it. Raises Forbidden.
    """
    context = hold(context).require_person().require_open()
    if context.user is None:
        raise Forbidden(_("Only a person has tokens."))
    wanted = role_of(role)
    if not context.may(wanted):
        raise Forbidden(
            _("A token cannot be %(role)s where you are %(mine)s. Ask for a smaller role.")
            % {"role": wanted.value, "mine": context.role.value},
            code="role_too_large",
        )
    name = one_line(name)
    if not name or len(name) > 120:
        raise Invalid(_("A token needs a name of 1 to 120 characters, so that you know it again."))
    end = _end_of(expires_in_days)
    context.require_end(end)
    minted = mint(context.user, context.workspace, wanted, name, end, parent=context.token)
    once.settle(minted.token)
    audit.note(context, "token.created", minted.token.prefix, name=name, role=wanted.value)
    return minted


def mint_for_endpoint(
    context: WorkspaceContext,
    scope: EndpointScope,
    name: str,
    *,
    runs_per_hour: int,
    expires_in_days: int | None,
    kind: ApiToken.Kind = ApiToken.Kind.ENDPOINT,
) -> Minted:
    """A token of the caller that opens one endpoint, or the link of its form. Inside a transaction, with `hold`.

    It carries what its maker may at the moment of each call, as far as its scope goes. Raises Invalid for a bad name,
    number of runs or of days, Forbidden for a token that makes what lasts longer than itself.
    """
    if context.user is None:
        raise Forbidden(_("Only a person has tokens."))
    name = one_line(name)
    if not name or len(name) > 120:
        raise Invalid(_("A token needs a name of 1 to 120 characters, so that you know it again."), code="bad_name")
    if not 1 <= runs_per_hour <= MAX_RUNS_PER_HOUR:
        raise Invalid(
            _("'runs_per_hour' is a number from 1 to %(most)s.") % {"most": MAX_RUNS_PER_HOUR}, code="bad_runs_per_hour"
        )
    end = _end_of(expires_in_days)
    context.require_end(end)
    is_form = kind == ApiToken.Kind.FORM
    prefix = f"duto_{'form' if is_form else 'ep'}_{secrets.token_hex(4)}"
    secret = secrets.token_urlsafe(32)
    # That of a form stands in an address, as it is.
    text = secret if is_form else f"{prefix}_{secret}"
    token = ApiToken.objects.create(
        kind=kind, user=context.user, workspace=context.workspace, role=Role.OWNER if is_form else Role.CONTRIBUTOR,
        scope=str(scope), runs_per_hour=runs_per_hour, name=name, prefix=prefix, digest=digest_of(text),
        expires_at=end, parent=context.token,
    )  # fmt: skip
    once.settle(token)
    return Minted(token, text)


def revoke_one(token: ApiToken) -> bool:
    """End one token, for callers who have checked who asks; False where it was revoked before."""
    ended = ApiToken.objects.filter(pk=token.pk, revoked_at__isnull=True).update(revoked_at=now())
    token.refresh_from_db(fields=["revoked_at"])
    return bool(ended)


def form_of(secret: str) -> WorkspaceContext | None:
    """What the link of a form opens; None for one that is wrong or off."""
    rows = ApiToken.objects.select_related("workspace", "user").filter(kind=ApiToken.Kind.FORM)
    token = rows.filter(digest=digest_of(secret)).first()
    context = context_of_form(token) if token is not None else None
    if context is not None and token is not None:
        usage.note(token)
    return context


def mint_run_token(
    workspace: Workspace,
    run_id: UUID,
    root_run_id: UUID,
    *,
    user: User | None = None,
    role: Role = Role.CONTRIBUTOR,
    lifetime: timedelta | None = None,
) -> str:
    """The key of one execution of a run: within the workspace's scope, and never with more than its user's role then."""
    text = f"{RUN_PREFIX}_{secrets.token_urlsafe(32)}"
    ApiToken.objects.create(
        kind=ApiToken.Kind.RUN, user=user, workspace=workspace, role=role, run_id=run_id, root_run_id=root_run_id,
        name=f"run {run_id}", prefix=RUN_PREFIX, digest=digest_of(text),
        expires_at=now() + lifetime if lifetime else None,
    )  # fmt: skip
    return text


def revoke_run_tokens(*run_ids: UUID) -> int:
    """A run's keys end with its execution; keys are made anew for each, so rows need not stay."""
    return ApiToken.objects.filter(kind=ApiToken.Kind.RUN, run_id__in=run_ids).delete()[0]


def verify(text: str) -> ApiToken:
    """The token that has this text. Raises Unauthenticated, with the reason when it was once a good one."""
    token = _BY_DIGEST.first(digest_of(text))
    if token is None or token.kind == ApiToken.Kind.FORM:
        raise Unauthenticated(_("This token is not known here. Make a new one on the page Settings."), code="bad_token")
    if token.revoked_at is not None:
        raise Unauthenticated(_("This token was revoked. Make a new one on the page Settings."), code="token_revoked")
    if token.expires_at is not None and token.expires_at <= now():
        raise Unauthenticated(_("This token has expired. Make a new one on the page Settings."), code="token_expired")
    if token.user is not None and not token.user.is_active:
        raise Unauthenticated(_("The account of this token is closed."), code="account_closed")
    usage.note(token)
    return token


@transaction.atomic
def revoke(context: WorkspaceContext, token_id: object) -> ApiToken:
    """Revoke one's own token; an owner may revoke anybody's of the workspace. What was made with it ends with it.

    A token revokes only what is no wider and lasts no longer than itself. Raises Forbidden, NotFound.
    """
    context = hold(context).require_person()
    tokens = ApiToken.objects.filter(workspace=context.workspace, kind=ApiToken.Kind.PERSONAL, pk=as_key(token_id))
    if not context.may(Role.OWNER):
        tokens = tokens.filter(user=context.user)
    token = tokens.first()
    if token is None:
        raise NotFound(_("There is no such token of yours."))
    used = context.token
    if used is not None and (Role(token.role).rank > Role(used.role).rank or used.ends_before(token.expires_at)):
        raise Forbidden(
            _("A token revokes only what carries and lasts no more than itself. Revoke this one while signed in."),
            code="role_too_large",
        )
    if token.revoked_at is None:
        token.revoked_at = now()
        ended = _with_children([token.pk])
        ApiToken.objects.filter(pk__in=ended, revoked_at__isnull=True).update(revoked_at=token.revoked_at)
        audit.note(context, "token.revoked", token.prefix, name=token.name, made_with_it=len(ended) - 1)
    return token


def end_all_of(user: User, workspace: Workspace) -> int:
    """Who leaves takes along every token that leans on them: their own, and those of their runs; how many."""
    return ApiToken.objects.filter(workspace=workspace, user=user).delete()[0]


def _with_children(keys: list[UUID]) -> list[UUID]:
    """These tokens and all that were made with them, at whatever distance."""
    found, level = list(keys), list(keys)
    while level:
        level = list(ApiToken.objects.filter(parent__in=level).values_list("id", flat=True))
        found += level
    return found


def role_of(role: str) -> Role:
    try:
        return Role(role)
    except ValueError as error:
        names = ", ".join(Role.values)
        raise Invalid(
            _("There is no role %(role)r. Use one of: %(names)s.") % {"role": role, "names": names}, code="unknown_role"
        ) from error


def _end_of(days: int | None) -> datetime | None:
    if days is None:
        return None
    if not 1 <= days <= MAX_DAYS:
        raise Invalid(
            _("'expires_in_days' is a number from 1 to %(max_days)s, or null for no end.") % {"max_days": MAX_DAYS}
        )
    return now() + timedelta(days=days)
