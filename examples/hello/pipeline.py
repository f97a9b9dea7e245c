"""Three independent steps, of which one fails at first; then the same three in a row; then reused where they may be."""

from azureml.core import Experiment, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.compute_target import ComputeTargetException
from azureml.core.conda_dependencies import CondaDependencies
from azureml.core.runconfig import RunConfiguration
from azureml.pipeline.core import Pipeline
from azureml.pipeline.steps import PythonScriptStep

CLUSTER = "cpu-cluster"

ws = Workspace.from_config()
print(ws.name, ws.resource_group, ws.location, ws.subscription_id, sep="\n")

try:
    target = ComputeTarget(ws, CLUSTER)
except ComputeTargetException:
    config = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=2)
    target = ComputeTarget.create(ws, CLUSTER, config)
    target.wait_for_completion(show_output=True, min_node_count=None, timeout_in_minutes=20)
print(target.get_status().serialize())

# Packages for one step alone; the others need none.
own = RunConfiguration()
own.environment.python.user_managed_dependencies = False
own.environment.python.conda_dependencies = CondaDependencies.create(conda_packages=["pandas"])


def steps(rounds):
    """The three steps, new each time: a step belongs to one pipeline."""
    hello = PythonScriptStep(
        "hello.py", name="hello", compute_target=target, source_directory="first", allow_reuse=False
    )
    count = PythonScriptStep(
        "count.py",
        name="count",
        arguments=["--rounds", rounds],
        compute_target=CLUSTER,
        source_directory="second",
        allow_reuse=True,
    )
    report = PythonScriptStep(
        "report.py",
        name="report",
        compute_target=(target.name, "AmlCompute"),
        runconfig=own,
        source_directory="third",
        allow_reuse=True,
    )
    return hello, count, report


def ended(run):
    """Each step with how it ended, by name."""
    found = sorted(run.get_steps(), key=lambda step: step.name)
    return [(step.name, step.get_status(), step.properties.get("azureml.isreused", "false")) for step in found]


experiment = Experiment(ws, "Hello")

# Nothing says which goes first, so they run at once. `count` cannot do with 0 rounds; the others go on all the same.
pipeline = Pipeline(workspace=ws, steps=[*steps(rounds=0)])
pipeline.validate()
run = experiment.submit(pipeline, continue_on_step_failure=True)
run.wait_for_completion(show_output=True, raise_on_error=False)
for child in run.get_children():
    if child.get_status() == "Failed":
        print(f"--- The log of '{child.name}' ---")
        print(child.get_job_log())
print("independent", *ended(run))

# In a row: the last one is named, and brings along those that it waits for.
for name in ("in a row", "again"):
    hello, count, report = steps(rounds=3)
    count.run_after(hello)
    report.run_after(count)
    run = experiment.submit(Pipeline(workspace=ws, steps=report))
    run.wait_for_completion(show_output=True)
    print(name, *ended(run))
