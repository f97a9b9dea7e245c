"""How a version differs from another one: schema, rows by a key, and both distributions of each column on the same bins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from core.errors import StudioError
from core.words import number_text
from datasets.models import DatasetVersion, ProfileRun
from datasets.services import profiling
from datasets.services.versions import find_version
from datasets.web.profiles import HEIGHT, WIDTH, Bar, Frequent, bars_of, bars_of_values, percent, shown
from workspaces.access import WorkspaceContext
from workspaces.web import responses
from workspaces.web.decorators import workspace_action, workspace_page

# Columns and versions on one page.
COLUMNS, VERSIONS = 300, 200


@dataclass(frozen=True)
class Pair:
    """A number of both tables, as people read it."""

    before: str
    after: str

    @property
    def is_same(self) -> bool:
        return self.before == self.after


@dataclass(frozen=True)
class DifferenceRow:
    """One column of both tables."""

    name: str
    type: str
    before: list[Bar]
    after: list[Bar]
    missing: Pair
    distinct: Pair
    mean: Pair
    changed: str


@dataclass(frozen=True)
class DifferencesPage:
    """What datasets/differences.html may show. `last` is the newest run where it is not the one that is shown."""

    version: DatasetVersion
    others: list[int]
    other: int | None
    columns: list[str]
    comparison: ProfileRun | None
    last: ProfileRun | None
    rows: list[DifferenceRow]
    more: int
    topic: str
    width: int = WIDTH
    height: int = HEIGHT


@workspace_page()
def index(request: HttpRequest, context: WorkspaceContext, name: str) -> HttpResponse:
    """The newest comparison of a version with another one of its dataset: the one before, unless the address says which."""
    version = find_version(context.workspace, name, request.GET.get("version") or "latest")
    numbers = DatasetVersion.objects.filter(dataset=version.dataset).exclude(pk=version.pk).order_by("-version")
    others = list(numbers.values_list("version", flat=True)[:VERSIONS])
    text = request.GET.get("with", "")
    earlier = [each for each in others if each < version.version]
    other = (
        int(text) if text.isdecimal() and len(text) < 9 and int(text) in others else next(iter(earlier or others), None)
    )
    runs = profiling.comparisons_of(version).filter(baseline__dataset=version.dataset, baseline__version=other or 0)
    last = runs.first()
    done = runs.filter(status=ProfileRun.Status.COMPLETED).first()
    found: Mapping[str, Any] = (done.result if done else None) or {}
    columns = [each["name"] for each in (version.profile or {}).get("columns", [])]
    rows = [_row(each) for each in found.get("columns", [])[:COLUMNS]]
    page = DifferencesPage(
        version, others, other, columns[:COLUMNS], done, last if last and (done is None or last.pk != done.pk) else None, rows,
        max(0, len(found.get("columns", [])) - COLUMNS), f"list:{context.workspace.name}:datasets",
    )  # fmt: skip
    return responses.show(request, "datasets/differences.html", page, section="data", parts=("body",))


@workspace_action()
def start(request: HttpRequest, context: WorkspaceContext, name: str) -> HttpResponse:
    """Have it computed, by a worker."""
    version = find_version(context.workspace, name, request.POST.get("version") or "latest")
    baseline = find_version(context.workspace, name, request.POST.get("with") or "latest")
    to = f"{_place(context, version)}&with={baseline.version}"
    try:
        profiling.compare(context, version, baseline, [each for each in request.POST.getlist("key") if each])
    except StudioError as error:
        if error.status in (401, 403, 404):
            raise
        return responses.notice(request, error)
    return responses.done(request, "", to)


def _place(context: WorkspaceContext, version: DatasetVersion) -> str:
    assert version.dataset is not None
    at = reverse("datasets:differences", args=[context.workspace.name, version.dataset.name])
    return f"{at}?version={version.version}"


def _row(each: Mapping[str, Any]) -> DifferenceRow:
    old, new, bins = each["before"], each["after"], each["histogram"]
    if bins:
        # Shares, so that tables of many and of few rows are compared.
        sides = [_shared(bins, side, each[side]["count"]) for side in ("before", "after")]
    else:
        sides = [bars_of_values(_frequent(each, side), 100) for side in ("before", "after")]
    return DifferenceRow(
        each["name"], each["type"], sides[0], sides[1],
        Pair(percent(old["missing"], old["count"]), percent(new["missing"], new["count"])),
        Pair(_distinct(old), _distinct(new)), Pair(shown(old["mean"]), shown(new["mean"])),
        "" if each["changed"] is None else number_text(each["changed"]),
    )  # fmt: skip


def _shared(bins: Mapping[str, Any], side: str, count: int) -> list[Bar]:
    tallest = max((max(bins[name], default=0) / max(1, sum(bins[name])) for name in ("before", "after")), default=0)
    return bars_of({"edges": bins["edges"], "counts": bins[side]}, tallest * max(1, sum(bins[side])))


def _frequent(each: Mapping[str, Any], side: str) -> list[Frequent]:
    count = each[side]["count"]
    return [
        Frequent(shown(found["value"]), number_text(found[side]), 100 * found[side] / count if count else 0)
        for found in each["frequent"]
    ]


def _distinct(side: Mapping[str, Any]) -> str:
    return ("≈ " if "distinct" in side["approximate"] else "") + number_text(side["distinct"])
