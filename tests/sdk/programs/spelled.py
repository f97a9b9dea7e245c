"""The spellings of inputs, outputs, paths and modules that public programs use, in one pipeline."""

import json
from pathlib import Path
from urllib.request import Request, urlopen

from azureml.core import Dataset, Environment, Experiment, Model, Run, ScriptRunConfig, Workspace
from azureml.core.authentication import InteractiveLoginAuthentication
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.runconfig import RunConfiguration
from azureml.data import OutputFileDatasetConfig
from azureml.data.data_reference import DataReference
from azureml.data.datapath import DataPath, DataPathComputeBinding
from azureml.data.dataset_consumption_config import DatasetConsumptionConfig
from azureml.exceptions import UserErrorException
from azureml.pipeline.core import Pipeline, PipelineData, PipelineParameter
from azureml.pipeline.steps import PythonScriptStep

ws = Workspace.from_config()
store = ws.get_default_datastore()
if "cpu-cluster" not in ws.compute_targets:
    ComputeTarget.create(ws, "cpu-cluster", AmlCompute.provisioning_configuration("STANDARD_D2_V2", max_nodes=2))
config = RunConfiguration()
config.target = ws.compute_targets["cpu-cluster"]
config.environment = Environment.get(ws, "AzureML-Tutorial")
config.environment.environment_variables = {"ONE_FILE": "mounted copied reference path"}

Path("one.txt").write_text("seven")
store.upload_files(["one.txt"], target_path="//spelled/", overwrite=True, show_progress=False)
one = Dataset.File.from_files((store, "/spelled/one.txt"))
folder = Dataset.File.from_files((store, "spelled/*.txt")).as_named_input("folder").as_mount()
reference = DataReference(store, "reference", "/spelled/one.txt")
parameter = PipelineParameter("path", DataPath(store, "/spelled/one.txt"))
path = (parameter, DataPathComputeBinding(mode="download"))

argued = PipelineData("argued", store)
numbers = PipelineData("numbers", store).as_dataset()
kept = OutputFileDatasetConfig("kept", destination=(store, "/spelled_kept//{run-id}/"))


def step(script, arguments, **more):
    return PythonScriptStep(
        f"steps/{script}.py", script, arguments, runconfig=config, source_directory="spelled", allow_reuse=False, **more
    )


step("write", [argued, numbers, kept], outputs=[numbers])
mounted, copied = one.as_named_input("mounted").as_mount(), one.as_named_input("copied").as_download()
read = step(
    "read",
    [argued.as_input(), numbers, kept, mounted, copied, reference, path, folder],
    inputs=[numbers, kept, reference, path],
)
pipeline = Pipeline(ws, [read])
assert pipeline.validate() == []
run = Experiment(ws, "Spelled").submit(pipeline)
run.wait_for_completion(show_output=True)
(writing,) = run.find_step_run("write")
assert run.find_step_run("read")[0].get_status() == "Finished"
assert writing.get_output_data("kept").path_on_datastore == f"spelled_kept/{writing.id}"

config.environment.environment_variables = {}
table = Dataset.Tabular.from_delimited_files((store, "spelled/one.txt"), header=False)
chosen = DatasetConsumptionConfig("table", PipelineParameter("rows", table))
published = Pipeline(ws, [step("keep", [], inputs=[chosen])]).publish("Keeping")
keeping = Experiment(ws, "Spelled").submit(published, tags={"BuildId": 17})
keeping.wait_for_completion(show_output=True)
assert keeping.get_tags()["BuildId"] == "17"
kept_inputs = {
    each["consumptionDetails"].get("inputName"): each["dataset"].id
    for each in keeping.find_step_run("keep")[0].get_details()["inputDatasets"]
}
assert kept_inputs == {"table": table.id, "later": one.id}
for name, version, text in (("a", 1, "one"), ("a", 2, "two"), ("b", 1, "one"), ("c", 2, "one")):
    place = Path(Model(ws, name, version=version).download(f"models/{name}{version}", exist_ok=True))
    assert next(file for file in (place, *place.rglob("m.txt")) if file.is_file()).read_text() == text, (name, version)
Path("outputs/models").mkdir(parents=True)
Path("outputs/models/m.txt").write_text("of this machine")
late = keeping.find_step_run("keep")[0].register_model("d", "outputs/models/m.txt")
assert Path(late.download("late")).read_text() == "two", "a run that is over keeps its own files"

for config in (Pipeline(ws, PythonScriptStep("spelled.py")), ScriptRunConfig(".", "spelled.py")):
    try:
        Experiment(ws, "Spelled").submit(config)
    except UserErrorException as error:
        assert "names no compute target" in str(error) and "There are: cpu-cluster" in str(error), error
    else:
        raise AssertionError("nothing runs without a compute target")
assert "names no compute target" in " ".join(Pipeline(ws, PythonScriptStep("spelled.py")).validate())
try:
    Experiment(ws, "Spelled").submit(published, pipeline_parameters={"speed": 1})
except UserErrorException as error:
    assert "has no parameter 'speed'" in str(error)
else:
    raise AssertionError("a program is told of parameters that there are not")
headers = {**InteractiveLoginAuthentication().get_authentication_header(), "Content-Type": "application/json"}
body = {"ExperimentName": "Spelled", "ParameterAssignments": {"1": "a"}}
with urlopen(Request(published.endpoint, json.dumps(body).encode(), headers)) as answer:
    started = Run.get(ws, json.load(answer)["Id"])
assert "left aside: '1'" in started.get_details()["warnings"][0]["message"]
started.cancel()
