"""How long steps and builds of environments have taken here, and which of them came last: a few queries for all."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import F, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from core.words import seconds_between
from duto.spec.graph import Graph
from environments.models import EnvironmentBuild
from runs.estimates import Estimate, estimate
from runs.models import Run, StepRun
from workspaces.models import Workspace

# So many of the newest steps of a name are looked at, and so many of the newest builds.
LOOKED_AT = 30
BUILDS = 50


@dataclass(frozen=True)
class Past:
    """An earlier step. `seconds` from its place to its end, where it ran and completed."""

    run: UUID
    is_source: bool
    has_ended: bool
    seconds: float | None


class History:
    """The newest steps of the names that a graph has."""

    def __init__(self, workspace: Workspace, graph: Graph) -> None:
        self.workspace = workspace
        self._by_name: dict[str, list[Past]] = {step.name: [] for step in graph.steps}
        # A sweep shares its name with its trials, and theirs are the newest.
        sweeps = {step.name for step in graph.steps if step.kind == "sweep"}
        newest = _newest(workspace, self._by_name.keys() - sweeps, Q())
        if sweeps:
            newest = newest | _newest(workspace, sweeps, ~Q(run__kind=Run.Kind.TRIAL))
        rows = StepRun.objects.filter(newest).exclude(run__kind=Run.Kind.TRIAL).order_by("-run_id")
        times = ("run__preparing_at", "run__started_at", "run__finished_at")
        for name, run, is_source, reused, status, *moments in rows.values_list(
            "name", "run_id", "is_source", "reused_from_id", "run__status", *times
        ):
            self._by_name[name].append(_past(run, is_source, reused, status, *moments))

    def estimate(self, name: str) -> Estimate | None:
        """How long a step of this name runs."""
        return estimate([past.seconds for past in self._by_name[name] if past.seconds is not None])

    def has_source(self, name: str) -> bool:
        """Whether the result of a step of this name may be taken, or might be: older ones than were looked at may be there."""
        return len(self._by_name[name]) == LOOKED_AT or any(past.is_source for past in self._by_name[name])

    def namesakes(self, names: Collection[str]) -> dict[str, UUID | None]:
        """By name the newest step whose result may be taken. Of a name of which only older ones might be there: nothing."""
        found: dict[str, UUID | None] = {}
        for name in names:
            source = next((past.run for past in self._by_name[name] if past.is_source), None)
            if source is not None or len(self._by_name[name]) < LOOKED_AT:
                found[name] = source
        return found

    def written_last(self) -> dict[str, StepRun]:
        """By name the newest step that completed, with what it wrote: one query."""
        ended = [next((past.run for past in pasts if past.has_ended), None) for pasts in self._by_name.values()]
        rows = StepRun.objects.filter(pk__in=[run for run in ended if run is not None])
        found = rows.select_related("run").only("name", "node_id", "output_digests", "run__root")
        return {row.name: row for row in found if row.output_digests}


def _newest(workspace: Workspace, names: Iterable[str], which: Q) -> Q:
    """The newest few of each name, told by their index alone."""
    turn = Window(RowNumber(), partition_by=F("name"), order_by=F("run_id").desc())
    rows: QuerySet[StepRun] = StepRun.objects.filter(which, workspace=workspace, name__in=list(names))
    return Q(pk__in=rows.annotate(turn=turn).filter(turn__lte=LOOKED_AT).values("run_id"))


def _past(run: UUID, is_source: bool, reused: UUID | None, status: str, *moments: Any) -> Past:
    preparing, started, finished = moments
    has_ended = status == Run.Status.COMPLETED
    began = preparing or started
    ran = has_ended and reused is None and began is not None and finished is not None
    return Past(run, is_source, has_ended, max(0.0, seconds_between(began, finished)) if ran else None)


class BuildHistory:
    """How long the newest builds took: apart those with conda packages, which take longer."""

    def __init__(self) -> None:
        rows = EnvironmentBuild.objects.filter(status=EnvironmentBuild.Status.READY)
        self._seconds: dict[bool, list[float]] = {True: [], False: []}
        newest = rows.order_by("-id").annotate(has_conda=Q(recipe__has_key="conda"))[:BUILDS]
        for started, finished, has_conda in newest.values_list("started_at", "finished_at", "has_conda"):
            if started is not None and finished is not None:
                self._seconds[bool(has_conda)].append(max(0.0, seconds_between(started, finished)))

    def estimate(self, definition: Mapping[str, Any]) -> Estimate | None:
        """How long a build of this definition takes, by those of its kind."""
        return estimate(self._seconds[bool((definition.get("python") or {}).get("conda"))])
