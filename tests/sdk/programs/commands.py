"""Commands as steps and as a run of their own: texts and lists, `&&` and quotes, data between them."""

from pathlib import Path

from azureml.core import Dataset, Environment, Experiment, ScriptRunConfig, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.runconfig import RunConfiguration
from azureml.data import OutputFileDatasetConfig
from azureml.pipeline.core import Pipeline, PipelineData, PipelineParameter
from azureml.pipeline.steps import CommandStep, PythonScriptStep

ws = Workspace.from_config()
store = ws.get_default_datastore()
if "cpu-cluster" not in ws.compute_targets:
    ComputeTarget.create(ws, "cpu-cluster", AmlCompute.provisioning_configuration("STANDARD_D2_V2", max_nodes=2))
config = RunConfiguration()
config.target = ws.compute_targets["cpu-cluster"]
config.environment = Environment.get(ws, "AzureML-Tutorial")

Path("one word.txt").write_text("seven\n")
store.upload_files(["one word.txt"], target_path="commands/", overwrite=True, show_progress=False)
one = Dataset.File.from_files((store, "commands/one word.txt")).as_named_input("one").as_download()

text = PipelineParameter("text", "it's $HOME; exit 3")
made, kept = (
    PipelineData("made", store),
    OutputFileDatasetConfig("kept", destination=(store, "commands_kept/{run-id}/")),
)
write = CommandStep(
    ["mkdir", made, "&&", "cp", one, made, "&&", "echo", text, ">", f"{made}/text.txt", "&&", "python -c 'import sys, pandas; print(sys.prefix)'"],
    name="write",
    inputs=[one],
    outputs=[made],
    params={"speed": 3},
    runconfig=config,
    source_directory="commands",
)  # fmt: skip
read = CommandStep(
    command=f'cat "{made}/one word.txt" {made}/text.txt | tee {kept.arg_val}/all.txt && ls && echo \'{kept.arg_val}\' "$AZUREML_RUN_ID"',
    inputs=[made],
    outputs=[kept],
    runconfig=config,
    source_directory="commands",
)
check = PythonScriptStep(
    "check.py", arguments=[kept.as_input()], runconfig=config, source_directory="commands", allow_reuse=False
)
pipeline = Pipeline(ws, [check])
assert pipeline.validate() == []
run = Experiment(ws, "Commands").submit(pipeline)
run.wait_for_completion(show_output=True)
writing, reading = run.find_step_run("write")[0], run.find_step_run("cat")[0]
assert writing.get_properties()["StepType"] == "CommandStep", writing.get_properties()
assert "/agent/envs/" in writing.get_job_log(), writing.get_job_log()
assert reading.get_job_log().startswith("seven\nit's $HOME; exit 3\ncheck.py\n"), reading.get_job_log()
assert reading.id in reading.get_job_log()
definition = writing.get_details()["runDefinition"]
assert definition["command"].startswith("mkdir ${output:made} && cp ${input:one}"), definition

again = Experiment(ws, "Commands").submit(pipeline)
again.wait_for_completion()
reused = {step.name: step.get_properties().get("azureml.isreused") for step in again.get_steps()}
assert reused == {"write": "true", "cat": "true", "check.py": None}, reused
other = Experiment(ws, "Commands").submit(pipeline, pipeline_parameters={"text": "other"})
other.wait_for_completion()
assert "other\n" in other.find_step_run("cat")[0].get_job_log()
gate = CommandStep(
    ["test", PipelineParameter("gate", "shut"), "=", "open", "||", "exit 4"],
    name="gate",
    inputs=[made],
    runconfig=config,
)
shut = Experiment(ws, "Commands").submit(Pipeline(ws, [gate]))
shut.wait_for_completion(raise_on_error=False)
assert "exit code 4" in shut.find_step_run("gate")[0].get_details()["error"]["error"]["message"]
resumed = shut.resume(pipeline_parameters={"gate": "open"})
resumed.wait_for_completion()
assert resumed.find_step_run("write")[0].get_properties()["duto.isadopted"] == "true"
published = run.publish_pipeline("Commands", "with a parameter", "1")
triggered = Experiment(ws, "Commands").submit(published, pipeline_parameters={"text": "published"})
triggered.wait_for_completion()
assert "published\n" in triggered.find_step_run("cat")[0].get_job_log()

alone = ScriptRunConfig("commands", command=["echo", "one &&", "python", "-V"], run_config=config)
script = Experiment(ws, "Commands").submit(alone)
script.wait_for_completion()
assert script.get_status() == "Completed"
failing = Experiment(ws, "Commands").submit(
    ScriptRunConfig("commands", command="no-such-program --at all", run_config=config)
)
failing.wait_for_completion(raise_on_error=False)
assert failing.get_status() == "Failed"
assert "was not found" in failing.get_details()["error"]["error"]["message"], failing.get_details()["error"]
print("all commands ran")
