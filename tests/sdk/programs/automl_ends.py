"""Searches that end early: what has ended stays. And odd data, in the environment of a search (odd.py)."""

import time

from azureml.core import Dataset, Environment, Experiment, ScriptRunConfig, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.train.automl import AutoMLConfig

ws = Workspace.from_config()
if "searches" not in ws.compute_targets:
    ComputeTarget.create(ws, "searches", AmlCompute.provisioning_configuration("STANDARD_DS1_V2", max_nodes=2))
store = ws.get_default_datastore()
store.upload_files(["automl/penguins.csv"], target_path="ends", overwrite=True, show_progress=False)
penguins = Dataset.Tabular.from_delimited_files([(store, "ends/penguins.csv")])
experiment = Experiment(ws, "AutoML ends")
environment = Environment.get(ws, "AzureML-AutoML")
odd = experiment.submit(ScriptRunConfig("automl", script="odd.py", compute_target="searches", environment=environment))
canceled = experiment.submit(
    AutoMLConfig(
        "classification",
        training_data=penguins.keep_columns(["Species", "Island", "Culmen Length (mm)", "Body Mass (g)"]),
        label_column_name="Species",
        compute_target="searches",
        allowed_models=["LogisticRegression"],
        n_cross_validations=3,
        iterations=1000,
        enable_early_stopping=False,
    )
)
refused = experiment.submit(
    AutoMLConfig("regression", training_data=penguins, label_column_name="Species", compute_target="searches")
)
while not list(canceled.get_children(status="Completed")):
    assert canceled.get_status() not in ("Completed", "Failed"), canceled.get_details()
    time.sleep(0.2)
canceled.cancel()
canceled.wait_for_completion(raise_on_error=False)
assert canceled.get_status() == "Canceled" and canceled.get_best_child().get_status() == "Completed"
assert {child.get_status() for child in canceled.get_children()} <= {"Completed", "Canceled", "Failed"}
assert canceled.register_model("kept").run_id == canceled.get_best_child().id
odd.wait_for_completion(show_output=True)
refused.wait_for_completion(raise_on_error=False)
error = refused.get_details()["error"]["error"]["message"]
assert error.startswith("The column 'Species' holds no numbers: let task be 'classification'"), error
print("all searches ended")
