"""A module: published twice, found again, used three times in a pipeline, reused, resumed code and all."""

import warnings

from azureml.core import Environment, Experiment, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.runconfig import RunConfiguration
from azureml.exceptions import UserErrorException
from azureml.pipeline.core import Module, Pipeline, PipelineData
from azureml.pipeline.core.graph import InputPortDef, OutputPortDef, ParamDef
from azureml.pipeline.steps import ModuleStep

ws = Workspace.from_config()
if "cpu-cluster" not in ws.compute_targets:
    ComputeTarget.create(ws, "cpu-cluster", AmlCompute.provisioning_configuration("STANDARD_D2_V2", max_nodes=2))
config = RunConfiguration()
config.environment = Environment.get(ws, "AzureML-Tutorial")

module = Module.create(ws, "add", "Adds numbers")
assert module.get_default() is None and module.resolve("1") is None
before, total = InputPortDef("before", label="What to begin with"), OutputPortDef("total")
first = module.publish_python_script(
    "add.py", "Of nothing", inputs=[], outputs=[total], params={"MORE": 3}, source_directory="add",
    arguments=["--sum", total], runconfig=config,
)  # fmt: skip
script = ParamDef("Script", default_value="add.py", is_metadata_param=True)
second = module.publish(
    "Of an input", "esCloud", inputs=[before], outputs=[total], param_defs=[script, ParamDef("MORE", 10)],
    version="with input", is_default=True, content_path="add", arguments=["--before", before, "--sum", total],
)  # fmt: skip
for given, words in (
    ({"execution_type": "adlcloud", "param_defs": [script]}, "execution_type='adlcloud'"),
    ({"param_defs": [ParamDef("MORE", 1)]}, "Nothing says what runs: add ParamDef('Script'"),
    ({"param_defs": [script, ParamDef("MORE")]}, "'MORE' has no default_value"),
    ({"param_defs": [script], "content_path": "gone"}, "gone' does not exist"),
    ({"execution_type": "AzureBatchCloud", "param_defs": [script]}, "ParamDef('Executable'"),
):
    try:
        module.publish("Not this one", **given)
    except UserErrorException as error:
        assert words in error.message, error
    else:
        raise AssertionError(given)
alone = module.publish("A script alone", version="alone", content_path="add/add.py", outputs=[total], category="sums")
assert (alone.category, alone.version) == ("sums", "alone") and module.get_default_version() == "with input"
assert (first.version, module.get_default_version()) == ("1", "with input"), first
found = Module.get(ws, name="add")
assert found.id == module.id and [each.version for each in found.module_version_list()] == ["alone", "with input", "1"]
assert second.interface["inputs"][0]["name"] == "before" and second.module().name == "add"

one, two, three = PipelineData("one"), PipelineData("two"), PipelineData("three")
begin = ModuleStep(found, version="1", outputs_map={"total": one}, compute_target="cpu-cluster", name="begin")
middle = ModuleStep(
    module=found, inputs_map={"before": one}, outputs_map={"total": two}, compute_target="cpu-cluster", name="middle"
)
end = ModuleStep(
    module_version=second, inputs_map={"before": two}, outputs_map={"total": three}, params={"MORE": 100},
    arguments=["--before", two, "--sum", three], compute_target="cpu-cluster", runconfig=config, name="end",
)  # fmt: skip
for wrong, words in (
    ({"outputs_map": {"total": three}}, "gives nothing for the input before"),
    ({"inputs_map": {"before": one, "x": one}, "outputs_map": {"total": three}}, "names x, no input of the module"),
    ({"version": "9"}, "no version '9'"),
):
    try:
        ModuleStep(found, **wrong)
    except UserErrorException as error:
        assert words in error.message, error
    else:
        raise AssertionError(wrong)
pipeline = Pipeline(ws, [end])
assert pipeline.validate() == []
run = Experiment(ws, "Modules").submit(pipeline)
run.wait_for_completion(show_output=True)
logs = {step.name: step.get_job_log() for step in run.get_steps()}
assert {name: log.strip() for name, log in logs.items()} == {"begin": "sum 3", "middle": "sum 13", "end": "sum 113"}, (
    logs
)
properties = run.find_step_run("middle")[0].get_properties()
assert properties["StepType"] == "ModuleStep" and properties["ContentSnapshotId"], properties

published = pipeline.publish("three sums")
again = published.submit(ws, "Modules")
again.wait_for_completion()
assert all(step.get_properties().get("azureml.isreused") == "true" for step in again.get_steps())

first.deprecate()
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    ModuleStep(found, version="1", outputs_map={"total": PipelineData("four")})
assert "deprecated" in str(caught[0].message), caught
second.disable()
try:
    ModuleStep(found, inputs_map={"before": one}, outputs_map={"total": three})
except UserErrorException as error:
    assert "disabled" in error.message, error
else:
    raise AssertionError("a disabled version was used")
second.enable()
print("all modules ran")
