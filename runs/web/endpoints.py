"""Pipeline endpoints: the list, and one with its versions, their differences, the form and the address that trigger it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.db.models import Count, F, OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.addresses import studio_address
from core.errors import StudioError
from core.forms import TextArea
from core.paging import page_of
from duto.spec.graph import Graph
from pipelines import queries
from pipelines.calls import Calls, calls_of
from pipelines.models import PipelineEndpoint, PipelineEndpointVersion, PublishedPipeline
from pipelines.services import endpoints
from runs import differences
from runs.models import EndpointRun, Run, Snapshot
from runs.queries.graph_differences import GraphDifference, compare
from runs.queries.runs import runs_of
from runs.services.submission import publish as publishing
from runs.services.submission.experiments import name_from
from runs.web import plans
from runs.web.endpoint_access import Access, LinkForm, TokenForm, access_of
from runs.web.parameters import declared_as
from runs.web.published import TriggerForm
from runs.web.rows import HEAVY, RunRow, lines
from workspaces.access import WorkspaceContext
from workspaces.models import Role, Workspace
from workspaces.web import responses
from workspaces.web.decorators import workspace_action, workspace_dialog, workspace_page

RUNS_SHOWN = 20
MOST_VERSIONS = 100
# Of published pipelines to choose from, the newest.
OFFERED = 200
Status = PipelineEndpoint.Status


@dataclass(frozen=True)
class EndpointsPage:
    """What pipelines/endpoints.html may show."""

    # Each with the published pipeline of its default version, the count of its versions, and its newest run.
    rows: list[tuple[PipelineEndpoint, PublishedPipeline | None, int, Run | None]]
    next: str | None
    q: str
    archived: bool
    topic: str


@dataclass(frozen=True)
class VersionRow:
    """One version of the table."""

    version: PipelineEndpointVersion
    is_default: bool
    runs: int


@dataclass(frozen=True)
class Compared:
    """What differs from another version, in words."""

    version: PipelineEndpointVersion
    difference: GraphDifference
    # Name, change, and what about it.
    steps: list[tuple[str, str, list[str]]]

    @property
    def parameters(self) -> list[tuple[str, str, str]]:
        """Name, and how it was and is declared; empty where it was or is not there."""
        return [(name, declared_as(old), declared_as(new)) for name, old, new in self.difference.parameters]


@dataclass(frozen=True)
class EndpointPage:
    """What pipelines/endpoint.html may show."""

    endpoint: PipelineEndpoint
    # The one that the form runs.
    version: PipelineEndpointVersion
    default: PipelineEndpointVersion
    is_chosen: bool
    versions: list[VersionRow]
    compared: Compared | None
    form: TriggerForm
    # Where the form is sent.
    action: str
    error: str
    lines: list[RunRow]
    next: str | None
    is_first: bool
    address: str
    by_name: str
    calls: Calls
    topic: str
    # None for readers.
    access: Access | None


class EndpointForm(forms.Form):
    """A new endpoint."""

    pipeline = forms.ModelChoiceField(
        PublishedPipeline.objects.none(), label=gettext_lazy("Pipeline"), empty_label=gettext_lazy("choose one")
    )
    name = forms.CharField(label=gettext_lazy("Name"), max_length=255)
    description = TextArea(label=gettext_lazy("Description"), required=False)

    def __init__(self, workspace: Workspace, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        offer(self, workspace)


class VersionForm(forms.Form):
    """One more version of an endpoint."""

    pipeline = forms.ModelChoiceField(
        PublishedPipeline.objects.none(), label=gettext_lazy("Pipeline"), empty_label=gettext_lazy("choose one")
    )
    is_default = forms.BooleanField(
        label=gettext_lazy("Make it the default: calls that name no version run it"), required=False
    )

    def __init__(self, workspace: Workspace, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        offer(self, workspace)


def offer(form: forms.Form, workspace: Workspace) -> None:
    """The pipelines to choose from: the newest that are active."""
    active = queries.published_in(workspace, PublishedPipeline.Status.ACTIVE).defer("graph")
    field: Any = form.fields["pipeline"]
    field.queryset = active.filter(pk__in=list(active.order_by("-id").values_list("pk", flat=True)[:OFFERED])).order_by(
        "-id"
    )
    field.label_from_instance = lambda each: f"{each.title} ({each.created_at:%Y-%m-%d})"


@workspace_page()
def index(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """All that are not archived, or with `archived=1` those that are."""
    q, archived = request.GET.get("q", "").strip()[:200], request.GET.get("archived") == "1"
    newest = EndpointRun.objects.filter(endpoint=OuterRef("pk")).order_by("-run").values("run")[:1]
    found = queries.endpoints_in(context.workspace, Status.ARCHIVED if archived else "").annotate(last=Subquery(newest))
    page = page_of(found.filter(name__icontains=q) if q else found, after=request.GET.get("after"))
    versions = PipelineEndpointVersion.objects.filter(endpoint__in=page.items)
    counts = dict(versions.order_by().values_list("endpoint").annotate(Count("pk")))
    chosen = {
        each.endpoint_id: each.pipeline
        for each in versions.filter(version=F("endpoint__default_version")).select_related("pipeline")
    }
    last = Run.objects.in_bulk([each.last for each in page.items if each.last])  # type: ignore[attr-defined]
    facts = EndpointsPage(
        [
            (each, chosen.get(each.pk), counts.get(each.pk, 0), last.get(each.last))  # type: ignore[attr-defined]
            for each in page.items
        ],
        page.next,
        q,
        archived,
        f"list:{context.workspace.name}:endpoints",
    )
    return responses.show(request, "pipelines/endpoints.html", facts, section="pipelines", parts=("rows",))


@workspace_dialog(Role.READER)
def detail(request: HttpRequest, context: WorkspaceContext, endpoint_id: UUID) -> HttpResponse:
    """One version, the default unless `version=` says which; a POST triggers it with the values of the form."""
    endpoint = queries.endpoint(context.workspace, endpoint_id)
    asked = request.GET.get("version", "")
    version = queries.endpoint_version(endpoint, asked)
    pipeline = version.pipeline
    form = TriggerForm(
        pipeline.graph,
        None,
        request.POST or None,
        initial={"experiment": name_from(endpoint.name)},
        workspace=context.workspace,
    )
    error = ""
    if request.method == "POST":
        context.require(Role.CONTRIBUTOR)
        if plans.is_wanted(request):
            return plans.answer(
                request,
                context,
                form,
                lambda: publishing.submission_of(publishing.version_to_run(endpoint, asked).pipeline, **form.asked()),
            )
        if form.is_valid():
            try:
                run = publishing.trigger_endpoint(context, endpoint, version=asked, **form.asked())
                text = _("Submitted as #%(number)s.") % {"number": run.number}
                return responses.done(request, text, reverse("runs:run", args=[context.workspace.name, run.pk]))
            except StudioError as refusal:
                error = refusal.message
    return _show(request, _page(request, context, version, form, error, access_of(context, endpoint)))


def render_page(
    request: HttpRequest,
    context: WorkspaceContext,
    endpoint: PipelineEndpoint,
    token_form: TokenForm | None = None,
    link_form: LinkForm | None = None,
    **more: Any,
) -> HttpResponse:
    """The page of the default version, perhaps with a form that was refused or a secret that is shown once."""
    version = queries.endpoint_version(endpoint)
    initial = {"experiment": name_from(endpoint.name)}
    form = TriggerForm(version.pipeline.graph, None, None, initial=initial, workspace=context.workspace)
    return _show(
        request, _page(request, context, version, form, "", access_of(context, endpoint, token_form, link_form)), **more
    )


def _show(request: HttpRequest, facts: EndpointPage, **more: Any) -> HttpResponse:
    parts = ("form", "versions", "runs")
    return responses.show(request, "pipelines/endpoint.html", facts, section="pipelines", parts=parts, **more)


def _page(
    request: HttpRequest,
    context: WorkspaceContext,
    version: PipelineEndpointVersion,
    form: TriggerForm,
    error: str,
    access: Access | None,
) -> EndpointPage:
    endpoint, asked = version.endpoint, request.GET.get("version", "")
    endpoint.workspace = context.workspace
    default = version if version.version == endpoint.default_version else queries.endpoint_version(endpoint)
    versions = list(queries.endpoint_versions(endpoint).order_by("-version")[:MOST_VERSIONS])
    counts = dict(
        EndpointRun.objects.filter(version__in=versions).order_by().values_list("version").annotate(Count("pk"))
    )
    triggered = EndpointRun.objects.filter(version=version) if asked else EndpointRun.objects.filter(endpoint=endpoint)
    rows = runs_of(context.workspace).filter(pk__in=triggered.values("run"), parent__isnull=True)
    runs = page_of(rows.defer(*HEAVY), after=request.GET.get("after"), limit=RUNS_SHOWN)
    address = queries.address_of(endpoint, studio_address(request))
    by_version = f"{address}/{version.version}" if asked else address
    return EndpointPage(
        endpoint=endpoint,
        version=version,
        default=default,
        is_chosen=bool(asked),
        versions=[
            VersionRow(each, each.version == endpoint.default_version, counts.get(each.pk, 0)) for each in versions
        ],
        compared=_compared(context, version, request.GET.get("compare", "")),
        form=form,
        action=_address(context, endpoint) + (f"?version={version.version}" if asked else ""),
        error=error,
        lines=lines(runs.items),
        next=runs.next,
        is_first="after" not in request.GET,
        address=by_version,
        by_name=queries.address_by_name(endpoint, studio_address(request), str(version.version) if asked else ""),
        calls=calls_of(by_version, name_from(version.pipeline.name), version.pipeline.graph),
        topic=f"uses:{context.workspace.name}:{endpoint.pk}",
        access=access,
    )


def _compared(context: WorkspaceContext, version: PipelineEndpointVersion, asked: str) -> Compared | None:
    """The difference from another version of the endpoint to this one."""
    if not asked:
        return None
    other = queries.endpoint_version(version.endpoint, asked)
    old, new = (Graph.from_document(each.pipeline.graph) for each in (other, version))
    digests = {step.snapshot for step in (*old.steps, *new.steps) if step.snapshot}
    files = {
        row.digest: {str(each["path"]): str(each["digest"]) for each in row.files}
        for row in Snapshot.objects.filter(workspace=context.workspace, digest__in=digests)
    }
    found = compare(old, new, files)
    steps = [
        (each.name, each.change, [differences.localized(one.to_document()) for one in each.differences])
        for each in found.steps
    ]
    return Compared(other, found, steps)


@workspace_dialog()
def create(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """Make an endpoint of a published pipeline."""
    form = EndpointForm(context.workspace, request.POST or None, initial={"pipeline": request.GET.get("pipeline")})
    error = ""
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            made = endpoints.create(context, values["name"], values["pipeline"], values["description"])
            return responses.done(request, _("“%(name)s” is there.") % {"name": made.name}, _address(context, made))
        except StudioError as refusal:
            error = refusal.message
    return render(
        request, "pipelines/dialog_endpoint.html", {"form": form, "error": error, **responses.rights(request)}
    )


@workspace_dialog()
def add(request: HttpRequest, context: WorkspaceContext, endpoint_id: UUID) -> HttpResponse:
    """Add a published pipeline as the next version."""
    endpoint = queries.endpoint(context.workspace, endpoint_id)
    form = VersionForm(context.workspace, request.POST or None, initial={"is_default": True})
    error = ""
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            made = endpoints.add(context, endpoint, values["pipeline"], is_default=values["is_default"])
            text = _("It is version %(version)s.") % {"version": made.version}
            return responses.done(request, text, _address(context, endpoint))
        except StudioError as refusal:
            error = refusal.message
    facts = {"form": form, "error": error, "endpoint": endpoint, **responses.rights(request)}
    return render(request, "pipelines/dialog_endpoint.html", facts)


@workspace_action()
def change(request: HttpRequest, context: WorkspaceContext, endpoint_id: UUID) -> HttpResponse:
    """Choose the default version, or enable, disable, archive, reactivate."""
    endpoint = queries.endpoint(context.workspace, endpoint_id)
    version, status = request.POST.get("default_version", ""), request.POST.get("status", "")
    if version:
        chosen = queries.endpoint_version(endpoint, version)
        endpoints.change(context, endpoint, {"default_version": chosen.version})
        text = _("Calls that name no version run version %(version)s from now on.") % {"version": chosen.version}
    else:
        changed = endpoints.change(context, endpoint, {"status": status})
        text = str(SAID[Status(changed.status)])
    return responses.done(request, text, _address(context, endpoint))


SAID = {
    Status.ACTIVE: gettext_lazy("Enabled: it can be triggered again."),
    Status.DISABLED: gettext_lazy("Disabled: triggers are refused from now on."),
    Status.ARCHIVED: gettext_lazy("Archived: it is out of the list, and its name is free."),
}


def _address(context: WorkspaceContext, endpoint: PipelineEndpoint) -> str:
    return reverse("endpoints:endpoint", args=[context.workspace.name, endpoint.pk])
