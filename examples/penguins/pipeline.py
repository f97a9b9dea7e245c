"""Penguins: prepare, train two models side by side, compare. Runs on Azure ML and on Duto."""

from azureml.core import Dataset, Environment, Experiment, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.compute_target import ComputeTargetException
from azureml.core.conda_dependencies import CondaDependencies
from azureml.core.runconfig import RunConfiguration
from azureml.pipeline.core import Pipeline, PipelineData, PipelineParameter
from azureml.pipeline.steps import PythonScriptStep

CLUSTER = "cpu-cluster"
USE_CURATED_ENV = True


def raw_data(ws):
    """The raw records as a registered dataset, uploaded to the default datastore."""
    datastore = ws.get_default_datastore()
    datastore.upload_files(["penguins-raw.csv"], target_path="penguins/raw", overwrite=True)
    files = Dataset.File.from_files([(datastore, "penguins/raw/penguins-raw.csv")])
    return files.register(ws, "palmer-raw", description="Penguins as they were recorded", create_new_version=True)


def cluster(ws):
    """The cluster of this name, made when it is missing."""
    try:
        target = ComputeTarget(workspace=ws, name=CLUSTER)
        print(f"Using the cluster '{CLUSTER}'.")
    except ComputeTargetException:
        print(f"Creating the cluster '{CLUSTER}'.")
        config = AmlCompute.provisioning_configuration(
            vm_size="STANDARD_D1_V2", min_nodes=0, max_nodes=2, idle_seconds_before_scaledown=600
        )
        target = ComputeTarget.create(ws, CLUSTER, config)
        target.wait_for_completion(show_output=True)
    return target


def run_configuration(ws, target):
    """Where and in which environment the scripts run."""
    config = RunConfiguration()
    config.target = target
    if USE_CURATED_ENV:
        config.environment = Environment.get(ws, "AzureML-Tutorial")
    else:
        config.environment.python.user_managed_dependencies = False
        config.environment.python.conda_dependencies = CondaDependencies.create(
            conda_packages=["pandas", "scikit-learn", "matplotlib"],
            pip_packages=["azureml-sdk", "azureml-dataprep[fuse,pandas]"],
            pin_sdk_version=False,
        )
    return config


def train_step(name, prepared, config, rounds):
    """A step that trains one model, and the folder that it writes."""
    model = PipelineData(name, is_directory=True)
    step = PythonScriptStep(
        "train.py",
        name=f"train {name}",
        arguments=["--prepared", prepared, "--model", name, "--rounds", rounds, "--out", model],
        inputs=[prepared],
        outputs=[model],
        compute_target=config.target,
        runconfig=config,
        source_directory=".",
    )
    return step, model


def build(ws):
    """The pipeline: only the last step is named, all that is upstream of it joins."""
    config = run_configuration(ws, cluster(ws))
    rounds = PipelineParameter("rounds", default_value=20)
    prepared = PipelineData("prepared", datastore=ws.get_default_datastore())
    raw = raw_data(ws).as_named_input("raw").as_download()
    PythonScriptStep(
        "prepare.py",
        name="prepare",
        arguments=["--raw", raw, "--prepared", prepared],
        inputs=[raw],
        outputs=[prepared],
        compute_target=config.target,
        runconfig=config,
        source_directory=".",
    )
    _, forest = train_step("forest", prepared, config, rounds)
    _, logistic = train_step("logistic", prepared, config, rounds)
    compare = PythonScriptStep(
        "compare.py",
        name="compare",
        arguments=["--models", forest, logistic],
        inputs=[forest, logistic],
        compute_target=config.target,
        runconfig=config,
        source_directory=".",
    )
    return Pipeline(workspace=ws, steps=[compare], description="Palmer penguins")


if __name__ == "__main__":
    workspace = Workspace.from_config()
    pipeline1 = build(workspace)
    pipeline1.validate()
    pipeline_run1 = Experiment(workspace, "Palmer penguins").submit(pipeline1)
    pipeline_run1.wait_for_completion(show_output=True)
