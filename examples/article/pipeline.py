"""The calls of the how-to articles on pipelines, one after the other: a workspace, data, a cluster, an environment, steps.

With `--own-packages` the steps run with packages of their own instead of a curated environment.
"""

import sys

from azureml.core import Dataset, Datastore, Environment, Experiment, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.conda_dependencies import CondaDependencies
from azureml.core.runconfig import RunConfiguration
from azureml.pipeline.core import Pipeline, PipelineData
from azureml.pipeline.steps import PythonScriptStep

USE_CURATED_ENV = "--own-packages" not in sys.argv
CLUSTER = "cpu-cluster"

ws = Workspace.from_config()

# Three ways to a datastore: the default one, one by its class, one by `get`.
def_blob_store = ws.get_default_datastore()
same_store = Datastore(ws, "workspaceblobstore")
def_file_store = Datastore.get(ws, "workspacefilestore")
print("Datastores:", def_blob_store.name, same_store.name, def_file_store.name)

# Data that stand on a datastore, as a dataset, and a place for what a step hands on to the next.
def_blob_store.upload_files(
    ["./data/penguins/penguins-raw.csv"], target_path="article/penguins", overwrite=True, show_progress=False
)
my_dataset = Dataset.File.from_files([(def_blob_store, "article/penguins/")])
penguins = Dataset.Tabular.from_delimited_files([(def_blob_store, "article/penguins/penguins-raw.csv")])
output_data1 = PipelineData("output_data1", datastore=def_blob_store, output_name="output_data1")
output_data2 = PipelineData("output_data2", datastore=def_file_store)

# The cluster: the one of this name, or a new one.
if CLUSTER in ws.compute_targets:
    compute_target = ws.compute_targets[CLUSTER]
    if compute_target and type(compute_target) is AmlCompute:
        print(f"Found the compute target '{CLUSTER}'.")
else:
    print(f"Creating the compute target '{CLUSTER}'.")
    provisioning_config = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", min_nodes=0, max_nodes=4)
    compute_target = ComputeTarget.create(ws, CLUSTER, provisioning_config)
    compute_target.wait_for_completion(show_output=True, min_node_count=None, timeout_in_minutes=20)
    print(compute_target.status.serialize())

# The environment: a curated one, or packages by name.
aml_run_config = RunConfiguration()
aml_run_config.target = compute_target
if USE_CURATED_ENV:
    aml_run_config.environment = Environment.get(workspace=ws, name="AzureML-Tutorial")
else:
    aml_run_config.environment.python.user_managed_dependencies = False
    aml_run_config.environment.python.conda_dependencies = CondaDependencies.create(
        conda_packages=["pandas", "scikit-learn"],
        pip_packages=["azureml-sdk", "azureml-dataprep[fuse,pandas]"],
        pin_sdk_version=False,
    )

# The same by name and version, without an object: what is registered under them is meant.
named_run_config = RunConfiguration()
named_run_config.environment.name = "AzureML-Tutorial"
named_run_config.environment.version = "1"

ds_input = my_dataset.as_named_input("input1")
prepare = PythonScriptStep(
    script_name="prepare.py",
    source_directory="./prepare",
    arguments=["--input", ds_input.as_download(), "--output", output_data1],
    inputs=[ds_input],
    outputs=[output_data1],
    compute_target=compute_target,
    runconfig=aml_run_config,
    allow_reuse=True,
)
train = PythonScriptStep(
    script_name="train.py",
    source_directory="./train",
    arguments=["--prepared", output_data1.as_input(), "--model", output_data2],
    outputs=[output_data2],
    compute_target=compute_target,
    runconfig=aml_run_config,
    allow_reuse=True,
)
summarize = PythonScriptStep(
    script_name="summarize.py",
    source_directory="./summarize",
    inputs=[penguins.as_named_input("penguin_data")],
    compute_target=compute_target,
    runconfig=named_run_config,
    allow_reuse=False,
    hash_paths=["summarize.py"],
)

# Three steps of which two hang together by their data; the third may run beside them.
pipeline1 = Pipeline(workspace=ws, steps=[[prepare, train, summarize]])

exp = Experiment(ws, "Article")
pipeline_run1 = exp.submit(pipeline1, regenerate_outputs=False)
pipeline_run1.wait_for_completion()
again = Experiment(ws, "Article, again").submit(pipeline1)
again.wait_for_completion()
for run in (pipeline_run1, again):
    for step in sorted(run.get_steps(), key=lambda step: step.name):
        print(run.experiment.name, step.name, step.get_status(), step.get_properties().get("azureml.isreused", "ran"))
