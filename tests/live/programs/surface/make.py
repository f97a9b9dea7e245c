"""Writes a file, a folder and a dataset output, from a parameter, a mounted and a downloaded input."""

import argparse
import os
from pathlib import Path

parser = argparse.ArgumentParser()
for name in ("mounted", "downloaded", "file", "folder", "made", "dataset", "placeholder"):
    parser.add_argument(f"--{name}")
parser.add_argument("--rounds", type=int)
args = parser.parse_args()

assert Path(args.mounted, "numbers.csv").read_text() == Path(args.downloaded, "numbers.csv").read_text()
if os.geteuid() != 0:  # root may write what is read-only
    try:
        Path(args.mounted, "numbers.csv").open("a").close()
        raise AssertionError("a mounted input can be written")
    except OSError as error:
        print("mounted read-only:", type(error).__name__)
assert not Path(args.file).exists() and not Path(args.folder).exists() and Path(args.made).is_dir()
assert Path(args.dataset).is_dir()
assert args.placeholder == f"folder={args.folder}", args.placeholder
Path(args.file).write_text(f"{args.rounds}")
Path(args.folder).mkdir()
Path(args.folder, "deep").mkdir()
Path(args.folder, "deep", "a.txt").write_text("a")
Path(args.made, "b.txt").write_text("b")
Path(args.dataset, "c.csv").write_text("n\n1\n")
print("rounds", args.rounds, "epochs", os.environ["AML_PARAMETER_epochs"], os.environ["AML_PARAMETER_rate"])  # noqa: SIM112
