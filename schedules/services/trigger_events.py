"""Ticks of triggers: at the end of a run, and at a new version of a dataset or a model.

The tick is written in the transaction in which that happens: so none is missed where a process dies, and each cause starts a
schedule once.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from core.clock import iso, now
from core.work import later
from datasets.models import DatasetVersion
from registry.models import ModelVersion
from runs.models import EndpointRun, Run
from runs.services.orchestration.run_transaction import open_root
from schedules import stored_messages, triggers
from schedules.models import Schedule, Tick
from schedules.services.ticks import Status, from_facts, jitter, notify_pages, write
from schedules.triggers import DATASET, ENDPOINT, MODEL, OUTCOMES, PIPELINE
from workspaces.access import WorkspaceContext, maker_of
from workspaces.models import Workspace


def run_moved(row: Run, to: str, **_signal: object) -> None:
    """A run has changed its status: if it has ended, start the schedules that wait for a run of its pipeline or endpoint."""
    if to not in Run.ENDS or row.published_pipeline_id is None or not row.is_root:
        return
    keys = [f"{PIPELINE}:{row.published_pipeline_id}"]
    keys += [f"{ENDPOINT}:{key}" for key in EndpointRun.objects.filter(run=row.pk).values_list("endpoint", flat=True)]
    waiting = [
        each for each in _waiting(row.workspace_id, keys) if to in OUTCOMES.get((each.trigger or {}).get("on", ""), ())
    ]
    if waiting:
        _start(waiting, f"run:{row.pk}", {"id": str(row.pk), "name": str(row), "status": to}, row.pk)


def dataset_made(context: WorkspaceContext, version: DatasetVersion) -> None:
    """A dataset has a new version. One that is fetching starts nothing before it can be used."""
    if version.status == DatasetVersion.Status.READY:
        _dataset(version, context)


def dataset_moved(row: DatasetVersion, to: str, **_signal: object) -> None:
    """A version has changed its status: if it can be used by now, start the schedules that wait for it."""
    if to == DatasetVersion.Status.READY and row.dataset_id is not None:
        _dataset(row, None)


def _dataset(version: DatasetVersion, context: WorkspaceContext | None) -> None:
    assert version.dataset is not None
    waiting = _waiting(version.workspace_id, [f"{DATASET}:{version.dataset.name}"])
    waiting = [each for each in waiting if each.active_since is None or each.active_since <= version.created_at]
    if waiting:
        facts = {"id": str(version.pk), "name": version.dataset.name, "version": version.version}
        maker = _maker(context, version.workspace, "dataset version", version.pk)
        _start(waiting, f"dataset:{version.pk}", facts, maker)


def model_made(context: WorkspaceContext, version: ModelVersion) -> None:
    """A model has a new version."""
    waiting = _waiting(context.workspace.pk, [f"{MODEL}:{version.model.name}"])
    if waiting:
        facts = {"id": str(version.pk), "name": version.model.name, "version": version.version}
        root = Run.objects.filter(pk=version.run_id).values_list("root", flat=True).first() if version.run_id else None
        maker = root or _maker(context, context.workspace, "model", version.pk)
        _start(waiting, f"model:{version.pk}", facts, maker)


def _waiting(workspace: UUID, keys: list[str]) -> list[Schedule]:
    """The active schedules that wait for one of these; an index holds those that wait for anything."""
    found = Schedule.objects.filter(workspace=workspace, trigger_key__in=keys).exclude(trigger_key="")
    found = found.filter(status=Schedule.Status.ACTIVE).select_related("workspace").defer("seen")
    moment = now()
    return [each for each in found.order_by("id") if each.end_at is None or each.end_at >= moment]


def _start(waiting: list[Schedule], cause: str, facts: dict[str, Any], maker: UUID | None) -> None:
    moment, depth = now(), depth_below(maker)
    facts["due_at"] = iso(moment)
    is_loop = depth > triggers.MOST_DEPTH
    why = stored_messages.keep("too_deep", count=triggers.MOST_DEPTH) if is_loop else {}
    ticks = [
        Tick(
            schedule=each, due_at=moment, fires_at=moment + jitter(each), cause=cause, depth=depth, reason=why,
            parameters=from_facts(each, facts), status=Status.SKIPPED if is_loop else Status.DUE,
            settled_at=moment if is_loop else None,
        )
        for each in waiting
    ]  # fmt: skip
    write(ticks)
    for each in waiting:
        notify_pages(each)
    later("schedules.fire")


def depth_below(root: UUID | None) -> int:
    """How many triggers have led to what this run starts, by itself or by runs that its steps have submitted."""
    for _hop in range(triggers.MOST_DEPTH + 1):
        if root is None:
            return 1
        depth = Tick.objects.filter(run=root).values_list("depth", flat=True).first()
        if depth is not None:
            return depth + 1
        root = Run.objects.filter(pk=root).values_list("submitted_in", flat=True).first()
    return triggers.MOST_DEPTH + 1


def _maker(context: WorkspaceContext | None, workspace: Workspace, kind: str, key: UUID) -> UUID | None:
    """The root of the run that has made something: the studio registers outputs while it writes that run."""
    if context is not None and context.is_run and context.token is not None:
        return context.token.root_run_id
    return open_root() or maker_of(workspace, kind, key)
