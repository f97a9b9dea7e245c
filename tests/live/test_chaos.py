"""The chaos test in short: everything is killed, stopped or cut off once while steps run, and nothing deviates."""

from __future__ import annotations

import random

import pytest

from benchmarks.chaos.bench import SEEDS, run
from benchmarks.chaos.blows import KINDS

STEPS = 40


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_every_part_is_hurt_once_and_every_promise_holds() -> None:
    seed = random.randrange(SEEDS)
    told: list[str] = []
    found = run(seed, STEPS, len(KINDS), told.append)
    words = "\n".join(told)
    print(words)
    assert found.deviations == [], (
        f"python3 manage.py bench chaos --steps {STEPS} --kills {len(KINDS)} --seed {seed}\n{words}"
    )
    assert len(found.facts.blows) >= len(KINDS) * 2 // 3, words
    ends = {attempt["status"] for attempt in found.facts.rows["attempts"]}
    assert {"completed", "failed"} <= ends
    assert {attempt["host__name"] for attempt in found.facts.rows["attempts"]} > {"far"}
