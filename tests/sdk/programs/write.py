"""Writes an output of each kind, and logs, tags and talks to its parent."""

import argparse
import os
from pathlib import Path

from azureml.core import Run

parser = argparse.ArgumentParser()
parser.add_argument("--out")
parser.add_argument("--data")
parser.add_argument("--p", type=int)
args = parser.parse_args()

assert Path(args.out).is_dir(), "the folder of an OutputFileDatasetConfig exists"
assert not Path(args.data).exists(), "the path of a PipelineData does not"
assert os.environ["AML_PARAMETER_epochs"] == "3"  # noqa: SIM112 - the name is the program's
run = Run.get_context()
assert run.output_datasets["out"] == args.out
(Path(args.out) / "table.csv").write_text("x,y\n1,2\n3,4\n")
Path(args.data).write_text("a file")
run.log("p", args.p)
run.log_list("list", [1, 2])
run.tag("a", "b")
run.add_properties({"own": "q"})
run.parent.log("seen", 2)
assert run.get_metrics()["list"] == [1, 2], "what was logged can be read at once"
assert run.tags["a"] == "b" and run.name == "write.py" and run.parent.type == "azureml.PipelineRun"
