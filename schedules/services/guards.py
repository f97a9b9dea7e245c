"""What a schedule needs is not disabled behind its back: Azure ML refuses that as well."""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from core.errors import Conflict
from pipelines.models import PipelineEndpoint, PublishedPipeline
from schedules.models import Schedule

NAMED = 5


def keep_pipeline(pipeline: PublishedPipeline) -> None:
    """Raises Conflict that names the active schedules of a published pipeline."""
    _refuse(Schedule.objects.filter(pipeline=pipeline), pipeline.name)


def keep_endpoint(endpoint: PipelineEndpoint) -> None:
    """Raises Conflict that names the active schedules of an endpoint."""
    _refuse(Schedule.objects.filter(endpoint=endpoint), endpoint.name)


def _refuse(schedules: QuerySet[Schedule], what: str) -> None:
    active = schedules.filter(status=Schedule.Status.ACTIVE).order_by("-id")
    names = [f"'{each}'" for each in active.values_list("name", flat=True)[: NAMED + 1]]
    if names:
        shown = ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")
        raise Conflict(
            _("'%(what)s' is run by active schedules: %(names)s. Disable them first.") % {"what": what, "names": shown},
            code="scheduled",
        )
