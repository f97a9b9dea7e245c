"""The page of retention: how long things are kept, what that would free now, and what it would break."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from core.errors import PreconditionFailed, StudioError
from runs import retention
from runs.queries.retention import Plan
from runs.retention import LONGEST_DAYS, MOST_KEPT, Policy
from runs.services.maintenance import retention as keeping
from workspaces.access import WorkspaceContext
from workspaces.models import Role
from workspaces.web import responses
from workspaces.web.decorators import workspace_action, workspace_page
from workspaces.web.editing import Editing, editing, seen_in

TEMPLATE = "runs/retention.html"
FOR_EVER = gettext_lazy("for ever")
KINDS = {
    "logs": gettext_lazy("Logs of attempts"),
    "artifacts": gettext_lazy("Files of runs"),
    "outputs": gettext_lazy("Outputs of steps"),
    "attempts": gettext_lazy("Folders of attempts on hosts"),
    "environments": gettext_lazy("Unused environments on hosts"),
    "images": gettext_lazy("Unused images on hosts"),
}


def _days(label: Any, hint: Any = "") -> forms.IntegerField:
    widget = forms.NumberInput(attrs={"placeholder": FOR_EVER, "inputmode": "numeric"})
    return forms.IntegerField(
        label=label, help_text=hint, required=False, min_value=0, max_value=LONGEST_DAYS, widget=widget
    )


class RetentionForm(forms.Form):
    """Days for each kind; an empty field keeps it for ever."""

    logs = _days(KINDS["logs"])
    artifacts = _days(
        KINDS["artifacts"], gettext_lazy("What steps wrote to ./outputs and ./logs, and what was uploaded.")
    )
    outputs = _days(KINDS["outputs"], gettext_lazy("Never those that are registered as datasets."))
    keep_last = forms.IntegerField(
        label=gettext_lazy("Newest completed runs of each experiment that keep everything"),
        min_value=0,
        max_value=MOST_KEPT,
    )
    attempts = _days(KINDS["attempts"], gettext_lazy("Only those that no run waits for."))
    environments = _days(KINDS["environments"], gettext_lazy("Built again when a step needs them."))
    images = _days(KINDS["images"], gettext_lazy("Only images that this studio made."))


@dataclass(frozen=True)
class RetentionPage:
    """What runs/retention.html may show. `is_tried`: the plan is of the form's values, not of the policy in force."""

    form: RetentionForm
    policy: Policy
    plan: Plan
    rows: list[tuple[Any, int, int, list[str]]]
    is_tried: bool
    editing: Editing


@workspace_page()
def page(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """The policy in force; with values in the address, a dry run of those."""
    policy = keeping.policy_of(context.workspace)
    form = RetentionForm(request.GET) if "try" in request.GET else RetentionForm(initial=policy.as_document())
    tried = retention.read(form.cleaned_data) if form.is_bound and form.is_valid() else None
    return _shown(request, context, form, policy, tried)


@workspace_action(Role.OWNER)
def save(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """Write the policy down."""
    form = RetentionForm(request.POST)
    if not form.is_valid():
        return _shown(request, context, form, keeping.policy_of(context.workspace), None)
    try:
        keeping.set_policy(context, form.cleaned_data, seen=seen_in(request))
    except PreconditionFailed as refusal:
        context.workspace.refresh_from_db()
        return _shown(request, context, form, keeping.policy_of(context.workspace), None, refusal)
    except StudioError as error:
        form.add_error(None, error.message)
        return _shown(request, context, form, keeping.policy_of(context.workspace), None)
    return responses.done(request, _("Saved. It is carried out once an hour."), _address(context))


@workspace_action(Role.OWNER)
def apply(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """Carry it out now."""
    removed = sum(keeping.apply(context).values())
    text = ngettext("%(n)s thing was removed.", "%(n)s things were removed.", removed) % {"n": removed}
    return responses.done(request, text, _address(context))


def _shown(
    request: HttpRequest,
    context: WorkspaceContext,
    form: RetentionForm,
    policy: Policy,
    tried: Policy | None,
    refusal: StudioError | None = None,
) -> HttpResponse:
    plan = keeping.preview(context, tried or policy)
    rows = [(KINDS[each.kind], each.count, each.bytes, each.names) for each in plan.portions]
    state = policy.as_document()
    edited = editing(request, state, (form, RetentionForm(initial=state)), refusal=refusal)
    shown = RetentionPage(form, policy, plan, rows, is_tried=tried is not None, editing=edited)
    return responses.show(request, TEMPLATE, shown, section="settings", tab="retention")


def _address(context: WorkspaceContext) -> str:
    return reverse("retention:page", args=[context.workspace.name])
