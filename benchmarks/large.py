"""`large`: a run of very many steps, and how long its actions keep others waiting."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks import graphs
from benchmarks.bench_env import database_env, folder, home_env, run_inside, studio, token_of
from benchmarks.inside.large_run import step_of
from benchmarks.page import sign_in
from benchmarks.registry import Sample, Setting, benchmark
from benchmarks.rest import Rest
from studio.testing.live import LiveStudio, clean_env

EVERY_S = 0.2
PAGE, EXPERIMENT = "/w/main/runs/", "pinged"


@benchmark("large", "s", "value <= 1", "submit_s <= 25", "page_s <= 1", rounds=1)
def large(setting: Setting) -> Iterator[Sample]:
    """The longest transaction of submit, start, cancel, resume and delete, each round in a fresh database; and the slowest
    answer to others while such a run is submitted to a studio that lives."""
    steps = setting.size(20_000, 20)
    while True:
        with folder() as base, database_env(setting.database, base) as chosen:
            measured = run_inside(home_env(base / "var", clean_env(chosen)), "large_run", str(steps))
        figures = {f"{name}_s": seconds for name, seconds in measured["seconds"].items()}
        figures |= {f"{name}_longest_s": seconds for name, seconds in measured["longest"].items() if seconds > 0.1}
        with studio(setting) as live:
            figures |= _others(live, steps)
        yield Sample(max(measured["longest"].values()), measured["floor"], figures)


def _others(live: LiveStudio, steps: int) -> dict[str, float]:
    """The slowest page and the slowest write of others, asked for each fifth of a second, during one submit over REST."""
    program, other = (Rest.with_token(live.url, token_of(live)) for _ in range(2))
    person = Rest(live.url, {"Cookie": sign_in(live)})
    graphs.make_cluster(program)
    snapshot = graphs.upload(program, graphs.NOTHING)
    document = graphs.graph([step_of(number, snapshot) for number in range(steps)])
    program.post("experiments/", {"name": EXPERIMENT})
    body = json.dumps({"description": "pinged"}).encode()

    def write() -> bytes:
        return other.send("PATCH", f"experiments/{EXPERIMENT}/", body, "application/json")

    with _pings(lambda: person.read(PAGE)) as pages, _pings(write) as writes:
        began = time.perf_counter()
        run = program.post("runs/", graphs.submission(document))["id"]
        took = time.perf_counter() - began
    program.post(f"runs/{run}/cancel/", {})
    for each in (program, other, person):
        each.close()
    return {"live_submit_s": took, "live_page_s": max(pages), "live_write_s": max(writes)}


@contextmanager
def _pings(ask: Callable[[], Any]) -> Iterator[list[float]]:
    """Ask again and again during the block; seconds of each answer. Raises what the asking raised."""
    taken: list[float] = []
    wrong: list[Exception] = []
    over = threading.Event()

    def go() -> None:
        try:
            while True:
                began = time.perf_counter()
                ask()
                taken.append(time.perf_counter() - began)
                if over.wait(EVERY_S):
                    return
        except Exception as error:
            wrong.append(error)

    thread = threading.Thread(target=go)
    thread.start()
    try:
        yield taken
    finally:
        over.set()
        thread.join()
    if wrong:
        raise wrong[0]
