"""The end of an attempt, and what follows from it, in one transaction."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from core.clock import now, parse
from core.work import after_commit
from runs.models import Attempt, Run
from runs.services import artifacts, failures, logs, outputs, placing
from runs.services.changes import changing
from runs.services.progress import advance, carry_forward
from workspaces.services.tokens import revoke_run_tokens

A = Attempt.Status
S = Run.Status
# Retries by cause: a lost host is nobody's fault. A lost attempt on a living host may have run half-way.
RETRIES = {"host_lost": 2}


def finish(attempt: Attempt, report: dict[str, Any]) -> None:
    """Record an agent's verdict: bytes first, rows in one transaction. Repeating it changes nothing."""
    missing = outputs.missing_outputs(report, attempt) if _succeeded(report) else ""
    promoted = outputs.promote(attempt, report) if _succeeded(report) and not missing else {}
    logs.seal(attempt)
    with changing(attempt.run.root_id) as root:
        attempt = fresh_of(attempt, root)
        if attempt.is_final:
            return
        artifacts.adopt(attempt, report)
        run = attempt.run
        run.step.output_digests = promoted
        facts = _facts(report, missing)
        if missing:
            end_attempt(attempt, A.FAILED, cause="user_error", message=missing, **facts)
        elif report.get("canceled") or report.get("cause") == "canceled":
            end_attempt(attempt, A.CANCELED, cause="canceled", message=str(report.get("message") or ""), **facts)
        elif _succeeded(report):
            end_attempt(attempt, A.COMPLETED, **facts)
        else:
            cause = str(report.get("cause") or "user_error")
            end_attempt(attempt, A.FAILED, cause=cause, message=str(report.get("message") or ""), **facts)
    outputs.after_finish(attempt, report)


def end_attempt(attempt: Attempt, status: str, **facts: Any) -> None:
    """End an attempt, free its node, end or requeue its run, and carry the tree forward. Inside changing()."""
    facts.setdefault("finished_at", now())
    attempt.move(status, **facts)
    revoke_run_tokens(attempt.run_id)
    placing.free_node(attempt)
    run = attempt.run
    if status == A.COMPLETED:
        _complete(run, attempt)
    elif status == A.CANCELED or run.status == S.CANCEL_REQUESTED:
        run.move(S.CANCELED, finished_at=now(), error=failures.failure("canceled", _canceled_by(run)))
    elif _retries_left(attempt):
        _retry(attempt)
        return
    else:
        run.move(S.FAILED, finished_at=now(), error=failures.of_attempt(attempt), warnings=attempt.warnings)
    root = run.root or run
    if root.pk != run.pk:
        carry_forward(root)


def _complete(run: Run, attempt: Attempt) -> None:
    step = run.step
    root = run.root or run
    # Forced runs are no source, and a run that changed nothing else may be taken for one (docs: reuse).
    step.is_source = step.allow_reuse and not root.is_forced and bool(step.fingerprint)
    step.waiting = []
    step.save(update_fields=["is_source", "output_digests", "waiting"])
    run.move(S.COMPLETED, finished_at=now(), warnings=attempt.warnings)


def _retries_left(attempt: Attempt) -> bool:
    return attempt.number <= RETRIES.get(attempt.cause, 0)


def _retry(attempt: Attempt) -> None:
    run = attempt.run
    run.move(S.QUEUED, queued_at=now())
    Attempt.objects.create(run=run, number=attempt.number + 1, compute_target_id=attempt.compute_target_id, queued_at=now())
    after_commit(lambda: placing.place(attempt.compute_target_id))


def close_interactive(run: Run, *, ok: bool, error: str = "") -> Run:
    """A program says that its run is over (`run.complete()`, `run.fail()`). An ended run stays as it is."""
    with changing(run.root_id or run.pk) as root:
        mine = root if root.pk == run.pk else Run.objects.select_related("step").get(pk=run.pk)
        if mine.is_final or mine.kind not in (Run.Kind.INTERACTIVE, Run.Kind.CHILD):
            return mine
        mine.root = root
        failed = failures.failure("user_error", error or "The program called run.fail().")
        mine.move(S.COMPLETED if ok else S.FAILED, finished_at=now(), error=None if ok else failed)
    return mine


def build_ended(build_id: Any) -> None:
    """An environment is ready or has failed: carry forward the runs that wait for it."""
    rows = Run.objects.filter(step__waiting__0__facts__build=str(build_id)).exclude(status__in=Run.ENDS)
    for root_id in set(rows.values_list("root_id", flat=True)):
        advance(root_id)


def fresh_of(attempt: Attempt, root: Run) -> Attempt:
    """The attempt as stored, with its run and root, read under the root's lock."""
    rows = Attempt.objects.select_related("run__step", "node").defer("run__graph")
    fresh = rows.get(pk=attempt.pk)
    if fresh.run_id == root.pk:
        root.step = fresh.run.step
        fresh.run = root
    fresh.run.root = root
    fresh.run.workspace = root.workspace
    return fresh


def _succeeded(report: dict[str, Any]) -> bool:
    return report.get("exit_code") == 0 and not report.get("cause") and not report.get("canceled")


def _facts(report: dict[str, Any], missing: str) -> dict[str, Any]:
    """Times are the studio's clock, but never before the agent's start of the same attempt was recorded."""
    return {
        "exit_code": report.get("exit_code"),
        "signal": report.get("signal"),
        "traceback": report.get("traceback"),
        "usage": report.get("usage"),
        "finished_at": not_later(parse(report.get("at"))),
    }


def not_later(moment: datetime | None) -> datetime:
    """An agent's clock may be ahead or far behind: then the studio's is the better witness."""
    current = now()
    return moment if moment and current - timedelta(minutes=10) < moment <= current else current


def _canceled_by(run: Run) -> str:
    root = run.root or run
    who = run.cancel_requested_by or root.cancel_requested_by
    return f"Canceled by {who}." if who else "Canceled."
