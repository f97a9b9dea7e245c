"""A pipeline whose second step is a parallel one, for what dies amid it."""

from __future__ import annotations

import re
from typing import Any

from studio.testing.live import eventually
from tests.live.studio import LiveRun, Studio

ROWS = 200
NAMES = [f"{number:03d}.txt" for number in range(ROWS)]
MAKE = f"""
import pathlib, sys
place = pathlib.Path(sys.argv[1])
place.mkdir()
for number in range({ROWS}):
    (place / f"{{number:03d}}.txt").write_text("x")
"""
SCORE = """
import os, time
def run(batch):
    time.sleep(0.05)
    return [os.path.basename(each) for each in batch]
"""


def scoring(studio: Studio, script: str = SCORE, **others: str) -> dict[str, Any]:
    """`make` writes files, `score` goes through them one by one in two processes and is tried twice; beside them `others`."""
    graph = studio.graph({"make": MAKE, "score": script, **others})
    make, score, *_ = graph["steps"]
    output = {"kind": "pipeline_data", "datastore": "workspaceblobstore", "mode": "mount"}
    make |= {"outputs": [{"name": "data", **output}], "arguments": [{"output": "data"}]}
    given = {"name": "data", "from": {"step": "make", "output": "data"}, "mode": "mount"}
    score |= {"kind": "parallel_run", "inputs": [given], "outputs": [{"name": "rows", **output}], "retries": 1}
    how = {"mini_batch_size": 1, "process_count_per_node": 2, "error_threshold": 0}
    score["settings"] = {"inputs": ["data"], "output": "rows", "output_action": "append_row", **how}
    return graph


def until_done(studio: Studio, run: LiveRun, least: int) -> None:
    """Wait until the studio knows that so many mini-batches are done."""

    def done() -> int:
        attempts = run.step("score")["step"]["attempts"]
        nodes = [each for attempt in attempts for each in attempt.get("members") or [attempt]]
        ledgers = [studio.data_dir / "logs" / f"{each['id']}.ledger" for each in nodes]
        return sum(file.read_bytes().count(b'"e":"done"') for file in ledgers if file.exists())

    eventually(lambda: done() >= least, what="the first mini-batches")


def taken_over(studio: Studio, run: LiveRun) -> int:
    """How many mini-batches the last attempt took over, when each row is there once and in its place."""
    found = re.findall(rb"\((\d+) taken over\)", run.log("score"))  # by the last attempt, or its last node
    place = f"{run.step('score')['id']}/rows/parallel_run_step.txt"
    (written,) = [file for file in studio.data_dir.rglob("parallel_run_step.txt") if str(file).endswith(place)]
    assert written.read_text().splitlines() == NAMES
    return int(found[-1])
