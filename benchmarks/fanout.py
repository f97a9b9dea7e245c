"""`fanout`: many steps that do not know each other, on two nodes, beside `xargs -P2`."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

from benchmarks import graphs
from benchmarks.registry import Sample, Setting, benchmark
from benchmarks.warm_studio import warm_studio


@benchmark("fanout", "steps/s", "ratio >= 0.35")
def fanout(setting: Setting) -> Iterator[Sample]:
    """Steps a second, from the submit until the page knows of the end."""
    steps = setting.size(200, 6)
    with warm_studio(setting) as warm:
        document = graphs.fan(graphs.upload(warm.rest, graphs.NOTHING), steps)
        while True:
            floor = side_by_side(warm.python, steps)
            _, seconds = warm.complete(document)
            yield Sample(steps / seconds, steps / floor, {"run_s": seconds, "steps": steps})


def side_by_side(python: str, count: int) -> float:
    """As many bare processes, two at a time; seconds for all."""
    names = "\n".join(map(str, range(count)))
    command = ["xargs", f"-P{graphs.NODES}", "-n1", python, "-c", "pass"]
    began = time.monotonic()
    subprocess.run(command, input=names, text=True, check=True)
    return time.monotonic() - began
