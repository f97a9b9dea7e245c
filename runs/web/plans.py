"""The plan of what a form would submit, as a part of the page that has the form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from core.errors import StudioError
from core.words import duration_text
from runs import stored_messages
from runs.estimates import Estimate
from runs.services.planning.data import Data
from runs.services.planning.plan import ENVIRONMENT, LATER, WAITS, Plan, PlannedCluster, PlannedEnvironment, PlannedStep
from runs.services.planning.plan_run import plan_run
from runs.web.parameters import errors_of
from workspaces.access import WorkspaceContext
from workspaces.web import responses

PART = "plan"
# A longer table is no longer read; what runs is shown before what is reused.
SHOWN, DIFFERENCES = 100, 5
# By outcome: the state that it looks like, and its word.
LOOKS = {
    "reused": ("Reused", gettext_lazy("reused")),
    "runs": ("Running", gettext_lazy("runs")),
    "unknown": ("Queued", gettext_lazy("not known yet")),
    "fails": ("Failed", gettext_lazy("fails")),
    "skipped": ("Skipped", gettext_lazy("skipped")),
}
STARTS = {
    WAITS: gettext_lazy("waits"),
    ENVIRONMENT: gettext_lazy("when its environment is built"),
    LATER: gettext_lazy("later"),
}
STATES = {
    "ready": gettext_lazy("ready"),
    "building": gettext_lazy("is being built"),
    "to_build": gettext_lazy("would be built"),
    "user_managed": gettext_lazy("the host's own Python"),
}


@dataclass(frozen=True)
class Badge:
    """An outcome as a badge of a state."""

    state: str
    word: str

    @property
    def icon(self) -> str:
        return f"state-{self.state.lower()}"


@dataclass(frozen=True)
class PlannedRow:
    """A step with what its row shows beside it."""

    step: PlannedStep
    badge: Badge
    takes: str
    where: str
    url: str

    @property
    def differences(self) -> list[str]:
        """What differs, as far as the sentence of the step does not say it."""
        return [each["text"] for each in self.step.differences if each["text"] not in self.step.text][:DIFFERENCES]


@dataclass(frozen=True)
class PlanPart:
    """What runs/plan.html may show."""

    plan: Plan | None
    lines: Sequence[PlannedRow] = ()
    error: str = ""

    @property
    def counts(self) -> list[tuple[Badge, int]]:
        """Each outcome that there is, and of how many steps."""
        found = self.plan.counts if self.plan else {}
        return [(_badge(name), found[name]) for name in LOOKS if found.get(name)]

    @property
    def more(self) -> int:
        return len(self.plan.steps) - len(self.lines) if self.plan else 0

    @property
    def takes(self) -> str:
        """How long all of it takes, in words."""
        seconds = self.plan.seconds if self.plan else None
        return ranged(seconds) if seconds is not None and seconds.high else ""

    @property
    def finish(self) -> datetime | None:
        return self.plan.finish("median") if self.plan else None

    @property
    def lacking(self) -> str:
        count = self.plan.without_history if self.plan else 0
        if not count:
            return ""
        text = ngettext(
            "Nothing is known of how long %(n)d step runs.", "Nothing is known of how long %(n)d steps run.", count
        )
        return text % {"n": count}

    @property
    def warnings(self) -> list[str]:
        return [stored_messages.warning(each) for each in (self.plan.warnings if self.plan else ())]

    @property
    def environments(self) -> list[tuple[PlannedEnvironment, str]]:
        """Each with its state, and how long that goes on, in words."""
        return [(each, _environment(each)) for each in (self.plan.environments if self.plan else ())]

    @property
    def waits(self) -> list[PlannedCluster]:
        """The clusters that have a reason to let steps wait."""
        return [each for each in (self.plan.clusters if self.plan else ()) if each.reasons]

    @property
    def data(self) -> Sequence[Data]:
        return self.plan.data if self.plan else ()


def is_wanted(request: HttpRequest) -> bool:
    """Whether the form was sent to see what it would do."""
    return request.POST.get("part") == PART


def answer(
    request: HttpRequest, context: WorkspaceContext, form: forms.Form, submission: Callable[[], dict[str, Any]]
) -> HttpResponse:
    """The plan of what the form would submit, or why there is none. Nothing is written."""
    page = planned(context, submission) if form.is_valid() else PlanPart(None, error="\n".join(errors_of(form)))
    return render(request, "runs/plan.html", {"page": page, **responses.rights(request)})


def planned(context: WorkspaceContext, submission: Callable[[], dict[str, Any]]) -> PlanPart:
    """The same for a page that shows more than it."""
    try:
        plan = plan_run(context, **submission())
    except StudioError as refusal:
        return PlanPart(None, error=refusal.message)
    shown = plan.steps
    if len(shown) > SHOWN:
        shown = sorted(shown, key=lambda step: step.outcome == "reused")[:SHOWN]
    return PlanPart(plan, [_row(context, step) for step in shown])


def ranged(seconds: Estimate) -> str:
    """The median with its range, where there is one."""
    about = _("about %(time)s") % {"time": duration_text(seconds.median)}
    low, high = duration_text(seconds.low), duration_text(seconds.high)
    return about if low == high else f"{about} ({_('%(low)s to %(high)s') % {'low': low, 'high': high}})"


def _row(context: WorkspaceContext, step: PlannedStep) -> PlannedRow:
    compared = step.compared_with or {}
    url = ""
    if compared.get("root"):
        url = (
            reverse("runs:run", args=[context.workspace.name, compared["root"]])
            + f"?step={compared.get('node', step.node)}"
        )
    takes = where = ""
    if step.start is not None:
        takes = ranged(step.seconds) if step.seconds is not None else ""
        cluster = f"{step.compute} × {step.nodes}" if step.nodes > 1 else step.compute
        where = " · ".join([cluster, str(STARTS.get(step.start, step.host or ""))])
    return PlannedRow(step, _badge(step.outcome), takes, where, url)


def _badge(outcome: str) -> Badge:
    state, word = LOOKS[outcome]
    return Badge(state, str(word))


def _environment(each: PlannedEnvironment) -> str:
    state = str(STATES[each.state])
    return state if each.seconds is None else f"{state}, {ranged(each.seconds)}"
