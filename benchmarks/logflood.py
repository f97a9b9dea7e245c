"""`logflood`: one step prints a million lines; every byte of them is there afterwards."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Iterator

from benchmarks import graphs
from benchmarks.bench_env import folder
from benchmarks.registry import Sample, Setting, benchmark
from benchmarks.warm_studio import WarmStudio, warm_studio

FLOODS = "for number in range({lines}):\n    print(f'line {{number:07}} of a step that has a lot to say')\n"
LINE = "line {number:07} of a step that has a lot to say\n"
WINDOW = 4 * 1024 * 1024


@benchmark("logflood", "lines/s", "ratio >= 0.25", "missing_bytes <= 0")
def logflood(setting: Setting) -> Iterator[Sample]:
    """Lines a second, from the submit until the run has ended, with its start and the sealing of its log."""
    lines = setting.size(1_000_000, 5_000)
    source = FLOODS.format(lines=lines)
    with warm_studio(setting) as warm:
        document = graphs.graph([graphs.step(graphs.upload(warm.rest, source), "floods")])
        while True:
            floor = to_a_file(warm.python, source)
            run, seconds = warm.complete(document, "script")
            missing = missing_bytes(warm, run, lines)
            yield Sample(lines / seconds, lines / floor, {"missing_bytes": missing, "run_s": seconds})


def to_a_file(python: str, source: str) -> float:
    """The same script with the same way of printing, into a file; seconds."""
    with folder() as base:
        (base / "flood.py").write_text(source)
        env = {**os.environ, "PYTHONUNBUFFERED": "1"}
        with (base / "log").open("wb") as log:
            began = time.monotonic()
            subprocess.run([python, str(base / "flood.py")], stdout=log, env=env, check=True)
            return time.monotonic() - began


def missing_bytes(warm: WarmStudio, run: str, lines: int) -> int:
    """What is not as it was printed: the difference in size, or the whole log when its content differs."""
    wanted, size = hashlib.sha256(), 0
    for number in range(lines):
        line = LINE.format(number=number).encode()
        wanted.update(line)
        size += len(line)
    found, stored = hashlib.sha256(), 0
    while data := warm.rest.read(f"runs/{run}/log/?offset={stored}&limit={WINDOW}"):
        found.update(data)
        stored += len(data)
    if found.digest() == wanted.digest():
        return 0
    return abs(size - stored) or size
