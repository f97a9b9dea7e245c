"""The trials of a sweep, with what each has logged of the primary metric: three queries, however many trials."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from duto.spec.sweeps import Sweep as Settings
from runs.models import MetricPoint, Run, Trial
from runs.queries.graphs import parsed
from runs.sweeps import plan, stopping


@dataclass(frozen=True)
class TrialRow:
    """A trial; `values` are those of the primary metric as it was logged, `None` for what is no number."""

    trial: Trial
    state: plan.Trial
    settings: Settings

    @property
    def run(self) -> Run:
        return self.trial.run

    @property
    def best(self) -> float | None:
        """The best value of the primary metric that it has logged."""
        found = self.state.best
        return None if found is None else self.settings.sign * found

    @property
    def hyperparameters(self) -> dict[str, Any]:
        names = (each.name for each in self.settings.space)
        return dict(zip(names, self.trial.values, strict=True))


def settings_of(run: Run) -> Settings | None:
    """The settings of a run whose step is a sweep; None for any other."""
    return parsed(run.graph_id).sweeps.get(run.step.node_id) if hasattr(run, "step") else None


def trials_of(run: Run, settings: Settings) -> list[TrialRow]:
    """All trials in the order of their numbers."""
    rows = (
        Trial.objects.filter(sweep=run.pk)
        .select_related("run", "resumed_from")
        .defer("run__graph", "resumed_from__graph")
    )
    found = list(rows.order_by("number"))
    return [TrialRow(row, state, settings) for row, state in zip(found, states_of(settings, found), strict=True)]


def states_of(settings: Settings, rows: Sequence[Trial]) -> list[plan.Trial]:
    """Trials as decisions see them, with what each has logged of the primary metric, by one query."""
    logged = values_of(settings.metric, settings.sign, [row.run_id for row in rows])
    return [plan.Trial(row.number, row.run.status, logged.get(row.run_id, ()), row.evaluated) for row in rows]


def values_of(metric: str, sign: int, runs: Iterable[UUID]) -> dict[UUID, list[float]]:
    """By run the series of a metric, turned so that more is better. What is no number counts as worse than any."""
    found: dict[UUID, list[float]] = {}
    points = MetricPoint.objects.filter(run__in=list(runs), name=metric, kind="scalar").order_by(
        "run_id", "index", "id"
    )
    for run, value in points.values_list("run_id", "value"):
        found.setdefault(run, []).append(stopping.WORST if value is None else sign * value)
    return found
