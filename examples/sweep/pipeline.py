"""A sweep over two hyperparameters as a step, and a step behind it that registers the model of the best trial."""

from azureml.core import Dataset, Environment, Experiment, Model, ScriptRunConfig, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.compute_target import ComputeTargetException
from azureml.core.runconfig import RunConfiguration
from azureml.pipeline.core import Pipeline
from azureml.pipeline.steps import HyperDriveStep, HyperDriveStepRun, PythonScriptStep
from azureml.train.hyperdrive import BanditPolicy, HyperDriveConfig, PrimaryMetricGoal, RandomParameterSampling, uniform

CLUSTER = "cpu-cluster"
MODEL = "penguin-weights"

ws = Workspace.from_config()
store = ws.get_default_datastore()
try:
    target = ComputeTarget(ws, CLUSTER)
except ComputeTargetException:
    config = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=2)
    target = ComputeTarget.create(ws, CLUSTER, config)
    target.wait_for_completion(show_output=True)
environment = Environment.get(ws, "AzureML-Tutorial")

store.upload_files(["data/penguins-raw.csv"], target_path="sweep", overwrite=True, show_progress=False)
penguins = Dataset.File.from_files([(store, "sweep/penguins-raw.csv")]).as_named_input("penguins").as_download()

sweep_config = HyperDriveConfig(
    run_config=ScriptRunConfig("scripts", script="train.py", compute_target=target, environment=environment),
    hyperparameter_sampling=RandomParameterSampling(
        {"--learning-rate": uniform(0.01, 1.0), "--penalty": uniform(0.0, 0.05)}
    ),
    policy=BanditPolicy(evaluation_interval=5, slack_factor=0.5, delay_evaluation=10),
    primary_metric_name="loss",
    primary_metric_goal=PrimaryMetricGoal.MINIMIZE,
    max_total_runs=4,
    max_concurrent_runs=2,
)
sweep = HyperDriveStep(
    name="sweep",
    hyperdrive_config=sweep_config,
    estimator_entry_script_arguments=["--penguins", penguins, "--rounds", 40],
    inputs=[penguins],
    allow_reuse=False,
)

run_config = RunConfiguration()
run_config.environment = environment
register = PythonScriptStep(
    "register.py",
    name="register",
    arguments=["--sweep", sweep.name, "--model", MODEL],
    compute_target=target,
    runconfig=run_config,
    source_directory="scripts",
    allow_reuse=False,
)
register.run_after(sweep)

pipeline = Pipeline(workspace=ws, steps=[register])
pipeline.validate()
run = Experiment(ws, "Sweep").submit(pipeline)
run.wait_for_completion(show_output=True)

trials = HyperDriveStepRun(step_run=run.find_step_run("sweep")[0])
for trial in trials.get_children_sorted_by_primary_metric():
    print("trial", trial["status"], f"{trial['best_primary_metric']:.3f}", trial["hyperparameters"])
model = Model(ws, MODEL)
best = trials.get_best_run_by_primary_metric()
print("model", model.name, model.tags["loss"], model.tags["accuracy"], model.run_id == best.id)
