"""Plan a run's graph, and check its steps for reuse one by one, after so many more runs of it. Everything is rolled back."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from benchmarks.inside import open_studio, tell

if TYPE_CHECKING:
    from runs.models import Run
    from workspaces.access import WorkspaceContext


def main(run_id: str, earlier: int) -> None:
    """Each is done once before, for what a process reads once."""
    from django.db import connection, transaction
    from django.test.utils import CaptureQueriesContext

    from runs.models import Run
    from runs.services.planning.plan_run import plan_run
    from runs.services.submission.submit import resubmission_of
    from workspaces.access import WorkspaceContext
    from workspaces.models import Role

    run = Run.objects.select_related("workspace", "experiment", "submitted_by").get(pk=run_id)
    context = WorkspaceContext(run.workspace, Role.OWNER, user=run.submitted_by)
    with transaction.atomic():
        for _ in range(earlier):
            copied(run)
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("ANALYZE runs_run, runs_steprun")
        asked = resubmission_of(context, run, {})
        changed = {**asked, "graph": {**asked["graph"], "steps": [_changed(each) for each in asked["graph"]["steps"]]}}
        for _ in range(2):
            check_s, lookups_s, found = checked(context, run)
            plan_s, plan = timed(lambda: plan_run(context, **asked))
            all_run_s, other = timed(lambda: plan_run(context, **changed))
        with CaptureQueriesContext(connection) as seen:
            plan_run(context, **changed)
        transaction.set_rollback(True)
    counts = {
        "reused": plan.counts["reused"],
        "checked": found,
        "changed": other.counts["runs"],
        "statements": len(seen),
    }
    tell(plan_s=plan_s, check_s=check_s, lookups_s=lookups_s, all_run_s=all_run_s, **counts)


def timed(act: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and the result."""
    began = time.perf_counter()
    found = act()
    return time.perf_counter() - began, found


def _changed(step: dict[str, Any]) -> dict[str, Any]:
    return {**step, "arguments": [*step["arguments"], "changed"]}


def copied(run: Run) -> None:
    """One more run of the same steps."""
    from core.ids import uuid7
    from runs.models import Run, StepRun

    root = Run.objects.get(pk=run.pk)
    root.pk, root.number = uuid7(), root.number + 1_000_000 + Run.objects.filter(parent=None).count()
    root.root_id = root.pk
    root.save(force_insert=True)
    steps = list(StepRun.objects.filter(run__root=run.pk).select_related("run").order_by("run_id"))
    runs = []
    for step in steps:
        each = step.run
        each.pk, each.root_id, each.parent_id = uuid7(), root.pk, root.pk
        step.run_id, step.run = each.pk, each
        runs.append(each)
    Run.objects.bulk_create(runs)
    StepRun.objects.bulk_create(steps)


def checked(context: WorkspaceContext, run: Run) -> tuple[float, float, int]:
    """Seconds of the checks of a submit with those of reuse that steps get as they start; of the latter alone; and how many of the
    steps may be reused."""
    from duto.spec import fingerprint
    from environments.services import versions
    from runs.models import Run
    from runs.services.orchestration import fingerprints, reuse
    from runs.services.planning.dry_run import DryRun
    from runs.services.submission.checks import check, environments

    began = time.perf_counter()
    graph = check(context, run.graph or {}, run.parameters, kind=run.kind)
    found = environments(context, graph, versions.look)
    root = Run(workspace=context.workspace, kind=run.kind, parameters=graph.parameters)
    dry_run = DryRun(root, graph, found)
    looked, count = time.perf_counter(), 0
    for node in dry_run.parsed.order:
        step = dry_run.spec(node)
        compute = graph.targets[str(step.compute).lower()]
        document = fingerprints.document_of(dry_run, node, environment=found[node], compute=compute)
        count += reuse.look_up(dry_run, node, document, fingerprint.digest(document)).source is not None
    done = time.perf_counter()
    return done - began, done - looked, count


if __name__ == "__main__":
    open_studio()
    main(sys.argv[1], int(sys.argv[2]))
