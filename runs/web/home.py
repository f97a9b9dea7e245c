"""Home: what runs now, what failed since yesterday, what was published, how the machines are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from compute.models import ComputeTarget, Node
from core.clock import now
from pipelines.models import PublishedPipeline
from runs.models import Run
from runs.queries.runs import runs_of
from runs.services.submission.sample import ROUNDS, planned_sample, rounds_to_watch, submit_sample
from runs.web import plans
from runs.web.rows import HEAVY, RunRow, lines
from runs.web.shell import LIVE
from workspaces.access import WorkspaceContext
from workspaces.web import responses
from workspaces.web.decorators import workspace_action, workspace_page

SHOWN = 6
# With fewer runs than this, the workspace is young and the sample is offered.
YOUNG = 10


@dataclass(frozen=True)
class Cluster:
    """A cluster at a glance."""

    target: ComputeTarget
    busy: int
    idle: int


@dataclass(frozen=True)
class HomePage:
    """What runs/home.html may show."""

    live: list[RunRow]
    failed: list[RunRow]
    recent: list[RunRow]
    # Active ones first.
    pipelines: list[PublishedPipeline]
    pipeline_count: int
    disabled_count: int
    clusters: list[Cluster]
    is_young: bool
    is_empty: bool
    # With which the sample is worth watching; 0 where it has not run yet.
    sample_rounds: int
    topic: str


@workspace_page()
def home(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """A look at the whole workspace."""
    runs = (
        runs_of(context.workspace).filter(parent__isnull=True, archived_at__isnull=True).defer(*HEAVY).order_by("-id")
    )
    live = list(runs.filter(status__in=LIVE)[:SHOWN])
    failed = list(runs.filter(status=Run.Status.FAILED, finished_at__gte=now() - timedelta(days=1))[:SHOWN])
    recent = list(runs[:YOUNG])
    rows = {line.run.pk: line for line in lines([*{run.pk: run for run in (*live, *failed, *recent)}.values()])}
    is_young = len(recent) < YOUNG
    published = PublishedPipeline.objects.filter(workspace=context.workspace)
    counts = dict(published.order_by().values_list("status").annotate(Count("pk")))
    rounds = rounds_to_watch(context.workspace) if is_young else ROUNDS
    facts = HomePage(
        live=[rows[run.pk] for run in live],
        failed=[rows[run.pk] for run in failed],
        recent=[rows[run.pk] for run in recent[:SHOWN]],
        pipelines=list(published.defer("graph").order_by("status", "-id")[:SHOWN]),
        pipeline_count=sum(counts.values()),
        disabled_count=counts.get(PublishedPipeline.Status.DISABLED, 0),
        clusters=_clusters(context),
        is_young=is_young,
        is_empty=not recent,
        sample_rounds=rounds if rounds > ROUNDS else 0,
        topic=f"list:{context.workspace.name}:runs list:{context.workspace.name}:compute",
    )
    return responses.show(request, "runs/home.html", facts, section="home", parts=("now",))


def _clusters(context: WorkspaceContext) -> list[Cluster]:
    states = {
        "busy": Count("nodes", filter=Q(nodes__status=Node.Status.RUNNING)),
        "idle": Count("nodes", filter=Q(nodes__status=Node.Status.IDLE)),
    }
    found = ComputeTarget.objects.filter(workspace=context.workspace).annotate(**states).order_by("name")[:SHOWN]
    return [Cluster(target, vars(target)["busy"], vars(target)["idle"]) for target in found]


@workspace_action()
def sample(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """Submit the sample pipeline, and go where it can be watched: with something to watch, or as `how` says. With `part=plan` it
    says what that would do."""
    if plans.is_wanted(request):
        rounds = rounds_to_watch(context.workspace)
        facts = {"rounds": rounds, "page": plans.planned(context, lambda: planned_sample(context, rounds=rounds))}
        return render(request, "runs/dialog_sample_plan.html", {**facts, **responses.rights(request)})
    how = request.POST.get("how", "")
    rounds = ROUNDS if how in ("same", "force") else rounds_to_watch(context.workspace)
    run = submit_sample(context, rounds=rounds, regenerate_outputs=how == "force")
    if how == "same":
        text = _("The sample pipeline is submitted as it was: what has not changed is reused.")
    elif rounds > ROUNDS:
        text = _(
            "Submitted with %(n)d rounds: the models are trained anew, what is done already is reused. Watch it go."
        )
        text %= {"n": rounds}
    else:
        text = _("The sample pipeline is submitted. Watch it go.")
    return responses.done(request, text, reverse("runs:run", args=[context.workspace.name, run.pk]))
