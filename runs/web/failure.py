"""Why a run failed, in words: what, whose fault, where, and what to press."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext as _

from runs import causes
from runs.models import Run
from runs.queries import code
from runs.queries.last_success import SinceSuccess, since_success
from runs.stored_messages import error_text
from runs.web.since_success import rows_of
from runs.web.tree import StepRow, Tree, first_line

# So many differences are told in the banner; the tab Why has them all.
MOST_TOLD = 3


@dataclass(frozen=True)
class Failure:
    """What the banner says."""

    title: str
    message: str
    detail: str
    icon: str
    # The step that it tells of; empty where that is not known.
    node: str = ""
    # What the message says after its first line.
    rest: str = ""
    # The line of its own code in which it ended, as the snapshot has it.
    source: str = ""
    line: int = 0
    changed: SinceSuccess | None = None
    line_url: str = ""
    line_word: str = ""
    log_url: str = ""

    @property
    def rest_count(self) -> int:
        return len(self.rest.splitlines())

    @property
    def changed_text(self) -> str:
        """The first differences from its last success in one line; empty where nothing is known to differ."""
        texts = [row.text for row in rows_of(self.changed)] if self.changed else []
        more = [_("and %(n)d more") % {"n": len(texts) - MOST_TOLD}] if len(texts) > MOST_TOLD else []
        return ", ".join([*texts[:MOST_TOLD], *more])

    @property
    def why_url(self) -> str:
        return "?" + urlencode({"step": self.node, "tab": "why"})


def failure_of(tree: Tree) -> Failure | None:
    """The failure of the whole run, told by the step that failed first."""
    error = tree.root.error
    if not error or tree.root.status != Run.Status.FAILED:
        return None
    step = tree.row(str(error.get("step")))
    if step is None and tree.total == 1:
        step = tree.row(next(iter(tree.states)))
    name = step.name if step else _("The run")
    others = len(error.get("failed_steps", [])) - 1
    title = _("%(step)s failed") % {"step": name}
    if others > 0:
        title = _("%(step)s and %(others)s more failed") % {"step": name, "others": others}
    icon = causes.cause_of(error.get("cause")).icon
    return Failure(
        title=title,
        message=first_line(error),
        detail=explained(error, step),
        icon=icon,
        node=step.node if step else "",
        rest=rest_of(error),
        source=_source(error, step),
        line=int((error.get("traceback") or {}).get("line") or 0),
        changed=since_success(step.run.pk) if step else None,
        **_links(error, step),
    )


def explained(error: dict[str, Any], step: StepRow | None) -> str:
    """Whose fault, with the exit code, the line and the attempt as far as they are known."""
    parts = [str(causes.cause_of(error.get("cause")).word)]
    if error.get("exit_code"):
        parts = [_("%(who)s ended with exit code %(code)s") % {"who": parts[0], "code": error["exit_code"]}]
    elif error.get("signal"):
        parts = [_("%(who)s was ended by signal %(signal)s") % {"who": parts[0], "signal": error["signal"]}]
    if place := where(error):
        parts.append(_("in %(place)s") % {"place": place})
    text = " ".join(parts)
    said = error.get("said") or {}
    if said.get("code") == "of_rank":
        text += ", " + _("rank %(rank)s") % {"rank": said["facts"]["rank"]}
    if step and len(step.attempts) > 1:
        text += ", " + _("attempt %(n)s of %(all)s") % {
            "n": error.get("attempt") or len(step.attempts),
            "all": len(step.attempts),
        }
    return f"{text}."


def rest_of(error: dict[str, Any]) -> str:
    """The error's message without the line that stands above it; all of it where that line is cut or another one."""
    said = error_text(error).strip()
    first, _newline, rest = said.partition("\n")
    return rest.strip("\n") if first.strip() == first_line(error) else said


def where(error: dict[str, Any]) -> str:
    trace = error.get("traceback") or {}
    if not trace.get("file"):
        return ""
    return f"{trace['file']}:{trace['line']}" if trace.get("line") else str(trace["file"])


def _source(error: dict[str, Any], step: StepRow | None) -> str:
    trace = error.get("traceback") or {}
    snapshot = code.snapshot_of(step.run) if step and trace.get("file") and trace.get("line") else None
    return code.line_of(snapshot, str(trace["file"]), int(trace["line"])) if snapshot else ""


def _links(error: dict[str, Any], step: StepRow | None) -> dict[str, str]:
    if step is None:
        return {}
    if error.get("cause") == "environment":
        return {"log_url": "?" + urlencode({"step": step.node, "tab": "environment"})}
    found = {"log_url": "?" + urlencode({"step": step.node, "tab": "logs"})}
    trace = error.get("traceback") or {}
    if trace.get("file") and trace.get("line") and not str(trace["file"]).startswith("/"):
        query = urlencode({"step": step.node, "tab": "code", "file": trace["file"], "line": trace["line"]})
        found |= {
            "line_url": f"?{query}#L-{trace['line']}",
            "line_word": _("Open line %(line)s") % {"line": trace["line"]},
        }
    return found
