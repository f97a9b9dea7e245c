"""`large`: a run of very many steps, and the longest that any of its deeds keeps others from writing."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.ground import database_env, folder, home_env, run_inside
from benchmarks.registry import Sample, Setting, benchmark
from studio.testing.live import clean_env


@benchmark("large", "s", "value <= 1", "submit_s <= 25", "page_s <= 1", rounds=1)
def large(setting: Setting) -> Iterator[Sample]:
    """The longest transaction of submit, start, cancel, resume and delete, each round in a fresh database."""
    steps = setting.size(20_000, 600)
    while True:
        with folder() as base, database_env(setting.database, base) as chosen:
            told = run_inside(home_env(base / "var", clean_env(chosen)), "large_run", str(steps))
        figures = {f"{name}_s": seconds for name, seconds in told["seconds"].items()}
        yield Sample(max(told["longest"].values()), told["floor"], figures)
