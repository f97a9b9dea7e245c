"""Everything of a workspace that has a name and a page."""

from __future__ import annotations

from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from compute.models import ComputeTarget
from core.text import isolated
from datasets.models import Dataset, Datastore
from environments.models import Environment
from pipelines.models import PipelineDraft, PublishedPipeline
from registry.models import RegisteredModel
from runs.models import Experiment
from runs.queries.runs import RunFilter, find
from workspaces.models import Workspace

OF_EACH = 6
# (kind, model, the page's name in the addresses): each is found by its name and its page by its name.
NAMED: tuple[tuple[str, Any, str], ...] = (
    ("dataset", Dataset, "datasets:dataset"),
    ("datastore", Datastore, "datasets:store"),
    ("compute", ComputeTarget, "compute:target"),
    ("environment", Environment, "environments:environment"),
    ("model", RegisteredModel, "models:model"),
    ("experiment", Experiment, "experiments:experiment"),
)


def palette(workspace: Workspace, text: str) -> list[dict[str, Any]]:
    """The few nearest of each kind; without a text, what is newest. One query for each kind."""
    return [
        *_runs(workspace, text),
        *_pipelines(workspace, text),
        *_drafts(workspace, text),
        *_matches(workspace, text),
    ]


def _runs(workspace: Workspace, text: str) -> list[dict[str, Any]]:
    rows = find(workspace, RunFilter(q=text)).order_by("-id")[:OF_EACH]
    return [
        _item(
            "run",
            f"{isolated(run.display_name or run.experiment.name)} #{run.number}",
            run.status,
            "runs:run",
            workspace,
            run.pk,
        )
        for run in rows
    ]


def _pipelines(workspace: Workspace, text: str) -> list[dict[str, Any]]:
    rows = PublishedPipeline.objects.filter(workspace=workspace, name__icontains=text).defer("graph").order_by("-id")
    return [
        _item("pipeline", row.name, row.get_status_display(), "pipelines:pipeline", workspace, row.pk)
        for row in rows[:OF_EACH]
    ]


def _drafts(workspace: Workspace, text: str) -> list[dict[str, Any]]:
    rows = PipelineDraft.objects.filter(workspace=workspace, name__icontains=text).only("name").order_by("-id")
    return [_item("draft", row.name, _("Draft"), "drafts:draft", workspace, row.pk) for row in rows[:OF_EACH]]


def _matches(workspace: Workspace, text: str) -> list[dict[str, Any]]:
    words = {
        "dataset": _("Dataset"),
        "datastore": _("Datastore"),
        "compute": _("Compute"),
        "environment": _("Environment"),
        "model": _("Model"),
        "experiment": _("Experiment"),
    }
    found = []
    for kind, model, page in NAMED:
        names = (
            model.objects.filter(workspace=workspace, name__icontains=text)
            .order_by("-id")
            .values_list("name", flat=True)
        )
        found += [_item(kind, name, words[kind], page, workspace, name) for name in names[:OF_EACH]]
    return found


def _item(kind: str, name: str, detail: str, page: str, workspace: Workspace, key: object) -> dict[str, Any]:
    try:
        url = reverse(page, args=[workspace.name, key])
    except NoReverseMatch:
        # A name that no address can carry has no page of its own.
        url = ""
    return {"kind": kind, "name": name, "detail": detail, "url": url}
