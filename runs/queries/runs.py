"""Runs by what a program or a page asks for. Each filter has an index, or works on rows that an index has cut down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet
from django.utils.translation import gettext as _

from core import pairs
from core.clock import parse
from core.errors import Invalid, NotFound
from core.ids import as_uuid
from core.prepared import Prepared
from duto.spec.status import STORED
from runs.models import Experiment, Run
from workspaces.models import Workspace

# Large columns that no list shows.
HEAVY = ("graph",)


@dataclass(frozen=True)
class RunFilter:
    """What a list of runs is narrowed to; everything left out does not narrow."""

    experiment: str = ""
    statuses: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    parent: UUID | None = None
    # A published pipeline, whose runs are meant.
    pipeline: UUID | None = None
    tags: Mapping[str, str | None] = field(default_factory=dict)
    properties: Mapping[str, str | None] = field(default_factory=dict)
    created_after: datetime | None = None
    submitted_by: str = ""
    q: str = ""
    archived: bool = False


def read(query: Mapping[str, Any]) -> RunFilter:
    """The filters of a query string. Raises Invalid naming the one that cannot be read."""
    parent = _key(query, "parent", _("'parent' is the id of a run."))
    pipeline = _key(query, "pipeline", _("'pipeline' is the id of a published pipeline."))
    after = parse(query["created_after"]) if query.get("created_after") else None
    if query.get("created_after") and after is None:
        raise Invalid(_("'created_after' is a time such as 2026-01-31T12:00:00Z."))
    return RunFilter(
        experiment=str(query.get("experiment", "")),
        statuses=_words(query, "status", STORED),
        kinds=_words(query, "kind", Run.Kind.values),
        parent=parent,
        pipeline=pipeline,
        tags=pairs.asked(query, "tags"),
        properties=pairs.asked(query, "properties"),
        created_after=after,
        q=str(query.get("q", "")).strip()[:200],
        archived=str(query.get("archived", "")).lower() in ("1", "true", "yes"),
    )


def _key(query: Mapping[str, Any], name: str, refusal: str) -> UUID | None:
    key = as_uuid(query[name]) if query.get(name) else None
    if query.get(name) and key is None:
        raise Invalid(refusal)
    return key


def _words(query: Mapping[str, Any], name: str, known: Any) -> tuple[str, ...]:
    words = tuple(pairs.values(query, name))
    for word in words:
        if word not in known:
            raise Invalid(
                _("'%(name)s' is one of %(names)s, not '%(word)s'.")
                % {"name": name, "names": ", ".join(known), "word": word},
                code=f"unknown_{name}",
            )
    return words


def runs_of(workspace: Workspace | UUID) -> QuerySet[Run]:
    """All runs of a workspace with what every line about them needs."""
    return Run.objects.filter(workspace=workspace).select_related("experiment", "submitted_by", "step").defer(*HEAVY)


def _one(workspace: UUID, key: UUID) -> QuerySet[Run]:
    rows = Run.objects.filter(workspace=workspace, pk=key).select_related("experiment", "submitted_by", "step")
    return rows.exclude(parent=F("id"))  # hidden: still being laid out, or being removed


# Whoever watches a run asks for it several times a second.
_WHOLE: Prepared[Run] = Prepared(_one)
_LIGHT: Prepared[Run] = Prepared(lambda workspace, key: _one(workspace, key).defer(*HEAVY))


def get_run(workspace: Workspace, run_id: object, *, graph: bool = True) -> Run:
    """One run, with its graph or without it. Raises NotFound: a malformed id is simply not found."""
    key = as_uuid(run_id)
    found = (_WHOLE if graph else _LIGHT).first(workspace.pk, key) if key else None
    if found is None:
        raise NotFound(
            _("There is no run %(run_id)s in workspace '%(workspace)s'.")
            % {"run_id": run_id, "workspace": workspace.name},
            id=str(run_id),
        )
    found.workspace = workspace
    return found


_STEPS: Prepared[Run] = Prepared(lambda workspace, root: runs_of(workspace).filter(root=root, step__isnull=False))


def steps_of(root: Run, nodes: list[str], *, is_whole: bool) -> list[Run]:
    """The steps of these nodes, in their order; `is_whole`: they are all that the root has."""
    if is_whole:
        rows: Iterable[Run] = _STEPS.all(root.workspace_id, root.pk)
    else:
        rows = runs_of(root.workspace).filter(root=root.root_id, step__node_id__in=nodes)
    # Ids of one millisecond do not tell which came first; the graph does.
    found = {run.step.node_id: run for run in rows}
    return [found[node] for node in nodes if node in found]


def find(workspace: Workspace, asked: RunFilter) -> QuerySet[Run]:
    """The runs that fit, to be ordered and cut by a page."""
    runs = runs_of(workspace)
    runs = runs.filter(parent=asked.parent) if asked.parent else runs.filter(parent__isnull=True)
    if not asked.parent:
        runs = runs.filter(archived_at__isnull=not asked.archived)
    if asked.experiment:
        # By id, so that the index of an experiment's runs serves.
        ids = Experiment.objects.filter(workspace=workspace, name=asked.experiment).values_list("id", flat=True)
        runs = runs.filter(experiment_id__in=list(ids))
    if asked.pipeline:
        runs = runs.filter(published_pipeline_id=asked.pipeline)
    if asked.statuses:
        runs = runs.filter(status__in=asked.statuses)
    if asked.kinds:
        runs = runs.filter(kind__in=asked.kinds)
    if asked.created_after:
        runs = runs.filter(created_at__gte=asked.created_after)
    if asked.submitted_by:
        runs = runs.filter(submitted_by__username=asked.submitted_by)
    runs = pairs.narrowed(pairs.narrowed(runs, "tags", asked.tags), "properties", asked.properties)
    return runs.filter(_matches(asked.q)) if asked.q else runs


def _matches(text: str) -> Q:
    """By name, experiment, number (`#42`) or id."""
    condition = Q(display_name__icontains=text) | Q(experiment__name__icontains=text)
    digits = text.removeprefix("#")
    if digits.isascii() and digits.isdigit() and len(digits) < 10:
        condition |= Q(number=int(digits))
    key = as_uuid(text)
    return condition | Q(pk=key) if key else condition


@dataclass(frozen=True)
class Counts:
    """Steps of one run by stored status, and how many of them were reused."""

    by_status: dict[str, int] = field(default_factory=dict)
    reused: int = 0

    @property
    def total(self) -> int:
        return sum(self.by_status.values())


def step_counts(runs: list[Run]) -> dict[UUID, Counts]:
    """The steps of these roots in one query, however many roots."""
    roots = [run.pk for run in runs if run.is_root and run.kind == Run.Kind.PIPELINE]
    found: dict[UUID, Counts] = {}
    if not roots:
        return found
    rows: Any = Run.objects.filter(root_id__in=roots, kind=Run.Kind.STEP).order_by().values("root_id", "status")
    for row in rows.annotate(all=Count("id"), reused=Count("step__reused_from")):
        before = found.get(row["root_id"], Counts())
        by_status = {**before.by_status, row["status"]: row["all"]}
        found[row["root_id"]] = Counts(by_status, before.reused + row["reused"])
    return found
