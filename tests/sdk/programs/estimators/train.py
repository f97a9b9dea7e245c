"""What an estimator's script is given."""

import argparse
import os
import sys
from pathlib import Path

from azureml.core import Run

parser = argparse.ArgumentParser()
parser.add_argument("--data-folder", required=True)
parser.add_argument("--reference")
parser.add_argument("--regularization", type=float, default=0.01)
parser.add_argument("--verbose", action="store_true")
parser.add_argument("--out")
args = parser.parse_args()

text = Path(args.data_folder)
rows = (text / "one.txt" if text.is_dir() else text).read_text().split()
if args.reference:
    assert (Path(args.reference) / "one.txt").read_text().split() == rows
if args.out:
    Path(args.out).mkdir(parents=True, exist_ok=True)
    Path(args.out, "one.txt").write_text(f"{rows[0]} {args.regularization}")
run = Run.get_context()
run.log("regularization", args.regularization)
print("trained", rows, args.regularization, args.verbose, os.environ.get("WHO"), "numbers" in run.input_datasets)
if "--verbose" in sys.argv:
    import sklearn

    print("scikit-learn", sklearn.__version__)
