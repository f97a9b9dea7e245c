"""A program over the whole surface that pipelines use. It imports what programs for Azure ML import, and asserts."""

import json
import pathlib
import tempfile
import time
import urllib.request

from azureml.core import Dataset, Datastore, Environment, Experiment, Model, Run, ScriptRunConfig, Workspace
from azureml.core.authentication import InteractiveLoginAuthentication
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.compute_target import ComputeTargetException
from azureml.core.conda_dependencies import CondaDependencies
from azureml.core.runconfig import RunConfiguration
from azureml.data import OutputFileDatasetConfig
from azureml.pipeline.core import Pipeline, PipelineData, PipelineParameter, PublishedPipeline, StepSequence
from azureml.pipeline.core.run import PipelineRun, StepRun
from azureml.pipeline.steps import PythonScriptStep
from azureml.widgets import RunDetails

KEYS = [
    "currentNodeCount",
    "targetNodeCount",
    "nodeStateCounts",
    "allocationState",
    "allocationStateTransitionTime",
    "errors",
    "creationTime",
    "modifiedTime",
    "provisioningState",
    "provisioningStateTransitionTime",
    "scaleSettings",
    "vmPriority",
    "vmSize",
]


def done(what):
    print("ok:", what, flush=True)


ws = Workspace.from_config()
assert ws.name == "main" and ws.subscription_id and ws.resource_group
assert Workspace.get("main", subscription_id=ws.subscription_id, resource_group=ws.resource_group).name == "main"
done("workspace")

# --- datastores ---

store = ws.get_default_datastore()
assert store.name == "workspaceblobstore" and set(ws.datastores) >= {"workspaceblobstore", "workspacefilestore"}
assert Datastore.get(ws, "workspacefilestore").name == "workspacefilestore"
with tempfile.TemporaryDirectory() as folder:
    root = pathlib.Path(folder)
    rows = "\n".join(f"{n},{2 * n}" for n in range(10))
    (root / "numbers.csv").write_text(f"x,y\n{rows}\n")
    (root / "sub").mkdir()
    (root / "sub" / "other.txt").write_text("other")
    store.upload(folder, target_path="surface/data", overwrite=True, show_progress=False)
    store.upload_files([str(root / "numbers.csv")], target_path="surface/one", overwrite=True)
    store.download(folder + "/back", prefix="surface/data", overwrite=True)
    assert (root / "back" / "surface" / "data" / "sub" / "other.txt").read_text() == "other"
done("datastores")

# --- datasets ---

files = Dataset.File.from_files([(store, "surface/data/**")])
assert any(path.endswith("numbers.csv") for path in files.to_path()), files.to_path()
files = files.register(ws, "surface files", create_new_version=True)
again = Dataset.get_by_name(ws, "surface files")
assert again.id == files.id and Dataset.get_by_id(ws, files.id).name == "surface files"
with tempfile.TemporaryDirectory() as folder:
    assert any(str(path).endswith("other.txt") for path in files.download(folder, overwrite=True))
table = Dataset.Tabular.from_delimited_files((store, "surface/one/*.csv"))
assert len(table.to_pandas_dataframe()) == 10 and len(table.take(3).to_pandas_dataframe()) == 3
table = table.register(ws, "surface numbers", description="x and 2x", tags={"made": "here"}, create_new_version=True)
assert "surface numbers" in ws.datasets
one = Dataset.File.from_files((store, "surface/one/numbers.csv"))
done("datasets")

# --- compute ---

try:
    ComputeTarget(ws, "no-such-cluster")
    raise AssertionError("a cluster that is none was found")
except ComputeTargetException:
    pass
config = AmlCompute.provisioning_configuration(
    vm_size="STANDARD_NC6", min_nodes=0, max_nodes=1, idle_seconds_before_scaledown=120
)
gpu = ComputeTarget.create(ws, "surface-gpu", config)
gpu.wait_for_completion(show_output=True)
assert list(gpu.status.serialize()) == KEYS, list(gpu.status.serialize())
assert type(gpu) is AmlCompute and ws.compute_targets["surface-gpu"].type == "AmlCompute"
gpu.update(max_nodes=2)
assert gpu.get_status().serialize()["scaleSettings"]["maxNodeCount"] == 2
gpu.delete()
try:
    ComputeTarget(ws, "surface-gpu")
    raise AssertionError("a deleted cluster was found")
except ComputeTargetException:
    pass
cluster = ComputeTarget(ws, "cpu-cluster")
done("compute")

# --- environments ---

own = Environment("surface-env")
own.python.conda_dependencies = CondaDependencies.create(
    conda_packages=["pandas"], pip_packages=["azureml-sdk"], python_version="3.11", pin_sdk_version=False
)
own.environment_variables = {"GREETING": "hello"}
registered = own.register(ws)
assert Environment.get(ws, "surface-env").version == registered.version
assert own.register(ws).version == registered.version, "an equal definition made a new version"
assert "AzureML-Tutorial" in ws.environments
done("environments")

# --- a pipeline ---

bare = RunConfiguration()
bare.target = cluster
bare.environment.python.user_managed_dependencies = True
tutorial = RunConfiguration()
tutorial.target = cluster
tutorial.environment = Environment.get(ws, "AzureML-Tutorial")

rounds = PipelineParameter("rounds", default_value=5)
written = PipelineData("written", datastore=store)
folder = PipelineData("folder", datastore=store, output_name="folder")
made = PipelineData("made", datastore=store, is_directory=True, pipeline_output_name="made_for_you")
collected = OutputFileDatasetConfig("collected", destination=(store, "surface/collected/{run-id}"))
make = PythonScriptStep(
    "make.py",
    name="make",
    arguments=[
        "--mounted", files.as_named_input("mounted").as_mount(),
        "--downloaded", files.as_named_input("downloaded").as_download(),
        "--file", written, "--folder", folder, "--made", made, "--dataset", collected, "--rounds", rounds,
        "--placeholder", f"folder={folder}",
    ],
    outputs=[written, folder, made],
    params={"epochs": 3, "rate": PipelineParameter("rate", default_value=0.5)},
    compute_target=cluster,
    runconfig=bare,
)  # fmt: skip
numbers = table.as_named_input("numbers")
learn = PythonScriptStep(
    "learn.py",
    name="learn",
    arguments=["--numbers", numbers, "--file", written, "--folder", folder.as_input("renamed")],
    inputs=[numbers, written, folder.as_input("renamed")],
    compute_target="cpu-cluster",
    runconfig=tutorial,
)
late = PythonScriptStep(
    "late.py",
    name="late",
    arguments=["word", 3, 0.5, True],
    compute_target=("cpu-cluster", "AmlCompute"),
    runconfig=bare,
)
last = PythonScriptStep("late.py", compute_target=cluster, runconfig=bare, allow_reuse=False)
late.run_after(make)
pipeline = Pipeline(ws, steps=StepSequence([[learn, late], [last]]), description="The surface")
assert pipeline.validate() == []
experiment = Experiment(ws, "Surface")
run = experiment.submit(pipeline, pipeline_parameters={"rounds": 7}, tags={"of": "surface"})
assert isinstance(run, PipelineRun)
RunDetails(run).show()
assert run.wait_for_completion(show_output=True) == "Finished"
assert run.get_status() == "Finished" and run.status == "Completed" and run.get_details()["status"] == "Completed"
done("pipeline")

(step,) = run.find_step_run("learn")
assert isinstance(step, StepRun) and step.get_status() == "Finished"
assert [each.name for each in run.get_steps()].count("late.py") == 1, [each.name for each in run.get_steps()]
assert "learnt from 10 rows" in step.get_job_log()
metrics = step.get_metrics()
assert metrics["loss"] == [3.0, 2.0, 1.0] and metrics["list"] == [1, 2, 3] and metrics["text"] == "words", metrics
assert metrics["row"] == {"x": [1, 3], "y": [2, 4]} and metrics["table"] == {"a": [1, 2], "b": ["c", "d"]}, metrics
assert metrics["matrix"]["data"]["matrix"] == [[1, 0], [0, 1]]
assert step.get_tags()["mine"] == "1" and step.get_properties()["kept"] == "yes"
assert run.get_metrics()["best"] == 0.5 and run.get_tags()["winner"] == "learn" and run.get_tags()["of"] == "surface"
names = step.get_file_names()
assert {"outputs/model.json", "kept/loose.txt", "user_logs/std_log.txt"} <= set(names), names
assert any("drawn" in name for name in names), names
with tempfile.TemporaryDirectory() as target:
    step.download_file("kept/loose.txt", target + "/loose.txt")
    assert pathlib.Path(target, "loose.txt").read_text() == "loose"
    (maker,) = run.find_step_run("make")
    assert "rounds 7 epochs 3 0.5" in maker.get_job_log(), maker.get_job_log()
    port = maker.get_output_data("folder")
    assert port.path_on_datastore == f"azureml/{maker.id}/folder", port.path_on_datastore
    port.download(target)
    assert pathlib.Path(target, port.path_on_datastore, "deep", "a.txt").read_text() == "a", list(
        pathlib.Path(target).rglob("*")
    )
    run.get_pipeline_output("made_for_you").download(target)
details = step.get_details()
assert {
    "runId",
    "target",
    "status",
    "startTimeUtc",
    "endTimeUtc",
    "properties",
    "inputDatasets",
    "runDefinition",
    "logFiles",
} <= set(details)
assert details["inputDatasets"][0]["dataset"].name == "surface numbers"
asked_for = [each for each in details["inputDatasets"] if each["consumptionDetails"] == {"type": "Reference"}]
assert {each["dataset"].id for each in asked_for} == {table.id, files.id}, asked_for
copied = Model(ws, "surface model")
place = ws._path(f"models/surface%20model/versions/{copied.version}/uses/")
assert copied.run_id == step.id and [each["run"] for each in ws._client.pages(place)] == [step.id]
(used,) = ws._client.pages(ws._path(f"dataset-versions/{files.id}/uses/"))
assert (used["root"], used["name"]) == (run.id, "make"), used  # the first step that reads it
read = [(each["kind"], each["name"], each["input"]) for each in ws._client.pages(step._place + "inputs/")]
assert read == [
    ("dataset", "surface numbers", "numbers"),
    ("dataset", "surface files", None),
    ("dataset", "surface numbers", None),
    ("model", "surface model", None),
], read
assert run.get_properties()["azureml.git.branch"] == "trunk", run.get_properties()
assert len(run.get_properties()["azureml.git.commit"]) == 40 and run.get_properties()["azureml.git.dirty"] == "True"
assert "mlflow.source.git.repoURL" in run.get_properties() and "secret" not in json.dumps(run.get_properties())
assert Model(ws, "surface model").version >= 1
done("results")

# --- reuse ---

second = experiment.submit(pipeline, pipeline_parameters={"rounds": 7})
second.wait_for_completion(show_output=False)
(step,) = second.find_step_run("learn")
assert step.properties["azureml.isreused"] == "true" and step.type == "azureml.ReusedStepRun"
why = step.get_reuse_explanation()
assert why["reused"] is True and "Reused from #" in why["text"], why
(unlike,) = [each for each in second.get_steps() if each.name == "late.py"]
assert unlike.get_reuse_explanation()["reused"] is False
third = experiment.submit(pipeline, pipeline_parameters={"rounds": 7}, regenerate_outputs=True)
third.wait_for_completion(show_output=False)
assert "azureml.isreused" not in third.find_step_run("make")[0].properties
done("reuse")

# --- scripts and interactive runs ---

script = experiment.submit(ScriptRunConfig(".", "late.py", arguments=["--from", "script"], run_config=bare))
assert script.wait_for_completion(show_output=True)["status"] == "Completed"
assert (
    script.get_status() == "Completed"
    and "['--from', 'script']" in script.get_details_with_logs()["logFiles"]["user_logs/std_log.txt"]
)
open_run = experiment.start_logging()
open_run.log("accuracy", 0.9)
open_run.log("accuracy", 0.95)
open_run.upload_file("notes.txt", "late.py")
child = open_run.child_run("below")
child.log("depth", 1)
child.complete()
open_run.complete()
assert open_run.get_status() == "Completed" and open_run.get_metrics()["accuracy"] == [0.9, 0.95]
assert [each.id for each in open_run.get_children()] == [child.id]
assert Run.get(ws, open_run.id).id == open_run.id
assert next(iter(experiment.get_runs())).id == open_run.id
offline = Run.get_context()
assert offline.id.startswith("OfflineRun")
done("scripts")

# --- cancel ---

slow = PythonScriptStep("slow.py", name="slow", compute_target=cluster, runconfig=bare, allow_reuse=False)
after = PythonScriptStep("late.py", name="after", compute_target=cluster, runconfig=bare, allow_reuse=False)
after.run_after(slow)
long = experiment.submit(Pipeline(ws, [after]))
while "waiting" not in long.find_step_run("slow")[0].get_job_log():
    time.sleep(0.3)
long.cancel()
assert long.wait_for_completion(show_output=False, raise_on_error=False) == "Canceled"
assert long.find_step_run("slow")[0].get_status() == "Canceled"
done("cancel")

# --- publish ---

published = run.publish_pipeline(name="Surface", description="From a run", version="1.0", continue_on_step_failure=True)
assert PublishedPipeline.get(ws, published.id).name == "Surface"
assert published.id in [each.id for each in PublishedPipeline.list(ws)]
started = published.submit(ws, "Surface triggered", pipeline_parameters={"rounds": 7})
started.wait_for_completion(show_output=False)
header = InteractiveLoginAuthentication().get_authentication_header()
body = json.dumps({"ExperimentName": "Surface triggered", "ParameterAssignments": {"rounds": 7}}).encode()
request = urllib.request.Request(published.endpoint, body, {**header, "Content-Type": "application/json"})
with urllib.request.urlopen(request) as answer:
    triggered = PipelineRun(Experiment(ws, "Surface triggered"), json.load(answer)["Id"])
assert triggered.wait_for_completion(show_output=False) == "Finished"
published.disable()
try:
    published.submit(ws, "Surface triggered")
    raise AssertionError("a disabled pipeline was started")
except Exception as error:
    assert "disabled" in str(error), error
published.enable()
direct = pipeline.publish(name="Surface direct", description="From the graph", version="2")
assert direct.get_step_names()
done("publish")
print("Everything went well.")
