"""Runs as REST tells them (docs/wire.md, *A run*). Built for many at once, so that a list costs what one run costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet, prefetch_related_objects

from compute.models import ComputeTarget
from core.clock import iso
from core.prepared import Prepared
from duto.spec.secrets import hidden
from runs import stored_messages
from runs.causes import cause_of
from runs.models import Attempt, RankLog, Run, StepRun
from runs.queries.graphs import parsed
from runs.queries.runs import Counts, step_counts

# Longer graphs are asked for by themselves: of 20,000 steps one has 15 MB.
GRAPH_WITHIN = 500
# Why a run with these attempts waits, as placement would say it now.
Reasons = Callable[[Run, Sequence[Attempt]], list[dict[str, Any]]]


def run_documents(runs: Sequence[Run], *, workspace: str) -> list[dict[str, Any]]:
    """The documents of a list of runs, without graphs and attempts."""
    counts = step_counts(list(runs))
    computes = compute_names(runs)
    return [_document(run, workspace, counts.get(run.pk), computes) for run in runs]


def run_document(run: Run, *, reasons: Reasons, graph: bool = True) -> dict[str, Any]:
    """One run with everything: its graph, its attempts, why it waits."""
    counts = step_counts([run])
    document = _document(run, run.workspace.name, counts.get(run.pk), compute_names([run]))
    if graph:
        document["graph"] = run.graph
    if hasattr(run, "step"):
        document["step"]["script"] = script_of(run)
        tries = attempts_of([run]).get(run.pk, [])
        document["step"]["attempts"] = [attempt_document(each) for each in tries]
        document["step"]["waiting"] = reasons(run, tries)
    return document


def status_document(run: Run) -> dict[str, Any]:
    """How far a run is, for whoever started it without being a member: no code, no data, no values, and of a failure its
    cause alone, since a message may tell of all of these."""
    step = run.step if hasattr(run, "step") and not run.is_root else None
    error = run.error if run.status == Run.Status.FAILED else None
    cause = str((error or {}).get("cause") or "")
    return {
        "id": str(run.pk),
        "root": str(run.root_id),
        "name": step.name if step else run.experiment.name,
        "number": run.number,
        "status": run.status,
        **_times(run),
        "error": {"cause": cause, "message": str(cause_of(cause).word)} if error else None,
    }


def answer_document(run: Run, *, reasons: Reasons) -> dict[str, Any]:
    """The same as the answer to whoever makes or changes a run: a graph of very many steps never changes, and stays out."""
    document = run_document(run, reasons=reasons, graph=False)
    if sum(document["steps_count"].values()) <= GRAPH_WITHIN:
        return {**document, "graph": run.graph}
    place = f"{settings.DUTO.url}/api/v1/workspaces/{document['workspace']}/runs/{run.pk}/"
    return {**document, "graph": None, "graph_url": place}


def step_documents(root: Run, steps: Sequence[Run], *, is_whole: bool = False) -> list[dict[str, Any]]:
    """The steps of a run with their attempts: a constant number of queries. `is_whole`: they are all that the root has."""
    computes = compute_names(steps)
    tries = _by_run(_OF_ROOT.all(root.pk)) if is_whole else attempts_of(steps)
    documents = []
    for step in steps:
        document = _document(step, root.workspace.name, None, computes)
        if "step" in document:
            document["step"]["script"] = script_of(step)
            document["step"]["attempts"] = [attempt_document(each) for each in tries.get(step.pk, [])]
        documents.append(document)
    return documents


def script_of(run: Run) -> str:
    """The script of a step; empty where its root's graph does not hold it."""
    spec = parsed(run.graph_id).steps.get(run.step.node_id)
    return spec.script if spec else ""


def nodes_of(run: Run) -> list[str]:
    """The nodes of a root in the order of its graph; of a step its own."""
    return list(parsed(run.pk).steps) if run.is_root else [run.step.node_id] if hasattr(run, "step") else []


def compute_names(runs: Iterable[Run]) -> dict[UUID, str]:
    """Names of the compute targets of these steps, by id."""
    wanted = {key for run in runs if hasattr(run, "step") and (key := run.step.compute_target_id)}
    return dict(ComputeTarget.objects.filter(pk__in=wanted).values_list("pk", "name")) if wanted else {}


def attempts_of(runs: Iterable[Run]) -> dict[UUID, list[Attempt]]:
    """All attempts of these runs, oldest first, by run."""
    return _by_run(list(_attempts().filter(run_id__in=[run.pk for run in runs])))


def _attempts() -> QuerySet[Attempt]:
    return Attempt.objects.filter(node_rank=0).select_related("host", "compute_target").order_by("number")


_OF_ROOT: Prepared[Attempt] = Prepared(lambda root: _attempts().filter(run__root=root))


def _by_run(attempts: list[Attempt]) -> dict[UUID, list[Attempt]]:
    found: dict[UUID, list[Attempt]] = {}
    prefetch_related_objects([each for each in attempts if each.rank_count], "ranks")
    for attempt in attempts:
        found.setdefault(attempt.run_id, []).append(attempt)
    return found


def members_of(attempt: Attempt) -> list[Attempt]:
    """Of a try on several nodes those that it has on each, itself among them; none of any other."""
    if attempt.node_count == 1:
        return []
    rows = Attempt.objects.filter(run=attempt.run_id, number=attempt.number).select_related("host", "compute_target")
    return list(rows.prefetch_related("ranks").order_by("node_rank"))


def attempt_document(attempt: Attempt) -> dict[str, Any]:
    """An attempt; of one on several nodes what there is of all, with a document of its own for each."""
    members = members_of(attempt)
    document = _attempt_document(attempt)
    if members:
        document["members"] = [{"node_rank": each.node_rank, **_attempt_document(each)} for each in members]
        document["ranks"] = [rank for each in document["members"] for rank in each["ranks"]]
    return document


def _attempt_document(attempt: Attempt) -> dict[str, Any]:
    return {
        "id": str(attempt.pk),
        "number": attempt.number,
        "status": attempt.status,
        "queued_at": iso(attempt.queued_at),
        "preparing_at": iso(attempt.preparing_at),
        "started_at": iso(attempt.started_at),
        "finished_at": iso(attempt.finished_at),
        "exit_code": attempt.exit_code,
        "signal": attempt.signal,
        "cause": attempt.cause or None,
        "message": stored_messages.error_text({"message": attempt.message, "said": attempt.said}),
        "traceback": attempt.traceback,
        "usage": attempt.usage,
        "transfers": attempt.transfers,
        "proof": attempt.proof,
        "not_before": iso(attempt.not_before),
        "warnings": [stored_messages.warning(each) for each in attempt.warnings],
        "log_size": attempt.log_size,
        "log_final": attempt.log_sealed_at is not None,
        "ranks": [rank_document(each) for each in ranks_of(attempt)],
        "host": attempt.host.name if attempt.host else None,
        "node": attempt.node_name or None,
    }


def ranks_of(attempt: Attempt) -> list[RankLog]:
    """Its processes that have logs; few attempts have any, and the others ask for none."""
    return sorted(attempt.ranks.all(), key=attrgetter("rank")) if attempt.rank_count else []


def rank_document(log: RankLog) -> dict[str, Any]:
    """One process of an attempt."""
    return {
        "rank": log.rank,
        "role": log.role,
        "log_size": log.log_size,
        "exit_code": log.exit_code,
        "signal": log.signal,
        "was_ended": log.was_ended,
    }


def url_of(run: Run, workspace: str) -> str:
    """The address of the run's page; a step is selected on the page of its pipeline."""
    runs = f"{settings.DUTO.url}/w/{workspace}/runs"
    is_step = hasattr(run, "step") and run.pk != run.graph_id
    return f"{runs}/{run.root_id}/?step={run.step.node_id}" if is_step else f"{runs}/{run.pk}/"


def _document(run: Run, workspace: str, counts: Counts | None, computes: Mapping[UUID, str]) -> dict[str, Any]:
    step = run.step if hasattr(run, "step") else None
    reused_from = step.reused_from_id if step else None
    is_reused = reused_from is not None or bool(counts and counts.total and counts.reused == counts.total)
    document: dict[str, Any] = {
        "id": str(run.pk),
        "kind": run.kind,
        "number": run.number,
        "name": step.name if step and not run.is_root else run.experiment.name,
        "display_name": run.display_name,
        "description": run.description,
        "experiment": run.experiment.name,
        "workspace": workspace,
        "parent": str(run.parent_id) if run.parent_id else None,
        "root": str(run.root_id),
        "status": run.status,
        "is_reused": is_reused,
        "reused_from": str(reused_from) if reused_from else None,
        "version": run.version,
        "priority": run.priority,
        **_times(run),
        "submitted_by": run.submitted_by.get_username() if run.submitted_by else None,
        "cancel_requested_by": run.cancel_requested_by or None,
        "trigger": run.trigger,
        "published_pipeline_id": str(run.published_pipeline_id) if run.published_pipeline_id else None,
        "cloned_from": str(run.cloned_from_id) if run.cloned_from_id else None,
        "resumed_from": str(run.resumed_from_id) if run.resumed_from_id else None,
        "parameters": hidden(run.parameters),
        "tags": run.tags,
        "properties": run.properties,
        "error": stored_messages.error_document(run.error),
        "warnings": [stored_messages.warning(each) for each in run.warnings],
        "steps_count": counts.by_status if counts else {},
        "steps_reused": counts.reused if counts else 0,
        "url": url_of(run, workspace),
    }
    if step:
        document["step"] = _step(step, computes)
    return document


def _step(step: StepRun, computes: Mapping[UUID, str]) -> dict[str, Any]:
    return {
        "id": step.node_id,
        "name": step.name,
        "compute": computes.get(step.compute_target_id) if step.compute_target_id else None,
        "snapshot": step.snapshot_digest or None,
        "environment_version": str(step.environment_version_id) if step.environment_version_id else None,
        "allow_reuse": step.allow_reuse,
        "fingerprint": step.fingerprint or None,
        "waiting": step.waiting,
    }


def _times(run: Run) -> dict[str, str | None]:
    names = ("created_at", "queued_at", "preparing_at", "started_at", "finalizing_at", "finished_at", "archived_at")
    return {name: iso(getattr(run, name)) for name in names}
