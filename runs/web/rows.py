"""Runs as a list shows them: one line each, with few queries however many lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from runs.models import Run
from runs.queries.finding import Counts, step_counts

# Large columns that no line shows.
HEAVY = ("graph", "properties", "parameters", "warnings", "description")


@dataclass(frozen=True)
class Line:
    """One run of a list."""

    run: Run
    counts: dict[str, int]
    is_reused: bool

    @property
    def status(self) -> str:
        return self.run.status

    @property
    def by(self) -> str:
        return who(self.run)

    @property
    def name(self) -> str:
        return self.run.display_name or self.run.experiment.name


def who(run: Run) -> str:
    """Who or what started it."""
    kind = run.trigger.get("kind", "")
    person = run.submitted_by.get_username() if run.submitted_by else ""
    name = person if kind in ("resubmit", "resume") else run.trigger.get("name") or person
    words = {
        "published": _("pipeline “%(name)s”"),
        "schedule": _("schedule “%(name)s”"),
        "rest": _("%(name)s, REST"),
        "sdk": _("%(name)s, SDK"),
    }
    if not name:
        return kind or _("unknown")
    return words.get(kind, "%(name)s") % {"name": name}


def lines(runs: Sequence[Run]) -> list[Line]:
    """The lines of these runs: one query more than the runs themselves."""
    counts = step_counts(list(runs))
    return [_line(run, counts.get(run.pk)) for run in runs]


def _line(run: Run, counts: Counts | None) -> Line:
    """Reused steps are told apart from those that ran."""
    if counts is None:
        return Line(run, {}, False)
    shown = dict(counts.by_status)
    if counts.reused:
        shown["Reused"] = counts.reused
        shown[Run.Status.COMPLETED] = shown.get(Run.Status.COMPLETED, 0) - counts.reused
    shown = {state: number for state, number in shown.items() if number > 0}
    return Line(run, shown, set(shown) == {"Reused"})
