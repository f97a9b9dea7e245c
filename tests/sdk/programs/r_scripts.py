"""Steps of R: data in and out, packages of exact versions, parameters, variables, reuse, and a script that fails."""

import shutil
import tempfile
from pathlib import Path

from azureml.core import Dataset, Environment, Experiment, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.environment import RCranPackage, RSection
from azureml.core.runconfig import RunConfiguration
from azureml.pipeline.core import Pipeline, PipelineData, PipelineParameter
from azureml.pipeline.steps import PythonScriptStep, RScriptStep

ws = Workspace.from_config()
store = ws.get_default_datastore()
if "cpu-cluster" not in ws.compute_targets:
    ComputeTarget.create(ws, "cpu-cluster", AmlCompute.provisioning_configuration("STANDARD_D2_V2", max_nodes=2))
folder = Path(tempfile.mkdtemp())
(folder / "a.csv").write_text("kind,height\nx,1\ny,4\n")
(folder / "b.csv").write_text("kind,height\nx,3\n")
store.upload(str(folder), "r-tables", overwrite=True)
tables = Dataset.File.from_files((store, "r-tables")).as_named_input("tables").as_mount()


def run_of(version, most=1):
    """The pipeline with this version of the package."""
    environment = Environment("of-r")
    environment.python.user_managed_dependencies = True
    environment.r = RSection()
    package = RCranPackage()
    package.name, package.version = "meansof", version
    environment.r.cran_packages = [package, *(["compiled"] if version == "1.0" and shutil.which("gcc") else [])]
    environment.environment_variables = {"UNIT": "mm"}
    config = RunConfiguration()
    config.environment = environment
    means = PipelineData("means")
    step = RScriptStep(
        script_name="heights.R",
        name="heights",
        arguments=[tables, means, PipelineParameter("most", most)],
        inputs=[tables],
        outputs=[means],
        params={"scale": 2},
        compute_target="cpu-cluster",
        runconfig=config,
        source_directory="r",
    )
    check = PythonScriptStep(
        "check.py", name="check", arguments=[means], inputs=[means], compute_target="cpu-cluster", source_directory="r"
    )
    assert Pipeline(ws, [check]).validate() == []
    run = Experiment(ws, "R").submit(Pipeline(ws, [step, check]))
    run.wait_for_completion(raise_on_error=False)
    return run


for version, expected in (("1.0", "kind,height,x,2,y,4"), ("2.0", "kind,height,x,20,y,40")):
    run = run_of(version)
    step, check = run.find_step_run("heights")[0], run.find_step_run("check")[0]
    assert run.status == "Completed", step.get_stdout_log()
    assert step.get_properties()["StepType"] == "RScriptStep"
    assert check.get_metrics()["means"].replace('"', "") == expected, check.get_metrics()
    log = step.get_stdout_log()
    assert "42 in C" in log or version != "1.0" or not shutil.which("gcc"), log
    assert f"R of {version}, scale 2, unit mm" in log and "input TRUE" in log, log
again = run_of("2.0").find_step_run("heights")[0]
assert again.get_properties().get("azureml.isreused") == "true"

failed = run_of("2.0", most=4).find_step_run("heights")[0]
assert failed.get_status() == "Failed" and "more than three were asked for" in failed.get_stdout_log()
assert "more than three were asked for" in str(failed.get_details()["error"]), failed.get_details()["error"]
missing = run_of("9.9").find_step_run("heights")[0]
assert "has no meansof 9.9" in str(missing.get_details()["error"]), missing.get_details()["error"]
print("all steps of R ran")
