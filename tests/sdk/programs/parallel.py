"""A parallel step on a studio: files scored by several processes, published, tuned and triggered, failed and resumed."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from azureml.core import Dataset, Environment, Experiment, Model, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.data import OutputFileDatasetConfig
from azureml.exceptions import ActivityFailedException
from azureml.pipeline.core import Pipeline, PipelineParameter
from azureml.pipeline.steps import ParallelRunConfig, ParallelRunStep, PythonScriptStep

ws = Workspace.from_config()
store = ws.get_default_datastore()
if "cpu-cluster" not in ws.compute_targets:
    ComputeTarget.create(ws, "cpu-cluster", AmlCompute.provisioning_configuration("STANDARD_D2_V2", max_nodes=2))
folder = Path(tempfile.mkdtemp())
for number in range(12):
    (folder / f"n{number:02d}.txt").write_text(str(number))
(folder / "factor.txt").write_text("10")
store.upload_files([str(each) for each in sorted(folder.glob("n*.txt"))], target_path="numbers", overwrite=True)
Model.register(ws, str(folder / "factor.txt"), "factor")
numbers = Dataset.File.from_files((store, "numbers/*.txt"))

environment = Environment("by-hand")
environment.python.user_managed_dependencies = True
odd = PipelineParameter("odd", "none")
config = ParallelRunConfig(
    environment=environment,
    entry_script="score.py",
    source_directory="parallel",
    error_threshold=0,
    output_action="append_row",
    compute_target="cpu-cluster",
    node_count=2,
    process_count_per_node=1,
    mini_batch_size=PipelineParameter("size", "2"),
    run_invocation_timeout=60,
    run_max_try=1,
    append_row_file_name="scores.txt",
)
scores = OutputFileDatasetConfig("scores", destination=(store, "scores/{run-id}"))
score = ParallelRunStep(
    name="score",
    parallel_run_config=config,
    inputs=[numbers.as_named_input("numbers")],
    output=scores,
    arguments=["--model", "factor", "--odd", odd],
    allow_reuse=True,
)
read = PythonScriptStep(
    "read.py",
    name="read",
    arguments=["--scores", scores.as_input("scores")],
    compute_target="cpu-cluster",
    source_directory="parallel",
    runconfig=score.runconfig,
)
pipeline = Pipeline(workspace=ws, steps=[read])
assert pipeline.validate() == []
wanted = {"rows": 12, "first": 0, "last": 110}


def read_of(run: object) -> dict[str, object]:
    return dict(run.find_step_run("read")[0].get_metrics())  # type: ignore[attr-defined]


run = Experiment(ws, "parallel").submit(pipeline)
run.wait_for_completion()
step = run.find_step_run("score")[0]
assert read_of(run) == wanted, read_of(run)
assert step.get_properties()["StepType"] == "ParallelRunStep"
names = step.get_file_names()
for name in (
    "logs/job_result.txt",
    "logs/sys/job_report/processed_mini-batches.csv",
    "logs/user/stdout/node0/process000.stdout.txt",
):
    assert name in names, names
assert "6 of 6 mini-batches done" in step.get_stdout_log()

# Other processes give the same result, so it is reused; another size of mini-batches does not.
config.process_count_per_node = 3
again = Experiment(ws, "parallel").submit(Pipeline(workspace=ws, steps=[read]))
again.wait_for_completion()
assert again.find_step_run("score")[0].get_properties()["azureml.isreused"] == "true"

# The first mini-batches are done when one fails; who resumes with the fault gone runs that one alone.
published = pipeline.publish("scores")
failed = published.submit(ws, "parallel", pipeline_parameters={"size": "1", "odd": "n07.txt"})
try:
    failed.wait_for_completion()
    raise AssertionError("it had to fail")
except ActivityFailedException:
    pass
broken = failed.find_step_run("score")[0]
assert "1 items have failed, and error_threshold lets 0 fail" in broken.get_stdout_log(), broken.get_stdout_log()
ws.get_default_keyvault().set_secret("mended", "yes")
resumed = failed.resume()
resumed.wait_for_completion()
log = resumed.find_step_run("score")[0].get_stdout_log()
assert read_of(resumed) == wanted and "taken over" in log and "(0 taken over)" not in log, log

# What a script has written into the output itself is there again with what is taken over.
config.entry_script, config.output_action, config.mini_batch_size = "shape.py", "summary_only", 1
config.node_count = 1
shapes = OutputFileDatasetConfig("shapes", destination=(store, "shapes/{run-id}"))
shape = ParallelRunStep(
    name="shape", parallel_run_config=config, inputs=[numbers.as_named_input("numbers")], output=shapes
)
failed = Experiment(ws, "parallel").submit(Pipeline(workspace=ws, steps=[shape]))
try:
    failed.wait_for_completion()
    raise AssertionError("it had to fail")
except ActivityFailedException:
    pass
done = re.search(r"failed: (\d+) of 12 mini-batches done", failed.find_step_run("shape")[0].get_stdout_log())
ws.get_default_keyvault().set_secret("shaped", "yes")
resumed = failed.resume()
resumed.wait_for_completion()
step = resumed.find_step_run("shape")[0]
taken_over = f"12 of 12 mini-batches done ({done and done.group(1)} taken over)"
assert taken_over in step.get_stdout_log(), step.get_stdout_log()
place = Path(tempfile.mkdtemp())
store.download(str(place), prefix=f"shapes/{step.id}")
texts = {file.name: file.read_text() for file in place.rglob("*.txt")}
assert texts == {f"n{number:02d}.txt": f"{number};" for number in range(12)}, texts
print("all parallel steps ran")
