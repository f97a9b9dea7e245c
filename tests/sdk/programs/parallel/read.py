import argparse
from pathlib import Path

from azureml.core import Run

parser = argparse.ArgumentParser()
parser.add_argument("--scores")
lines = (Path(parser.parse_args().scores) / "scores.txt").read_text().splitlines()
assert lines == sorted(lines)
run = Run.get_context()
run.log("rows", len(lines))
run.log("first", int(lines[0].split()[1]))
run.log("last", int(lines[-1].split()[1]))
