"""Give the members of a parallel step their mini-batches: what `runs.sharing` says, with what ledgers and rows tell."""

from __future__ import annotations

from django.db import transaction

from core.errors import Conflict
from duto.spec.ledger import DONE, FAIL, record_of
from duto_protocol.messages import BatchAsk, BatchShare, InputFile
from runs.models import Attempt, Sharing
from runs.queries.graphs import parsed
from runs.queries.ledgers import reader
from runs.services.results import kept_outputs
from runs.sharing import Shared

S = Attempt.Status


@transaction.atomic
def share(attempt: Attempt, ask: BatchAsk, files: str) -> BatchShare:
    """What this member has by now. May be asked again and again. `files` is where it fetches what others have left.

    Raises Conflict (`other_plan`) where it has cut its inputs into other mini-batches than the others.
    """
    row = Sharing.objects.get_or_create(run_id=attempt.run_id, number=attempt.number)[0]
    row = Sharing.objects.select_for_update().get(pk=row.pk)
    shared = Shared.of_document(row.state) if row.state else Shared(ask.count, ask.plan)
    if (ask.count, ask.plan) != (shared.count, shared.plan):
        raise Conflict(
            f"This node has cut the inputs into {ask.count} mini-batches that are not those of the other nodes "
            f"({shared.count}): an input has changed while the step ran.",
            code="other_plan",
        )
    rows = list(
        Attempt.objects.filter(run=attempt.run_id, number=attempt.number).select_related("run").order_by("node_rank")
    )
    own_output = kept_outputs.output_of(parsed(attempt.run.graph_id).steps[attempt.run.step.node_id])
    for each in rows:
        if each.is_final and str(each.pk) in shared.given and str(each.pk) not in shared.gone:
            _settle(shared, each, own_output)
    me = str(attempt.pk)
    shared.ask(me, ask.q, ask.processes, ask.idle, attempt.node_count)
    shared.failed[me], shared.items_failed[me] = ask.failed, ask.items_failed
    answer = _answer(shared, attempt, rows, files, own_output)
    shared.joined = me if answer.join else shared.joined
    row.state = shared.as_document()
    row.save(update_fields=["state"])
    return answer


def _settle(shared: Shared, member: Attempt, own_output: str) -> None:
    """A member has ended: what it has done counts, if what it wrote is here."""
    if own_output and not kept_outputs.is_there(member):
        shared.lose(str(member.pk), ())
        return
    shared.lose(str(member.pk), _over_in(member))


def _over_in(member: Attempt) -> set[int]:
    """The mini-batches that its ledger knows as done, or as given up."""
    found: set[int] = set()
    with reader(member) as source:
        left = member.ledger_size
        for line in source:
            left -= len(line)
            if left < 0:
                break
            if b'"e":"done"' not in line and b'"e":"fail"' not in line:
                continue
            record = record_of(line) or {}
            is_over = record.get("e") == DONE or (record.get("e") == FAIL and record.get("final"))
            if is_over and isinstance(record.get("n"), int):
                found.add(record["n"])
    return found


def _answer(shared: Shared, attempt: Attempt, rows: list[Attempt], files: str, own_output: str) -> BatchShare:
    me = str(attempt.pk)
    there = [each for each in rows if not each.is_final and each.status != S.QUEUED]
    is_done = shared.is_done([str(each.pk) for each in there if str(each.pk) in shared.given or each.node_rank == 0])
    others = [each for each in there if each.pk != attempt.pk and str(each.pk) in shared.given]
    joins = is_done and attempt.node_rank == 0 and not others
    left = [each for each in rows if each.pk != attempt.pk and each.ledger_size and str(each.pk) in shared.gone]
    useful = [each for each in left if not own_output or kept_outputs.is_there(each)]
    return BatchShare(
        asked=shared.asked.get(me, 0),
        ranges=shared.given[me],
        over=is_done and attempt.node_rank > 0,
        join=joins,
        ledgers=[
            InputFile(path=f"{each.pk}.jsonl", size=each.ledger_size, get=f"{files}/ledger/{each.pk}")
            for each in (useful if joins else ())
        ],
        kept=[
            file
            for each in (useful if joins and own_output else ())
            for file in kept_outputs.files_of(each, f"{files}/kept/{each.pk}")
        ],
        failed=sum(count for key, count in shared.failed.items() if key != me),
        items_failed=sum(count for key, count in shared.items_failed.items() if key != me),
    )
