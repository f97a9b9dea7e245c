"""The dialogs of the run page: clone with changed parameters, publish, delete. Each is fetched when it is opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.errors import StudioError
from core.forms import TextArea
from runs.models import Run
from runs.services.maintenance import delete_run
from runs.services.submission import publish as publishing
from runs.services.submission.submit import resubmission_of, resubmit
from runs.web import plans
from runs.web.actions import address, kept
from runs.web.parameters import ParameterForm
from runs.web.tree import root_of
from workspaces.access import WorkspaceContext
from workspaces.web import responses
from workspaces.web.decorators import workspace_dialog


class CloneForm(ParameterForm):
    """The parameters of the run, to be changed; and whether old results may stand."""

    force = forms.BooleanField(label=gettext_lazy("Run every step again, reuse nothing"), required=False)


class PublishForm(forms.Form):
    """What a published pipeline is called."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=255)
    version = forms.CharField(
        label=gettext_lazy("Version"),
        max_length=64,
        required=False,
        help_text=gettext_lazy("As you count: 1.0, 2024-06, …"),
    )
    description = TextArea(label=gettext_lazy("Description"), required=False)


@dataclass(frozen=True)
class Dialog:
    """What a dialog of the run page may show."""

    run: Run
    form: Any = None
    preview: Any = None
    error: str = ""


@workspace_dialog()
def clone(request: HttpRequest, context: WorkspaceContext, run_id: UUID) -> HttpResponse:
    """Submit the same graph with other parameters. With `plan` it is opened with what it would do as it stands."""
    run = root_of(context, run_id)
    form = CloneForm(run.graph or {}, run.parameters, request.POST or None)
    error = ""
    if plans.is_wanted(request):
        return plans.answer(
            request,
            context,
            form,
            lambda: resubmission_of(context, run, form.values(), regenerate_outputs=form.cleaned_data["force"]),
        )
    if request.method == "POST" and form.is_valid():
        try:
            made = resubmit(context, run, parameters=form.values(), regenerate_outputs=form.cleaned_data["force"])
            return responses.done(
                request,
                _("Submitted as #%(number)s.") % {"number": made.number},
                kept(request, address(context, made.pk)),
            )
        except StudioError as refusal:
            error = refusal.message
    preview = plans.planned(context, lambda: resubmission_of(context, run, {})) if "plan" in request.GET else None
    return _draw(request, "runs/dialog_clone.html", Dialog(run, form, preview=preview, error=error))


@workspace_dialog()
def publish(request: HttpRequest, context: WorkspaceContext, run_id: UUID) -> HttpResponse:
    """Freeze the run's graph under a name, to be triggered by form or address."""
    run = root_of(context, run_id)
    form = PublishForm(
        request.POST or None, initial={"name": run.display_name or run.experiment.name, "description": run.description}
    )
    error = ""
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            made = publishing.publish_run(
                context, run, name=values["name"], description=values["description"], version=values["version"]
            )
            text = _("“%(name)s” is published.") % {"name": made.name}
            return responses.done(request, text, reverse("pipelines:pipeline", args=[context.workspace.name, made.pk]))
        except StudioError as refusal:
            error = refusal.message
    return _draw(request, "runs/dialog_publish.html", Dialog(run, form, error=error))


@workspace_dialog()
def delete(request: HttpRequest, context: WorkspaceContext, run_id: UUID) -> HttpResponse:
    """Say what it would free and break; delete when that is agreed to."""
    run = root_of(context, run_id)
    error = ""
    if request.method == "POST":
        try:
            delete_run.delete(context, run)
            return responses.done(
                request, _("The run and all it kept are deleted."), reverse("runs:list", args=[context.workspace.name])
            )
        except StudioError as refusal:
            error = refusal.message
    return _draw(request, "runs/dialog_delete.html", Dialog(run, preview=delete_run.preview(context, run), error=error))


def _draw(request: HttpRequest, template: str, page: Dialog) -> HttpResponse:
    return render(request, template, {"page": page, **responses.rights(request)})
