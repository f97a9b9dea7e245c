"""Estimators as runs of their own and as steps, in the spellings of public programs."""

from pathlib import Path

from azureml.core import Dataset, Environment, Experiment, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.exceptions import UserErrorException
from azureml.pipeline.core import Pipeline, PipelineData, PipelineParameter
from azureml.pipeline.steps import EstimatorStep, PythonScriptStep
from azureml.train.dnn import PyTorch
from azureml.train.estimator import Estimator
from azureml.train.sklearn import SKLearn

ws = Workspace.from_config()
ds = ws.get_default_datastore()
if "cpu-cluster" not in ws.compute_targets:
    ComputeTarget.create(ws, "cpu-cluster", AmlCompute.provisioning_configuration("STANDARD_D2_V2", max_nodes=2))
compute_target = ws.compute_targets["cpu-cluster"]
env = Environment.get(ws, "AzureML-Tutorial")
experiment = Experiment(workspace=ws, name="Estimators")

Path("one.txt").write_text("7 8")
ds.upload_files(["one.txt"], target_path="estimators", overwrite=True, show_progress=False)
numbers = Dataset.File.from_files(path=(ds, "estimators/*.txt"))

# As a run of its own: a dictionary of arguments, with a flag.
script_params = {
    "--data-folder": numbers.as_named_input("numbers").as_mount(),
    "--reference": ds.path("estimators").as_download(),
    "--regularization": 0.5,
    "--verbose": "",
}
est = SKLearn(
    source_directory="estimators",
    script_params=script_params,
    compute_target=compute_target,
    environment_definition=env,
    environment_variables={"WHO": "me"},
    entry_script="train.py",
    use_gpu=False,
)
run = experiment.submit(est)
run.wait_for_completion(show_output=True)
log = run.get_details_with_logs()["logFiles"]
said = "\n".join(log.values())
assert "trained ['7', '8'] 0.5 True me True" in said, said
assert "scikit-learn" in said and run.get_metrics()["regularization"] == 0.5
assert "WHO" not in env.environment_variables, "the environment is the program's"

# Packages by their lists, and the framework's own.
own = SKLearn(
    source_directory="./estimators",
    compute_target=compute_target,
    entry_script="packages.py",
    conda_packages=["joblib"],
    pip_requirements_file="more.txt",
)
assert own.conda_dependencies.conda_packages == ["joblib"]
packed = experiment.submit(config=own)

# As steps, with data between them and a parameter.
prepared = PipelineData("prepared", datastore=ds)
trained = PipelineData("trained", datastore=ds)
rate = PipelineParameter(name="rate", default_value=0.1)
plain = Estimator(
    source_directory="estimators", compute_target=compute_target, environment_definition=env, entry_script="train.py"
)
prep_step = EstimatorStep(
    name="Prepare",
    estimator=plain,
    estimator_entry_script_arguments=["--data-folder", numbers.as_named_input("numbers").as_mount(), "--out", prepared],
    outputs=[prepared],
    compute_target=compute_target,
)
train_step = EstimatorStep(
    name="Estimator_Train",
    estimator=plain,
    estimator_entry_script_arguments=["--data-folder", prepared, "--regularization", rate, "--out", trained],
    runconfig_pipeline_params=None,
    inputs=[prepared],
    outputs=[trained],
    compute_target="cpu-cluster",
    allow_reuse=True,
    version="2",
)
alone = EstimatorStep(estimator=est, allow_reuse=False)
pipeline = Pipeline(workspace=ws, steps=[train_step, alone])
assert pipeline.validate() == []
first = experiment.submit(pipeline)
first.wait_for_completion()
assert "trained ['7', '0.01'] 0.1 False None False" in first.find_step_run("Estimator_Train")[0].get_job_log()
assert "trained ['7', '8'] 0.5 True me True" in first.find_step_run("train.py")[0].get_job_log()
second = experiment.submit(pipeline, pipeline_parameters={"rate": 0.3})
second.wait_for_completion()
reused = {step.name: step.get_properties().get("azureml.isreused") for step in second.get_steps()}
assert reused == {"Prepare": "true", "Estimator_Train": None, "train.py": None}, reused
second.find_step_run("Estimator_Train")[0].get_output_data("trained").download("trained")
(file,) = Path("trained").rglob("one.txt")
assert file.read_text() == "7 0.3"

packed.wait_for_completion()
shown = "\n".join(packed.get_details_with_logs()["logFiles"].values())
assert "predicted 6.0 six" in shown, shown

spread = PyTorch("estimators", compute_target=compute_target, entry_script="train.py", node_count=2)
for refused in (spread, Pipeline(ws, EstimatorStep("Spread", spread, [], compute_target=compute_target))):
    try:
        experiment.submit(refused)
    except UserErrorException as error:
        assert "asks for 2 nodes" in str(error) and "use MpiConfiguration" in str(error), error
    else:
        raise AssertionError("a script for two nodes is not run once")
try:
    experiment.submit(PythonScriptStep("train.py", source_directory="estimators"))
except UserErrorException as error:
    assert "submit a Pipeline of steps" in str(error), error
print("all estimators ran")
