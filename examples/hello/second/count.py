"""Counts, one metric a round."""

import argparse

from azureml.core import Run

parser = argparse.ArgumentParser()
parser.add_argument("--rounds", type=int, default=5)
args = parser.parse_args()
if args.rounds < 1:
    raise SystemExit("There is nothing to count: --rounds is below 1.")

run = Run.get_context()
for number in range(args.rounds):
    print(f"round {number}")
    run.log("square", number * number)
