"""A pipeline or endpoint with active schedules cannot be disabled: Azure ML refuses that as well."""

from __future__ import annotations

from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _

from core.errors import Conflict
from pipelines.models import PipelineEndpoint, PipelineEndpointVersion, PublishedPipeline
from schedules.models import Schedule

NAMED = 5


def refuse_scheduled_pipeline(pipeline: PublishedPipeline) -> None:
    """Raises Conflict that names the active schedules of a published pipeline, also those that run it as the default version of an
    endpoint."""
    default = PipelineEndpointVersion.objects.filter(pipeline=pipeline, version=F("endpoint__default_version"))
    _refuse(Schedule.objects.filter(Q(pipeline=pipeline) | Q(endpoint__in=default.values("endpoint"))), pipeline.name)


def refuse_disabled_default(endpoint: PipelineEndpoint, pipeline: PublishedPipeline) -> None:
    """Raises Conflict where active schedules run an endpoint whose default version would be a disabled pipeline."""
    if pipeline.status != PublishedPipeline.Status.ACTIVE:
        names = _active(Schedule.objects.filter(endpoint=endpoint))
        if names:
            text = _(
                "Active schedules run '%(what)s': %(names)s. The pipeline '%(pipeline)s' is disabled; enable it first."
            )
            raise Conflict(text % {"what": endpoint.name, "names": names, "pipeline": pipeline.name}, code="scheduled")


def refuse_scheduled_endpoint(endpoint: PipelineEndpoint) -> None:
    """Raises Conflict that names the active schedules of an endpoint."""
    _refuse(Schedule.objects.filter(endpoint=endpoint), endpoint.name)


def _refuse(schedules: QuerySet[Schedule], what: str) -> None:
    if names := _active(schedules):
        raise Conflict(
            _("'%(what)s' is run by active schedules: %(names)s. Disable them first.") % {"what": what, "names": names},
            code="scheduled",
        )


def _active(schedules: QuerySet[Schedule]) -> str:
    """The names of the active ones, the newest first; empty where there is none."""
    active = schedules.filter(status=Schedule.Status.ACTIVE).order_by("-id")
    names = [f"'{each}'" for each in active.values_list("name", flat=True)[: NAMED + 1]]
    return ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")
