"""The chaos test in short: everything is killed, stopped or cut off once while steps run, and nothing deviates."""

from __future__ import annotations

import random

import pytest

from benchmarks.chaos import engines, store
from benchmarks.chaos.bench import SEEDS, Outcome, run
from benchmarks.chaos.container_hosts import HOSTS
from benchmarks.chaos.faults import BOX_KINDS, KINDS, STORE_KINDS
from studio.testing.plugin import lacking

STEPS = 40
pytestmark = [pytest.mark.slow]


@pytest.fixture(scope="module")
def lines() -> list[str]:
    """What the run said."""
    return []


@pytest.fixture(scope="module")
def outcome(lines: list[str]) -> Outcome:
    seed = random.randrange(SEEDS)
    lines.append(
        f"python3 manage.py bench chaos --steps {STEPS} --kills {len(KINDS + BOX_KINDS + STORE_KINDS)} --seed {seed}"
    )
    found = run(seed, STEPS, None, lines.append, is_short=True)
    print("\n".join(lines))
    return found


def test_every_part_is_hurt_once_and_every_promise_holds(outcome: Outcome, lines: list[str]) -> None:
    assert outcome.deviations == [], "\n".join(lines)
    assert len(outcome.facts.injected) >= len(KINDS) * 2 // 3, "\n".join(lines)
    ends = {attempt["status"] for attempt in outcome.facts.rows["attempts"]}
    assert {"completed", "failed"} <= ends
    assert {attempt["host__name"] for attempt in outcome.facts.rows["attempts"]} > {"far"}


def test_a_far_store_is_hurt_and_used(outcome: Outcome) -> None:
    if store.program() is None:
        lacking("no rclone here", "DUTO_REQUIRE_STORES")
    assert {row["datastore"] for row in outcome.facts.rows["outputs"]} >= {store.STORE, "workspaceblobstore"}
    assert outcome.facts.store and {"kill store", "stop store"} & {fault.kind for fault in outcome.facts.injected}


@pytest.mark.docker
def test_steps_in_containers_are_part_of_it(outcome: Outcome) -> None:
    if reason := engines.missing():
        lacking(f"no containers here: {reason}", "DUTO_REQUIRE_DOCKER")
    assert {attempt["host__name"] for attempt in outcome.facts.rows["attempts"]} & set(HOSTS)
