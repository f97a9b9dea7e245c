"""Three scripts that were there before the pipeline, in a row; `.env` says where and with what. Then published
behind an endpoint."""

from azureml.core import Dataset, Environment, Experiment, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.runconfig import RunConfiguration
from azureml.pipeline.core import Pipeline, PipelineData, PipelineEndpoint, PipelineParameter
from azureml.pipeline.core._restclients.aeva.models import ErrorResponseException
from azureml.pipeline.steps import PythonScriptStep
from settings import settings

env = settings(".env")

ws = Workspace.from_config()
store = ws.get_default_datastore()
if env["COMPUTE_NAME"] in ws.compute_targets:
    target = ws.compute_targets[env["COMPUTE_NAME"]]
else:
    config = AmlCompute.provisioning_configuration(vm_size=env["VM_SIZE"], min_nodes=0, max_nodes=2)
    target = ComputeTarget.create(ws, env["COMPUTE_NAME"], config)
    target.wait_for_completion(show_output=True, min_node_count=None, timeout_in_minutes=10)
run_config = RunConfiguration()
run_config.target = target
run_config.environment = Environment.get(ws, env["ENVIRONMENT_NAME"])

store.upload_files(["data/airports.csv"], target_path="/wrapped-scripts", overwrite=True, show_progress=False)
airports = Dataset.File.from_files((store, "/wrapped-scripts/airports.csv"))
test_share = PipelineParameter(name="test_share", default_value=float(env["TEST_SHARE"]))

# What is handed on is plain files, each as a dataset of its own.
parts = PipelineData("parts", datastore=store).as_dataset()
zones = PipelineData("zones", datastore=store).as_dataset()
common = {"runconfig": run_config, "source_directory": env["SOURCE_DIRECTORY"], "allow_reuse": True}

split = PythonScriptStep(
    "split.py",
    name="split",
    arguments=["--airports", airports.as_named_input("airports").as_download(), "--share", test_share, "--out", parts],
    outputs=[parts],
    **common,
)
fit = PythonScriptStep(
    "fit.py",
    name="fit",
    arguments=["--parts", parts.as_named_input("fit_parts").as_mount(), "--out", zones],
    inputs=[parts.as_named_input("fit_parts").as_mount()],
    outputs=[zones],
    **common,
)
assess = PythonScriptStep(
    "assess.py",
    name="assess",
    arguments=["--parts", parts, "--zones", zones],
    inputs=[parts, zones],
    **common,
)

pipeline = Pipeline(workspace=ws, steps=[assess])
problems = pipeline.validate()
assert not problems, problems
experiment = Experiment(ws, env["EXPERIMENT_NAME"])
run = experiment.submit(pipeline, pipeline_parameters={"test_share": 0.4})
run.wait_for_completion(show_output=True)
print("assess", run.find_step_run("assess")[0].get_metrics())

published = pipeline.publish(env["PIPELINE_NAME"], description="From longitude to time zone")
# One address for all that follows: made the first time, extended each time after.
try:
    endpoint = PipelineEndpoint.get(workspace=ws, name=env["ENDPOINT_NAME"])
    endpoint.add_default(published)
except ErrorResponseException:
    endpoint = PipelineEndpoint.publish(
        workspace=ws, name=env["ENDPOINT_NAME"], pipeline=published, description="Time zones, the newest version"
    )
again = experiment.submit(endpoint, pipeline_parameters={"test_share": 0.25})
again.wait_for_completion(show_output=True)
print("endpoint", endpoint.name, endpoint.get_default_version(), again.find_step_run("assess")[0].get_metrics())
