"""A tabular dataset of two CSV files, a step that learns from it, and the same pipeline published and triggered."""

import pathlib
import tempfile

import requests
from azureml.core import Dataset, Experiment, Workspace
from azureml.core.authentication import InteractiveLoginAuthentication
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.compute_target import ComputeTargetException
from azureml.core.environment import Environment
from azureml.core.runconfig import RunConfiguration
from azureml.pipeline.core import Pipeline, PipelineData, PublishedPipeline
from azureml.pipeline.steps import PythonScriptStep

ws = Workspace.from_config()
store = ws.get_default_datastore()
try:
    target = ComputeTarget(ws, "cpu-cluster")
except ComputeTargetException:
    config = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=2)
    target = ComputeTarget.create(ws, "cpu-cluster", config)

with tempfile.TemporaryDirectory() as folder:
    for number in (1, 2):
        rows = "\n".join(f"{x},{x * number}" for x in range(10))
        pathlib.Path(folder, f"part{number}.csv").write_text(f"x,y\n{rows}\n")
    paths = [str(path) for path in sorted(pathlib.Path(folder).iterdir())]
    store.upload_files(paths, target_path="hello/numbers", overwrite=True, show_progress=True)

numbers = Dataset.Tabular.from_delimited_files(path=(store, "hello/numbers/*.csv"))
print(numbers.take(3).to_pandas_dataframe())
numbers = numbers.register(ws, "numbers", description="y over x", create_new_version=True)

config = RunConfiguration()
config.environment = Environment.get(ws, "AzureML-Tutorial")
model = PipelineData("model", datastore=store)
train = PythonScriptStep(
    "train.py",
    name="train",
    arguments=["--data", numbers.as_named_input("numbers"), "--out", model],
    inputs=[numbers.as_named_input("numbers")],
    outputs=[model],
    compute_target=target,
    runconfig=config,
)
run = Experiment(ws, "Hello data").submit(Pipeline(ws, [train]), tags={"program": "hello"})
run.wait_for_completion(show_output=True)
step = run.find_step_run("train")[0]
print(step.get_metrics())
step.get_output_data("model").download("downloaded", show_progress=True)

newest = next(Experiment(ws, "Hello data").get_runs())
published = newest.publish_pipeline(name="Hello data", description="Learns the mean", version="1")
header = InteractiveLoginAuthentication().get_authentication_header()
answer = requests.post(published.endpoint, headers=header, json={"ExperimentName": "Hello data, triggered"})
answer.raise_for_status()
print("Triggered run", answer.json()["Id"])
print([each.name for each in PublishedPipeline.list(ws)])
