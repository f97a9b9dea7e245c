"""Make endpoints, add published pipelines to them, choose the default, rename, enable, archive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from core import held, once, outbox
from core.errors import Conflict, Invalid, NotFound
from core.names import one_line
from pipelines import hooks
from pipelines.models import PipelineEndpoint, PipelineEndpointVersion, PublishedPipeline
from workspaces.access import WorkspaceContext
from workspaces.models import Role, Workspace
from workspaces.scopes import Act
from workspaces.services import audit, edits

Status = PipelineEndpoint.Status


@transaction.atomic
def create(
    context: WorkspaceContext, name: str, pipeline: PublishedPipeline, description: str = ""
) -> PipelineEndpoint:
    """A new endpoint whose version 0, the default, is this pipeline. Raises Invalid for a bad name, Conflict for one that is
    taken."""
    context.require(Role.CONTRIBUTOR).require_act(Act.PUBLISH)
    made = PipelineEndpoint(
        workspace=context.workspace, name=_name(name), description=description, created_by=context.user
    )
    _save(made)
    PipelineEndpointVersion.objects.create(endpoint=made, version=0, pipeline=pipeline, created_by=context.user)
    once.settle(made)
    context.made("endpoint", made.pk)
    audit.note(context, "endpoint.created", str(made.pk), name=made.name)
    _tell(context.workspace)
    return made


@transaction.atomic
def add(
    context: WorkspaceContext, endpoint: PipelineEndpoint, pipeline: PublishedPipeline, *, is_default: bool = False
) -> PipelineEndpointVersion:
    """The pipeline as the next version; one that the endpoint has keeps the number that it has. Raises Conflict for an archived
    endpoint."""
    context.require(Role.CONTRIBUTOR).require_act(Act.PUBLISH)
    locked = _locked(endpoint)
    if locked.status == Status.ARCHIVED:
        raise Conflict(
            _("The endpoint '%(name)s' is archived. Reactivate it first.") % {"name": locked.name}, code="archived"
        )
    versions = PipelineEndpointVersion.objects.filter(endpoint=locked)
    made = versions.filter(pipeline=pipeline).first()
    if made is None:
        newest = versions.order_by("-version").values_list("version", flat=True).first()
        number = 0 if newest is None else newest + 1
        made = PipelineEndpointVersion.objects.create(
            endpoint=locked, version=number, pipeline=pipeline, created_by=context.user
        )
        facts: dict[str, Any] = {"name": locked.name, "version": made.version, "pipeline": pipeline.name}
        audit.note(context, "endpoint.version_added", str(locked.pk), **facts)
    once.settle(made)
    if is_default:
        _choose(context, locked, made.version)
    _tell(context.workspace)
    return made


@transaction.atomic
def change(
    context: WorkspaceContext, endpoint: PipelineEndpoint, asked: Mapping[str, Any], *, seen: edits.Seen = None
) -> PipelineEndpoint:
    """Change name, description, default version and status; what is left out stays.

    Raises Invalid for a bad name, Conflict for one that is taken, NotFound for a version that there is not,
    PreconditionFailed where it is not as it was `seen`.
    """
    context.require(Role.CONTRIBUTOR).require_own("endpoint", endpoint.pk)
    locked = _locked(endpoint)
    edits.require_unchanged(seen, state(locked), context.workspace, locked.pk)
    if (version := asked.get("default_version")) is not None:
        _choose(context, locked, version)
    if asked.get("status") is not None and asked["status"] not in Status.values:
        text = _("The status of an endpoint is Active, Disabled or Archived, not %(wanted)r.")
        raise Invalid(text % {"wanted": str(asked["status"])[:40]})
    fields = {key: asked[key] for key in ("description", "status") if asked.get(key) is not None}
    if asked.get("name") is not None:
        fields["name"] = _name(asked["name"])
    changed = {key: value for key, value in fields.items() if getattr(locked, key) != value}
    if changed.get("status", Status.ACTIVE) != Status.ACTIVE:
        hooks.endpoint_leaves(locked)
    for key, value in changed.items():
        setattr(locked, key, value)
    if changed:
        _save(locked)
        edits.note(context, "endpoint.changed", str(locked.pk), state(locked), **{"name": locked.name, **changed})
        _tell(context.workspace)
    return locked


def state(endpoint: PipelineEndpoint) -> dict[str, Any]:
    """All that a change may overwrite."""
    return {name: getattr(endpoint, name) for name in ("name", "description", "status", "default_version")}


def _choose(context: WorkspaceContext, endpoint: PipelineEndpoint, version: int) -> None:
    """Make a version the default. Raises NotFound, and Conflict where active schedules could not run it."""
    rows = PipelineEndpointVersion.objects.filter(endpoint=endpoint, version=version).select_related("pipeline")
    found = rows.defer("pipeline__graph").first()
    if found is None:
        raise NotFound(
            _("The endpoint '%(name)s' has no version %(version)s.") % {"name": endpoint.name, "version": version}
        )
    if endpoint.default_version == version:
        return
    held.refresh(found.pipeline, "status")
    hooks.default_chosen(endpoint, found.pipeline)
    PipelineEndpoint.objects.filter(pk=endpoint.pk).update(default_version=version)
    endpoint.default_version = version
    facts = {"name": endpoint.name, "version": version}
    edits.note(context, "endpoint.default_chosen", str(endpoint.pk), state(endpoint), **facts)
    _tell(context.workspace)


def _locked(endpoint: PipelineEndpoint) -> PipelineEndpoint:
    """Its row, also against those who hold it while they write what needs it (core.held)."""
    rows = PipelineEndpoint.objects.select_for_update(of=("self",))
    return rows.select_related("workspace", "created_by").get(pk=endpoint.pk)


def _name(text: str) -> str:
    name = one_line(text)
    if not name:
        raise Invalid(_("An endpoint has a name."), code="bad_name")
    return name


def _save(row: PipelineEndpoint) -> None:
    """Raises Conflict where another endpoint has its name."""
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        text = _("There is an endpoint '%(name)s' already. Choose another name, or archive that one.")
        raise Conflict(text % {"name": row.name}, code="exists") from error


def _tell(workspace: Workspace) -> None:
    outbox.hint(f"list:{workspace.name}:endpoints")
