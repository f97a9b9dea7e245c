"""One program over the surface: outputs of both kinds, failures, script and interactive runs, models,
publishing, resuming."""

from pathlib import Path

from azureml.core import Dataset, Environment, Experiment, Model, ScriptRunConfig, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.compute_target import ComputeTargetException
from azureml.core.runconfig import RunConfiguration
from azureml.data import LinkFileOutputDatasetConfig, LinkTabularOutputDatasetConfig, OutputFileDatasetConfig
from azureml.exceptions import ActivityFailedException, UserErrorException
from azureml.pipeline.core import Pipeline, PipelineData, PipelineParameter, PublishedPipeline, StepSequence
from azureml.pipeline.steps import PythonScriptStep


def raised(kind, action):
    """The text of the error that the action raises."""
    try:
        action()
    except kind as error:
        return str(error)
    raise AssertionError(f"no {kind.__name__}")


ws = Workspace.from_config()
varied = Experiment(ws, "Varied")
try:
    ComputeTarget(ws, "cpu-cluster")
except ComputeTargetException:
    ComputeTarget.create(ws, "cpu-cluster", AmlCompute.provisioning_configuration("STANDARD_D2_V2", max_nodes=2))
config = RunConfiguration()
config.target = "cpu-cluster"
config.environment = Environment.get(ws, "AzureML-Tutorial")

out = OutputFileDatasetConfig("out").register_on_complete("made")
data = PipelineData("data", pipeline_output_name="final")
write = PythonScriptStep(
    "write.py", arguments=["--out", out, "--data", data, "--p", PipelineParameter("p", 1)], outputs=[data],
    params={"epochs": 3}, runconfig=config,
)  # fmt: skip
rows, files = out.read_delimited_files().as_input("rows"), out.as_input("files").as_download()
pipeline = Pipeline(ws, [PythonScriptStep("read.py", arguments=[data], inputs=[data, rows, files], runconfig=config)])
run = varied.submit(pipeline, pipeline_parameters={"p": 7}, tags={"t": "1"})
assert run.wait_for_completion() == "Finished" and run.status == "Completed" and run.tags == {"t": "1"}
step = run.find_step_run("write.py")[0]
assert step.get_status() == "Finished" and step.get_metrics() == {"p": 7, "list": [1, 2]}
assert step.tags == {"a": "b"} and step.properties["own"] == "q" and run.get_metrics() == {"seen": 2}
assert run.get_pipeline_output("final").path_on_datastore == f"azureml/{step.id}/data"
assert run.get_pipeline_output("final").download("local") == 1
assert Dataset.get_by_name(ws, "made").to_path() == ["/table.csv"]
(kept,) = step.get_details()["outputDatasets"]
assert (kept["outputType"], kept["outputDetails"], kept["dataset"].name) == ("RunOutput", {"outputName": "out"}, "made")
changed = varied.submit(pipeline, pipeline_parameters={"p": 8})
changed.wait_for_completion(show_output=False)
assert "p` 7 → 8" in changed.find_step_run("write.py")[0].get_reuse_explanation()["text"]
assert "whole number" in raised(UserErrorException, lambda: varied.submit(pipeline, pipeline_parameters={"p": "x"}))

# Outputs that name a dataset: one that is registered, and one that is made in the step; both are read as datasets.
links = [LinkFileOutputDatasetConfig("files").register_on_complete("linked"), LinkTabularOutputDatasetConfig("rows")]
link = PythonScriptStep("link.py", arguments=links, runconfig=config)
reads = PythonScriptStep("linked.py", inputs=[each.as_input(each.name) for each in links], runconfig=config)
for _ in range(2):
    linking = varied.submit(Pipeline(ws, [link, reads]))
    assert linking.wait_for_completion(show_output=False) == "Finished"
assert {each.properties.get("azureml.isreused") for each in linking.get_steps()} == {"true"}
assert Dataset.get_by_name(ws, "linked").to_path() == ["/table.csv"]
kept = {
    each["outputDetails"]["outputName"]: each["dataset"]
    for each in linking.find_step_run("link.py")[0].get_details()["outputDatasets"]
}
assert kept["files"].name == "linked" and len(kept["rows"].to_pandas_dataframe()) == 1

failing = varied.submit(Pipeline(ws, PythonScriptStep("fail.py", runconfig=config)))
assert "on purpose" in raised(ActivityFailedException, failing.wait_for_completion)
assert "ValueError: on purpose" in failing.find_step_run("fail.py")[0].get_job_log()
script = varied.submit(ScriptRunConfig(".", "fail.py", run_config=config))
assert script.wait_for_completion(show_output=True, raise_on_error=False)["status"] == "Failed"

for how, end in (("complete", "Completed"), ("fail", "Failed"), ("cancel", "Canceled"), ("cancel all", "Canceled")):
    ending = PythonScriptStep("ends.py", arguments=[how], source_directory=".", allow_reuse=False, runconfig=config)
    ended = varied.submit(Pipeline(ws, [ending]))
    ended.wait_for_completion(raise_on_error=False, show_output=False)
    (step,) = ended.get_steps()
    assert (step.status, ended.status) == (end, end), how
    assert {each.display_name: each.status for each in step.get_children()} == {"closed": "Completed", "left": end}, how
    if how == "fail":
        error = step.get_details()["error"]["error"]
        assert (error["code"], error["message"]) == ("TooFew", "only 3 rows")

for name, text in (("sound", "print('sound')"), ("shaky", "raise ValueError('not yet')")):
    Path(name).mkdir()
    Path(name, name + ".py").write_text(text)
sound, shaky = (
    PythonScriptStep(name + ".py", name, source_directory=name, allow_reuse=False, runconfig=config)
    for name in ("sound", "shaky")
)
chain = Pipeline(ws, StepSequence([sound, shaky]))
broken = varied.submit(chain)
assert broken.wait_for_completion(raise_on_error=False) == "Failed"
again = broken.resume()
assert again.wait_for_completion(raise_on_error=False) == "Failed"
Path("shaky/shaky.py").write_text("print('sound, too')")
mended = varied.submit(chain, resume_from=again)
assert mended.wait_for_completion() == "Finished"
explanations = {step.name: step.get_reuse_explanation() for step in mended.get_steps()}
assert explanations["sound"]["code"] == "adopted" and explanations["sound"]["compared_with"]["root"] == broken.id
assert "Since then: `shaky.py` changed" in explanations["shaky"]["text"]
assert "Nothing failed" in raised(UserErrorException, mended.resume)
only = raised(UserErrorException, lambda: varied.submit(ScriptRunConfig(".", "fail.py"), resume_from=again))
assert "Only a Pipeline takes resume_from" in only

with varied.start_logging() as own:
    own.log("x", 1)
    own.upload_file("outputs/write.py", "write.py")
    assert own.register_model("own", "outputs/write.py").version >= 1
    own.child_run("below").complete()
assert own.get_status() == "Completed" and [each.display_name for each in own.get_children()] == ["below"]
assert Model.get_model_path("own", _workspace=ws).endswith("write.py")

mine = Environment("mine")
mine.python.conda_dependencies.add_pip_package("no-such-package-at-all==9")
assert "no-such-package-at-all" in raised(UserErrorException, mine.build(ws).wait_for_completion)

published = run.publish_pipeline("published", "", "1")
assert PublishedPipeline.get(ws, published.id).get_step_names() == ["write.py", "read.py"]
assert published.submit(ws, "Varied", {"p": 9}).wait_for_completion(show_output=False) == "Finished"
published.disable()
assert "disabled" in raised(UserErrorException, lambda: published.submit(ws, "Varied"))
