"""Adds what it is given, and what the file of its input holds."""

import argparse
import os
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--before")
parser.add_argument("--sum")
given = parser.parse_args()
total = int(os.environ["AML_PARAMETER_MORE"]) + (int(Path(given.before).read_text()) if given.before else 0)
Path(given.sum).write_text(str(total))
print("sum", total)
