"""`fire`: very many schedules are due in the same second; `ticks`: very many are due at times of their own."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psutil  # type: ignore[import-untyped]

from benchmarks import graphs
from benchmarks.bench_env import inside
from benchmarks.registry import Sample, Setting, benchmark
from benchmarks.warm_studio import WarmStudio, warm_studio

HOUR_S, AHEAD_S = 3600.0, 2.0


@benchmark("fire", "s", "value <= 30", "doubled <= 0", rounds=1)
def fire(setting: Setting) -> Iterator[Sample]:
    """Seconds from the moment at which all are due until the last of their runs exists. The floor is the submit of as many runs
    in one process, one after the other, without placement and with nobody beside."""
    count, bare = setting.size(1000, 5), setting.size(100, 5)
    while True:
        with warm_studio(setting) as warm:
            pipeline = published(warm)
            floor = inside(warm.live, "trigger_bare", pipeline, str(bare))["seconds"] * count / bare
            inside(warm.live, "seed_schedules", pipeline, str(count), "0", str(AHEAD_S))
            seen = inside(warm.live, "await_ticks", str(count), "0")
            if seen["fired"] != count:
                raise RuntimeError(f"{seen['fired']} of {count} schedules have fired")
            yield Sample(seen["worst_s"], floor, {"doubled": seen["twice"]})


@benchmark("ticks", "s", "value <= 2", "worker_share <= 0.1", rounds=1)
def ticks(setting: Setting) -> Iterator[Sample]:
    """How late the runs of schedules are that are due once an hour, each at another time: the 99th percentile; and the share of
    a core that the worker takes meanwhile."""
    count, seconds = setting.size(10_000, 200), setting.size(60, 2)
    while True:
        with warm_studio(setting) as warm:
            inside(warm.live, "seed_schedules", published(warm), str(count), str(HOUR_S), str(AHEAD_S))
            worker = psutil.Process(warm.live.state["parts"]["worker"])
            before, began = sum(worker.cpu_times()[:2]), time.monotonic()
            seen = inside(warm.live, "await_ticks", "0", str(seconds))
            share = (sum(worker.cpu_times()[:2]) - before) / (time.monotonic() - began)
            figures = {
                "worker_share": share,
                "fired": seen["fired"],
                "worst_s": seen["worst_s"],
                "overdue": seen["overdue"],
            }
            yield Sample(seen["p99_s"], None, figures)


def published(warm: WarmStudio) -> str:
    """The id of a published pipeline of one step that does nothing."""
    document = graphs.graph([graphs.step(graphs.upload(warm.rest, graphs.NOTHING), "nothing")])
    return str(warm.rest.post("pipelines/", {"name": "nothing", "graph": document})["id"])
