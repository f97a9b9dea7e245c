"""Three independent steps, then the same three in a row; a second submit reuses what may be reused."""

from azureml.core import Experiment, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.compute_target import ComputeTargetException
from azureml.core.conda_dependencies import CondaDependencies
from azureml.core.runconfig import RunConfiguration
from azureml.pipeline.core import Pipeline
from azureml.pipeline.steps import PythonScriptStep

ws = Workspace.from_config()
print(ws.name, ws.resource_group, ws.location, ws.subscription_id, sep="\n")

try:
    target = ComputeTarget(ws, "cpu-cluster")
except ComputeTargetException:
    config = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=2)
    target = ComputeTarget.create(ws, "cpu-cluster", config)
    target.wait_for_completion(show_output=True, min_node_count=None, timeout_in_minutes=20)
print(target.get_status().serialize())

own = RunConfiguration()
own.environment.python.user_managed_dependencies = False
own.environment.python.conda_dependencies = CondaDependencies.create(conda_packages=["pandas"])


def steps(allow_reuse):
    """The three steps, new each time."""
    return (
        PythonScriptStep(
            "hello.py", name="first", compute_target=target, source_directory="first", allow_reuse=allow_reuse
        ),
        PythonScriptStep(
            "count.py",
            name="second",
            arguments=["--rounds", 3],
            compute_target="cpu-cluster",
            source_directory="second",
            allow_reuse=True,
        ),
        PythonScriptStep(
            "report.py",
            name="third",
            compute_target=(target.name, "AmlCompute"),
            runconfig=own,
            source_directory="third",
            allow_reuse=True,
        ),
    )


experiment = Experiment(ws, "Hello")
pipeline = Pipeline(workspace=ws, steps=[steps(allow_reuse=False)])
pipeline.validate()
run = experiment.submit(pipeline)
run.wait_for_completion(show_output=True, raise_on_error=False)
for child in run.get_children():
    print(child.name, child.get_status())
    if child.get_status() == "Failed":
        print(child.get_job_log())

first, second, third = steps(allow_reuse=False)
second.run_after(first)
third.run_after(second)
again = experiment.submit(Pipeline(workspace=ws, steps=[third]))
again.wait_for_completion(show_output=True)
for step in again.get_steps():
    print(step.name, step.properties.get("azureml.isreused", "false"))
