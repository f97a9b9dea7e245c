"""Published pipelines: the list, and one with the form and the address that trigger it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.addresses import studio_address
from core.errors import NotFound, StudioError
from core.paging import page_of
from duto.spec.parameters import texts
from pipelines import queries
from pipelines.calls import Calls, calls_of
from pipelines.models import PublishedPipeline
from pipelines.services import published as published_pipelines
from runs.models import Run
from runs.queries.graph import plan_document
from runs.queries.runs import runs_of
from runs.services.submission import publish as publishing
from runs.services.submission.experiments import name_from
from runs.web import plans
from runs.web.panel_files import command_of
from runs.web.parameters import ParameterForm
from runs.web.rows import HEAVY, RunRow, lines
from workspaces.access import WorkspaceContext
from workspaces.models import Role
from workspaces.web import responses
from workspaces.web.decorators import workspace_action, workspace_dialog, workspace_page

RUNS_SHOWN = 20
MOST_VERSIONS = 20


class TriggerForm(ParameterForm):
    """The pipeline's own parameters, and what every run has."""

    experiment = forms.CharField(label=gettext_lazy("Experiment"), strip=False)
    force = forms.BooleanField(label=gettext_lazy("Run every step again, reuse nothing"), required=False)

    def asked(self) -> dict[str, Any]:
        """What a form that is filled in asks for, as `publish.trigger` takes it."""
        return {
            "experiment": self.cleaned_data["experiment"],
            "parameters": self.values(),
            "regenerate_outputs": self.cleaned_data["force"],
        }


@dataclass(frozen=True)
class PipelineRow:
    """One published pipeline of the list."""

    pipeline: PublishedPipeline
    steps: int
    parameters: int
    last: Run | None


@dataclass(frozen=True)
class PipelinesPage:
    """What pipelines/list.html may show."""

    rows: list[PipelineRow]
    next: str | None
    q: str
    disabled: bool
    # Disabled ones that the list leaves out.
    hidden: int
    topic: str


@dataclass(frozen=True)
class PipelinePage:
    """What pipelines/pipeline.html may show."""

    pipeline: PublishedPipeline
    # Each with its script, or its command.
    steps: list[tuple[dict[str, Any], str]]
    form: TriggerForm
    error: str
    # Of the same name, the newest first.
    versions: list[PublishedPipeline]
    graph: dict[str, Any] | None
    lines: list[RunRow]
    next: str | None
    is_first: bool
    address: str
    calls: Calls
    source: Run | None


@workspace_page()
def index(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """Active ones, or with `disabled=1` all of them."""
    q, disabled = request.GET.get("q", "").strip()[:200], request.GET.get("disabled") == "1"
    found = _of(context).filter(name__icontains=q) if q else _of(context)
    active = found.filter(status=PublishedPipeline.Status.ACTIVE)
    hidden = 0 if disabled else found.filter(status=PublishedPipeline.Status.DISABLED).count()
    page = page_of(found if disabled else active, after=request.GET.get("after"))
    last = {
        run.pk: run
        for run in Run.objects.filter(pk__in=[each.last_run_id for each in page.items if each.last_run_id]).defer(
            *HEAVY
        )
    }
    rows = [
        PipelineRow(
            each,
            len(each.graph.get("steps", [])),
            len(each.graph.get("parameters", [])),
            last.get(each.last_run_id) if each.last_run_id else None,
        )
        for each in page.items
    ]
    facts = PipelinesPage(rows, page.next, q, disabled, hidden, f"list:{context.workspace.name}:pipelines")
    return responses.show(request, "pipelines/list.html", facts, section="pipelines", parts=("rows",))


def _of(context: WorkspaceContext) -> QuerySet[PublishedPipeline]:
    return queries.published_in(context.workspace)


def _one(context: WorkspaceContext, pipeline_id: UUID) -> PublishedPipeline:
    found = _of(context).filter(pk=pipeline_id).first()
    if found is None:
        raise NotFound(_("There is no such published pipeline in this workspace."))
    return found


@workspace_dialog(Role.READER)
def detail(request: HttpRequest, context: WorkspaceContext, pipeline_id: UUID) -> HttpResponse:
    """The pipeline; a POST triggers it with the values of the form."""
    pipeline = _one(context, pipeline_id)
    form = TriggerForm(
        pipeline.graph,
        None,
        request.POST or None,
        initial={"experiment": name_from(pipeline.name)},
        workspace=context.workspace,
    )
    error = ""
    if request.method == "POST":
        context.require(Role.CONTRIBUTOR)
        if plans.is_wanted(request):
            return plans.answer(request, context, form, lambda: publishing.submission_of(pipeline, **form.asked()))
        if form.is_valid():
            try:
                run = publishing.trigger(context, pipeline, **form.asked())
                text = _("Submitted as #%(number)s.") % {"number": run.number}
                return responses.done(request, text, reverse("runs:run", args=[context.workspace.name, run.pk]))
            except StudioError as refusal:
                error = refusal.message
    return responses.show(
        request,
        "pipelines/pipeline.html",
        _page(request, context, pipeline, form, error),
        section="pipelines",
        parts=("form", "runs"),
    )


def _page(
    request: HttpRequest, context: WorkspaceContext, pipeline: PublishedPipeline, form: TriggerForm, error: str
) -> PipelinePage:
    triggered = runs_of(context.workspace).filter(published_pipeline_id=pipeline.pk, parent__isnull=True).defer(*HEAVY)
    runs = page_of(triggered, after=request.GET.get("after"), limit=RUNS_SHOWN)
    source = (
        Run.objects.filter(workspace=context.workspace, pk=pipeline.source_run_id).defer(*HEAVY).first()
        if pipeline.source_run_id
        else None
    )
    address = queries.endpoint_of(pipeline, studio_address(request))
    declared = pipeline.graph.get("parameters", [])
    kinds = {each["name"]: each["type"] for each in declared}
    defaults = texts(kinds, {each["name"]: each.get("default") for each in declared})
    return PipelinePage(
        pipeline=pipeline,
        steps=[(step, step.get("script") or command_of(step, defaults)) for step in pipeline.graph.get("steps", [])],
        form=form,
        error=error,
        versions=list(_of(context).filter(name=pipeline.name).defer("graph").order_by("-id")[:MOST_VERSIONS]),
        graph=plan_document(context.workspace, pipeline.graph) if "part" not in request.GET else None,
        lines=lines(runs.items),
        next=runs.next,
        is_first="after" not in request.GET,
        address=address,
        calls=calls_of(address, name_from(pipeline.name), pipeline.graph),
        source=source,
    )


@workspace_action()
def status(request: HttpRequest, context: WorkspaceContext, pipeline_id: UUID) -> HttpResponse:
    pipeline = _one(context, pipeline_id)
    wanted = request.POST.get("status", "")
    published_pipelines.set_status(context, pipeline, wanted)
    text = (
        _("Disabled: triggers are refused from now on.")
        if wanted == PublishedPipeline.Status.DISABLED
        else _("Enabled: it can be triggered again.")
    )
    return responses.done(request, text, reverse("pipelines:pipeline", args=[context.workspace.name, pipeline.pk]))
