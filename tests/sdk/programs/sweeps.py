"""Sweeps: of their own and as a step, with a policy, outputs of the studio, and the best trial."""

import json

from azureml.core import Environment, Experiment, Model, Run, ScriptRunConfig, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.runconfig import RunConfiguration
from azureml.pipeline.core import Pipeline, PipelineData, TrainingOutput
from azureml.pipeline.steps import HyperDriveStep, HyperDriveStepRun, PythonScriptStep
from azureml.train.hyperdrive import (
    BanditPolicy,
    BayesianParameterSampling,
    GridParameterSampling,
    HyperDriveConfig,
    HyperDriveRun,
    PrimaryMetricGoal,
    choice,
    uniform,
)
from azureml.train.hyperdrive.exceptions import HyperDriveConfigException

ws = Workspace.from_config()
if "cpu-cluster" not in ws.compute_targets:
    ComputeTarget.create(ws, "cpu-cluster", AmlCompute.provisioning_configuration("STANDARD_D2_V2", max_nodes=2))
config = RunConfiguration()
config.target = ws.compute_targets["cpu-cluster"]
config.environment = Environment.get(ws, "AzureML-Tutorial")
experiment = Experiment(ws, "Sweeps")
script = ScriptRunConfig("sweeps", "train.py", arguments=["--rounds", 4, "--kind", "plain"], run_config=config)

# Two at once, from the best to the worst: the second falls behind while it runs, and is stopped.
stopped = HyperDriveConfig(
    run_config=script,
    hyperparameter_sampling=GridParameterSampling({"x": choice(2, 30)}),
    policy=BanditPolicy(slack_factor=0.5, evaluation_interval=1),
    primary_metric_name="loss",
    primary_metric_goal=PrimaryMetricGoal.MINIMIZE,
    max_total_runs=8,
    max_concurrent_runs=2,
)
run = experiment.submit(stopped, tags={"team": "a"})
assert isinstance(run, HyperDriveRun) and run.type == "hyperdrive" and run.hyperdrive_config is stopped
run.wait_for_completion(show_output=True)
rows = run.get_children_sorted_by_primary_metric()
assert (json.loads(rows[0]["hyperparameters"]), rows[0]["best_primary_metric"]) == ({"x": 2}, 0.25), rows
best = run.get_best_run_by_primary_metric()
assert best.id == rows[0]["run_id"] and best.parent.id == run.id
assert best.get_details()["runDefinition"]["arguments"][-2:] == ["--x", "2"], best.get_details()["runDefinition"]
assert run.get_metrics()[best.id]["loss"] == best.get_metrics()["loss"] == [1.0, 0.5, 1 / 3, 0.25]
assert set(run.get_hyperparameters()) == {child.id for child in run.get_children()}
assert {child.get_status() for child in run.get_children()} == {"Completed", "Canceled"}, rows
assert run.get_best_run_by_primary_metric(include_canceled=False).id == best.id
assert Run.get(ws, run.id).type == "hyperdrive"

searched = HyperDriveConfig(
    run_config=ScriptRunConfig("sweeps", command=["python", "train.py", "--kind", "it's"], run_config=config),
    hyperparameter_sampling=BayesianParameterSampling({"--x": uniform(-5, 5)}, {"seed": 3}),
    primary_metric_name="loss",
    primary_metric_goal=PrimaryMetricGoal.MINIMIZE,
    max_total_runs=3,
    resume_from=run.id,
)
try:
    experiment.submit(searched)
except Exception as error:
    assert "other hyperparameters" in str(error), error
else:
    raise AssertionError("a sweep over other values was taken")

metrics = PipelineData("metrics")
model = PipelineData("model", training_output=TrainingOutput("Model", model_file="outputs/model.txt"))
table = PipelineData("table")
config_of_step = HyperDriveConfig(
    run_config=ScriptRunConfig("sweeps", "train.py", run_config=config),
    hyperparameter_sampling=GridParameterSampling({"--x": choice(1, 2, 4)}),
    primary_metric_name="loss",
    primary_metric_goal=PrimaryMetricGoal.MINIMIZE,
    max_total_runs=3,
)
tune = HyperDriveStep(
    "tune",
    config_of_step,
    estimator_entry_script_arguments=["--table", table],
    outputs=[model, table],
    metrics_output=metrics,
)
use = PythonScriptStep(
    "use.py",
    arguments=[metrics, model, table],
    inputs=[metrics, model, table],
    runconfig=config,
    source_directory="sweeps",
)
pipeline = Pipeline(ws, [use])
assert pipeline.validate() == []
whole = experiment.submit(pipeline)
whole.wait_for_completion(show_output=True)
swept = whole.find_step_run("tune")[0]
assert swept.get_properties()["StepType"] == "HyperDriveStep"
assert Model(ws, "swept").run_id == HyperDriveStepRun(swept).get_best_run_by_primary_metric().id
again = experiment.submit(pipeline)
again.wait_for_completion()
assert {step.name: step.get_properties().get("azureml.isreused") for step in again.get_steps()} == {
    "tune": "true",
    "use.py": "true",
}
assert len(HyperDriveStepRun(again.find_step_run("tune")[0]).get_hyperparameters()) == 3

try:
    GridParameterSampling({"x": uniform(0, 1)})
except HyperDriveConfigException as error:
    assert "no end of values" in str(error)
print("all sweeps ran")
