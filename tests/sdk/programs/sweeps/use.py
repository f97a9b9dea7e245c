"""The step behind a sweep: it finds the best trial by way of its parent, and registers that trial's model."""

import json
import sys
from pathlib import Path

from azureml.core import Run
from azureml.pipeline.core import PipelineRun
from azureml.pipeline.steps import HyperDriveStepRun

metrics, model, table = sys.argv[1:]
run = Run.get_context()
found = json.loads(Path(metrics).read_text())
assert sorted(min(each["loss"]) for each in found.values()) == [1.0, 2.0, 5.0], found
assert Path(model).read_text() == "plain 2", Path(model).read_text()
assert Path(table, "rows.csv").read_text() == "x\n2\n"
pipeline_run = PipelineRun(run.experiment, run.parent.id)
sweep = HyperDriveStepRun(step_run=pipeline_run.find_step_run("tune")[0])
best = sweep.get_best_run_by_primary_metric()
assert best.get_metrics()["loss"] == 1.0
registered = best.register_model("swept", model_path="outputs/model.txt")
assert registered.run_id == best.id
