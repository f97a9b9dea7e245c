"""The dialogs of the run page: plan, publish, delete. Each is fetched when it is opened."""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.errors import StudioError
from core.forms import TextArea
from runs.services.maintenance import delete_run
from runs.services.submission import publish as publishing
from runs.services.submission.submit import resubmission_of
from runs.web import plans
from runs.web.tree import root_of
from workspaces.access import WorkspaceContext
from workspaces.web import responses
from workspaces.web.decorators import workspace_dialog


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


@workspace_dialog()
def plan(request: HttpRequest, context: WorkspaceContext, run_id: UUID) -> HttpResponse:
    """What running the same graph again would do. Nothing is written."""
    run = root_of(context, run_id)
    facts = {"run": run, "page": plans.planned(context, lambda: resubmission_of(context, run, {}))}
    return render(request, "runs/dialog_plan.html", {**facts, **responses.rights(request)})


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
    about = _(
        "Steps, code and parameters of #%(n)s are frozen. The pipeline can then be run by a form, by a program, or by its "
        "REST address."
    )
    facts = {
        "form": form,
        "error": error,
        "place": reverse("runs:publish", args=[context.workspace.name, run.pk]),
        "dialog": "run-dialog",
        "about": about % {"n": run.number},
    }
    return render(request, "runs/dialog_publish.html", {**facts, **responses.rights(request)})


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
    page = {"run": run, "preview": delete_run.preview(context, run), "error": error}
    return render(request, "runs/dialog_delete.html", {"page": page, **responses.rights(request)})
