"""`plan`: what submitting a long chain again would do, beside the bare check of reuse of its steps."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from benchmarks import graphs
from benchmarks.bench_env import inside
from benchmarks.registry import Sample, Setting, benchmark
from benchmarks.warm_studio import ENDS, PATIENCE_S, WarmStudio, warm_studio

LOOK_S = 1.0


@benchmark("plan", "s", "ratio <= 2", "statements <= 40")
def plan(setting: Setting) -> Iterator[Sample]:
    """Seconds of a plan of 300 steps that were run 31 times, from its document on. The floor is what a submit reads: the checks of the
    document, and those of reuse, one by one as steps start, in the same process; `lookups_s` is the latter alone. `all_run_s` is the
    plan of the same steps with another argument each, and `rest_s` the answer over REST, without that history."""
    steps, earlier = setting.size(300, 5), setting.size(30, 2)
    with warm_studio(setting) as warm:
        document = graphs.chain(graphs.upload(warm.rest, graphs.NOTHING), steps, reuse=True)
        run = completed(warm, document)
        while True:
            figures = inside(warm.live, "plan_checks", run, str(earlier))
            counts = [figures[name] for name in ("reused", "checked", "changed")]
            if counts != [steps] * 3:
                raise RuntimeError(
                    f"of {steps} steps {counts} are planned to be reused, are reused, and run when changed"
                )
            began = time.monotonic()
            warm.rest.post("plan/", graphs.submission(document))
            more = {"rest_s": time.monotonic() - began}
            more |= {name: figures[name] for name in ("statements", "all_run_s", "lookups_s")}
            yield Sample(figures["plan_s"], figures["check_s"], more)


def completed(warm: WarmStudio, document: dict[str, Any]) -> str:
    """The run of the steps, once it is over. Nobody looks on: that it takes minutes is nothing to measure."""
    run, until = warm.submit(document), time.monotonic() + PATIENCE_S
    while (status := warm.rest.get(f"runs/{run}/?graph=0")["status"]) not in ENDS:
        if time.monotonic() > until:
            raise RuntimeError(f"run {run} is {status} after {PATIENCE_S:g} s")
        time.sleep(LOOK_S)
    if status != "Completed":
        raise RuntimeError(f"run {run} ended as {status}")
    return run
