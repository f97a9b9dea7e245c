"""The end of an attempt, and what follows from it, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from core import sentences, words
from core.clock import now
from core.errors import Conflict, StudioError
from core.objects import is_own_away
from core.prepared import Prepared
from duto_protocol.messages import Finished, RankEnd
from duto_protocol.reading import builtins_of
from runs import causes, stored_messages
from runs.models import Attempt, RankLog, Run
from runs.queries.graphs import parse_graph, parsed
from runs.services.orchestration import cluster_removal, failures, far_ends, members, open_children
from runs.services.orchestration.progress import carry_forward
from runs.services.orchestration.run_transaction import place_after, run_transaction
from runs.services.results import artifacts, kept_outputs, ledgers, logs, outputs, transfer_progress, usage
from runs.services.scheduling import nodes
from workspaces.services.tokens import revoke_run_tokens

# Documents of a step that its end does not look into.
BULKY = ("run__graph", "run__step__fingerprint_document", "run__step__reuse_explanation")


def finish(attempt: Attempt, report: Finished) -> None:
    """Record an agent's verdict: bytes first, rows in one transaction. Repeating it changes nothing."""
    if report.cause == "lost":
        kept_outputs.keep(attempt, report)
        lose(attempt, **_message_of(report, "no_verdict"))
        return
    if attempt.node_count > 1 and _succeeded(report) and _awaits_others(attempt):
        raise Conflict("Other members of the attempt have not ended.", code="members_open")
    if _succeeded(report) and _has_no_result(attempt):
        kept_outputs.keep(attempt, report)
        lose(attempt, cause="host_lost", **failures.sentence("no_result"))
        return
    step = parsed(attempt.run.graph_id).steps[attempt.run.step.node_id]
    if far_ends.is_far(attempt, step, report):
        far_ends.take(attempt, lambda: _take_end(attempt, report))
    else:
        _take_end(attempt, report)


def _take_end(attempt: Attempt, report: Finished) -> None:
    digests, refusal = _take_outputs(attempt, report)
    if not digests:
        kept_outputs.keep(attempt, report)
    why_not_kept = artifacts.adopt(attempt, report)
    with run_transaction(attempt.run.root_id) as root:
        fresh = fresh_of(attempt, root)
        if fresh.is_final:
            return
        fresh.run.step.output_digests = digests
        if digests and fresh.node_count > 1:  # its step may end with another member, later
            fresh.run.step.save(update_fields=["output_digests"])
        heard = [sentences.of_parts(each, report.parts_of(each)) for each in report.warnings or ()]
        fresh.warnings = sentences.once([*fresh.warnings, *why_not_kept, *heard, *members.unkept(fresh, report)])
        _note_ranks(fresh, report.ranks or [])
        fresh.transfers = transfer_progress.merged(fresh.transfers, report.transfers)
        status, facts = cluster_removal.judged(fresh, *_verdict(report, refusal))
        status, facts = _as_declared(fresh, status, facts)
        kept = {"warnings": fresh.warnings, "transfers": fresh.transfers}
        end_attempt(fresh, status, **kept, **_start_of(fresh, report), **_measured(report), **facts)
    if digests and (attempt.number > 1 or attempt.node_count > 1):
        kept_outputs.forget(Attempt.objects.filter(run=attempt.run_id).select_related("run").defer("run__graph"))


def _note_ranks(attempt: Attempt, ends: Sequence[RankEnd]) -> None:
    """How each process ended; one that has said nothing has a log, too."""
    if not ends:
        return
    rows = [
        RankLog(
            attempt=attempt,
            rank=each.rank,
            role=each.role,
            exit_code=each.exit_code,
            signal=each.signal,
            was_ended=each.was_ended,
        )
        for each in {each.rank: each for each in ends}.values()
    ]
    RankLog.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["attempt", "rank"],
        update_fields=["role", "exit_code", "signal", "was_ended"],
    )
    logs.count_ranks(attempt, max(each.rank for each in rows) + 1)


def _take_outputs(attempt: Attempt, report: Finished) -> tuple[dict[str, Any], dict[str, Any]]:
    """The outputs where they belong, by name; or why the script's success is none."""
    step = parsed(attempt.run.graph_id).steps[attempt.run.step.node_id]
    if not _succeeded(report) or not step.outputs or attempt.declared:
        return {}, {}
    if attempt.node_count > 1 and (attempt.node_rank or (members.has_failed(attempt) and attempt.is_gang)):
        return {}, {}
    missing = outputs.missing_outputs(report, step)
    if missing:
        return {}, missing
    try:
        with words.stored():
            rows = outputs.promote(attempt, report)
    except StudioError as error:
        if is_own_away(error):
            raise
        # The outputs of another attempt would be as large.
        own = {"cause": error.code} if error.code in causes.CAUSES else {}
        return {}, {"message": error.message, "said": stored_messages.kept_of(error), **own}
    return {row.name: row.place for row in rows}, {}


def _awaits_others(attempt: Attempt) -> bool:
    """Whether what a member leaves may only be taken when the others have ended, too: only all of them together have done
    the step. Its agent keeps it, and tells of it again."""
    return attempt.is_gang and attempt.node_rank == 0 and members.are_open(attempt)


def _has_no_result(attempt: Attempt) -> bool:
    """Of the nodes of a parallel step the one that was to make the result of all is lost, and this one, which stands for the
    try now, was through before."""
    return attempt.node_count > 1 and not attempt.is_gang and not attempt.node_rank and not members.has_joined(attempt)


def _verdict(report: Finished, refusal: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    if refusal:
        return Attempt.Status.FAILED, {"cause": "user_error", **refusal}
    if report.canceled or report.cause == "canceled":
        return Attempt.Status.CANCELED, {"cause": "canceled", **_message_of(report, "canceled")}
    if _succeeded(report):
        return Attempt.Status.COMPLETED, {}
    return Attempt.Status.FAILED, {
        "cause": (report.cause or "user_error")[:16],
        **_message_of(report, "script_failed"),
    }


def _message_of(report: Finished, silent: str) -> dict[str, Any]:
    """The message of an end with what it is made of; for one that says nothing a sentence of ours."""
    message = report.message or ""
    return {"message": message, "said": report.parts_of(message)} if message else failures.sentence(silent)


def _as_declared(attempt: Attempt, status: str, facts: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """What the script said by `run.fail()` holds, however well it ended, unless something else ended it."""
    is_its_own = status == Attempt.Status.COMPLETED or (
        status == Attempt.Status.FAILED and facts.get("cause") == "user_error"
    )
    if not attempt.declared or not is_its_own:
        return status, facts
    return Attempt.Status.FAILED, {**facts, "cause": "user_error", "message": attempt.declared["message"], "said": None}


def end_attempt(attempt: Attempt, status: str, **facts: Any) -> None:
    """End an attempt, free its node, end or requeue its run, and carry the tree forward. Inside changing()."""
    facts.setdefault("finished_at", now())
    attempt.move(status, **facts)
    if attempt.leased_at is not None:  # whoever had it may have left a log
        logs.seal(attempt)
        usage.seal(attempt)
        ledgers.seal(attempt)
    nodes.free_node(attempt)
    place_after(attempt.run, attempt.compute_target_id)
    run = attempt.run
    if attempt.node_count > 1:
        if (decisive := members.decide(attempt)) is None:
            return
        attempt, status, decisive.run = decisive, decisive.status, run
    revoke_run_tokens(attempt.run_id)
    begun = {"started_at": attempt.started_at} if run.started_at is None else {}
    if status == Attempt.Status.COMPLETED:
        _complete(run, attempt, begun)
    elif status == Attempt.Status.CANCELED or run.status == Run.Status.CANCEL_REQUESTED:
        run.move(Run.Status.CANCELED, finished_at=now(), error=failures.canceled(attempt), **begun)
    elif (retry := next_try(attempt)) is not None:
        _retry(attempt, retry)
        return
    else:
        run.move(
            Run.Status.FAILED, finished_at=now(), error=failures.of_attempt(attempt), warnings=attempt.warnings, **begun
        )
    root = run.root or run
    if root.pk != run.pk and _changes_others(root, run):
        carry_forward(root)


def _changes_others(root: Run, run: Run) -> bool:
    """Whether the end of this step changes anything else: one of many equals mostly does not."""
    if run.status != Run.Status.COMPLETED or run.kind == Run.Kind.TRIAL:
        return True
    if parsed(root.pk).followers[run.step.node_id]:
        return True
    return not Run.objects.filter(root=root.pk, step__isnull=False).exclude(status__in=Run.ENDS).exists()


def _complete(run: Run, attempt: Attempt, begun: dict[str, Any]) -> None:
    step = run.step
    root = run.root or run
    # Forced runs are no source, and a run that changed nothing else may be taken for one (docs: reuse).
    step.is_source = step.allow_reuse and not root.is_forced and bool(step.fingerprint)
    step.waiting = []
    step.save(update_fields=["is_source", "output_digests", "waiting"])
    run.move(Run.Status.COMPLETED, finished_at=now(), warnings=attempt.warnings, **begun)


def next_try(attempt: Attempt) -> causes.Retry | None:
    """What the step's settings and the policy of its cause say of an attempt that ended badly."""
    run = attempt.run
    step = parsed(run.graph_id).steps[run.step.node_id]
    return causes.next_try(attempt.cause, attempt.number, step.retries, step.retry_delay_seconds)


def _retry(attempt: Attempt, retry: causes.Retry) -> None:
    """A new attempt with a directory of its own; what the earlier one said and left stays."""
    run, moment = attempt.run, now()
    open_children.abandon(run, attempt.number, attempt.cause)
    if run.status != Run.Status.QUEUED:  # as it is where no agent had taken it
        run.move(Run.Status.QUEUED, queued_at=moment)
    Attempt.objects.create(
        run=run, workspace_id=run.workspace_id, number=retry.number, compute_target_id=attempt.compute_target_id, queued_at=moment,
        priority=attempt.priority, user_id=attempt.user_id, needs=attempt.needs, warnings=run.warnings,
        node_count=attempt.node_count, min_nodes=attempt.min_nodes,
        not_before=moment + timedelta(seconds=retry.delay) if retry.delay else None,
    )  # fmt: skip


def lose(attempt: Attempt, **facts: Any) -> None:
    """No verdict was left: the attempt's shim was killed, on a living host."""
    parse_graph(attempt.run.root_id)
    with run_transaction(attempt.run.root_id) as root:
        fresh = fresh_of(attempt, root)
        if not fresh.is_final:
            end_attempt(fresh, Attempt.Status.LOST, **{"cause": "attempt_lost", **facts})


_FRESH: Prepared[Attempt] = Prepared(
    lambda key: Attempt.objects.select_related("run__step", "node").defer(*BULKY).filter(pk=key)
)


def fresh_of(attempt: Attempt, root: Run) -> Attempt:
    """The attempt as stored, with its run and root, read under the root's lock."""
    fresh = _FRESH.all(attempt.pk)[0]
    if fresh.run_id == root.pk:
        root.step = fresh.run.step
        fresh.run = root
    fresh.run.root = root
    fresh.run.workspace = root.workspace
    return fresh


def _succeeded(report: Finished) -> bool:
    return report.exit_code == 0 and not report.cause and not report.canceled


def _start_of(attempt: Attempt, report: Finished) -> dict[str, Any]:
    """When the script began, where only the verdict tells it."""
    started = report.started_at or None
    if started is None or attempt.started_at is not None:
        return {}
    return {"started_at": not_later(started), "preparing_at": attempt.preparing_at or attempt.leased_at}


def _measured(report: Finished) -> dict[str, Any]:
    return {
        "exit_code": report.exit_code,
        "signal": report.signal or None,
        "traceback": builtins_of(report.traceback or None),
        "usage": builtins_of(report.usage or None),
        "proof": causes.proof_of(report.proof) if report.proof else None,
        "finished_at": not_later(report.at),
    }


def not_later(moment: datetime | None) -> datetime:
    """An agent's clock may be ahead or far behind: then the studio's is the better witness."""
    current = now()
    return moment if moment and current - timedelta(minutes=10) < moment <= current else current
