"""How long steps and builds of environments have taken here, and what steps wrote last: a few queries for all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.db.models import F, Q, QuerySet, Window
from django.db.models.functions import Coalesce, RowNumber

from duto.spec.graph import Graph
from environments.models import EnvironmentBuild
from runs.estimates import Estimate, estimate
from runs.models import Run, StepRun
from runs.services.orchestration.reuse import newest_of
from workspaces.models import Workspace

# How many of the newest steps of a name count for its time and for what it wrote last, and how many of the newest builds.
NEWEST, NEWEST_WRITERS, NEWEST_BUILDS = 20, 3, 50


class History:
    """How long the newest steps of some names took, looked up when it is asked for."""

    def __init__(self, workspace: Workspace, graph: Graph) -> None:
        self.workspace = workspace
        self._seconds: dict[str, list[float]] = {}
        # A sweep shares its name with its trials, and theirs are the newest.
        self._sweeps = {step.name for step in graph.steps if step.kind == "sweep"}

    def load(self, names: Collection[str]) -> None:
        """Look up the steps of these names that ran and completed: one query, and one for sweeps."""
        missing = set(names) - self._seconds.keys()
        self._seconds.update({name: [] for name in missing})
        if plain := missing - self._sweeps:
            self._read(newest_of(self.workspace.pk, plain, NEWEST))
        if sweeps := missing & self._sweeps:
            turn = Window(RowNumber(), partition_by=F("name"), order_by=F("run_id").desc())
            rows = StepRun.objects.filter(workspace=self.workspace, name__in=sweeps).exclude(run__kind=Run.Kind.TRIAL)
            newest = rows.annotate(turn=turn).filter(turn__lte=NEWEST).values("run_id")
            self._read(StepRun.objects.filter(pk__in=newest))

    def _read(self, rows: QuerySet[StepRun]) -> None:
        ran = rows.filter(run__status=Run.Status.COMPLETED, reused_from__isnull=True, run__finished_at__isnull=False)
        began = Coalesce("run__preparing_at", "run__started_at")
        times = ran.exclude(run__kind=Run.Kind.TRIAL).annotate(began=began).filter(began__isnull=False)
        for name, start, end in times.values_list("name", "began", "run__finished_at"):
            if start is not None and end is not None:
                self._seconds[name].append(max(0.0, (end - start).total_seconds()))

    def estimate(self, name: str) -> Estimate | None:
        """How long a step of this name runs, of those that were looked up."""
        return estimate(self._seconds[name])


def last_written(workspace: Workspace, names: Collection[str]) -> dict[str, StepRun]:
    """By name what the newest step that completed wrote: one query. It only guesses, so that few are looked at."""
    rows = newest_of(workspace.pk, names, NEWEST_WRITERS).filter(run__status=Run.Status.COMPLETED).order_by("run_id")
    found = rows.exclude(run__kind=Run.Kind.TRIAL).select_related("run")
    return {row.name: row for row in found.only("name", "node_id", "output_digests", "run__root") if row.output_digests}


class BuildHistory:
    """How long the newest builds took: apart those with conda packages, which take longer."""

    def __init__(self) -> None:
        rows = EnvironmentBuild.objects.filter(status=EnvironmentBuild.Status.READY)
        self._seconds: dict[bool, list[float]] = {True: [], False: []}
        newest = rows.order_by("-id").annotate(has_conda=Q(recipe__has_key="conda"))[:NEWEST_BUILDS]
        for started, finished, has_conda in newest.values_list("started_at", "finished_at", "has_conda"):
            if started is not None and finished is not None:
                self._seconds[bool(has_conda)].append(max(0.0, (finished - started).total_seconds()))

    def estimate(self, definition: Mapping[str, Any]) -> Estimate | None:
        """How long a build of this definition takes, by those of its kind."""
        return estimate(self._seconds[bool((definition.get("python") or {}).get("conda"))])
