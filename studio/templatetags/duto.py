"""What every page says in the same way: states, icons, times, sizes, addresses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.addresses import studio_address as address_of
from core.ids import uuid7
from core.once import FIELD
from core.text import isolated
from core.words import duration_text, number_text, percent_text, seconds_between, size_text
from workspaces.services import distributions

register = template.Library()
DAY = 86_400


class State(NamedTuple):
    """A state as people see it."""

    key: str
    word: str | Promise

    @property
    def icon(self) -> str:
        return f"state-{self.key.lower()}"


WORDS = {
    "NotStarted": gettext_lazy("Not started"),
    "Queued": gettext_lazy("Queued"),
    "Preparing": gettext_lazy("Preparing"),
    "Running": gettext_lazy("Running"),
    "Finalizing": gettext_lazy("Finalizing"),
    "CancelRequested": gettext_lazy("Canceling"),
    "NotResponding": gettext_lazy("Not responding"),
    "Completed": gettext_lazy("Completed"),
    "Reused": gettext_lazy("Reused"),
    "Failed": gettext_lazy("Failed"),
    "Canceled": gettext_lazy("Canceled"),
    "Skipped": gettext_lazy("Skipped"),
}
STATES = {key: State(key, word) for key, word in WORDS.items()}

# Each file is small and stands in a layer; the browser fetches them side by side. The layers' order comes first.
STYLESHEETS = (
    *(f"css/{name}.css" for name in (
        "layers", "tokens", "fonts", "base", "states", "layout", "nav", "controls", "card", "table", "overlay",
        "code", "log", "graph", "timeline", "chart", "profile", "upload", "reference", "calendar", "pages",
    )),
    "vendor/uplot.css",
)  # fmt: skip


def state_of(thing: Any) -> State:
    """The state to show of a status or of anything that has one; a reused step is a completed one with a source."""
    status = str(getattr(thing, "status", thing) or "NotStarted")
    reused = getattr(thing, "is_reused", False) or getattr(thing, "reused_from_id", None)
    if status == "Completed" and reused:
        status = "Reused"
    return STATES.get(status, State("NotStarted", status))


register.filter(isolated)


@register.filter
def state_key(thing: Any) -> str:
    """For `data-state`, which colours a row or a heading."""
    return state_of(thing).key


@register.filter
def state_word(thing: Any) -> str:
    return str(state_of(thing).word)


@register.inclusion_tag("components/state.html")
def state(thing: Any, variant: str = "", of: str = "") -> dict[str, Any]:
    """A badge. `variant`: "plain" without ground (tables), "only" for the shape alone.

    `of`: "run", or "step:" and its node, on a page that holds the run's graph: the badge then follows it.
    """
    return {"state": state_of(thing), "variant": variant, "of": of}


@register.simple_tag
def icon(name: str, label: str = "", css: str = "") -> SafeString:
    """A drawing of the sprite; silent to screen readers unless it has a label."""
    return _drawing(name, format_html(' role="img" aria-label="{}"', label), css) if label else _silent_icon(name, css)


@cache
def _silent_icon(name: str, css: str) -> SafeString:
    """A page has some thirty of a few, which are the same everywhere."""
    return _drawing(name, SafeString(' aria-hidden="true"'), css)


def _drawing(name: str, said: SafeString, css: str) -> SafeString:
    return format_html(
        '<svg class="{}"{}><use href="{}#{}"/></svg>', f"icon {css}".strip(), said, static("icons.svg"), name
    )


@register.filter
def ticked(text: str) -> SafeString:
    """A text of the code with what stands in backticks as code."""
    return format_html_join(
        "",
        "{}",
        ((format_html("<code>{}</code>", part) if place % 2 else part,) for place, part in enumerate(text.split("`"))),
    )


@register.simple_tag
def once() -> SafeString:
    """The key of a form that makes something: sent twice, it is carried out once."""
    return format_html('<input type="hidden" name="{}" value="{}">', FIELD, uuid7())


@register.simple_tag
@cache
def stylesheets() -> SafeString:
    return format_html_join("\n", '<link rel="stylesheet" href="{}">', ((static(path),) for path in STYLESHEETS))


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def relative(seconds: float) -> str:
    """How long ago, in the coarsest unit that still says something."""
    past = abs(seconds)
    if past < 45:
        return _("just now") if seconds >= 0 else _("in a moment")
    for size, unit in ((31_536_000, _("y")), (DAY, "d"), (3_600, "h"), (60, "min")):
        if past >= size or unit == "min":
            time = {"time": f"{max(1, int(past // size))} {unit}"}
            return _("%(time)s ago") % time if seconds > 0 else _("in %(time)s") % time
    return ""


@register.simple_tag
def ago(moment: datetime | None) -> SafeString | str:
    """A time as people say it; the script keeps it fresh and shows the exact one in the reader's zone."""
    if moment is None:
        return "–"
    text = relative((timezone.now() - moment).total_seconds())
    exact = moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return format_html(
        '<relative-time><time datetime="{}" title="{}">{}</time></relative-time>', _iso(moment), exact, text
    )


@register.simple_tag
def duration(start: datetime | None, end: datetime | None = None) -> SafeString | str:
    """From start to end; it ticks while there is no end."""
    if start is None:
        return "–"
    seconds = seconds_between(start, end or timezone.now())
    until = format_html(' end="{}"', _iso(end)) if end else ""
    return format_html('<run-duration start="{}"{}>{}</run-duration>', _iso(start), until, duration_text(seconds))


@register.filter
def seconds(value: float | None) -> str:
    """A duration that is only a number of seconds."""
    return "–" if value is None else duration_text(value)


@register.filter(name="bytes")
def bytes_filter(size: float | None) -> str:
    """1.2 KiB; a dash for what is not known."""
    return "–" if size is None else size_text(size)


@register.filter
def number(value: float | None) -> str:
    """A measured number; a dash for what is not known."""
    return "–" if value is None else number_text(value)


@register.filter
def percent(share: float | None) -> str:
    """A share, 0 to 1, in per cent; a dash for what is not known."""
    return "–" if share is None else percent_text(share)


@register.simple_tag(name="bytes")
def bytes_tag(size: float | None) -> str:
    return bytes_filter(size)


@register.simple_tag(takes_context=True)
def studio_address(context: template.Context) -> str:
    """Where programs reach this studio."""
    return address_of(context["request"])


@register.simple_tag(takes_context=True)
def install_command(context: template.Context, what: str = "duto-azureml") -> str:
    """The line that installs the SDK from this studio."""
    return distributions.install_command(address_of(context["request"]), what)


@register.simple_tag(takes_context=True)
def url_with(context: template.Context, without: str = "", /, **changes: Any) -> str:
    """This page's address with some of its query changed; None or "" takes a key away, as `without` takes several."""
    query = context["request"].GET.copy()
    for key in without.split():
        query.pop(key, None)
    for key, value in changes.items():
        if value is None or value == "":
            query.pop(key, None)
        elif isinstance(value, list | tuple):
            query.setlist(key, [str(item) for item in value])
        else:
            query[key] = str(value)
    return f"?{query.urlencode()}"


# What is done stands first and what waits last, so that the bar fills from the left.
BAR_ORDER = (
    "Completed", "Reused", "Failed", "Canceled", "Skipped", "Finalizing", "Running", "Preparing", "NotResponding",
    "CancelRequested", "Queued", "NotStarted",
)  # fmt: skip
# Only what is completed fills the bar; all else is a thin line of its colour.
DONE = frozenset({"Completed", "Reused"})


@register.inclusion_tag("components/stepbar.html")
def stepbar(counts: Mapping[str, int], follows: bool = False) -> dict[str, Any]:
    """Steps by state as a tiny bar: `counts` maps states to numbers, as `steps_count` of a run does.

    `follows`: the bar of the run whose graph the page holds.
    """
    total = sum(counts.values())
    segments, at = [], 0.0
    for key in BAR_ORDER:
        if count := counts.get(key, 0):
            width = 100 * count / total
            y, height = (0, 6) if key in DONE else (2, 2)
            place = {"x": f"{at:.2f}", "width": f"{width:.2f}", "y": y, "height": height}
            segments.append({"state": STATES[key], "count": count, **place})
            at += width
    return {"segments": segments, "total": total, "done": sum(counts.get(key, 0) for key in DONE), "follows": follows}


@register.inclusion_tag("components/strip.html")
def strip(runs: Iterable[Mapping[str, Any]], label: str = "") -> dict[str, Any]:
    """Durations of the last runs as tiny bars, oldest first: each has `status`, `seconds`, and perhaps `title`."""
    rows = list(runs)
    longest = max((row.get("seconds") or 0 for row in rows), default=0) or 1
    bars = []
    for place, row in enumerate(rows):
        height = max(3.0, 20 * (row.get("seconds") or 0) / longest)
        shown = STATES.get(str(row["status"]), STATES["NotStarted"])
        bars.append(
            {
                "state": shown,
                "x": place * 8,
                "y": f"{20 - height:.1f}",
                "height": f"{height:.1f}",
                "title": row.get("title", ""),
            }
        )
    return {"bars": bars, "width": max(1, len(bars) * 8 - 2), "label": label or _("last runs")}
