"""`parallel`: 2,000 mini-batches of a `run` that does nothing, by the driver with two processes, beside the same loop in two bare ones.

The floor does what every program must that wants its rows in one file and in order, and a killed process to cost one
mini-batch: a third process names a mini-batch to one that is free, and takes its rows. It syncs once, at the end, and knows of
no failure, no time limit, no log. `apart` is the ratio to two processes that do not even that: they share the files out among
them, and each writes rows of its own.
"""

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
BARE = """
import os, select, sys, time
import score
place, count = sys.argv[1], int(sys.argv[2])
files = [os.path.join(place, name) for name in sorted(os.listdir(place))]
def work(hear, answer):
    score.init()
    while asked := os.read(hear, 8):
        os.write(answer, "".join(f"{row}\\n" for row in score.run([files[int.from_bytes(asked, "big")]])).encode())
    os._exit(0)
def ask(hear):
    number = next(left, None)
    if number is not None:
        os.write(hear, number.to_bytes(8, "big"))
    return number
free, began = {}, time.monotonic()
for _ in range(count):
    (theirs, ours), (back, answer) = os.pipe(), os.pipe()
    if not os.fork():
        os.close(ours)
        work(theirs, answer)
    free[back] = ours
left, rows = iter(range(len(files))), {}
at = {back: ask(hear) for back, hear in free.items()}
poll = select.epoll()
for back in free:
    poll.register(back, select.EPOLLIN)
while len(rows) < len(files):
    for back, _ in poll.poll():
        rows[at[back]] = os.read(back, 65536)
        at[back] = ask(free[back])
with open("rows", "wb") as target:
    target.writelines(rows[number] for number in range(len(files)))
    target.flush()
    os.fsync(target.fileno())
print(time.monotonic() - began)
"""
# Half of the files each, a mini-batch at a time; a result is kept when it is in the file.
APART = """
import os, sys
import score
place, count = sys.argv[1], int(sys.argv[2])
number = next((each for each in range(1, count) if not os.fork()), 0)
score.init()
with open(f"rows-{number}", "w") as rows:
    for name in sorted(os.listdir(place))[number::count]:
        for row in score.run([os.path.join(place, name)]):
            rows.write(f"{row}\\n")
        rows.flush()
if not number:
    for _ in range(1, count):
        assert os.wait()[1] == 0
"""


@benchmark("parallel", "mini-batches/s", "ratio >= 0.5")
def parallel(setting: Setting) -> Iterator[Sample]:
    """From when the inputs are read until the rows are on the disk; `whole` and `apart` with the start of Python, what is imported
    and the reading of the inputs, as shares of the floor with its own."""
    count = setting.size(2000, 20)
    while True:
        with folder() as base:
            place = base / "in"
            place.mkdir()
            for number in range(count):
                (place / f"{number:05d}.txt").touch()
            (base / "score.py").write_text(SCRIPT)
            bare_whole, said = bare(base, place, BARE)
            assert len((base / "rows").read_text().splitlines()) == count
            (base / "rows").unlink()
            apart, _ = bare(base, place, APART)
            whole, loop = driven(base, place, count)
        figures = {"seconds": whole, "whole": bare_whole / whole, "apart": apart / whole}
        yield Sample(count / loop, count / float(said), figures)


def bare(base: Path, place: Path, program: str) -> tuple[float, str]:
    """Seconds of a bare program with its processes, and what it printed."""
    (base / "bare.py").write_text(program)
    began = time.monotonic()
    command = [sys.executable, "bare.py", str(place), str(PROCESSES)]
    done = subprocess.run(command, cwd=base, env=clean_env(), check=True, stdout=subprocess.PIPE, text=True)
    return time.monotonic() - began, done.stdout


def driven(base: Path, place: Path, count: int) -> tuple[float, float]:
    """Seconds of the driver as an agent starts it, and of these those in which there were mini-batches to do."""
    ledger = base / "ledger.jsonl"
    plan = {
        "settings": {"inputs": ["data"], "output": "rows", "mini_batch_size": 1, "process_count_per_node": PROCESSES},
        "folder": str(base / "tmp"),
        "ledger": str(ledger),
    }
    path = os.pathsep.join([str(ROOT / "sdk/duto/src"), str(ROOT / "sdk/azureml/src")])
    own = {"PYTHONPATH": path, "DUTO_PARALLEL": json.dumps(plan), "data": str(place), "rows": str(base / "rows")}
    began = time.monotonic()
    command = [sys.executable, "-m", "duto.parallel", "score.py"]
    subprocess.run(command, cwd=base, env={**clean_env(), **own}, check=True, stdout=subprocess.DEVNULL)
    took = time.monotonic() - began
    progress = Progress()
    progress.take_lines(ledger.read_bytes())
    rows = (base / "rows/parallel_run_step.txt").read_text().splitlines()
    assert progress.done == count == len(rows) and progress.began_at is not None and progress.ended_at is not None
    return took, progress.ended_at - progress.began_at
