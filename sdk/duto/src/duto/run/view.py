"""How a run stands, as a notebook shows it: its state, graph, steps, metrics and the end of its log."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from duto.html import known, link, moment, page, text
from duto.spec import status as statuses
from duto.spec.numbers import decoded
from duto.spec.units import counted, duration_text

MOST_STEPS, MOST_DRAWN, MOST_METRICS, MOST_LINES = 200, 60, 40, 20
_LOG_BYTES = 8192
_INKS = {
    statuses.COMPLETED: "completed",
    statuses.FAILED: "failed",
    "Running": "running",
    "Finalizing": "running",
    "Preparing": "running",
    statuses.QUEUED: "queued",
    "NotResponding": "failed",
}


@dataclass
class View:
    """What was known of a run at one moment."""

    facts: Mapping[str, Any]
    url: str
    steps: List[Mapping[str, Any]] = field(default_factory=list)
    needs: Dict[str, List[str]] = field(default_factory=dict)
    metrics: List[Mapping[str, Any]] = field(default_factory=list)
    log_of: str = ""
    log: List[str] = field(default_factory=list)
    at: datetime = field(default_factory=lambda: datetime.now(timezone.utc))

    @property
    def is_over(self) -> bool:
        return statuses.is_terminal(str(self.facts["status"]))


def look(run: Any) -> View:
    """Ask the studio for all that is shown. Raises what a call to it raises; what is only missing is left out."""
    is_pipeline = hasattr(run, "get_steps")
    view = View(run._fresh(graph=is_pipeline and not (run._document or {}).get("graph")), run.get_portal_url())
    client = run._workspace._client
    if is_pipeline:
        view.steps = [dict(each._facts()) for each in run.get_steps()]
        view.needs = _needs((run._document or {}).get("graph") or {})
    found = known(lambda: client.get(run._place + "metrics/", recursive=1 if is_pipeline else None))
    view.metrics = list((found or {}).get("metrics") or ())
    run_shown = _run_of_log(view)
    if run_shown is not None:
        view.log_of = _name(run_shown)
        view.log = known(lambda: _tail(run._workspace, str(run_shown["id"]))) or []
    return view


def _needs(graph: Mapping[str, Any]) -> Dict[str, List[str]]:
    """The steps before each step, by what it reads and by order."""
    found = {}
    for step in graph.get("steps") or ():
        sources = [(each.get("from") or {}).get("step") for each in step.get("inputs") or ()]
        found[str(step["id"])] = list(
            dict.fromkeys(str(each) for each in [*sources, *(step.get("run_after") or ())] if each)
        )
    return found


def _run_of_log(view: View) -> Optional[Mapping[str, Any]]:
    """Whose log is worth showing: the step that failed, else one at work, else the last one; a script's own."""
    if not view.steps:
        return view.facts if view.facts.get("kind") in ("step", "script") else None
    for wanted in ((statuses.FAILED,), ("Running", "Finalizing")):
        for step in view.steps:
            if step["status"] in wanted:
                return step
    begun = [step for step in view.steps if step.get("started_at") and not step.get("is_reused")]
    return max(begun, key=lambda step: str(step["started_at"])) if begun else None


def _tail(workspace: Any, run_id: str) -> List[str]:
    data, _headers = workspace._client.fetch(
        workspace._path(f"runs/{run_id}/log/"), offset=-_LOG_BYTES, limit=_LOG_BYTES
    )
    return (
        [line.rstrip("\r") for line in data.decode("utf-8", "replace").rstrip("\n").split("\n")][-MOST_LINES:]
        if data
        else []
    )


# --- HTML ---


def as_html(view: View) -> str:
    """The view as a piece of a notebook."""
    return page(_head(view), _error(view.facts), _graph(view), _steps(view), _metrics(view), _log(view))


def _head(view: View) -> str:
    facts = view.facts
    name = facts.get("display_name") or facts.get("name") or ""
    number = f" #{facts['number']}" if facts.get("number") and not facts.get("parent") else ""
    when = f"as of {moment(view.at)}"
    if view.is_over and facts.get("finished_at"):
        when = f"ended {moment(facts['finished_at'])}; seen {moment(view.at)}"
    return (
        f'<div class="head"><b>{text(name)}{text(number)}</b>{_state(facts)}<span>{text(_lasted(facts, view.at))}</span>'
        f'<span class="soft">{text(facts.get("experiment"))}</span>{link(view.url, "Open in the studio")}'
        f'<span class="soft end">{text(when)}</span></div>'
    )


def _error(facts: Mapping[str, Any]) -> str:
    error = facts.get("error") or {}
    if not error:
        return ""
    where = f"{error['step']}: " if error.get("step") else ""
    return f'<div class="error">{text(where)}{text(error.get("message") or error.get("cause"))}</div>'


def _steps(view: View) -> str:
    if not view.steps:
        return ""
    shown = view.steps[:MOST_STEPS]
    rows = "".join(
        f"<tr><td>{text(_name(step))}</td><td>{_state(step)}</td><td class='n'>{text(_lasted(step, view.at))}</td>"
        f"<td class='soft'>{text(_note(step))}</td></tr>"
        for step in shown
    )
    more = (
        f'<div class="soft">… and {counted(len(view.steps) - len(shown), "more step")} on the page</div>'
        if len(view.steps) > len(shown)
        else ""
    )
    return f"<h4>Steps</h4><table><tbody>{rows}</tbody></table>{more}"


def _metrics(view: View) -> str:
    if not view.metrics:
        return ""
    names = {str(step["id"]): _name(step) for step in view.steps}
    rows = ""
    for each in view.metrics[:MOST_METRICS]:
        values = [decoded(point[1]) for point in each.get("points") or ()]
        title = f' title="{text(each["description"])}"' if each.get("description") else ""
        owner = f"<td class='soft'>{text(names.get(str(each.get('run')), ''))}</td>" if names else ""
        rows += f"<tr><td{title}>{text(each['name'])}</td><td class='n'>{text(_value(values))}</td><td>{_line(values)}</td>{owner}</tr>"
    more = len(view.metrics) - MOST_METRICS
    note = f'<div class="soft">… and {counted(more, "more metric")} on the page</div>' if more > 0 else ""
    return f"<h4>Metrics</h4><table><tbody>{rows}</tbody></table>{note}"


def _log(view: View) -> str:
    if not view.log:
        return ""
    lines = "\n".join(text(line) for line in view.log)
    return f"<h4>End of the log of {text(view.log_of)}</h4><pre>{lines}</pre>"


def _state(facts: Mapping[str, Any]) -> str:
    word, ink = _word(facts)
    return f'<span class="state" style="color:var(--{ink})">{text(word)}</span>'


def _word(facts: Mapping[str, Any]) -> Tuple[str, str]:
    status = str(facts["status"])
    if facts.get("is_reused"):
        adopted = (facts.get("properties") or {}).get(statuses.IS_ADOPTED) == "true"
        return ("Adopted" if adopted else "Reused"), "reused"
    return _spaced(status), _INKS.get(status, "idle")


def _spaced(status: str) -> str:
    return "".join(f" {each.lower()}" if each.isupper() and place else each for place, each in enumerate(status))


def _note(step: Mapping[str, Any]) -> str:
    """What is to be said of a step beside its state: why it failed, why it waits, how often it was tried."""
    error = step.get("error") or {}
    if error:
        return str(error.get("message") or error.get("cause")).strip().split("\n")[0][:200]
    details = step.get("step") or {}
    tries = len(details.get("attempts") or ())
    waiting = details.get("waiting") or ()
    if waiting and not statuses.is_terminal(str(step["status"])):
        return str(waiting[0].get("text"))[:200]
    return f"{tries} attempts" if tries > 1 else ""


def _name(facts: Mapping[str, Any]) -> str:
    return str(facts.get("name") or facts.get("display_name") or facts.get("id"))


def _time(value: Any) -> datetime:
    return datetime.fromisoformat(str(value).replace("Z", "+00:00"))


def _lasted(facts: Mapping[str, Any], at: datetime) -> str:
    if not facts.get("started_at") or facts.get("is_reused"):
        return ""
    end = _time(facts["finished_at"]) if facts.get("finished_at") else at
    seconds = max((end - _time(facts["started_at"])).total_seconds(), 0.0)
    return duration_text(seconds)


def _value(values: Sequence[Any]) -> str:
    """The last value of a series, short."""
    last = values[-1] if values else ""
    last = last[-1] if isinstance(last, list) and last else last
    if isinstance(last, float):
        return f"{last:.6g}"
    return str(last) if len(str(last)) <= 60 else f"{str(last)[:60]}…"


def _line(values: Sequence[Any]) -> str:
    """A series of numbers as a small line."""
    flat = [each for value in values for each in (value if isinstance(value, list) else [value])]
    numbers = [
        float(each)
        for each in flat
        if isinstance(each, (int, float)) and not isinstance(each, bool) and math.isfinite(each)
    ]
    if len(numbers) < 2:
        return ""
    low, high = min(numbers), max(numbers)
    step = 120 / (len(numbers) - 1)
    spread = (high - low) or 1.0
    points = " ".join(f"{place * step:.1f},{18 - (each - low) / spread * 16:.1f}" for place, each in enumerate(numbers))
    return (
        f'<svg width="120" height="20" viewBox="0 0 120 20" role="img" aria-label="{len(numbers)} values from {low:.6g} to {high:.6g}">'
        f'<polyline points="{points}" fill="none" stroke="var(--accent)" stroke-width="1.5"/></svg>'
    )


# --- the graph ---

_WIDE, _HIGH, _GAP_X, _GAP_Y = 168, 34, 18, 30


def layers(needs: Mapping[str, Sequence[str]]) -> List[List[str]]:
    """The steps in rows, each below all that it needs; in a row as the steps above them stand."""
    depth: Dict[str, int] = {}
    left = dict(needs)
    while left:
        ready = [node for node, before in left.items() if all(each in depth or each not in needs for each in before)]
        for node in ready or list(left):  # a circle cannot run, but it can be looked at
            depth[node] = max((depth.get(each, -1) + 1 for each in needs[node]), default=0)
            left.pop(node)
    rows: List[List[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for node in needs:
        rows[depth[node]].append(node)
    place: Dict[str, float] = {}
    for row in rows:
        row.sort(key=lambda node: _middle([place[each] for each in needs[node] if each in place]))
        place.update({node: (number + 0.5) / len(row) for number, node in enumerate(row)})
    return rows


def _middle(places: Sequence[float]) -> float:
    return sum(places) / len(places) if places else 0.5


def _graph(view: View) -> str:
    if len(view.needs) < 2:
        return ""
    if len(view.needs) > MOST_DRAWN:
        return f'<div class="soft">The graph of {len(view.needs)} steps is on the page.</div>'
    rows = layers(view.needs)
    wide = max(len(row) for row in rows) * (_WIDE + _GAP_X) + _GAP_X
    high = len(rows) * (_HIGH + _GAP_Y) - _GAP_Y + 10
    place = {
        node: (
            (wide - len(row) * (_WIDE + _GAP_X) + _GAP_X) / 2 + number * (_WIDE + _GAP_X),
            5 + level * (_HIGH + _GAP_Y),
        )
        for level, row in enumerate(rows)
        for number, node in enumerate(row)
    }
    by_node = {str((step.get("step") or {}).get("id")): step for step in view.steps}
    lines = "".join(
        _edge(place[each], place[node]) for node, before in view.needs.items() for each in before if each in place
    )
    boxes = "".join(_box(node, place[node], by_node.get(node)) for node in view.needs)
    label = f"Graph of {counted(len(view.needs), 'step')}"
    return f'<svg width="{wide:.0f}" height="{high}" viewBox="0 0 {wide:.0f} {high}" role="img" aria-label="{label}">{lines}{boxes}</svg>'


def _edge(source: Tuple[float, float], target: Tuple[float, float]) -> str:
    x1, y1, x2, y2 = source[0] + _WIDE / 2, source[1] + _HIGH, target[0] + _WIDE / 2, target[1]
    bend = (y1 + y2) / 2
    return f'<path d="M{x1:.1f} {y1:.1f}C{x1:.1f} {bend:.1f} {x2:.1f} {bend:.1f} {x2:.1f} {y2:.1f}" fill="none" stroke="var(--soft)" stroke-opacity=".6" stroke-width="1.2"/>'


def _box(node: str, at: Tuple[float, float], step: Optional[Mapping[str, Any]]) -> str:
    word, ink = _word(step) if step else ("", "idle")
    name = _name(step) if step else node
    short = name if len(name) <= 21 else f"{name[:20]}…"
    x, y = at
    return (
        f"<g><title>{text(name)}: {text(word)}</title>"
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{_WIDE}" height="{_HIGH}" rx="6" fill="var(--ground)" stroke="var(--line)"/>'
        f'<circle cx="{x + 14:.1f}" cy="{y + _HIGH / 2:.1f}" r="4.5" fill="var(--{ink})"/>'
        f'<text x="{x + 26:.1f}" y="{y + _HIGH / 2 + 4:.1f}">{text(short)}</text></g>'
    )


# --- text ---


def as_text(view: View, kind: str) -> str:
    """The view for a terminal: what the state is, the steps, and where to see more."""
    facts = view.facts
    lines = [f"{kind} {facts['id']}: {_word(facts)[0]}, as of {moment(view.at)}"]
    error = facts.get("error") or {}
    if error:
        lines.append(f"  {error.get('message') or error.get('cause')}")
    for step in view.steps[:MOST_STEPS]:
        lines.append("  " + "  ".join(filter(None, (_name(step), _word(step)[0], _lasted(step, view.at), _note(step)))))
    if len(view.steps) > MOST_STEPS:
        lines.append(f"  … and {counted(len(view.steps) - MOST_STEPS, 'more step')}")
    return "\n".join([*lines, view.url])
