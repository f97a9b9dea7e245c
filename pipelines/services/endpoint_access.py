"""Who starts an endpoint without being a member: programs with a token of its own, people with the link of its form.

Both are tokens (workspaces.services.tokens) whose scope is the endpoint. They lean on who made them, at each call.
"""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from core.errors import Forbidden, NotFound
from core.ids import as_key
from pipelines import queries
from pipelines.models import PipelineEndpoint
from workspaces.access import WorkspaceContext, context_of_form, hold
from workspaces.models import ApiToken, Role
from workspaces.scopes import EndpointScope
from workspaces.services import audit, tokens
from workspaces.services.tokens import Minted

RUNS_PER_HOUR = 60


def tokens_of(endpoint: PipelineEndpoint) -> QuerySet[ApiToken]:
    """Its tokens, those too that have ended: their names tell what was in use."""
    return _rows(endpoint, ApiToken.Kind.ENDPOINT)


def form_of(endpoint: PipelineEndpoint) -> ApiToken | None:
    """The link of its form, where that is on: not ended, and of one who is an owner still."""
    return next((each for each in _open_forms(endpoint) if context_of_form(each)), None)


def require_scope(context: WorkspaceContext, endpoint: PipelineEndpoint, version: str = "") -> None:
    """Raises Forbidden (`endpoint_scope`) where the caller's token is of another endpoint, or of the default version alone
    and another one is asked for, NotFound for a version that there is not."""
    scope = context.endpoint
    if scope is None:
        return
    if scope.endpoint != endpoint.pk:
        raise Forbidden(_("This token starts another endpoint. Ask for one of this endpoint."), code="endpoint_scope")
    if not version or scope.any_version:
        return
    if queries.endpoint_version(endpoint, version).version != endpoint.default_version:
        raise Forbidden(
            _("This token starts the default version of the endpoint, %(default)s now, and no other. Name no version.")
            % {"default": endpoint.default_version},
            code="endpoint_scope",
        )


def named(context: WorkspaceContext, name: str) -> PipelineEndpoint:
    """The endpoint of this name; a token of an endpoint learns nothing of the names of others. Raises NotFound, Forbidden."""
    if context.endpoint is None:
        return queries.endpoint_named(context.workspace, name)
    own = queries.endpoint(context.workspace, context.endpoint.endpoint)
    if own.name != name:
        raise Forbidden(
            _("This token starts the endpoint '%(name)s', and no other.") % {"name": own.name}, code="endpoint_scope"
        )
    return own


@transaction.atomic
def create_token(
    context: WorkspaceContext,
    endpoint: PipelineEndpoint,
    name: str,
    *,
    expires_in_days: int | None = None,
    runs_per_hour: int = RUNS_PER_HOUR,
    any_version: bool = False,
) -> Minted:
    """A token that starts this endpoint, its default version or with `any_version` each that a call names, and sees the
    runs that it started. Raises Forbidden, Invalid."""
    context = hold(context).require(Role.CONTRIBUTOR).require_person()
    made = tokens.mint_for_endpoint(
        context, EndpointScope(endpoint.pk, any_version), name, runs_per_hour=runs_per_hour,
        expires_in_days=expires_in_days,
    )  # fmt: skip
    audit.note(
        context, "endpoint.token_created", str(endpoint.pk), name=endpoint.name, token=made.token.name,
        prefix=made.token.prefix, runs_per_hour=runs_per_hour,
    )  # fmt: skip
    return made


@transaction.atomic
def revoke_token(context: WorkspaceContext, endpoint: PipelineEndpoint, token_id: UUID | str) -> ApiToken:
    """End a token of one's own; an owner ends anybody's. Raises NotFound, Forbidden."""
    context = hold(context).require_person()
    token = tokens_of(endpoint).filter(pk=as_key(token_id)).first()
    if token is None:
        raise NotFound(_("The endpoint '%(name)s' has no such token.") % {"name": endpoint.name})
    if not context.may(Role.OWNER) and (context.user is None or token.user_id != context.user.pk):
        raise Forbidden(_("Another member made this token. They can revoke it, and so can an owner of the workspace."))
    if tokens.revoke_one(token):
        audit.note(
            context, "endpoint.token_revoked", str(endpoint.pk), name=endpoint.name, token=token.name,
            prefix=token.prefix,
        )  # fmt: skip
    return token


@transaction.atomic
def open_form(
    context: WorkspaceContext,
    endpoint: PipelineEndpoint,
    *,
    expires_in_days: int | None = None,
    runs_per_hour: int = RUNS_PER_HOUR,
) -> Minted:
    """Let anyone with the link run the endpoint's default version. A link that was there before ends: it is renewed.

    Raises Forbidden for who is no owner, Invalid.
    """
    context = hold(context).require(Role.OWNER).require_person()
    for before in _open_forms(endpoint):
        tokens.revoke_one(before)
    made = tokens.mint_for_endpoint(
        context, EndpointScope(endpoint.pk), endpoint.name[:120], runs_per_hour=runs_per_hour,
        expires_in_days=expires_in_days, kind=ApiToken.Kind.FORM,
    )  # fmt: skip
    audit.note(
        context, "endpoint.form_opened", str(endpoint.pk), name=endpoint.name, prefix=made.token.prefix,
        runs_per_hour=runs_per_hour,
    )  # fmt: skip
    return made


@transaction.atomic
def close_form(context: WorkspaceContext, endpoint: PipelineEndpoint) -> None:
    """Switch the link off; where it is off already nothing happens. Raises Forbidden for who is no owner."""
    context = hold(context).require_role(Role.OWNER).require_person()
    for token in _open_forms(endpoint):
        if tokens.revoke_one(token):
            audit.note(context, "endpoint.form_closed", str(endpoint.pk), name=endpoint.name, prefix=token.prefix)


def _open_forms(endpoint: PipelineEndpoint) -> list[ApiToken]:
    return list(_rows(endpoint, ApiToken.Kind.FORM).filter(revoked_at__isnull=True).order_by("-id"))


def _rows(endpoint: PipelineEndpoint, kind: ApiToken.Kind) -> QuerySet[ApiToken]:
    rows = ApiToken.objects.filter(workspace=endpoint.workspace_id, kind=kind)
    return rows.filter(scope__in=EndpointScope.all_of(endpoint.pk)).select_related("user", "workspace")
