"""A script of Azure Synapse and one of Databricks, as programs make them, on the studio's Spark."""

import os
import sys

from azureml.core import Datastore, Environment, Experiment, LinkedService, RunConfiguration, Workspace
from azureml.core.compute import ComputeTarget, DatabricksCompute, SynapseCompute
from azureml.core.databricks import PyPiLibrary
from azureml.core.dataset import Dataset
from azureml.data import HDFSOutputDatasetConfig
from azureml.pipeline.core import Pipeline, PipelineParameter
from azureml.pipeline.steps import DatabricksStep, SynapseSparkStep

# A Java that lives for some seconds: code that compiles quickly, and one thread that collects garbage.
QUICK = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"

ws = Workspace.from_config()
store = Datastore.get(ws, "workspaceblobstore")
linked = LinkedService.get(ws, "synapselink")
pool = ComputeTarget.attach(
    ws,
    "link-pool",
    SynapseCompute.attach_configuration(linked, type="SynapseSpark", pool_name=os.environ["SPARK_MASTER"]),
)
pool.wait_for_completion()
bricks = ComputeTarget.attach(
    ws,
    "bricks",
    DatabricksCompute.attach_configuration(
        resource_group="any", workspace_name="cpu-cluster", access_token="dapi-nothing"
    ),
)
assert type(ws.compute_targets["link-pool"]) is SynapseCompute and type(bricks) is DatabricksCompute
assert [each.name for each in LinkedService.list(ws)] == ["synapselink"]

env = Environment("spark-here")
env.python.user_managed_dependencies = True
env.python.interpreter_path = os.environ["SPARK_PYTHON"]
config = RunConfiguration()
config.environment = env

store.upload_files([sys.argv[1]], target_path="birds", overwrite=True, show_progress=False)
birds = Dataset.File.from_files((store, "birds/*.csv")).as_named_input("birds")
counted = HDFSOutputDatasetConfig("counted", destination=(store, "counted/{run-id}"))
prepare = SynapseSparkStep(
    name="count",
    file="count.py",
    source_directory="code",
    inputs=[birds.as_hdfs()],
    outputs=[counted],
    arguments=["--birds", birds.as_hdfs(), "--column", PipelineParameter("column", "Species"), "--to", counted],
    compute_target=pool,
    driver_memory="512m",
    driver_cores=1,
    executor_memory="512m",
    executor_cores=1,
    num_executors=1,
    app_name="birds",
    conf={
        "spark.sql.shuffle.partitions": 3,
        "spark.driver.extraJavaOptions": QUICK,
        "spark.executor.extraJavaOptions": QUICK,
    },
    py_files=["helper.py"],
    environment=env,
    allow_reuse=False,
)
endless = DatabricksStep(
    "endless",
    python_script_name="endless.py",
    source_directory="code",
    python_script_params=["300"],
    inputs=[birds.as_mount()],
    spark_conf={"spark.driver.extraJavaOptions": QUICK},
    spark_env_variables={"MOOD": "patient"},
    num_workers=1,
    run_name="endless",
    runconfig=config,
    compute_target=bricks,
    allow_reuse=False,
)
endless.run_after(prepare)
notebook = DatabricksStep(name="note", notebook_path="/Users/me/note", num_workers=1, compute_target=bricks)
(problem,) = Pipeline(ws, [notebook]).validate()
assert "python_script_name" in str(problem), problem
assert PyPiLibrary(package="pandas==2.*").package == "pandas==2.*"

pipeline = Pipeline(ws, [prepare, endless])
assert pipeline.validate() == [], pipeline.validate()
run = Experiment(ws, "Spark").submit(pipeline, continue_on_step_failure=True)
print(run.id)
