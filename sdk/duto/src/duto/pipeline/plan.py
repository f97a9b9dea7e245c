"""What a submit would do, told before it is done."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional

from duto import html
from duto.spec.units import counted, duration_text, size_text

_OUTCOMES = ("reused", "runs", "unknown", "fails", "skipped")
_COLUMNS = ("STEP", "OUTCOME", "TAKES", "WHERE", "WHY")
_LONGEST = 100
_STARTS = {"waits": "waits", "environment": "when it is built", "later": "later"}
_STATES = {
    "ready": "ready",
    "building": "being built",
    "to_build": "would be built",
    "user_managed": "the host's own Python",
}


class PlannedStep:
    """What would become of one step. An addition of ours.

    Attributes:
        name: its name.
        outcome: `reused`; `runs`; `unknown` where it reads what steps before it are yet to write, or its environment is to be
            built first; `fails` where its data are not there, and `skipped` behind such a step.
        reason: why, in a sentence.
        reused_run_id: id of the step run whose result would be taken; None where none is.
        differences: what differs from the last run of the step, each a sentence.
        compute_target: name of the cluster.
        host: name of the host on which it would be placed now, of several nodes that of the first; None where none has room, or
            nothing starts.
        node_count: how many nodes it asks for; a parallel step begins with one.
        start: `now`, `waits`, `environment` (when that is built), `later` (after steps before it); None where nothing starts.
        seconds: the median of how long it has run; None where it never did.
    """

    def __init__(self, document: Mapping[str, object]) -> None:
        """Made by a plan.

        Args:
            document: the step, as REST has it.
        """
        self._read(dict(document))

    def _read(self, document: Dict[str, Any]) -> None:
        compared = document["compared_with"] or {}
        self.name = str(document["name"])
        self.outcome = str(document["outcome"])
        self.reason = str(document["text"])
        self.reused_run_id: Optional[str] = compared.get("run") if self.outcome == "reused" else None
        self.differences: List[str] = [str(each["text"]) for each in document["differences"]]
        self.compute_target = str(document["compute"])
        self.host: Optional[str] = document["host"]
        self.node_count = int(document.get("nodes") or 1)
        self.start: Optional[str] = document["start"]
        self.seconds: Optional[float] = document["seconds"] and document["seconds"]["median"]

    def __repr__(self) -> str:
        return f"PlannedStep({self.name}: {self.outcome})"

    def _row(self) -> List[str]:
        takes = "" if self.start is None else "?" if self.seconds is None else duration_text(self.seconds)
        nodes = f"x{self.node_count}" if self.node_count > 1 else ""
        place = _STARTS.get(self.start or "", self.host or "")
        where = " ".join(each for each in (self.compute_target, nodes, place) if each)
        return [self.name, self.outcome, takes, where if self.start else "", self.reason]


class RunPlan:
    """What submitting would do; printed, it is a table. An addition of ours: Azure ML has no plan.

    Attributes:
        steps: the steps, in the order of the graph.
    """

    def __init__(self, document: Mapping[str, object]) -> None:
        """Made by `Pipeline.plan`, `PublishedPipeline.plan` or `PipelineEndpoint.plan`.

        Args:
            document: the plan, as REST has it.
        """
        self._document: Dict[str, Any] = dict(document)
        self.steps = [PlannedStep(each) for each in self._document["steps"]]

    @property
    def counts(self) -> Dict[str, int]:
        """How many steps by outcome."""
        return dict(self._document["counts"])

    @property
    def seconds(self) -> Optional[Dict[str, float]]:
        """How long it would take by earlier runs: `low`, `median` and `high` are the times that are met if every step takes
        its 10th percentile, median and 90th. None where nothing is known. Waiting for others is not in it.
        """
        found = self._document["expected"]["seconds"]
        return None if found is None else {name: float(found[name]) for name in ("low", "median", "high")}

    @property
    def size(self) -> int:
        """Bytes of data that would be read, as far as they are known."""
        return sum(each["size"] or 0 for each in self._document["data"])

    @property
    def warnings(self) -> List[str]:
        """What its submitter would be warned of."""
        return [str(each) for each in self._document["warnings"]]

    def to_dict(self) -> Dict[str, object]:
        """The plan with all it knows: steps, data, environments, clusters, and when it would be over.

        Returns:
            The document, as REST has it.
        """
        return dict(self._document)

    def __repr__(self) -> str:
        return f"RunPlan({', '.join(self._counted())})"

    def __str__(self) -> str:
        rows = [[_short(cell) for cell in step._row()] for step in self.steps]
        widths = [max(len(row[place]) for row in [list(_COLUMNS), *rows]) for place in range(len(_COLUMNS))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in [_COLUMNS, *rows]]
        return "\n".join([*lines, "", *self._facts()])

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr>{''.join(f'<td>{html.text(cell)}</td>' for cell in step._row())}</tr>" for step in self.steps
        )
        head = "".join(f"<th>{html.text(each.capitalize())}</th>" for each in _COLUMNS)
        facts = "".join(f"<div>{html.text(line)}</div>" for line in self._facts())
        return html.page(f"<table><tr>{head}</tr>{cells}</table>", facts)

    def _counted(self) -> List[str]:
        return [f"{count} {name}" for name in _OUTCOMES if (count := self.counts[name])] or ["no steps"]

    def _facts(self) -> List[str]:
        """What is not about one step, a line each."""
        lines = [f"{counted(len(self.steps), 'step')}: {', '.join(self._counted())}"]
        for each in self._document["data"]:
            name = f"{each['datastore']}/{each['path']}" if each["datastore"] else _dataset(each)
            size = "" if each["size"] is None else f", {size_text(each['size'])}"
            lines.append(f"reads {name}{size}")
        for each in self._document["environments"]:
            long = "" if each["seconds"] is None else f", about {duration_text(each['seconds']['median'])}"
            lines.append(f"environment {each['name']}: {_STATES[each['state']]}{long}")
        for each in self._document["clusters"]:
            lines += [f"{each['name']}: {reason['text']}" for reason in each["reasons"]]
        seconds, lacking = self.seconds, self._document["expected"]["without_history"]
        if seconds is not None:
            low, middle, high = (duration_text(seconds[name]) for name in ("low", "median", "high"))
            lines.append(f"takes about {middle} ({low} to {high})")
        if lacking:
            lines.append(f"nothing is known of how long {counted(lacking, 'step')} would run")
        return [*lines, *self.warnings]


def _dataset(each: Mapping[str, Any]) -> str:
    return f"{each['dataset']}:{each['version']}" if each["dataset"] else "a dataset without a name"


def _short(text: str) -> str:
    """A cell of a line; what steers a terminal is not sent to it."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return plain if len(plain) <= _LONGEST else f"{plain[: _LONGEST - 1]}…"
