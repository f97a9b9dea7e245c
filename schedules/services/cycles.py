"""Pipelines that would start each other for ever are refused when the last trigger of the circle is made."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.utils.translation import gettext as _

from core.errors import Conflict
from core.ids import as_key
from pipelines.models import PipelineEndpoint, PipelineEndpointVersion, PublishedPipeline
from schedules import triggers
from schedules.models import Schedule
from schedules.triggers import DATASET, ENDPOINT, PIPELINE


def refuse_cycle(schedule: Schedule) -> None:
    """Raises Conflict that names the circle which an active schedule would close: of pipelines and endpoints, as they are now, and of
    the datasets that their steps register. What a script registers by itself is not seen; `triggers.MOST_DEPTH` bounds it."""
    if schedule.trigger is None:
        return
    others = Schedule.objects.filter(workspace=schedule.workspace, status=Schedule.Status.ACTIVE).exclude(
        trigger_key=""
    )
    rows = [*others.exclude(pk=schedule.pk).defer("seen"), schedule]
    emits = _Emits(rows)
    edges: dict[str, set[str]] = defaultdict(set)
    for each in rows:
        edges[each.trigger_key] |= emits.of(each)
    path = triggers.path_back(sorted(emits.of(schedule)), schedule.trigger_key, edges)
    if path:
        names = " → ".join(f"'{emits.name(key)}'" for key in (schedule.trigger_key, *path))
        text = _(
            "The pipelines would start each other without an end: %(names)s. Have one of them started by something else."
        )
        raise Conflict(text % {"names": names}, code="cycle")


class _Emits:
    """What the runs of schedules cause: their end, and new versions of datasets."""

    def __init__(self, rows: list[Schedule]) -> None:
        endpoints = {each.endpoint_id for each in rows if each.endpoint_id}
        versions = PipelineEndpointVersion.objects.filter(endpoint__in=endpoints).select_related("endpoint")
        self.defaults = {
            each.endpoint_id: each.pipeline_id for each in versions if each.version == each.endpoint.default_version
        }
        pipelines = {each.pipeline_id for each in rows if each.pipeline_id} | set(self.defaults.values())
        self.registered = {
            each.pk: _registered(each.graph)
            for each in PublishedPipeline.objects.filter(pk__in=pipelines).only("graph").iterator()
        }

    def of(self, schedule: Schedule) -> set[str]:
        pipeline = schedule.pipeline_id or self.defaults.get(schedule.endpoint_id)  # type: ignore[arg-type]
        found = {f"{ENDPOINT}:{schedule.endpoint_id}"} if schedule.endpoint_id else set()
        if pipeline is not None:
            found |= {f"{PIPELINE}:{pipeline}", *(f"{DATASET}:{name}" for name in self.registered.get(pipeline, ()))}
        return found

    def name(self, key: str) -> str:
        kind, _colon, of = key.partition(":")
        table: Any = {PIPELINE: PublishedPipeline, ENDPOINT: PipelineEndpoint}.get(kind)
        found = table.objects.filter(pk=as_key(of)).values_list("name", flat=True).first() if table else None
        return str(found or of)


def _registered(graph: dict[str, Any]) -> set[str]:
    """The names under which outputs of a graph become datasets."""
    outputs = (output for step in graph.get("steps") or () for output in step.get("outputs") or ())
    return {str(name) for output in outputs if (name := (output.get("register") or {}).get("name"))}
