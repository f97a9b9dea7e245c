"""`container`: steps in a row that do nothing, each in a container; beside it such containers by the engine's own API."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from benchmarks import graphs
from benchmarks.bench_env import run_inside
from benchmarks.registry import Sample, Setting, benchmark
from benchmarks.warm_studio import WarmStudio, warm_studio
from studio.testing.engine import IMAGE, engine, forget
from studio.testing.live import clean_env


@benchmark("container", "ms", "ratio <= 1.6")
def container(setting: Setting) -> Iterator[Sample]:
    """The whole time of a step, from the submit of the run until a page knows of its end. Raises NoEngine."""
    steps = setting.size(20, 2)
    with engine() as socket, boxed(setting, socket) as warm:
        document = graphs.chain(graphs.upload(warm.rest, graphs.NOTHING), steps)
        while True:
            floor = bare(socket, steps // 2)  # half before and half after: others use this machine too
            _, seconds = warm.complete(document)
            floor += bare(socket, steps - steps // 2)
            yield Sample(seconds / steps * 1000, floor / steps * 1000, {"run_s": seconds, "steps": steps})


def bare(socket: str, count: int) -> float:
    """Seconds for so many containers by the engine's own API."""
    return float(run_inside(clean_env(), "bare_containers", socket, IMAGE, str(count))["seconds"])


@contextlib.contextmanager
def boxed(setting: Setting, socket: str) -> Iterator[WarmStudio]:
    """A studio whose own host runs its steps in containers; none of them is left."""
    env = {"DUTO_LAUNCHER": "docker", "DUTO_ENGINE": socket, "DUTO_BASE_IMAGE": IMAGE}
    marker = ""
    try:
        with warm_studio(setting, env) as warm:
            marker = (warm.live.home / "store-marker").read_text().strip()
            yield warm
    finally:
        if marker:
            forget(socket, marker)
