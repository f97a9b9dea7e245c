"""`place`: one placement round over a long queue, and how much more memory it takes than over a short one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.bench_env import database_env, folder, home_env, run_inside
from benchmarks.registry import Sample, Setting, benchmark
from studio.testing.live import clean_env


@benchmark("place", "s", "value <= 0.5", "more_mib <= 32", database="postgres")
def place(setting: Setting) -> Iterator[Sample]:
    """Each round in a fresh process; those over the short queue come first, since a queue only grows here."""
    few, many, nodes = setting.size(1000, 20), setting.size(10_000, 60), setting.size(200, 10)
    with folder() as base, database_env(setting.database, base) as chosen:
        env = home_env(base / "var", clean_env(chosen))
        short = list(rounds(env, few, nodes, setting.rounds))
        for small, big in zip(short, rounds(env, many, nodes, setting.rounds), strict=True):
            more = max(0.0, big["grown_mib"] - small["grown_mib"])
            figures = {"more_mib": more, "short_s": small["seconds"]}
            yield Sample(big["seconds"], None, {**figures, **{name: big[name] for name in ("first_s", "statements")}})


def rounds(env: dict[str, str], queued: int, nodes: int, count: int) -> Iterator[dict[str, Any]]:
    """So many steps wait; one document of a round after another. A round that leaves nodes empty measures nothing."""
    run_inside(env, "seed_queue", str(queued), str(nodes))
    for _ in range(count):
        figures: dict[str, Any] = run_inside(env, "place_round")
        if figures["placed"] != nodes:
            raise RuntimeError(f"a round gave {figures['placed']} of {nodes} nodes")
        yield figures
