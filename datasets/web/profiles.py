"""The profile of a table: one row a column, with its histogram, and what else is known of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from core.words import number_text
from datasets.models import DatasetVersion, ProfileRun
from datasets.services import profiling
from datasets.services.versions import find_version
from workspaces.access import WorkspaceContext
from workspaces.web import responses
from workspaces.web.decorators import workspace_action, workspace_page

# Columns on one page.
COLUMNS = 100
# Of a histogram, in its own units.
WIDTH, HEIGHT = 120, 28
# Of a value in a table, in characters.
LONGEST = 24
NONE = "–"


@dataclass(frozen=True)
class Bar:
    """A bar of a histogram, in its units, and what it says."""

    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True)
class Frequent:
    """A frequent value: how often it is there, and how much of all rows that is, from 0 to 100."""

    value: str
    count: str
    share: float


@dataclass(frozen=True)
class ColumnRow:
    """One column as people read it. `is_counted`: its bars are of frequent values, and not of bins."""

    place: int
    name: str
    type: str
    missing: str
    missing_percent: str
    distinct: str
    minimum: str
    maximum: str
    mean: str
    standard_deviation: str
    bars: list[Bar]
    is_counted: bool
    facts: list[tuple[str, str]]
    quantiles: list[tuple[str, str]]
    top: list[Frequent]


@dataclass(frozen=True)
class Heading:
    """A heading of the table that sorts it: `next` is what its link asks for, `sorted` how it is sorted now."""

    label: str
    next: str
    sorted: str
    is_number: bool


@dataclass(frozen=True)
class ProfilePage:
    """What datasets/profile.html may show. `last` is the newest run where it is not the one that is shown."""

    version: DatasetVersion
    profile: ProfileRun | None
    last: ProfileRun | None
    headings: list[Heading]
    rows: list[ColumnRow]
    q: str
    sort: str
    total: int
    found: int
    first: int
    before: int | None
    after: int | None
    topic: str
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def end(self) -> int:
        return self.first + len(self.rows)


SORTS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "name": lambda each: each["name"].lower(),
    "type": lambda each: each["type"],
    "missing": lambda each: each["missing"],
    "distinct": lambda each: each["distinct"],
}


@workspace_page()
def profile(request: HttpRequest, context: WorkspaceContext, name: str) -> HttpResponse:
    """The newest profile of a version, and what is under way."""
    version = find_version(context.workspace, name, request.GET.get("version") or "latest")
    shown = profiling.newest_of(version)
    newest = profiling.runs_of(version).first()
    q, sort = request.GET.get("q", "").strip()[:200], request.GET.get("sort", "")
    columns: list[Mapping[str, Any]] = list((shown.result or {}).get("columns", [])) if shown else []
    placed = [(place, each) for place, each in enumerate(columns) if q.lower() in each["name"].lower()]
    key = SORTS.get(sort.removeprefix("-"))
    if key is not None:
        placed.sort(key=lambda each: key(each[1]), reverse=sort.startswith("-"))
    text = request.GET.get("from", "0")
    first = min(int(text), max(0, len(placed) - 1)) if text.isdecimal() and len(text) < 9 else 0
    rows = [_row(place, each) for place, each in placed[first : first + COLUMNS]]
    page = ProfilePage(
        version, shown, newest if newest and (shown is None or newest.pk != shown.pk) else None, _headings(sort), rows, q, sort,
        len(columns), len(placed), first, max(0, first - COLUMNS) if first else None,
        first + COLUMNS if first + COLUMNS < len(placed) else None, f"list:{context.workspace.name}:datasets",
    )  # fmt: skip
    return responses.show(request, "datasets/profile.html", page, section="data", parts=("body",))


@workspace_action()
def start(request: HttpRequest, context: WorkspaceContext, name: str) -> HttpResponse:
    """Have it computed, by a worker."""
    version = find_version(context.workspace, name, request.POST.get("version") or "latest")
    profiling.submit(context, version)
    return responses.done(request, "", place_of(context, version))


@workspace_action()
def cancel(request: HttpRequest, context: WorkspaceContext, name: str) -> HttpResponse:
    version = find_version(context.workspace, name, request.POST.get("version") or "latest")
    run = profiling.runs_of(version).filter(status__in=ProfileRun.OPEN).first()
    if run is not None:
        profiling.cancel(context, run)
    return responses.done(request, "", place_of(context, version))


def place_of(context: WorkspaceContext, version: DatasetVersion) -> str:
    assert version.dataset is not None
    at = reverse("datasets:profile", args=[context.workspace.name, version.dataset.name])
    return f"{at}?version={version.version}"


def _headings(sort: str) -> list[Heading]:
    labels = {
        "name": _("Column"), "type": _("Type"), "missing": _("Missing"), "distinct": _("Distinct"),
    }  # fmt: skip
    made = []
    for key, label in labels.items():
        is_number = key in ("missing", "distinct")
        # Numbers begin with the largest, names with the first.
        down, up = f"-{key}", key
        first, second = (down, up) if is_number else (up, down)
        state = {down: "descending", up: "ascending"}.get(sort, "")
        made.append(Heading(label, {first: second, second: ""}.get(sort, first), state, is_number))
    return made


def _row(place: int, each: Mapping[str, Any]) -> ColumnRow:
    count, approximate = each["count"], each["approximate"]
    about = "≈ " if "distinct" in approximate else ""
    top = [
        Frequent(shown(found["value"]), number_text(found["count"]), 100 * found["count"] / count if count else 0)
        for found in each["top"]
    ]
    bins = each["histogram"]
    is_counted = bins is None and each["type"] in ("string", "bool")
    return ColumnRow(
        place, each["name"], each["type"], number_text(each["missing"]), percent(each["missing"], count),
        about + number_text(each["distinct"]), shown(each["minimum"]), shown(each["maximum"]), shown(each["mean"]),
        shown(each["standard_deviation"]), bars_of(bins) if bins else bars_of_values(top) if is_counted else [], is_counted,
        _facts(each), [(f"{number_text(100 * float(level))} %", shown(value)) for level, value in sorted(each["quantiles"].items(), key=_level)], top,
    )  # fmt: skip


def _level(quantile: tuple[str, Any]) -> float:
    """By what they are put in their order, which a database does not keep."""
    return float(quantile[0])


def _facts(each: Mapping[str, Any]) -> list[tuple[str, str]]:
    count = each["count"]
    lengths = each["lengths"]
    found = [
        (_("Rows"), number_text(count)),
        (_("Not missing"), number_text(count - each["missing"])),
        (_("Not a number"), number_text(each["nan"]) if each["nan"] else ""),
        (_("Infinite"), number_text(each["infinite"]) if each["infinite"] else ""),
        (_("Not of its type"), number_text(each["error"]) if each["error"] else ""),
        (_("Empty"), number_text(each["empty"]) if each["type"] == "string" else ""),
        (_("Skewness"), "" if each["skewness"] is None else number_text(each["skewness"])),
        (_("Kurtosis"), "" if each["kurtosis"] is None else number_text(each["kurtosis"])),
    ]
    if lengths:
        span = {name: number_text(lengths[name]) for name in ("minimum", "maximum", "mean")}
        found.append((_("Length"), _("%(minimum)s to %(maximum)s, %(mean)s in the mean") % span))
    return [(label, value) for label, value in found if value]


def percent(part: int, whole: int) -> str:
    return f"{number_text(round(100 * part / whole, 1))} %" if whole else NONE


def shown(value: Any) -> str:
    """A value as people read it: whole numbers in full, times without what is zero."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text(value)
    return str(value).removesuffix("T00:00:00").replace("T", " ") if _is_time(value) else str(value)


def _is_time(value: str) -> bool:
    if len(value) < 19 or value[10:11] != "T":
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def bars_of(histogram: Mapping[str, Any], highest: float = 0) -> list[Bar]:
    """The bars of bins; `highest` is the count that fills the height, where several share it."""
    edges, counts = histogram["edges"], histogram["counts"]
    titles = [
        _("%(low)s to %(high)s: %(count)s") % {"low": shown(low), "high": shown(high), "count": number_text(count)}
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
    return _bars(counts, titles, highest)


def bars_of_values(top: Sequence[Frequent], highest: float = 0) -> list[Bar]:
    """The bars of frequent values, by their shares."""
    return _bars([each.share for each in top], [f"{each.value}: {each.count}" for each in top], highest)


def _bars(sizes: Sequence[float], titles: Sequence[str], highest: float = 0) -> list[Bar]:
    most = highest or max(sizes, default=0)
    if not most:
        return []
    step = WIDTH / max(len(sizes), 5)
    made = []
    for number, (size, title) in enumerate(zip(sizes, titles, strict=True)):
        # What is there is seen, however little of it.
        height = max(1.0, HEIGHT * size / most) if size else 0.0
        made.append(Bar(number * step, HEIGHT - height, max(1.0, step - 1), height, title))
    return made
