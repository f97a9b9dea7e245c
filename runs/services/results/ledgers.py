"""The ledger of a step: a file of lines beside the log. That of a parallel step is what a later attempt goes on from
(docs/parallel.md), that of a Spark step tells of its stages (docs/spark.md)."""

from __future__ import annotations

from typing import BinaryIO

from core.errors import NotFound
from core.ids import as_uuid
from duto.spec.parallel import KIND
from runs.models import Attempt, StepRun
from runs.queries.graphs import parsed
from runs.queries.ledgers import ledger_of, reader
from runs.services.results import kept_outputs
from runs.services.results.line_files import LineFile

CAP = 1 << 30
LEDGER = LineFile(
    "ledger_size",
    ledger_of,
    CAP,
    "ledger_cap",
    "ledger",
    "There is no room for more of this step's ledger; what follows is dropped.",
    reloads=True,
)
append, seal = LEDGER.append, LEDGER.seal


def earlier(attempt: Attempt) -> list[Attempt]:
    """Attempts whose ledgers this one may go on from: those of its run, the newest first, and of a resumed run those of the
    same step there, where nothing that it depends on has changed. Where the script writes into the output itself, the newest
    whose output is kept, and no other; on several nodes none."""
    run = attempt.run
    root, step = run.root or run, run.step
    planned = parsed(run.graph_id).steps[step.node_id]
    if planned.kind != KIND:
        return []
    if attempt.node_count > 1 and kept_outputs.output_of(planned):
        return []  # files that are brought to one node would be missed where that is lost
    runs = [run.pk]
    if root.resumed_from_id is not None:
        there = StepRun.objects.filter(run__root=root.resumed_from_id, node_id=step.node_id)
        runs += [row.run_id for row in there if row.fingerprint and row.fingerprint == step.fingerprint]
    found = Attempt.objects.filter(run__in=runs, ledger_size__gt=0, log_removed_at__isnull=True).exclude(pk=attempt.pk)
    # What the other members of the same try are at is not of before.
    found = found.exclude(run=run.pk, number=attempt.number)
    newest_first = sorted(
        found.select_related("run").defer("run__graph"), key=lambda each: (runs.index(each.run_id), -each.number)
    )
    if not kept_outputs.output_of(planned):
        return newest_first
    return [each for each in newest_first if kept_outputs.is_there(each)][:1]


def get(attempt: Attempt, key: str) -> tuple[BinaryIO, int, str]:
    """(reader, size, name) of one of those. Raises NotFound."""
    each = _one(attempt, key)
    return reader(each), each.ledger_size, f"{each.pk}.jsonl"


def get_kept(attempt: Attempt, rest: str) -> tuple[BinaryIO, int, str]:
    """(reader, size, name) of a file of the output that is kept with one of those: `<attempt>/<path>`. Raises NotFound."""
    key, _, path = rest.partition("/")
    return kept_outputs.get(_one(attempt, key), path)


def _one(attempt: Attempt, key: str) -> Attempt:
    wanted = as_uuid(key)
    members = Attempt.objects.filter(run=attempt.run_id, number=attempt.number).exclude(pk=attempt.pk)
    for each in (*earlier(attempt), *members.select_related("run").defer("run__graph")):
        if each.pk == wanted:
            return each
    raise NotFound(f"This attempt may read no ledger '{key}'.")
