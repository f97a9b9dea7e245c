"""Two files as one table, a step that cleans it, a step that learns from it and registers the model."""

from azureml.core import Dataset, Environment, Experiment, Model, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.compute_target import ComputeTargetException
from azureml.core.runconfig import RunConfiguration
from azureml.pipeline.core import Pipeline, PipelineData
from azureml.pipeline.steps import PythonScriptStep

CLUSTER = "cpu-cluster"

ws = Workspace.from_config()
store = ws.get_default_datastore()
try:
    target = ComputeTarget(workspace=ws, name=CLUSTER)
except ComputeTargetException:
    config = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=2)
    target = ComputeTarget.create(ws, CLUSTER, config)
    target.wait_for_completion(show_output=True)

files = ["data/penguins-2007-2008.csv", "data/penguins-2009.csv"]
store.upload_files(files, target_path="prepare-and-train", overwrite=True, show_progress=True)
penguins = Dataset.Tabular.from_delimited_files(
    [(store, "prepare-and-train/penguins-2007-2008.csv"), (store, "prepare-and-train/penguins-2009.csv")]
)
penguins = penguins.register(ws, "penguins by season", description="As recorded", create_new_version=True)
print(penguins.take(3).to_pandas_dataframe()[["Species", "Island", "Body Mass (g)"]])

run_config = RunConfiguration()
run_config.environment = Environment.get(ws, "AzureML-Tutorial")

prepared = PipelineData("prepared", datastore=store)
prepare = PythonScriptStep(
    "prepare.py",
    name="prepare",
    arguments=["--penguins", penguins.as_named_input("penguins"), "--prepared", prepared],
    inputs=[penguins.as_named_input("penguins")],
    outputs=[prepared],
    compute_target=target,
    runconfig=run_config,
    source_directory="scripts",
)
train = PythonScriptStep(
    "train.py",
    name="train",
    arguments=["--prepared", prepared, "--neighbours", 5],
    inputs=[prepared],
    compute_target=target,
    runconfig=run_config,
    source_directory="scripts",
)

run = Experiment(ws, "Prepare and train").submit(Pipeline(ws, steps=[prepare, train]), tags={"program": "pipeline.py"})
run.wait_for_completion(show_output=True)
for name in ("prepare", "train"):
    print(name, run.find_step_run(name)[0].get_metrics())
model = Model(ws, "penguin-species")
print("model", model.name, model.tags["accuracy"], model.run_id == run.find_step_run("train")[0].id)
