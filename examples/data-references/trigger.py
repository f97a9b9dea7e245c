"""Starts the pipeline whose id a file holds, and waits for it."""

import argparse

import requests
from azureml.core import Experiment, Run, Workspace
from azureml.core.authentication import InteractiveLoginAuthentication
from azureml.pipeline.core import PublishedPipeline

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("file", help="the file with the id")
parser.add_argument("--experiment", default="Data references")
parser.add_argument("--largest-error", type=float)
args = parser.parse_args()

ws = Workspace.from_config()
with open(args.file, encoding="utf-8") as file:
    published = PublishedPipeline.get(workspace=ws, id=file.read().strip())
body = {"ExperimentName": args.experiment}
if args.largest_error is not None:
    body["ParameterAssignments"] = {"largest_error": args.largest_error}
header = InteractiveLoginAuthentication().get_authentication_header()
answer = requests.post(published.endpoint, headers=header, json=body, timeout=60)
answer.raise_for_status()
run = Run.get(ws, answer.json()["Id"])
run.wait_for_completion(show_output=True, raise_on_error=False)
print(Experiment(ws, args.experiment).name, run.get_status(), run.status)
for step in run.get_steps():
    print(step.name, step.get_status())
