"""Registers the model that was found good enough, with the run that it is of."""

import argparse

from azureml.core import Model, Run

parser = argparse.ArgumentParser()
parser.add_argument("--model", required=True, help="the model's file")
args = parser.parse_args()

run = Run.get_context()
evaluation = next(step for step in run.parent.get_children() if step.name == "evaluate")
error = evaluation.get_metrics()["error"]
model = Model.register(
    workspace=run.experiment.workspace,
    model_path=args.model,
    model_name="arrival-delay",
    tags={"error": f"{error:.2f}", "run": run.parent.id},
)
run.log("version", model.version)
print(f"{model.name}:{model.version} is wrong by {error:.2f} minutes.")
