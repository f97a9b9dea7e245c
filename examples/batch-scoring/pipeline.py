"""A model from a file, a parallel step that scores a folder of files with it, and its rows read back; then the same published."""

import os

import pandas as pd
import requests
from azureml.core import Dataset, Environment, Experiment, Model, Run, Workspace
from azureml.core.authentication import InteractiveLoginAuthentication
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.compute_target import ComputeTargetException
from azureml.data import OutputFileDatasetConfig
from azureml.pipeline.core import Pipeline, PipelineParameter
from azureml.pipeline.steps import ParallelRunConfig, ParallelRunStep

CLUSTER = "cpu-cluster"
EXPERIMENT = "Batch scoring"
ROWS = "penguins-scored.txt"

ws = Workspace.from_config()
store = ws.get_default_datastore()
try:
    target = ComputeTarget(ws, CLUSTER)
except ComputeTargetException:
    config = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=2)
    target = ComputeTarget.create(ws, CLUSTER, config)
    target.wait_for_completion(show_output=True)

model = Model.register(ws, model_path="model/middles.json", model_name="penguin-middles", tags={"season": "2007"})
store.upload("data/seasons", target_path="batch-scoring/seasons", overwrite=True, show_progress=False)
seasons = Dataset.File.from_files([(store, "batch-scoring/seasons/*.csv")])
seasons = seasons.register(ws, "penguins of an island and season", create_new_version=True)

batch_size = PipelineParameter(name="batch_size", default_value="2")
parallel_run_config = ParallelRunConfig(
    source_directory="scripts",
    entry_script="score.py",
    mini_batch_size=batch_size,
    error_threshold=0,
    output_action="append_row",
    append_row_file_name=ROWS,
    environment=Environment.get(ws, "AzureML-Tutorial"),
    compute_target=target,
    node_count=1,
    process_count_per_node=2,
    run_invocation_timeout=120,
)
scores = OutputFileDatasetConfig(name="scores", destination=(store, "batch-scoring/scores/{run-id}"))
score = ParallelRunStep(
    name="score-penguins",
    parallel_run_config=parallel_run_config,
    inputs=[seasons.as_named_input("seasons")],
    output=scores,
    arguments=["--model", model.name],
    allow_reuse=False,
)
pipeline = Pipeline(workspace=ws, steps=[score])


def show(how, run):
    """Read the rows back, and print them with their sum."""
    (step,) = run.find_step_run("score-penguins")
    output = step.get_output_data(scores.name)
    output.download(local_path="downloaded", overwrite=True, show_progress=False)
    file = os.path.join("downloaded", output.path_on_datastore, ROWS)
    table = pd.read_csv(file, sep=" ", header=None, names=["file", "penguins", "right"])
    print(table.to_string(index=False))
    print(how, len(table), table["right"].sum(), "of", table["penguins"].sum())


run = Experiment(ws, EXPERIMENT).submit(pipeline)
run.wait_for_completion(show_output=True)
show("submitted", run)

published = pipeline.publish(name="Score penguins", description="Species by four measures", version="1.0")
answer = requests.post(
    published.endpoint,
    headers=InteractiveLoginAuthentication().get_authentication_header(),
    json={"ExperimentName": EXPERIMENT, "ParameterAssignments": {"batch_size": "1"}},
    timeout=60,
)
answer.raise_for_status()
run = Run.get(ws, answer.json()["Id"])
run.wait_for_completion(show_output=False)
show("triggered", run)
