"""`trigger`: a program triggers a published pipeline; the first line of its first step is seen."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

from benchmarks import graphs
from benchmarks.loglag import SILENCE_S, attempt_of, heard_lines
from benchmarks.page import Page
from benchmarks.registry import Sample, Setting, benchmark
from benchmarks.warm_studio import WarmStudio, warm_studio

SPEAKS = "import time\nprint(time.time_ns())\ntime.sleep(0.2)\n"
IDLE_S = 0.3


@benchmark("trigger", "ms", "value <= 200")
def trigger(setting: Setting) -> Iterator[Sample]:
    """The value is the median until a page has the line; `printed_ms` the one until the script has printed it."""
    times = setting.size(20, 2)
    with warm_studio(setting) as warm:
        document = graphs.graph([graphs.step(graphs.upload(warm.rest, SPEAKS), "speaks")])
        made = warm.rest.post("pipelines/", {"name": "speaks", "version": "1", "graph": document})
        address = made["endpoint"].removeprefix(warm.live.url)
        while True:
            seen, printed, answered = zip(*(once(warm, address) for _ in range(times)), strict=True)
            more = {"printed_ms": median(printed), "answered_ms": median(answered), "worst_ms": max(seen)}
            yield Sample(median(seen), None, more)


def once(warm: WarmStudio, address: str) -> tuple[float, float, float]:
    """Milliseconds from the request until the line was seen, was printed, and until the request was answered."""
    with warm.page() as page:
        began = time.time_ns()
        run = warm.rest.post(address, {"ExperimentName": "bench", "ParameterAssignments": {}})["Id"]
        answered = time.time_ns()
        seen, printed = first_line(page, run)
        warm.await_end(page, run)
    time.sleep(IDLE_S)
    return tuple((at - began) / 1e6 for at in (seen, printed, answered))  # type: ignore[return-value]


def first_line(page: Page, run: str) -> tuple[int, int]:
    """When it was seen, and what it says of when it was printed."""
    attempt = attempt_of(page, run)
    page.subscribe(f"log:{attempt}", offset=0)
    for at, line in heard_lines(page, attempt):
        return at, int(line)
    raise RuntimeError(f"no line within {SILENCE_S:g} s")
