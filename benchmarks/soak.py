"""`soak`: thousands of short steps; what the parts hold in memory afterwards, and what a step leaves in the database."""

from __future__ import annotations

from collections.abc import Iterator

import psutil  # type: ignore[import-untyped]

from benchmarks import graphs
from benchmarks.bench_env import inside
from benchmarks.registry import Sample, Setting, benchmark
from benchmarks.warm_studio import WarmStudio, warm_studio

PARTS = ("web", "worker", "agent")
# Each in a run of its own would measure submits; all in one, a tree that no one has.
RUN_STEPS = 50
STEADY_SHARE = 0.1


@benchmark("soak", "x", "value <= 1.15", "rows_a_step <= 12", database="postgres", rounds=1)
def soak(setting: Setting) -> Iterator[Sample]:
    """The largest growth of a part's resident memory, from a tenth of the steps to the end."""
    size = setting.size(RUN_STEPS, 2)
    runs = max(10, (setting.steps or setting.size(5_000, 20)) // size)
    while True:
        with warm_studio(setting) as warm:
            document = graphs.fan(graphs.upload(warm.rest, graphs.NOTHING), size)
            seconds = submit(setting, warm, document, round(runs * STEADY_SHARE))
            steady, rows = resident(warm), count_rows(warm)
            rest = runs - round(runs * STEADY_SHARE)
            seconds += submit(setting, warm, document, rest)
            final, left = resident(warm), count_rows(warm)
        growth = {part: final[part] / steady[part] for part in PARTS}
        figures = {f"{part}_growth": growth[part] for part in PARTS}
        figures |= {f"{part}_mib": final[part] / (1 << 20) for part in PARTS}
        more = {table: (count - rows.get(table, 0)) / (rest * size) for table, count in left.items()}
        setting.say("soak: rows a step: " + ", ".join(f"{name} {each:.2f}" for name, each in more.items() if each))
        figures |= {"rows_a_step": sum(more.values()), "steps_a_second": runs * size / seconds}
        yield Sample(max(growth.values()), 1.0, figures)


def submit(setting: Setting, warm: WarmStudio, document: dict[str, object], runs: int) -> float:
    """One run after the other; seconds for all."""
    total = 0.0
    for number in range(runs):
        _, seconds = warm.complete(document)
        total += seconds
        if number % 10 == 9:
            setting.say(f"soak: {number + 1} of {runs} runs, {resident(warm)}")
    return total


def resident(warm: WarmStudio) -> dict[str, int]:
    """Bytes by part. A part is one process; what it starts belongs to steps."""
    parts = warm.live.state["parts"]
    return {part: psutil.Process(parts[part]).memory_info().rss for part in PARTS}


def count_rows(warm: WarmStudio) -> dict[str, int]:
    """Rows by table."""
    return dict(inside(warm.live, "count_rows")["rows"])
