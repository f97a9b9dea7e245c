"""A trial: the parabola of x, nearer with each round; it keeps a model, and writes an output where it is given one."""

import argparse
import time
from pathlib import Path

from azureml.core import Run

parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float, default=9.0)
parser.add_argument("--kind", default="plain")
parser.add_argument("--rounds", type=int, default=1)
parser.add_argument("--table")
given = parser.parse_args()
run = Run.get_context()
for number in range(given.rounds):
    run.log("loss", (given.x - 2) ** 2 + 1 / (number + 1))
    if given.rounds > 1:
        run.flush()
        time.sleep(0.6)
Path("outputs").mkdir(exist_ok=True)
Path("outputs/model.txt").write_text(f"{given.kind} {given.x:g}")
if given.table:
    Path(given.table).mkdir(parents=True)
    Path(given.table, "rows.csv").write_text(f"x\n{given.x:g}\n")
