"""The ledger of a parallel step in the studio: taken by offset, read on from where it was, sealed with the log."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from core import spools
from core.clock import now
from duto.parallel.ledger import line
from duto.spec.ledger import Progress
from duto.spec.parallel import KIND
from runs.models import Attempt, Run
from runs.queries import graphs
from runs.queries.ledgers import ledger_of, progress_of, reader
from runs.services.results import ledgers

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
DONE = {"k": "k", "w": 0, "t": 1, "i": 1, "o": 1, "s": 0.1}


@pytest.fixture
def attempt(scenario: Any) -> Attempt:
    step = scenario.step(scenario.pipeline(), "train")
    found: Attempt = scenario.attempt(step, started_at=now(), leased_at=now())
    return found


def test_a_ledger_is_taken_read_on_and_sealed(scenario: Any, attempt: Attempt, monkeypatch: Any) -> None:
    first = line("plan", count=3, items=3, processes=1, action="append_row") + line("done", n=0, **DONE)
    second = line("done", n=1, **DONE)
    assert scenario.bring(attempt, "ledger?offset=0", first + second[:9]).json() == {"size": len(first)}
    assert scenario.bring(attempt, "ledger?offset=3", second).status_code == 409
    attempt.refresh_from_db()
    with progress_of(attempt, Progress) as progress:
        assert (progress.count, progress.done, progress.left) == (3, 1, 2)
    assert scenario.bring(attempt, f"ledger?offset={len(first)}", second).json() == {"size": len(first + second)}
    attempt.refresh_from_db()
    with progress_of(attempt, Progress) as progress:
        assert progress.done == 2
    monkeypatch.setattr(ledgers, "append", replace(ledgers.LEDGER, cap=10).append)
    answer = scenario.bring(attempt, f"ledger?offset={attempt.ledger_size}", second)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "ledger_cap")

    # A later attempt of the same step may read it, and of a step of another kind nobody.
    later = Attempt(run=attempt.run, number=2, epoch=1)
    assert ledgers.earlier(later) == []
    root = attempt.run.root or attempt.run
    known = graphs.parsed(root.pk)
    node = attempt.run.step.node_id
    steps = tuple(replace(each, kind=KIND) if each.id == node else each for each in known.graph.steps)
    monkeypatch.setattr(ledgers, "parsed", lambda _: graphs.ParsedGraph(replace(known.graph, steps=steps)))
    assert ledgers.earlier(later) == [attempt]
    ledgers.seal(attempt)
    assert not spools.place(ledger_of(attempt.pk)).exists()
    source, size, _ = ledgers.get(later, str(attempt.pk))
    with source:
        assert (source.read(), size) == (first + second, len(first + second))
    Run.objects.filter(pk=attempt.run_id).update(display_name="gone")
    Attempt.objects.filter(pk=attempt.pk).update(log_removed_at="2026-01-01T00:00:00Z")
    attempt.refresh_from_db()
    assert ledgers.earlier(later) == [] and reader(attempt).read() == b""
