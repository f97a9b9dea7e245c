"""The graph of a run as a page draws it (docs/wire.md, *Page documents*)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import OuterRef, Prefetch, Q, Subquery, TextField
from django.db.models.functions import Cast
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core.clock import iso
from core.ids import as_uuid
from core.words import duration_text, seconds_between
from datasets.models import DatasetVersion
from duto.spec import distribution
from duto.spec.graph import Input, Step, read_graph
from duto.spec.kinds import KINDS
from environments.models import EnvironmentBuild, EnvironmentVersion
from runs import stored_messages
from runs.critical_path import Span, critical_path
from runs.models import Attempt, Run, StepRun
from runs.queries.folding import FOLD_ABOVE, Folded, Group, fold
from runs.queries.graphs import parsed, step_runs
from workspaces.models import Workspace

TIMES = ("queued_at", "preparing_at", "started_at", "finalizing_at", "finished_at")
TIMES_OF_ATTEMPT = ("queued_at", "started_at", "finished_at")
MORE_DATA = "data:"
# The state of a build as that of a step.
_B = EnvironmentBuild.Status
BUILT: Mapping[str, str] = {
    _B.QUEUED: Run.Status.QUEUED,
    _B.BUILDING: Run.Status.PREPARING,
    _B.READY: Run.Status.COMPLETED,
    _B.FAILED: Run.Status.FAILED,
}
# Of the states of a group's steps the first of these is the group's.
WORST = (
    Run.Status.FAILED, Run.Status.NOT_RESPONDING, Run.Status.RUNNING, Run.Status.FINALIZING, Run.Status.PREPARING, Run.Status.CANCEL_REQUESTED, Run.Status.QUEUED, Run.Status.NOT_STARTED,
    Run.Status.CANCELED, Run.Status.SKIPPED, Run.Status.COMPLETED,
)  # fmt: skip


def graph_document(run: Run, opened: Sequence[str] = (), step: str = "") -> dict[str, Any]:
    """Nodes, edges, builds and the critical path of the run's tree: five queries, however many steps.

    Above FOLD_ABOVE steps those that are alike are one node each, but for the groups that are `opened`; the document
    then says which node holds `step`.
    """
    # A trial has a graph of its own; what else is asked for is that of its tree.
    tree = run.root or run
    root = run if run.kind == Run.Kind.TRIAL else tree
    # Parsed once a process: of a long graph that takes longer than all else here.
    specs = parsed(root.pk).graph.steps
    if len(specs) > FOLD_ABOVE:
        return _folded(root, specs, fold({spec.id: spec.name for spec in specs}, opened), step)
    rows = {step.step.node_id: step for step in steps_of(root)}
    sources = _Sources(root, specs)
    nodes = [*sources.nodes(), *(_node(rows[spec.id], spec, root.parameters) for spec in specs if spec.id in rows)]
    return {
        "version": tree.version,
        "run": str(root.pk),
        "status": root.status,
        "hash": root.graph_digest,
        "created_at": iso(root.created_at),
        "finished_at": iso(root.finished_at),
        "nodes": nodes,
        "builds": _builds(root),
        "edges": [*sources.edges, *(each for each in _edges(specs) if each["from"] in rows)],
        "critical_path": critical_path(
            _needs(specs), {node: span for node, row in rows.items() if (span := _span(row))}
        ),
    }


def plan_document(workspace: Workspace, graph: Mapping[str, Any]) -> dict[str, Any] | None:
    """The same of a graph that no run has carried out, with the defaults of its parameters; None of one that is long."""
    if len(graph.get("steps", [])) > FOLD_ABOVE:
        return None
    specs = read_graph(graph).steps
    defaults = {each["name"]: each.get("default") for each in graph.get("parameters", [])}
    sources = _Sources(Run(workspace=workspace, parameters=defaults), specs)
    steps = [
        {
            "id": spec.id,
            "type": "step",
            **_look(spec, defaults),
            "label": spec.name,
            "status": Run.Status.NOT_STARTED.value,
            "detail": spec.compute or "",
        }
        for spec in specs
    ]
    return {"nodes": [*sources.nodes(), *steps], "edges": [*sources.edges, *_edges(specs)], "critical_path": []}


def _folded(root: Run, specs: Sequence[Step], folded: Folded, step: str) -> dict[str, Any]:
    sources = _Sources(root, specs)
    states = _states(root)
    rows = {step.step.node_id: step for step in steps_of(root, folded.steps)}
    by_id = {spec.id: spec for spec in specs}
    nodes = [
        *_few(sources.nodes()),
        *(_group(group, [states[node] for node in group.members if node in states]) for group in folded.groups),
        *(_node(rows[node], by_id[node], root.parameters) for node in folded.steps if node in rows),
    ]
    drawn = {node["id"] for node in nodes}
    edges: dict[tuple[str, str], dict[str, str]] = {}
    for edge in (*sources.edges, *_edges(specs)):
        start, end = folded.home.get(edge["from"], edge["from"]), folded.home.get(edge["to"], edge["to"])
        start = start if start in drawn else MORE_DATA
        if start != end:
            edges.setdefault((start, end), {"from": start, "to": end, "label": edge["label"]})
    return {
        "version": root.version,
        "run": str(root.pk),
        "status": root.status,
        "hash": root.graph_digest,
        "folded": True,
        "created_at": iso(root.created_at),
        "finished_at": iso(root.finished_at),
        "nodes": nodes,
        "builds": _builds(root),
        "edges": list(edges.values()),
        "critical_path": list(dict.fromkeys(folded.home[node] for node in _path(specs, states))),
        "home": {step: folded.home[step]} if step in folded.home else {},
    }


def _path(specs: Sequence[Step], states: Mapping[str, Facts]) -> list[str]:
    """The critical path of all steps, by their times as the database spells them."""
    spans = {node: span for node, facts in states.items() if (span := _span_of(facts))}
    return critical_path(_needs(specs), spans)


def _span_of(facts: Facts) -> Span | None:
    began = facts.queued_at or facts.preparing_at or facts.started_at
    if began is None or facts.status == Run.Status.SKIPPED:
        return None
    return Span(_read(began).timestamp(), _read(facts.finished_at).timestamp() if facts.finished_at else None)


def _few(sources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Data as they are; of very many the others are one node."""
    if len(sources) <= FOLD_ABOVE:
        return sources
    more = len(sources) - FOLD_ABOVE
    label = ngettext("%(n)d more", "%(n)d more", more) % {"n": more}
    return [*sources[:FOLD_ABOVE], {"id": MORE_DATA, "type": "data", "label": label, "detail": "", "url": None}]


class Facts(NamedTuple):
    """Of one step: times are as the database spells them, since to read those of very many took longer than all else."""

    status: str
    source: UUID | None
    queued_at: str | None
    preparing_at: str | None
    started_at: str | None
    finished_at: str | None


def _states(root: Run) -> dict[str, Facts]:
    rows = step_runs(root).order_by()
    times = [Cast(name, TextField()) for name in Facts._fields[2:]]
    found = rows.values_list("step__node_id", "status", "step__reused_from", *times)
    return {node: Facts(*facts) for node, *facts in found}


def _group(group: Group, states: Sequence[Facts]) -> dict[str, Any]:
    """A group as a step that is all of its members: the state that matters most, from the first start to the last end."""
    found = {facts.status for facts in states}
    status = next((state for state in WORST if state in found), Run.Status.NOT_STARTED)
    done = sum(1 for facts in states if facts.status == Run.Status.COMPLETED)
    queued = [facts.queued_at for facts in states if facts.queued_at]
    started = [facts.started_at for facts in states if facts.started_at]
    finished = [facts.finished_at for facts in states if facts.finished_at]
    over = all(facts.status in Run.ENDS for facts in states)
    return {
        "id": group.node,
        "type": "group",
        "name": group.name,
        "label": group.label,
        "status": status,
        "reused": over and all(facts.source is not None for facts in states),
        "detail": _("%(part)d of %(whole)d done") % {"part": done, "whole": len(group.members)},
        "queued_at": _time(min(queued, default=None)),
        "started_at": _time(min(started, default=None)),
        "finished_at": _time(max(finished, default=None)) if over else None,
    }


def _time(text: str | None) -> str | None:
    return iso(_read(text)) if text else None


def _read(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def steps_of(root: Run, nodes: Sequence[str] | None = None) -> list[Run]:
    """The runs that execute the nodes of this root's graph, or these of them, attempts with them. A script run
    executes itself."""
    attempts = Prefetch(
        "attempts",
        Attempt.objects.filter(node_rank=0).order_by("number").only("run_id", "number", "status", *TIMES_OF_ATTEMPT),
    )
    rows = step_runs(root).select_related("step")
    rows = rows if nodes is None else rows.filter(step__node_id__in=nodes)
    heavy = ("graph", "step__fingerprint_document", "step__reuse_explanation")
    return list(rows.defer(*heavy).order_by("id").prefetch_related(attempts))


def _node(run: Run, spec: Step, parameters: Mapping[str, Any]) -> dict[str, Any]:
    attempts = list(run.attempts.all())
    warnings = [*run.warnings, *run.step.waiting[:1]] if not run.is_final else run.warnings
    return {
        "id": run.step.node_id,
        "type": "step",
        **_look(spec, parameters),
        "run": str(run.pk),
        "label": run.step.name,
        "status": run.status,
        "reused": run.step.reused_from_id is not None,
        "adopted": run.is_adopted,
        "detail": _detail(run, len(attempts)),
        **{name: iso(getattr(run, name)) for name in TIMES},
        "attempts": [
            {
                "id": str(each.pk),
                "number": each.number,
                "status": each.status,
                **{name: iso(getattr(each, name)) for name in TIMES_OF_ATTEMPT},
            }
            for each in attempts
        ],
        "warning": stored_messages.warning(warnings[0]) if warnings else None,
    }


def _look(spec: Step, parameters: Mapping[str, Any]) -> dict[str, str]:
    """What sets a step's node apart by its kind, and by the processes that run it: nothing of one that runs a Python script
    once."""
    known = KINDS[spec.kind]
    icon, word = known.icon, translation.gettext(known.word) if known.word else ""
    counts = distribution.resolved(spec.distribution, parameters).counts.values() if spec.distribution else ()
    count = sum(each for each in counts if isinstance(each, int))
    if count > 1:
        ranks = ngettext("%(n)d process", "%(n)d processes", count) % {"n": count}
        icon, word = "ranks", f"{word}, {ranks}" if word else ranks
    return {"kind": spec.kind, "icon": icon, "word": word}


def _builds(root: Run) -> list[dict[str, Any]]:
    """The builds of environments that the run's steps waited for: what ended before the run was asked for is none."""
    steps = StepRun.objects.filter(run__root=root.root_id, environment_version_id__isnull=False)
    waited = Q(build__finished_at=None) | Q(build__finished_at__gt=root.created_at)
    versions = EnvironmentVersion.objects.filter(
        waited, pk__in=steps.values("environment_version_id"), build__isnull=False
    )
    if root.finished_at is not None:
        versions = versions.filter(build__created_at__lt=root.finished_at)
    first = steps.filter(environment_version_id=OuterRef("pk")).order_by("run_id").values("node_id")[:1]
    facts = ("status", "created_at", "started_at", "finished_at")
    rows = versions.order_by("id").values_list(
        "build_id", "environment__name", "version", Subquery(first), *(f"build__{name}" for name in facts)
    )
    return list(
        {
            build: {
                "id": str(build),
                "label": f"{name}:{number}" if name else _("environment"),
                "step": node,
                "status": BUILT[status],
                "queued_at": iso(queued),
                "started_at": iso(started),
                "finished_at": iso(finished),
            }
            for build, name, number, node, status, queued, started, finished in rows
        }.values()
    )


def _detail(run: Run, attempts: int) -> str:
    parts = []
    if run.step.reused_from_id is not None:
        parts.append(_("adopted") if run.is_adopted else _("reused"))
    elif run.started_at and run.finished_at:
        parts.append(duration_text(seconds_between(run.started_at, run.finished_at)))
    if attempts > 1:
        parts.append(_("attempt %(number)d") % {"number": attempts})
    return " · ".join(parts)


def _needs(specs: Sequence[Step]) -> dict[str, frozenset[str]]:
    known = frozenset(spec.id for spec in specs)
    return {spec.id: spec.parents & known for spec in specs}


def _edges(specs: Sequence[Step]) -> list[dict[str, str]]:
    """Data from step to step by name; order alone (`run_after`) only where no data says it already."""
    edges: dict[tuple[str, str], list[str]] = {}
    for spec in specs:
        for each in spec.inputs:
            if each.step:
                edges.setdefault((each.step, spec.id), []).append(each.output or each.name)
        for parent in spec.run_after:
            edges.setdefault((parent, spec.id), [])
    return [
        {"from": start, "to": end, "label": ", ".join(dict.fromkeys(names))} for (start, end), names in edges.items()
    ]


def _span(run: Run) -> Span | None:
    """From being asked for to the end. What never began, or was skipped, took no time that anybody waited for."""
    began = run.queued_at or run.preparing_at or run.started_at
    if began is None or run.status == Run.Status.SKIPPED:
        return None
    return Span(began.timestamp(), run.finished_at.timestamp() if run.finished_at else None)


class _Sources:
    """Data that comes from outside of the graph: datasets, paths on datastores, parameters that name either."""

    def __init__(self, root: Run, specs: Sequence[Step]) -> None:
        self.root = root
        self.edges: list[dict[str, str]] = []
        self.found: dict[tuple[str, str], str] = {}
        self.places: dict[str, dict[str, Any]] = {}
        for spec in specs:
            for each in spec.inputs:
                if not each.step:
                    self._note(spec.id, each)
        self.versions = self._versions()

    def _note(self, step: str, each: Input) -> None:
        place = self._resolved(each)
        key = (place["kind"], place["value"])
        if key not in self.found:
            node = f"data:{each.name}"
            # Two sources may have the same input name in two steps.
            self.found[key] = node if node not in self.places else f"{node}-{len(self.places)}"
            self.places[self.found[key]] = {**place, "name": each.name}
        self.edges.append({"from": self.found[key], "to": step, "label": each.name})

    def _resolved(self, source: Input) -> dict[str, Any]:
        value: Any = {"dataset": source.dataset, "datastore": source.datastore, "path": source.path}
        if source.parameter:
            tree = self.root if self.root.is_root else (self.root.root or self.root)
            value = tree.parameters.get(source.parameter)
            value = {"dataset": value} if isinstance(value, str) else value or {}
        if value.get("dataset"):
            return {"kind": "dataset", "value": str(value["dataset"])}
        if value.get("datastore"):
            return {"kind": "path", "value": f"{value['datastore']}/{value.get('path') or ''}", **value}
        return {"kind": "parameter", "value": str(source.parameter)}

    def _versions(self) -> dict[UUID, DatasetVersion]:
        named = (as_uuid(place["value"]) for place in self.places.values() if place["kind"] == "dataset")
        ids = {key for key in named if key is not None}
        if not ids:
            return {}
        rows = DatasetVersion.objects.filter(workspace=self.root.workspace_id, pk__in=ids)
        return {row.pk: row for row in rows.select_related("dataset").defer("profile")}

    def nodes(self) -> list[dict[str, Any]]:
        return [{"id": node, "type": "data", **self._shown(place)} for node, place in self.places.items()]

    def _shown(self, place: Mapping[str, Any]) -> dict[str, Any]:
        version = self.versions.get(as_uuid(place["value"])) if place["kind"] == "dataset" else None  # type: ignore[arg-type]
        workspace = self.root.workspace.name
        if version is not None and version.dataset is not None:
            detail = f"v{version.version}"
            if version.file_count is not None and version.kind == "file":
                words = ngettext("%(count)d file", "%(count)d files", version.file_count)
                detail += " · " + words % {"count": version.file_count}
            label = version.dataset.name
            page = reverse("datasets:dataset", args=[workspace, label])
            return {"label": label, "detail": detail, "url": f"{page}?version={version.version}"}
        if place["kind"] == "path":
            page = reverse("datasets:store", args=[workspace, place["datastore"]])
            query = f"?{urlencode({'path': path})}" if (path := place.get("path")) else ""
            return {"label": place["name"], "detail": place["value"], "url": page + query}
        return {"label": place["name"], "detail": "", "url": None}
