"""Runs as a list shows them: one line each, with few queries however many lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from runs.models import Run
from runs.queries.runs import Counts, step_counts

# Large columns that no line shows.
HEAVY = ("graph", "properties", "parameters", "warnings", "description")


# How a run came, behind the name of who is meant.
WAYS = {
    "page": gettext_lazy("page"),
    "published": gettext_lazy("pipeline “%(name)s”"),
    "endpoint": gettext_lazy("endpoint “%(name)s”"),
    "form": gettext_lazy("form of the endpoint “%(name)s”"),
    "draft": gettext_lazy("draft “%(name)s”"),
    "schedule": gettext_lazy("schedule “%(name)s”"),
    "monitor": gettext_lazy("monitor “%(name)s”"),
    "rest": gettext_lazy("token"),
    "sdk": gettext_lazy("program"),
}


@dataclass(frozen=True)
class RunRow:
    """One run of a list."""

    run: Run
    counts: dict[str, int]
    is_reused: bool
    by: str

    @property
    def status(self) -> str:
        return self.run.status

    @property
    def name(self) -> str:
        return self.run.display_name or self.run.experiment.name


def givers(runs: Sequence[Run]) -> dict[UUID, int]:
    """The numbers of the runs whose steps submitted some of these; one query, and none where no step did."""
    wanted = {run.submitted_in for run in runs if run.submitted_in}
    return dict(Run.objects.filter(pk__in=wanted).values_list("pk", "number")) if wanted else {}


def who(run: Run, givers: Mapping[UUID, int]) -> str:
    """The person who started it, and by which way: page, program, token, pipeline, schedule, or a step of another run."""
    kind = run.trigger.get("kind", "")
    person = run.submitted_by.get_username() if run.submitted_by else ""
    if run.submitted_in:
        number = givers.get(run.submitted_in)
        way = _("step of run #%(number)s") % {"number": number} if number else _("step of a deleted run")
    else:
        way = WAYS.get(kind, "") % {"name": run.trigger.get("name") or ""}
    return ", ".join(part for part in (person, way) if part) or kind or _("unknown")


def lines(runs: Sequence[Run]) -> list[RunRow]:
    """The lines of these runs: one query more than the runs themselves."""
    counts, roots = step_counts(list(runs)), givers(runs)
    return [_line(run, counts.get(run.pk), who(run, roots)) for run in runs]


def _line(run: Run, counts: Counts | None, by: str) -> RunRow:
    """Reused steps are told apart from those that ran."""
    if counts is None:
        return RunRow(run, {}, False, by)
    shown = dict(counts.by_status)
    if counts.reused:
        shown["Reused"] = counts.reused
        shown[Run.Status.COMPLETED] = shown.get(Run.Status.COMPLETED, 0) - counts.reused
    shown = {state: number for state, number in shown.items() if number > 0}
    return RunRow(run, shown, set(shown) == {"Reused"}, by)
