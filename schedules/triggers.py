"""What starts a schedule besides times and files: the end of a run, a new version of a dataset or a model. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from core.errors import Invalid

PIPELINE, ENDPOINT, DATASET, MODEL = "pipeline", "endpoint", "dataset", "model"
KINDS = (PIPELINE, ENDPOINT, DATASET, MODEL)
SUCCESS, FAILURE, COMPLETION = "success", "failure", "completion"
# How a run has ended, for each of these.
OUTCOMES: Mapping[str, frozenset[str]] = {
    SUCCESS: frozenset({"Completed"}),
    FAILURE: frozenset({"Failed"}),
    COMPLETION: frozenset({"Completed", "Failed", "Canceled"}),
}
# So many triggers may lead to one another; a longer chain is taken for a loop.
MOST_DEPTH = 10
# Facts that parameters may get, by what starts the run, each with an example of its kind.
FACTS: Mapping[str, Mapping[str, Any]] = {
    "time": {"due_at": "2026-01-31T02:00:00.000000Z"},
    "run": {"due_at": "2026-01-31T02:00:00.000000Z", "id": "0" * 32, "name": "name", "status": "Completed"},
    "version": {"due_at": "2026-01-31T02:00:00.000000Z", "id": "0" * 32, "name": "name", "version": 1},
}


@dataclass(frozen=True)
class Trigger:
    """What has to happen: the end of a run of a pipeline or an endpoint (by its id), or a version of a dataset or a model (by its
    name)."""

    kind: str
    of: str
    # success, failure or completion, of runs alone.
    on: str = ""

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.of}"

    @property
    def is_of_runs(self) -> bool:
        return self.kind in (PIPELINE, ENDPOINT)

    def to_document(self) -> dict[str, Any]:
        return {self.kind: self.of, **({"on": self.on} if self.is_of_runs else {})}


def read(document: Mapping[str, Any]) -> Trigger:
    """A trigger as REST has it. Raises Invalid."""
    unknown = sorted(str(name)[:40] for name in set(document) - {*KINDS, "on"})
    if unknown:
        raise Invalid(_("A trigger has no %(names)s.") % {"names": ", ".join(unknown)}, code="bad_trigger")
    given = [kind for kind in KINDS if document.get(kind)]
    if len(given) != 1 or not isinstance(document[given[0]], str) or len(document[given[0]]) > 255:
        text = _(
            "A trigger names one of %(kinds)s: the id of a pipeline or an endpoint, the name of a dataset or a model."
        )
        raise Invalid(text % {"kinds": ", ".join(KINDS)}, code="bad_trigger")
    kind, on = given[0], document.get("on")
    if kind in (DATASET, MODEL):
        if on:
            raise Invalid(_("'on' of a trigger goes with a pipeline or an endpoint alone."), code="bad_trigger")
        return Trigger(kind, document[kind])
    if on not in (None, "", *OUTCOMES):
        text = _("'on' of a trigger is one of %(outcomes)s, not '%(given)s'.")
        raise Invalid(text % {"outcomes": ", ".join(OUTCOMES), "given": str(on)[:40]}, code="bad_trigger")
    return Trigger(kind, document[kind].strip().lower(), on or SUCCESS)


def facts_of(trigger: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The facts of what starts a run, with an example of each; `trigger`: None for times and files."""
    if trigger is None:
        return FACTS["time"]
    return FACTS["run" if "on" in trigger else "version"]


def check_values(values: Mapping[str, Any], trigger: Mapping[str, Any] | None) -> dict[str, str]:
    """Which parameter gets which fact. Raises Invalid for a fact that there is not."""
    known = facts_of(trigger)
    for name, fact in values.items():
        if not isinstance(fact, str) or fact not in known:
            text = _("The parameter '%(name)s' gets one of %(facts)s, not '%(given)s'.")
            facts = {"name": str(name)[:80], "facts": ", ".join(known), "given": str(fact)[:40]}
            raise Invalid(text % facts, code="bad_values")
    return {str(name): str(fact) for name, fact in values.items()}


def path_back(start: Iterable[str], goal: str, edges: Mapping[str, Iterable[str]]) -> list[str]:
    """The shortest way from one of `start` to `goal` along the edges, with both; empty where there is none."""
    before: dict[str, str] = dict.fromkeys(start, "")
    pending = list(before)
    for node in pending:
        if node == goal:
            path = [node]
            while before[path[-1]]:
                path.append(before[path[-1]])
            return path[::-1]
        for other in edges.get(node, ()):
            if other not in before:
                before[other] = node
                pending.append(other)
    return []
