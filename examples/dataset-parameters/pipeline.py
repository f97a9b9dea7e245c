"""Two datasets as parameters of a pipeline: a mounted one and one by rows, with other values in three ways."""

import requests
from azureml.core import Dataset, Environment, Experiment, Workspace
from azureml.core.authentication import InteractiveLoginAuthentication
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.compute_target import ComputeTargetException
from azureml.core.runconfig import RunConfiguration
from azureml.data.dataset_consumption_config import DatasetConsumptionConfig
from azureml.pipeline.core import Pipeline, PipelineParameter, PipelineRun
from azureml.pipeline.steps import PythonScriptStep

CLUSTER = "cpu-cluster"
EXPERIMENT = "Dataset parameters"

ws = Workspace.from_config()
store = ws.get_default_datastore()
try:
    target = ComputeTarget(ws, CLUSTER)
except ComputeTargetException:
    config = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=2)
    target = ComputeTarget.create(ws, CLUSTER, config)
    target.wait_for_completion(show_output=True)
run_config = RunConfiguration()
run_config.environment = Environment.get(ws, "AzureML-Tutorial")

# The names of all airlines, and of three of them; the flights of three days.
store.upload("data", target_path="dataset-parameters", overwrite=True, show_progress=False)
airlines = Dataset.File.from_files([(store, "dataset-parameters/airlines")])
airlines = airlines.register(ws, "airlines", create_new_version=True)
large = Dataset.File.from_files([(store, "dataset-parameters/large-airlines")])
new_year, fourth_of_july, christmas_eve = (
    Dataset.Tabular.from_delimited_files([(store, f"dataset-parameters/flights/{day}.csv")]).register(
        ws, f"flights of {day}", create_new_version=True
    )
    for day in ("2013-01-01", "2013-07-04", "2013-12-24")
)

names = PipelineParameter(name="names", default_value=airlines)
flights = PipelineParameter(name="flights", default_value=new_year)
mounted = DatasetConsumptionConfig("airlines", names).as_mount()
direct = DatasetConsumptionConfig("flights", flights)
delays = PythonScriptStep(
    "delays.py",
    name="delays",
    arguments=["--airlines", mounted, "--flights", direct],
    inputs=[mounted, direct],
    compute_target=target,
    runconfig=run_config,
    source_directory="scripts",
)
pipeline = Pipeline(workspace=ws, steps=[delays])


def ended(how, run):
    """Wait, and print what the step found and which datasets it was given."""
    run.wait_for_completion(show_output=False)
    (step,) = run.find_step_run("delays")
    given = {each["consumptionDetails"]["inputName"]: each["dataset"] for each in step.get_details()["inputDatasets"]}
    found = step.get_metrics()
    print(how, found["airlines"], found["flights"], round(found["delay"], 2), given["flights"].name, sep=" | ")


experiment = Experiment(ws, EXPERIMENT)
ended("as declared", experiment.submit(pipeline))
ended("at submit", experiment.submit(pipeline, pipeline_parameters={"flights": fourth_of_july}))

published = pipeline.publish(name="Delays", description="Delays of a day's flights", version="1")
run = published.submit(ws, EXPERIMENT, pipeline_parameters={"names": large, "flights": christmas_eve})
ended("at submit of the published", run)

answer = requests.post(
    published.endpoint,
    headers=InteractiveLoginAuthentication().get_authentication_header(),
    json={
        "ExperimentName": EXPERIMENT,
        "RunSource": "SDK",
        "DataSetDefinitionValueAssignments": {"flights": {"SavedDataSetReference": {"Id": christmas_eve.id}}},
    },
    timeout=60,
)
answer.raise_for_status()
ended("over HTTP", PipelineRun(experiment, answer.json()["Id"]))
