"""The form of an endpoint for whoever has its link: outside the sign-in, and nothing of the workspace but this endpoint.

A wrong link, and one that is off, are told apart from nothing: the plain page of an address that there is not. That nobody keeps
these pages is said of all addresses below (`studio.middleware`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from core import encryption, once
from core.errors import StudioError, TooManyRequests
from duto.spec import canonical
from duto.spec import parameters as parameter_rules
from duto.spec.errors import SpecError
from duto.spec.graph import read_graph
from pipelines import queries
from pipelines.models import PipelineEndpoint, PipelineEndpointVersion, PublishedPipeline
from runs.causes import cause_of
from runs.models import Run
from runs.services.submission import publish as publishing
from runs.services.submission.experiments import name_from
from runs.web.parameters import ParameterForm
from workspaces.access import WorkspaceContext
from workspaces.services import tokens
from workspaces.web import responses

View = Callable[..., HttpResponse]
# Of a form that is sent: a parameter of JSON has up to 64 KiB, of which an address of the web makes three times as many.
MOST_BYTES = 512 * 1024


@dataclass(frozen=True)
class FormPage:
    """What forms/form.html may show."""

    name: str
    description: str
    # None where the endpoint takes no runs at present.
    form: ParameterForm | None
    error: str = ""


@dataclass(frozen=True)
class StatusPage:
    """What forms/run.html may show: how far one run is."""

    name: str
    run: Run
    again: str
    # The cause of a failure in a word or two.
    cause: str | Promise = ""


def _opened(*methods: str) -> Callable[[View], View]:
    """A page for whoever has the link: `view(request, context, endpoint, secret, ...)`."""

    def wrap(view: View) -> View:
        @wraps(view)
        @sensitive_variables("secret")
        @sensitive_post_parameters()
        def inner(request: HttpRequest, secret: str, **names: Any) -> HttpResponse:
            context = tokens.form_of(secret)
            scope = context.endpoint if context is not None else None
            if context is None or scope is None:
                return _lost(request)
            endpoint = queries.endpoint(context.workspace, scope.endpoint)
            return view(request, context, endpoint, secret, **names)

        return require_http_methods(list(methods))(inner)

    return wrap


@_opened("GET", "HEAD", "POST")
def form(request: HttpRequest, context: WorkspaceContext, endpoint: PipelineEndpoint, secret: str) -> HttpResponse:
    """The parameters of the default version; a POST starts it and leads to the page of that run."""
    version = queries.endpoint_version(endpoint)
    if not _takes_runs(context, endpoint, version):
        page = FormPage(endpoint.name, endpoint.description, None)
        return _show(request, "forms/form.html", page, status=409 if request.method == "POST" else 200)
    filled = ParameterForm(version.pipeline.graph, None, request.POST if request.method == "POST" else None)
    error, status, headers = "", 200, {}
    if request.method == "POST" and filled.is_valid():
        try:
            return HttpResponseRedirect(_start(request, context, version, secret, filled.values()))
        except SpecError as refusal:
            error, status = str(refusal), 422
        except TooManyRequests as refusal:
            error, status, headers = refusal.message, refusal.status, {"Retry-After": str(refusal.retry_after)}
        except StudioError as refusal:
            # Its words may name what else is in the workspace.
            error, status = _("It cannot be run at present. Ask whoever gave you the link."), refusal.status
    page = FormPage(endpoint.name, endpoint.description, filled, error)
    answer = _show(request, "forms/form.html", page, status=status)
    for name, value in headers.items():
        answer.headers[name] = value
    return answer


@sensitive_variables("secret")
def _most_for(secret: str) -> int:
    """How many bytes may be sent there: no more than anybody may send anywhere, where the link leads nowhere."""
    return MOST_BYTES if tokens.form_of(secret) is not None else 0


form.most_for = _most_for  # type: ignore[attr-defined]


@_opened("GET", "HEAD")
def run(
    request: HttpRequest, context: WorkspaceContext, endpoint: PipelineEndpoint, secret: str, run_id: UUID
) -> HttpResponse:
    """How far a run is that this form started; `part=status&seen=` answers only where that has changed."""
    rows = Run.objects.filter(pk=run_id, workspace=context.workspace, by_endpoint__token=context.token)
    found = rows.defer("graph", "parameters", "properties").first()
    if found is None:
        return _lost(request)
    if request.GET.get("seen") == found.status:
        return HttpResponse(status=204)
    cause = cause_of((found.error or {}).get("cause")).word if found.status == Run.Status.FAILED else ""
    page = StatusPage(endpoint.name, found, reverse("endpoint-form", args=[secret]), cause)
    template = "forms/run.html#status" if responses.parts_of(request) == ["status"] else "forms/run.html"
    return _show(request, template, page)


def _start(
    request: HttpRequest,
    context: WorkspaceContext,
    version: PipelineEndpointVersion,
    secret: str,
    values: dict[str, Any],
) -> str:
    """Start the run, once for each form that was loaded and these values; the address of its page.

    Raises SpecError for values that a parameter does not take, TooManyRequests, and whatever else keeps it from running.
    """
    parameter_rules.bind(read_graph(version.pipeline.graph).parameters, values, is_whole=True)
    endpoint = version.endpoint
    endpoint.workspace = context.workspace
    try:
        with once.asking(context.keys_of, _key(request, values)):
            made = publishing.trigger_endpoint(
                context, endpoint, source="form", experiment=name_from(endpoint.name), parameters=values
            )
            key = str(made.pk)
    except once.Repeated as done:
        key = done.kept.made_id
    return reverse("endpoint-form-run", args=[secret, key])


def _key(request: HttpRequest, values: Mapping[str, Any]) -> str | None:
    """What a repetition is known by. Whoever goes back and changes a value means another run, not that of before."""
    key = request.POST.get(once.FIELD)
    if not key:
        return key
    # Keyed, since it is kept: nobody may try secrets against it.
    return f"{key} {encryption.keyed_digest(canonical.canonical(values), b'form')}"


def _takes_runs(context: WorkspaceContext, endpoint: PipelineEndpoint, version: PipelineEndpointVersion) -> bool:
    is_active = endpoint.status == PipelineEndpoint.Status.ACTIVE
    return (
        is_active and version.pipeline.status == PublishedPipeline.Status.ACTIVE and not context.workspace.is_archived
    )


def _show(request: HttpRequest, template: str, page: object, status: int = 200) -> HttpResponse:
    return render(request, template, {"page": page, "wide": True}, status=status)


def _lost(request: HttpRequest) -> HttpResponse:
    return render(request, "404.html", status=404)
