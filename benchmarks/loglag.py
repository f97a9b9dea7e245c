"""`loglag`: a line is printed, a page that follows the log has it."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from statistics import quantiles

from benchmarks import graphs
from benchmarks.page import Page
from benchmarks.registry import Sample, Setting, benchmark
from benchmarks.warm_studio import WarmStudio, warm_studio

# Gaps of no fixed length, so that no poll of the studio can be in step with the script.
TALKS = """
import random, time
time.sleep(1)
for _ in range({lines}):
    print(time.time_ns())
    time.sleep(random.uniform(0.02, 0.1))
"""
SILENCE_S = 20.0


@benchmark("loglag", "ms", "value <= 30", "p99_ms <= 200")
def loglag(setting: Setting) -> Iterator[Sample]:
    """The value is the median; the clock of the script is the clock of the page."""
    lines = setting.size(200, 10)
    with warm_studio(setting) as warm:
        talking = graphs.graph([graphs.step(graphs.upload(warm.rest, TALKS.format(lines=lines)), "talks")])
        while True:
            lags = follow(warm, talking, lines)
            cuts = quantiles(lags, n=100, method="inclusive")
            yield Sample(cuts[49], None, {"p95_ms": cuts[94], "p99_ms": cuts[98], "worst_ms": max(lags)})


def follow(warm: WarmStudio, document: dict[str, object], lines: int) -> list[float]:
    """Run the script under the eyes of a page; how many milliseconds each of its lines took."""
    with warm.page() as page:
        run = warm.submit(document, "script")
        attempt = attempt_of(page, run)
        page.subscribe(f"log:{attempt}", offset=0)
        lags: list[float] = []
        for at, printed in heard_lines(page, attempt):
            lags.append((at - int(printed)) / 1e6)
            if len(lags) == lines:
                break
        warm.await_end(page, run)
    if len(lags) != lines:
        raise RuntimeError(f"{len(lags)} of {lines} lines came")
    return lags


def attempt_of(page: Page, run: str) -> str:
    """The attempt of a run of one script, as soon as the page hears of it."""
    topic = f"run:{run}"
    page.subscribe(topic, version=0)
    for frame in page.frames(topic, SILENCE_S):
        for change in frame.get("changes", ()):
            if "attempt" in change["facts"]:
                return str(change["facts"]["attempt"]["id"])
    raise RuntimeError(f"nothing of an attempt of run {run}")


def heard_lines(page: Page, attempt: str) -> Iterator[tuple[int, bytes]]:
    """Lines with the time at which their frame came."""
    rest = b""
    for frame in page.frames(f"log:{attempt}", SILENCE_S):
        at = time.time_ns()
        *whole, rest = (rest + base64.b64decode(frame.get("text") or "")).split(b"\n")
        for line in whole:
            yield at, line
