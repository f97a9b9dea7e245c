"""`chain`: steps in a row that do nothing; what the studio adds to each."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import graphs
from benchmarks.registry import Sample, Setting, benchmark
from benchmarks.warm_studio import bare, warm_studio


@benchmark("chain", "ms", "value <= 50")
def chain(setting: Setting) -> Iterator[Sample]:
    """The value is the time that the studio adds to a step, the floor the time of the bare process."""
    steps = setting.size(20, 2)
    with warm_studio(setting) as warm:
        document = graphs.chain(graphs.upload(warm.rest, graphs.NOTHING), steps)
        while True:
            floor = bare(warm.python, steps)
            _, seconds = warm.complete(document)
            added = (seconds - floor) / steps * 1000
            yield Sample(added, floor / steps * 1000, {"run_s": seconds, "steps": steps})
