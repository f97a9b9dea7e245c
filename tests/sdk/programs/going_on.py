"""A pipeline of steps that run several processes or runs each: it fails behind them, is resumed, and prints who may be cloned."""

import json
import tempfile
from pathlib import Path

from azureml.core import Dataset, Environment, Experiment, ScriptRunConfig, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.runconfig import RunConfiguration
from azureml.data import OutputFileDatasetConfig
from azureml.pipeline.core import Module, Pipeline, PipelineData, PipelineParameter
from azureml.pipeline.core.graph import OutputPortDef
from azureml.pipeline.steps import (
    CommandStep,
    HyperDriveStep,
    HyperDriveStepRun,
    ModuleStep,
    MpiStep,
    ParallelRunConfig,
    ParallelRunStep,
)
from azureml.train.hyperdrive import GridParameterSampling, HyperDriveConfig, PrimaryMetricGoal, choice

ws = Workspace.from_config()
if "cpu-cluster" not in ws.compute_targets:
    ComputeTarget.create(ws, "cpu-cluster", AmlCompute.provisioning_configuration("STANDARD_D2_V2", max_nodes=2))
compute = ws.compute_targets["cpu-cluster"]
config = RunConfiguration()
config.target, config.environment = compute, Environment("by-hand")
config.environment.python.user_managed_dependencies = True

sums = MpiStep(
    "sums", "distributed", "sums.py", compute_target=compute, process_count_per_node=2, node_count=1, runconfig=config
)
sweep = HyperDriveConfig(
    run_config=ScriptRunConfig("sweeps", "train.py", run_config=config),
    hyperparameter_sampling=GridParameterSampling({"--x": choice(1, 4)}),
    primary_metric_name="loss",
    primary_metric_goal=PrimaryMetricGoal.MINIMIZE,
    max_total_runs=2,
)
tune = HyperDriveStep("tune", sweep, metrics_output=PipelineData("metrics"))
module = Module.create(ws, "seven", "Adds to nothing")
module.publish_python_script(
    "add.py", "Of nothing", inputs=[], outputs=[OutputPortDef("total")], params={"MORE": 7}, source_directory="add",
    arguments=["--sum", OutputPortDef("total")], runconfig=config,
)  # fmt: skip
add = ModuleStep(module, outputs_map={"total": PipelineData("total")}, compute_target=compute, name="add")
folder = Path(tempfile.mkdtemp())
for number in range(4):
    (folder / f"m{number}.txt").write_text(str(number))
store = ws.get_default_datastore()
store.upload(str(folder), target_path="few", overwrite=True)
few = Dataset.File.from_files((store, "few/*.txt"))
run_config = ParallelRunConfig(
    environment=config.environment, entry_script="shape.py", source_directory="parallel", error_threshold=0,
    output_action="summary_only", compute_target=compute, node_count=1, mini_batch_size="1",
)  # fmt: skip
shape = ParallelRunStep("shape", run_config, inputs=[few.as_named_input("few")], output=OutputFileDatasetConfig("out"))
gate = CommandStep(["test", PipelineParameter("gate", "shut"), "=", "open"], name="gate", runconfig=config)
before = [sums, tune, add, shape]
gate.run_after(before[0])
for each in before[1:]:
    gate.run_after(each)
run = Experiment(ws, "going on").submit(Pipeline(ws, [*before, gate]))
run.wait_for_completion(raise_on_error=False)
failed = {step.name: step.get_status() for step in run.get_steps()}
assert failed == {**{each.name: "Finished" for each in before}, "gate": "Failed"}, failed
resumed = run.resume(pipeline_parameters={"gate": "open"})
resumed.wait_for_completion()
adopted = {step.name for step in resumed.get_steps() if step.get_properties().get("duto.isadopted") == "true"}
assert adopted == {each.name for each in before}, adopted
trials = HyperDriveStepRun(resumed.find_step_run("tune")[0])
assert len(trials.get_hyperparameters()) == 2 and trials.get_best_run_by_primary_metric() is not None
assert "rank 1 sum 11" in resumed.find_step_run("sums")[0].get_details_with_logs()["logFiles"]["user_logs/std_log.txt"]
print(json.dumps(resumed.id))
