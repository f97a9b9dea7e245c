"""When a sweep is looked at although no run of its tree has moved: a trial has logged, or time has passed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from uuid import UUID

from core import outbox
from core.work import after_commit
from runs.models import MetricPoint, Run, Sweep, Trial
from runs.queries.graphs import parsed
from runs.services.orchestration.progress import advance_some
from runs.sweeps import stopping

# So many sweeps are looked after by one look of the ticker.
MOST = 50


def metrics_came(run: Run, names: Iterable[str]) -> None:
    """A trial has logged: pages look again, and where the policy is due it is applied. What is lost here the ticker finds."""
    if not names:
        return
    outbox.hint(f"children:{run.parent_id}", {"reload": True})
    after_commit(partial(_apply_policy, run.pk, frozenset(names)))


def _apply_policy(run_id: UUID, names: frozenset[str]) -> None:
    trial = (
        Trial.objects.select_related("run", "sweep__run__step").defer("run__graph", "sweep__run__graph").get(pk=run_id)
    )
    settings = parsed(trial.run.root_id or trial.run_id).sweeps[trial.sweep.run.step.node_id]
    if settings.metric not in names or settings.policy.kind == "none":
        return
    count = MetricPoint.objects.filter(run=run_id, name=settings.metric, kind="scalar").count()
    if stopping.interval_of(settings.policy, count, trial.evaluated) is not None:
        advance_some(trial.run.root_id or run_id)


def advance_open() -> None:
    """The ticker's look at all sweeps at work: time that is over, and wake-ups that were lost."""
    rows = Sweep.objects.filter(is_over=False).order_by("run_id").values_list("run__root_id", flat=True)
    for root_id in rows.distinct()[:MOST]:
        if root_id is not None:
            advance_some(root_id)
