"""Publish a pipeline, enable and disable it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from core import outbox
from core.errors import Invalid
from pipelines import hooks
from pipelines.models import PublishedPipeline
from workspaces.access import WorkspaceContext
from workspaces.models import Role
from workspaces.scopes import Act
from workspaces.services import audit


def publish(context: WorkspaceContext, asked: Mapping[str, Any]) -> PublishedPipeline:
    """Publish a graph, or the graph of a run (docs/wire.md). Raises Unprocessable that names every problem."""
    context.require(Role.CONTRIBUTOR).require_act(Act.PUBLISH)
    if bool(asked.get("graph")) == bool(asked.get("run_id")):
        raise Invalid(_("Say what to publish: either 'graph' or 'run_id'."), code="nothing_to_publish")
    made = hooks.publish(context, asked)
    context.made("pipeline", made.pk)
    audit.note(context, "pipeline.published", str(made.pk), name=made.name)
    return made


@transaction.atomic
def set_status(context: WorkspaceContext, pipeline: PublishedPipeline, wanted: str) -> PublishedPipeline:
    """Enable or disable: a disabled one refuses its triggers. Everything else about it is frozen. Raises Conflict where active
    schedules run it."""
    context.require(Role.CONTRIBUTOR).require_own("pipeline", pipeline.pk)
    if wanted not in PublishedPipeline.Status.values:
        raise Invalid(
            _("The status of a published pipeline is Active or Disabled, not %(wanted)r.") % {"wanted": wanted}
        )
    if wanted == PublishedPipeline.Status.DISABLED:
        # Waits for schedules that are being made, which hold the row (core.held): they are seen then.
        PublishedPipeline.objects.select_for_update().values_list("pk").get(pk=pipeline.pk)
        hooks.pipeline_leaves(pipeline)
    PublishedPipeline.objects.filter(pk=pipeline.pk).update(status=wanted)
    pipeline.refresh_from_db(fields=["status"])
    audit.note(context, "pipeline.status", str(pipeline.pk), status=wanted)
    outbox.hint(f"list:{context.workspace.name}:pipelines")
    return pipeline
