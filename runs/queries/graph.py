"""The graph of a run as a page draws it (docs/wire.md, *Page documents*)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Prefetch
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core.clock import iso
from core.ids import as_uuid
from datasets.models import DatasetVersion
from runs import told
from runs.critical_path import Span, critical_path
from runs.models import Attempt, Run

TIMES = ("queued_at", "preparing_at", "started_at", "finalizing_at", "finished_at")
TIMES_OF_ATTEMPT = ("queued_at", "started_at", "finished_at")


def graph_document(run: Run) -> dict[str, Any]:
    """Nodes, edges and the critical path of the run's tree: four queries, however many steps."""
    root = run if run.is_root else (run.root or run)
    graph = root.graph or {}
    specs: list[dict[str, Any]] = graph.get("steps", [])
    rows = {step.step.node_id: step for step in steps_of(root)}
    sources = _Sources(root, specs)
    nodes = [*sources.nodes(), *(_node(spec, rows[spec["id"]]) for spec in specs if spec["id"] in rows)]
    return {
        "version": root.version,
        "status": root.status,
        "hash": root.graph_digest,
        "nodes": nodes,
        "edges": [*sources.edges, *_edges(specs)],
        "critical_path": critical_path(
            _needs(specs), {node: span for node, row in rows.items() if (span := _span(row))}
        ),
    }


def steps_of(root: Run) -> list[Run]:
    """The runs that execute the nodes of this root's graph, attempts with them. A script run executes itself."""
    attempts = Prefetch(
        "attempts", Attempt.objects.order_by("number").only("run_id", "number", "status", *TIMES_OF_ATTEMPT)
    )
    rows = Run.objects.filter(root=root.root_id, step__isnull=False).select_related("step")
    heavy = ("graph", "step__fingerprint_document", "step__reuse_explanation")
    return list(rows.defer(*heavy).order_by("id").prefetch_related(attempts))


def _node(spec: Mapping[str, Any], run: Run) -> dict[str, Any]:
    attempts = list(run.attempts.all())
    warnings = [*run.warnings, *run.step.waiting[:1]] if not run.is_final else run.warnings
    return {
        "id": spec["id"],
        "type": "step",
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
        "warning": _text(warnings[0]) if warnings else None,
    }


def _text(warning: Any) -> str:
    return told.said(warning) if isinstance(warning, Mapping) else str(warning)


def _detail(run: Run, attempts: int) -> str:
    parts = []
    if run.step.reused_from_id is not None:
        parts.append(_("adopted") if run.is_adopted else _("reused"))
    elif run.started_at and run.finished_at:
        parts.append(clock((run.finished_at - run.started_at).total_seconds()))
    if attempts > 1:
        parts.append(_("attempt %(number)d") % {"number": attempts})
    return " · ".join(parts)


def clock(seconds: float) -> str:
    """A duration as a node shows it: `0:41`, `1:02:03`."""
    whole = max(0, round(seconds))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def _needs(specs: Sequence[Mapping[str, Any]]) -> dict[str, set[str]]:
    known = {spec["id"] for spec in specs}
    needs = {}
    for spec in specs:
        parents = {each["from"]["step"] for each in spec.get("inputs", []) if each["from"].get("step")}
        needs[spec["id"]] = (parents | set(spec.get("run_after", []))) & known
    return needs


def _edges(specs: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Data from step to step by name; order alone (`run_after`) only where no data says it already."""
    edges: dict[tuple[str, str], list[str]] = {}
    for spec in specs:
        for each in spec.get("inputs", []):
            if parent := each["from"].get("step"):
                edges.setdefault((parent, spec["id"]), []).append(each["from"].get("output") or each["name"])
        for parent in spec.get("run_after", []):
            edges.setdefault((parent, spec["id"]), [])
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

    def __init__(self, root: Run, specs: Sequence[Mapping[str, Any]]) -> None:
        self.root = root
        self.edges: list[dict[str, str]] = []
        self.found: dict[tuple[str, str], str] = {}
        self.places: dict[str, dict[str, Any]] = {}
        for spec in specs:
            for each in spec.get("inputs", []):
                if not each["from"].get("step"):
                    self._note(spec["id"], each)
        self.versions = self._versions()

    def _note(self, step: str, each: Mapping[str, Any]) -> None:
        place = self._resolved(each["from"])
        key = (place["kind"], place["value"])
        if key not in self.found:
            node = f"data:{each['name']}"
            # Two sources may have the same input name in two steps.
            self.found[key] = node if node not in self.places else f"{node}-{len(self.places)}"
            self.places[self.found[key]] = {**place, "name": each["name"]}
        self.edges.append({"from": self.found[key], "to": step, "label": each["name"]})

    def _resolved(self, source: Mapping[str, Any]) -> dict[str, Any]:
        value: Any = source
        if source.get("parameter"):
            value = self.root.parameters.get(source["parameter"])
            value = {"dataset": value} if isinstance(value, str) else value or {}
        if value.get("dataset"):
            return {"kind": "dataset", "value": str(value["dataset"])}
        if value.get("datastore"):
            return {"kind": "path", "value": f"{value['datastore']}/{value.get('path') or ''}", **value}
        return {"kind": "parameter", "value": str(source.get("parameter"))}

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
        base = f"/w/{self.root.workspace.name}"
        if version is not None and version.dataset is not None:
            detail = f"v{version.version}"
            if version.file_count is not None and version.kind == "file":
                words = ngettext("%(count)d file", "%(count)d files", version.file_count)
                detail += " · " + words % {"count": version.file_count}
            label = version.dataset.name
            return {"label": label, "detail": detail, "url": f"{base}/datasets/{label}/?version={version.version}"}
        if place["kind"] == "path":
            return {"label": place["name"], "detail": place["value"], "url": f"{base}/datastores/{place['datastore']}/"}
        return {"label": place["name"], "detail": "", "url": None}
