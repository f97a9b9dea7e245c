"""Automated machine learning: of its own and as a step, with outputs of its own, and what is refused."""

import json

from azureml.core import Dataset, Experiment, Run, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.runconfig import RunConfiguration
from azureml.exceptions import UserErrorException
from azureml.pipeline.core import Pipeline, PipelineData, TrainingOutput
from azureml.pipeline.steps import AutoMLStep, AutoMLStepRun, PythonScriptStep
from azureml.train.automl import AutoMLConfig
from azureml.train.automl.run import AutoMLRun

ws = Workspace.from_config()
# Of one core each, so that searches run side by side.
ComputeTarget.create(ws, "searches", AmlCompute.provisioning_configuration("STANDARD_DS1_V2", max_nodes=2))
store = ws.get_default_datastore()
store.upload_files(
    ["automl/penguins.csv", "automl/flights.csv"], target_path="automl", overwrite=True, show_progress=False
)
penguins = Dataset.Tabular.from_delimited_files([(store, "automl/penguins.csv")]).keep_columns(
    [
        "Species",
        "Island",
        "Date Egg",
        "Culmen Length (mm)",
        "Culmen Depth (mm)",
        "Flipper Length (mm)",
        "Body Mass (g)",
        "Sex",
    ]
)
hours = Dataset.Tabular.from_delimited_files([(store, "automl/flights.csv")]).keep_columns(["time_hour", "carrier"])
settings = {
    "iterations": 4,
    "n_cross_validations": 3,
    "max_concurrent_iterations": 2,
    "experiment_timeout_hours": 0.2,
    "iteration_timeout_minutes": 2,
    "verbosity": 20,
    "debug_log": "automl_errors.log",
}
experiment = Experiment(ws, "AutoML")

config = AutoMLConfig(
    task="classification",
    primary_metric="AUC_weighted",
    training_data=penguins.drop_columns(["Culmen Length (mm)", "Flipper Length (mm)"]),
    label_column_name="Species",
    compute_target="searches",
    allowed_models=["LightGBM", "LogisticRegression"],
    **settings,
)
run = experiment.submit(config)
assert isinstance(run, AutoMLRun) and run.type == "automl"
metrics = PipelineData("metrics", pipeline_output_name="metrics", training_output=TrainingOutput("Metrics"))
model = PipelineData("model", training_output=TrainingOutput("Model", metric="r2_score"))
numbers = AutoMLConfig(
    task="regression",
    training_data=penguins.drop_columns(["Species"]),
    label_column_name="Body Mass (g)",
    compute_target=ws.compute_targets["searches"],
    allowed_models=["ElasticNet", "LassoLars", "RandomForest", "KNN"],
    blocked_models=["KNN", "Prophet"],
    enable_voting_ensemble=False,
    **{**settings, "iterations": 3},
)
train = AutoMLStep("train", numbers, outputs=[metrics, model], allow_reuse=True)
asking = RunConfiguration()
asking.target = "searches"
asking.environment.name, asking.environment.version = "AzureML-AutoML", None
use = PythonScriptStep(
    "use.py",
    arguments=[metrics, model, run.id],
    inputs=[metrics, model, penguins.as_named_input("penguins"), hours.as_named_input("hours")],
    runconfig=asking,
    source_directory="automl",
)
pipeline = Pipeline(ws, [use])
assert pipeline.validate() == []
whole = experiment.submit(pipeline)
# The first one.
run.wait_for_completion(show_output=True)
children = list(run.get_children())
assert [child.get_properties()["iteration"] for child in reversed(children)] == ["0", "1", "2", "3"], children
assert {child.get_status() for child in children} == {"Completed"}, children
best = run.get_best_child()
scores = [child.get_metrics()["AUC_weighted"] for child in children]
assert best.get_metrics()["AUC_weighted"] == max(scores) == run.get_metrics()["AUC_weighted"] > 0.9, scores
assert children[0].get_properties()["run_algorithm"] == "VotingEnsemble", children[0].get_properties()
assert best.properties["model_name"].startswith("AutoML") and best.properties["goal"] == "AUC_weighted_max"
assert sum(count for _, count, _ in run.summary()) == 4, run.summary()
assert run.get_best_child(metric="log_loss").get_metrics()["log_loss"] <= best.get_metrics()["log_loss"]
assert {"outputs/model.pkl", "outputs/conda_env_v_1_0_0.yml"} <= set(best.get_file_names()), best.get_file_names()
assert [each.id for each in experiment.get_runs(type="automl")] == [run.id]
try:
    run.get_output(iteration=17)
except UserErrorException as error:
    assert "no iteration 17" in str(error), error
else:
    raise AssertionError("there was an iteration 17")

# The step.
whole.wait_for_completion(show_output=True)
step = AutoMLStepRun(whole.find_step_run("train")[0])
found = {child.id: child.get_metrics()["normalized_root_mean_squared_error"] for child in step.get_children()}
assert len(found) == 3 and step.get_best_child().id == min(found, key=found.get), found
again = experiment.submit(pipeline)
again.wait_for_completion()
assert {each.name: each.get_properties().get("azureml.isreused") for each in again.get_steps()}["train"] == "true"
assert AutoMLStepRun(again.find_step_run("train")[0]).get_best_child().id == step.get_best_child().id

for wrong, text in (
    ({"enable_dnn": True}, "enable_dnn"),
    ({"enable_onnx_compatible_models": True}, "enable_onnx_compatible_models"),
    ({"task": "image-classification"}, "image-classification"),
    ({"primary_metric": "mape"}, "none of those of classification"),
    ({"allowed_models": ["TensorFlowDNN"]}, "leave nothing to try"),
):
    given = {"task": "classification", "training_data": penguins, "label_column_name": "Species", **wrong}
    try:
        AutoMLConfig(**given)
    except UserErrorException as error:
        assert text in str(error), error
    else:
        raise AssertionError(f"{wrong} was taken")
assert json.loads(json.dumps(config.as_serializable_dict()))["training_data"] == "training_data"
assert Run.get(ws, run.id).type == "automl"
print("all of automl ran")
