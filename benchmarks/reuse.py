"""`reuse`: a long chain is submitted again and nothing in it has changed."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks import graphs
from benchmarks.bench_env import inside
from benchmarks.registry import Sample, Setting, benchmark
from benchmarks.warm_studio import WarmStudio, warm_studio


@benchmark("reuse", "s", "value <= 0.5", "queries_beside_steps <= 30")
def reuse(setting: Setting) -> Iterator[Sample]:
    """Seconds from the resubmit until the page knows of the end; and the statements, one a step left out."""
    steps = setting.size(100, 5)
    with warm_studio(setting) as warm:
        document = graphs.chain(graphs.upload(warm.rest, graphs.NOTHING), steps, reuse=True)
        first, _ = warm.complete(document)
        while True:
            seconds = again(warm, first, steps)
            counted = inside(warm.live, "count_queries", first)
            more = {"queries": counted["queries"], "queries_beside_steps": counted["queries"] - steps}
            yield Sample(seconds, None, {**more, "inside_s": counted["seconds"]})


def again(warm: WarmStudio, run: str, steps: int) -> float:
    """Resubmit over REST."""
    with warm.page() as page:
        began = time.time()
        second = warm.rest.post(f"runs/{run}/resubmit/", {})["id"]
        seconds = warm.await_end(page, second) - began
    reused = sum(1 for step in warm.rest.get(f"runs/{second}/steps/?limit=500")["items"] if step["is_reused"])
    if reused != steps:
        raise RuntimeError(f"{reused} of {steps} steps were reused")
    return seconds
