"""Registers the model of the sweep's best trial, which it finds by way of the pipeline's run."""

import argparse
import json

from azureml.core import Run
from azureml.pipeline.core import PipelineRun
from azureml.pipeline.steps import HyperDriveStepRun

parser = argparse.ArgumentParser()
parser.add_argument("--sweep", required=True, help="name of the sweep's step")
parser.add_argument("--model", required=True, help="name to register under")
args = parser.parse_args()

run = Run.get_context()
pipeline_run = PipelineRun(run.experiment, run.parent.id)
sweep = HyperDriveStepRun(step_run=pipeline_run.find_step_run(args.sweep)[0])
best = sweep.get_best_run_by_primary_metric()
chosen = json.loads(sweep.get_hyperparameters()[best.id])
metrics = best.get_metrics()
model = best.register_model(
    model_name=args.model,
    model_path="outputs/model.json",
    tags={"loss": f"{metrics['loss'][-1]:.3f}", "accuracy": f"{metrics['accuracy']:.3f}"},
)
run.log("loss", metrics["loss"][-1])
run.log_row("chosen", **{name.lstrip("-"): value for name, value in chosen.items()})
print(f"{model.name}:{model.version} is of trial {best.id}: {chosen}, loss {metrics['loss'][-1]:.3f}.")
