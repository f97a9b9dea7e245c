"""Several processes of one script: by PyTorch's variables, by MPI, and one that fails."""

from pathlib import Path

from azureml.core import Environment, Experiment, RunConfiguration, ScriptRunConfig, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.runconfig import PyTorchConfiguration
from azureml.pipeline.core import Pipeline, PipelineParameter
from azureml.pipeline.steps import MpiStep, PythonScriptStep

ws = Workspace.from_config()
compute = ComputeTarget.create(ws, "spread", AmlCompute.provisioning_configuration("STANDARD_D2_V2", max_nodes=2))
bare = Environment("bare")
bare.python.user_managed_dependencies = True
experiment = Experiment(ws, "distributed")

source = ScriptRunConfig(
    "distributed",
    "train.py",
    ["--rank", "$AZ_BATCHAI_TASK_INDEX"],
    compute_target=compute,
    environment=bare,
    distributed_job_config=PyTorchConfiguration("Gloo", process_count=3),
)
run = experiment.submit(source)
run.wait_for_completion()
assert run.get_metrics() == {"total": 3}, run.get_metrics()
logs = run.get_details_with_logs()["logFiles"]
assert logs["user_logs/std_log_process_2.txt"].startswith("rank 2 of 3 total 2 threads 1"), logs
together = logs["user_logs/std_log.txt"].splitlines()
assert sorted(line[:10] for line in together) == ["[0] rank 0", "[1] rank 1", "[2] rank 2"], together
run.download_file("user_logs/std_log_process_0.txt", "zero.txt")
assert "total 3" in Path("zero.txt").read_text()
definition = run.get_details()["runDefinition"]
assert (definition["framework"], definition["pytorch"]) == ("PyTorch", {"processCount": 3}), definition

config = RunConfiguration()
config.environment = bare
sums = MpiStep(
    "sums", "distributed", "sums.py", compute_target=compute, node_count=1,
    process_count_per_node=PipelineParameter("many", 2), runconfig=config,
)  # fmt: skip
fails = PythonScriptStep(
    "train.py", "fails", ["--rank", "$RANK", "--fail", 1], compute, source.run_config, source_directory="distributed"
)
both = experiment.submit(Pipeline(ws, [sums, fails]), pipeline_parameters={"many": 3}, continue_on_step_failure=True)
both.wait_for_completion(raise_on_error=False)
summed, failed = both.find_step_run("sums")[0], both.find_step_run("fails")[0]
assert summed.get_status() == "Finished", summed.get_job_log()
for rank in range(3):
    assert (
        summed.get_details_with_logs()["logFiles"][f"user_logs/std_log_process_{rank}.txt"] == f"rank {rank} sum 111\n"
    )
error = failed.get_details()["error"]["error"]["message"]
assert "Rank 1 (of 0 to 2) failed, and the others were ended: ValueError: not converged" in error, error
print(both.id, "all processes ran")
