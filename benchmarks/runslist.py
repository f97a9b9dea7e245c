"""`runslist`: the first page of runs when there are few, and when there are very many."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from statistics import quantiles

from benchmarks.bench_env import inside, studio, token_of
from benchmarks.page import sign_in
from benchmarks.registry import Sample, Setting, benchmark
from benchmarks.rest import Rest
from studio.testing.live import LiveStudio

PAGE = "/w/main/runs/"
REST = "runs/?limit=50"
FEW = 100


@benchmark("runslist", "ms", "ratio <= 1.5", database="postgres")
def runslist(setting: Setting) -> Iterator[Sample]:
    """The 95th percentile of the page's answer; the floor is the same with a hundred runs."""
    many, requests = setting.size(200_000, 100), setting.size(100, 3)
    with studio(setting) as live:
        # First all rounds with few runs: rows cannot be taken away again without leaving their traces.
        few = list(rounds(live, FEW, requests, setting.rounds))
        large = list(rounds(live, many, requests, setting.rounds))
    for small, big in zip(few, large, strict=True):
        more = {"p50_ms": big["page"][0], "p50_floor_ms": small["page"][0]}
        rest = {"rest_p95_ms": big["rest"][1], "rest_p95_floor_ms": small["rest"][1]}
        yield Sample(big["page"][1], small["page"][1], {**more, **rest})


def rounds(live: LiveStudio, runs: int, requests: int, count: int) -> Iterator[dict[str, tuple[float, float]]]:
    """The studio holds so many runs; rounds of answers, page and REST."""
    inside(live, "seed_runs", str(runs))
    program = Rest.with_token(live.url, token_of(live))
    person = Rest(live.url, {"Cookie": sign_in(live)})
    asks: dict[str, Callable[[], bytes]] = {"page": lambda: person.read(PAGE), "rest": lambda: program.read(REST)}
    for ask in asks.values():
        ask()
    for _ in range(count):
        yield {name: percentiles(ask, requests) for name, ask in asks.items()}
    person.close()
    program.close()


def percentiles(ask: Callable[[], bytes], requests: int) -> tuple[float, float]:
    """Milliseconds at the 50th and the 95th percentile."""
    taken = []
    for _ in range(requests):
        began = time.perf_counter()
        ask()
        taken.append((time.perf_counter() - began) * 1000)
    cuts = quantiles(taken, n=100, method="inclusive")
    return cuts[49], cuts[94]
