"""Programs and data transfers as steps: targets as other services call them, data from datastore to datastore."""

from pathlib import Path

from azureml.core import Datastore, Experiment, Workspace
from azureml.core.compute import AmlCompute, BatchCompute, ComputeTarget, DataFactoryCompute
from azureml.core.compute_target import ComputeTargetException
from azureml.data.data_reference import DataReference
from azureml.pipeline.core import Pipeline, PipelineData
from azureml.pipeline.steps import AdlaStep, AzureBatchStep, DataTransferStep

ws = Workspace.from_config()
blob, files = Datastore.get(ws, "workspaceblobstore"), Datastore.get(ws, "workspacefilestore")
if "cpu-cluster" not in ws.compute_targets:
    ComputeTarget.create(ws, "cpu-cluster", AmlCompute.provisioning_configuration("STANDARD_D2_V2", max_nodes=2))


def factory(name: str) -> DataFactoryCompute:
    try:
        return DataFactoryCompute(ws, name)
    except ComputeTargetException as error:
        if "ComputeTargetNotFound" not in error.message:
            raise
        made = ComputeTarget.create(ws, name, DataFactoryCompute.provisioning_configuration())
        made.wait_for_completion(show_output=True)
        return made


mover = factory("adf")
assert type(mover) is DataFactoryCompute and type(factory("adf")) is DataFactoryCompute, mover
batch = ComputeTarget.attach(
    ws, "batch", BatchCompute.attach_configuration(resource_group="any", account_name="cpu-cluster")
)
batch.wait_for_completion()
assert type(ws.compute_targets["batch"]) is BatchCompute and batch.vm_size == "STANDARD_D2_V2", batch.serialize()

Path("moved").mkdir(exist_ok=True)
for name, text in {"one.txt": "a\nb\n", "sub/two.txt": "c\n"}.items():
    path = Path("moved", name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
blob.upload("moved", target_path="moved/", overwrite=True, show_progress=False)

folder = DataTransferStep(
    "folder over",
    source_data_reference=DataReference(blob, "there", "moved"),
    destination_data_reference=DataReference(files, "here", "arrived/all"),
    compute_target=mover,
    source_reference_type="directory",
    destination_reference_type="directory",
)
single = DataTransferStep(
    name="one over",
    source_data_reference=DataReference(blob, "one", "moved/sub/two.txt"),
    destination_data_reference=DataReference(files, "renamed", "arrived/three.txt"),
    compute_target="adf",
    source_reference_type="file",
    destination_reference_type="file",
)
between = PipelineData("between", datastore=files)
counted = AzureBatchStep(
    "count",
    pool_id="pool",
    executable="count.sh",
    arguments=[folder.get_output(), between, 0],
    inputs=[folder.get_output()],
    outputs=[between],
    source_directory="other_steps",
    compute_target=batch,
    allow_reuse=False,
)
tolerant = AzureBatchStep(
    "tolerant",
    is_positive_exit_code_failure=False,
    executable="count.sh",
    arguments=[folder.get_output(), PipelineData("again"), 3],
    inputs=[folder.get_output()],
    source_directory="other_steps",
    compute_target=batch,
    allow_reuse=False,
)
strict = AzureBatchStep(
    "strict",
    executable="count.sh",
    arguments=[folder.get_output(), PipelineData("never"), 3],
    inputs=[folder.get_output()],
    source_directory="other_steps",
    compute_target=batch,
)
back = DataTransferStep("back", between, DataReference(blob, "result", "arrived/result"), compute_target=mover)
pipeline = Pipeline(ws, [counted, tolerant, single, back, strict])
assert pipeline.validate() == [], pipeline.validate()
run = Experiment(ws, "Others").submit(pipeline, continue_on_step_failure=True)
run.wait_for_completion(raise_on_error=False)
ends = {step.name: step.get_status() for step in run.get_steps()}
logs = {step.name: step.get_job_log() for step in run.get_steps()}
failed = {name for name, end in ends.items() if end != "Finished"}
assert failed == {"strict"}, (ends, logs)
types = {step.name: step.get_properties()["StepType"] for step in run.get_steps()}
assert types["back"] == "DataTransferStep" and types["count"] == "AzureBatchStep", types
moved = run.find_step_run("folder over")[0]
assert moved.get_properties()["ComputeTargetType"] == "DataFactory"
assert "To copy: 2 files" in logs["folder over"] and "(100 %)" in logs["folder over"], logs
assert moved.get_metrics()["bytes"] == 6, moved.get_metrics()
files.download("back", prefix="arrived", show_progress=False)
found = {str(path.relative_to("back")): path.read_text() for path in Path("back").rglob("*") if path.is_file()}
assert found == {"arrived/all/one.txt": "a\nb\n", "arrived/all/sub/two.txt": "c\n", "arrived/three.txt": "c\n"}, found
blob.download("back2", prefix="arrived/result", show_progress=False)
(result,) = [path for path in Path("back2").rglob("*") if path.is_file()]
assert result.name == "between" and result.read_text().strip() == "2", result

again = Experiment(ws, "Others").submit(Pipeline(ws, [folder, single]))
again.wait_for_completion()
assert all(step.get_properties().get("azureml.isreused") == "true" for step in again.get_steps())

(problem,) = Pipeline(ws, [AdlaStep("script.usql", name="old", compute_target="adf")]).validate()
assert "PythonScriptStep" in problem, problem
print("all other steps ran")
