"""`parallel`: 2,000 mini-batches of a `run` that does nothing, by the driver with two processes, beside the same loop in two bare ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench_env import folder
from benchmarks.registry import Sample, Setting, benchmark
from duto.spec.ledger import Progress
from studio.bootstrap import ROOT
from studio.testing.live import clean_env

PROCESSES = 2
SCRIPT = "def init():\n    pass\n\n\ndef run(mini_batch):\n    return mini_batch\n"
# Half of the files each, a mini-batch at a time; a result is kept when it is in the file.
BARE = """
import os, sys
import score
place, number, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
score.init()
with open(f"rows-{number}", "w") as rows:
    for name in sorted(os.listdir(place))[number::count]:
        for row in score.run([os.path.join(place, name)]):
            rows.write(f"{row}\\n")
        rows.flush()
"""


@benchmark("parallel", "mini-batches/s", "ratio >= 0.5")
def parallel(setting: Setting) -> Iterator[Sample]:
    """Both from the start of their processes to the end of the last; `loop` leaves out the start and the reading of inputs."""
    count = setting.size(2000, 50)
    while True:
        with folder() as base:
            place = base / "in"
            place.mkdir()
            for number in range(count):
                (place / f"{number:05d}.txt").touch()
            (base / "score.py").write_text(SCRIPT)
            floor = count / bare(base, place)
            took, inside = driven(base, place, count)
        yield Sample(count / took, floor, {"loop": count / inside})


def bare(base: Path, place: Path) -> float:
    """Seconds of two processes of Python that share the files out between them."""
    (base / "bare.py").write_text(BARE)
    began = time.monotonic()
    commands = [[sys.executable, "bare.py", str(place), str(number), str(PROCESSES)] for number in range(PROCESSES)]
    processes = [subprocess.Popen(command, cwd=base, env=clean_env()) for command in commands]
    assert [process.wait() for process in processes] == [0] * PROCESSES
    return time.monotonic() - began


def driven(base: Path, place: Path, count: int) -> tuple[float, float]:
    """Seconds of the driver as an agent starts it, and of these those in which there were mini-batches to do."""
    ledger = base / "ledger.jsonl"
    told = {
        "settings": {"inputs": ["data"], "output": "rows", "mini_batch_size": 1, "process_count_per_node": PROCESSES},
        "folder": str(base / "tmp"),
        "ledger": str(ledger),
    }
    path = os.pathsep.join([str(ROOT / "sdk/duto/src"), str(ROOT / "sdk/azureml/src")])
    own = {"PYTHONPATH": path, "DUTO_PARALLEL": json.dumps(told), "data": str(place), "rows": str(base / "rows")}
    began = time.monotonic()
    command = [sys.executable, "-m", "duto.parallel", "score.py"]
    subprocess.run(command, cwd=base, env={**clean_env(), **own}, check=True, stdout=subprocess.DEVNULL)
    took = time.monotonic() - began
    progress = Progress()
    progress.take_lines(ledger.read_bytes())
    rows = (base / "rows/parallel_run_step.txt").read_text().splitlines()
    assert progress.done == count == len(rows) and progress.began_at is not None and progress.ended_at is not None
    return took, progress.ended_at - progress.began_at
