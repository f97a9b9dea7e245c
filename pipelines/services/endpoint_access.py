"""Who starts an endpoint without being a member: programs with a token of its own (workspaces.services.tokens), which
leans on who made it, at each call."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from core.errors import Forbidden, NotFound
from core.ids import as_key
from pipelines import queries
from pipelines.models import PipelineEndpoint
from workspaces.access import WorkspaceContext, hold
from workspaces.models import ApiToken, Role
from workspaces.scopes import EndpointScope
from workspaces.services import audit, tokens
from workspaces.services.tokens import Minted

RUNS_PER_HOUR = 60


def tokens_of(endpoint: PipelineEndpoint) -> QuerySet[ApiToken]:
    """Its tokens, those too that have ended: their names tell what was in use."""
    rows = ApiToken.objects.filter(workspace=endpoint.workspace_id, kind=ApiToken.Kind.ENDPOINT)
    return rows.filter(scope__in=EndpointScope.all_of(endpoint.pk)).select_related("user")


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
