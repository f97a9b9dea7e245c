"""What a chaos run is asked to do, drawn from a seed, and how it must end. Pure."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.chaos import script
from benchmarks.chaos.store import STORE
from studio.testing.engine import IMAGE

CLUSTER, BOXES = "chaos", "boxes"
BOX_SHARE = 0.25
# Of the steps in containers some bring a Dockerfile: one of a few, so that steps wait for each other's builds.
BUILD_SHARE, BUILDS = 0.4, 8
FAIL_CODES = (1, 3, 17, 113)
FAIL_SHARE, FLOOD_SHARE, SPAWN_SHARE, SHAPE_MAX = 0.12, 0.08, 0.15, 8
FLOOD_BYTES, LINE_BYTES, FILE_BYTES = 1_500_000, 6_000, 40_000
SECONDS = 1.6
# Of steps that succeed, and whose readers do, so many write to the far store. It is away for longer than steps are tried by
# themselves, so they ask for more.
FAR_SHARE, FAR_RETRIES, FAR_DELAY_S = 0.4, 12, 2


@dataclass(frozen=True)
class StepPlan:
    """One step: whose outputs it reads, and the document that its script follows."""

    name: str
    after: tuple[str, ...]
    document: dict[str, Any]
    in_container: bool = False
    # Whether what it writes lies on the far store, and whether it reads from there.
    writes_far: bool = False
    reads_far: bool = False

    @property
    def is_far(self) -> bool:
        return self.writes_far or self.reads_far

    @property
    def dockerfile(self) -> str:
        """What its image is built from; empty where it runs in the base image. Drawn apart, so that a seed draws the same
        steps as without."""
        chance = random.Random(f"{self.name} image")
        if not self.in_container or chance.random() >= BUILD_SHARE:
            return ""
        number = chance.randrange(BUILDS)
        return f"FROM {IMAGE}\nRUN sleep 0.{number} && echo {number} > /number\nRUN sleep 0.{number} && cat /number\n"

    @property
    def code(self) -> int:
        return int(self.document["code"])


@dataclass(frozen=True)
class RunPlan:
    """One pipeline run."""

    name: str
    continues: bool
    steps: tuple[StepPlan, ...]


@dataclass(frozen=True)
class Expected:
    """How each step may end, and how the run must."""

    steps: dict[str, frozenset[str]] = field(default_factory=dict)
    run: str = "Completed"


def draw(seed: int, steps: int, effects: str, boxed: bool = False, far: bool = False) -> list[RunPlan]:
    """Runs with `steps` steps together, a quarter of them in containers if `boxed`.

    `effects`: the file to which each attempt appends one line. `far`: whether there is a far store, which some write to.
    """
    chance = random.Random(f"{seed} load")
    runs: list[RunPlan] = []
    while steps > 0:
        size = min(steps, chance.randint(1, SHAPE_MAX))
        runs.append(_run(chance, f"chaos-{seed}-{len(runs):04}", size, effects, BOX_SHARE if boxed else 0))
        steps -= size
    return [_with_far(run) for run in runs] if far else runs


def _with_far(run: RunPlan) -> RunPlan:
    """Drawn apart, so that a seed draws the same steps as without."""
    fails = {each for step in run.steps if step.code for each in (step.name, *step.after)}
    writers = {
        step.name
        for step in run.steps
        if step.name not in fails and random.Random(f"{step.name} store").random() < FAR_SHARE
    }
    steps = tuple(
        replace(step, writes_far=step.name in writers, reads_far=any(each in writers for each in step.after))
        for step in run.steps
    )
    return replace(run, steps=steps)


def _run(chance: random.Random, name: str, size: int, effects: str, boxes: float) -> RunPlan:
    """A chain, or one step that many others read."""
    is_chain = chance.random() < 0.5
    made: list[StepPlan] = []
    for number in range(size):
        before = () if not made else (made[-1].name if is_chain else made[0].name,)
        known = {step.name: step for step in made}
        made.append(_step(chance, f"{name}-{number}", before, known, effects, boxes))
    return RunPlan(name, chance.random() < 0.5, tuple(made))


def _step(
    chance: random.Random,
    name: str,
    after: tuple[str, ...],
    known: Mapping[str, StepPlan],
    effects: str,
    boxes: float,
) -> StepPlan:
    floods = chance.random() < FLOOD_SHARE
    code = chance.choice(FAIL_CODES) if chance.random() < FAIL_SHARE else 0
    document = {
        "name": name,
        "code": code,
        "out": chance.randint(FLOOD_BYTES // 2, FLOOD_BYTES) if floods else chance.randint(0, LINE_BYTES),
        "err": chance.randint(0, LINE_BYTES),
        "newline": chance.random() < 0.7,
        "metrics": chance.randint(0, 12),
        "files": [chance.randint(0, FILE_BYTES) for _ in range(chance.randint(1, 3))],
        "seconds": round(chance.uniform(0, SECONDS), 2),
        "spawns": chance.random() < SPAWN_SHARE,
        "effects": effects,
        "sources": [script.manifest(known[each].document) for each in after],
    }
    return StepPlan(name, after, document, chance.random() < boxes)


def ends(run: RunPlan, lost: Collection[str] = ()) -> Expected:
    """Steps end by their code, those in `lost` (whose last attempt left no verdict) as failed.

    Without `continue_on_step_failure` the first failure cancels what runs beside it and skips what has not started;
    which that is depends on the moment, so these steps may end in several ways.
    """
    planned: dict[str, str] = {}
    for step in run.steps:
        fails = bool(step.code) or step.name in lost
        if any(planned[each] != "Completed" for each in step.after):
            planned[step.name] = "Skipped"
        else:
            planned[step.name] = "Failed" if fails else "Completed"
    failing = [name for name, end in planned.items() if end == "Failed"]
    allowed = {name: frozenset({end}) for name, end in planned.items()}
    if failing and not run.continues:
        for step in run.steps:
            if _has_sibling(run, step, failing):
                allowed[step.name] |= {"Canceled", "Skipped"}
    return Expected(allowed, "Failed" if failing else "Completed")


def _has_sibling(run: RunPlan, step: StepPlan, failing: Collection[str]) -> bool:
    """Whether another step that fails waits for the same, and so may fail at any time beside it."""
    return any(
        other.name in failing and other.name != step.name and other.after == step.after and step.after
        for other in run.steps
    )


def graph(run: RunPlan, snapshot: str) -> dict[str, Any]:
    """The document to submit; `snapshot` holds the script and one file of plans for each step."""
    steps = []
    for step in run.steps:
        inputs = [
            {"name": f"in{place}", "from": {"step": each, "output": "data"}, "mode": "mount"}
            for place, each in enumerate(step.after)
        ]
        words = [f"{step.name}.json", {"output": "data"}, *({"input": each["name"]} for each in inputs)]
        environment: dict[str, Any] = {"python": {"user_managed": True}}
        if step.dockerfile:
            environment["docker"] = {"dockerfile": step.dockerfile}
        store = STORE if step.writes_far else "workspaceblobstore"
        output = {"name": "data", "kind": "pipeline_data", "datastore": store, "mode": "mount"}
        tries = {"retries": FAR_RETRIES, "retry_delay_seconds": FAR_DELAY_S} if step.is_far else {}
        steps.append(
            {
                "id": step.name, "name": step.name, "kind": "python_script", "script": "script.py",
                "snapshot": snapshot, "compute": BOXES if step.in_container else CLUSTER, "environment": environment,
                "arguments": words, "inputs": inputs, "outputs": [output], "allow_reuse": False, "run_after": [], **tries,
            }
        )  # fmt: skip
    return {"schema": 1, "steps": steps, "parameters": [], "continue_on_step_failure": run.continues}
