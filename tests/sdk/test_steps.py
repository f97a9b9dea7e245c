"""Steps as programs make them."""

from __future__ import annotations

import pytest

from duto.configuration.run_configuration import RunConfiguration
from duto.data.consumption import DatasetConsumptionConfig
from duto.data.output_config import OutputFileDatasetConfig
from duto.data.pipeline_data import PipelineData
from duto.data.references import DataPath, DataReference
from duto.environment.conda_dependencies import CondaDependencies
from duto.exceptions import UserErrorException
from duto.experiment.script_run_config import ScriptRunConfig
from duto.pipeline.graph_builder import GraphBuilder
from duto.steps.command import CommandStep
from duto.steps.parameter import PipelineParameter
from duto.steps.python_script import PythonScriptStep


def test_parameters_of_the_run_configuration_reach_the_script() -> None:
    nodes = PipelineParameter("nodes", 1)
    step = PythonScriptStep("train.py", params={"lr": 0.1}, runconfig_pipeline_params={"NodeCount": nodes})
    assert step.params == {"lr": 0.1, "NodeCount": nodes}


def test_an_unknown_property_of_the_run_configuration_is_named() -> None:
    with pytest.raises(UserErrorException, match="not Nodes"):
        PythonScriptStep("train.py", runconfig_pipeline_params={"Nodes": 1})


@pytest.mark.parametrize("mode", ["download", "mount"])
def test_an_argument_that_asks_for_a_path_gets_one_where_inputs_ask_for_nothing(mode: str) -> None:
    given = DatasetConsumptionConfig("read", DataPath("store", "folder/"))
    asked = given.as_download("here") if mode == "download" else given.as_mount("here")
    for arguments, inputs in (([asked], [given]), ([given], [asked])):
        (port,) = PythonScriptStep("a.py", arguments=["--input", *arguments], inputs=inputs).in_ports
        assert (port.name, port.mode, port.path_on_compute) == ("read", mode, "here")


@pytest.mark.parametrize(
    "name,version,reference",
    [
        ("AzureML-Tutorial", "1", {"name": "AzureML-Tutorial", "version": "1"}),
        ("AzureML-Tutorial", None, {"name": "AzureML-Tutorial", "version": None}),
        ("mine", 3, {"name": "mine", "version": "3"}),
        ("mine", None, None),  # a name alone is the name of what asks for nothing: the studio's default
    ],
)
def test_a_name_and_a_version_mean_what_is_registered(name: str, version: object, reference: object) -> None:
    config = RunConfiguration()
    config.environment.name = name
    config.environment.version = version  # type: ignore[assignment]
    assert config.environment_reference() == reference
    config.environment.python.conda_dependencies = CondaDependencies.create(pip_packages=["six"])
    assert "python" in (config.environment_reference() or {}), "packages of its own are no registered environment"


@pytest.mark.parametrize(
    "command,name,arguments",
    [
        ("python train.py && ls", "python", ("python train.py && ls",)),
        (["pip list", "&&", "echo", 3], "pip", ("pip list", "&&", "echo", 3)),
        ([1, [" ls -l ", PipelineParameter("where", "a b")]], "ls", (1, " ls -l ", {"parameter": "where"})),
        ([PipelineParameter("what", "ls")], "command", ({"parameter": "what"},)),
    ],
)
def test_a_command_is_a_text_or_its_parts(
    command: str | list[object], name: str, arguments: tuple[object, ...]
) -> None:
    config = RunConfiguration(command=command)
    for step in (
        CommandStep(command),
        CommandStep(runconfig=config),
        ScriptRunConfig(".", command=command).to_step(),
        ScriptRunConfig(".", run_config=config).to_step(),
    ):
        (built,) = GraphBuilder(None, step).build().steps
        assert (built.kind, built.script, built.name, built.arguments) == ("command", "", name, arguments)


def test_data_in_a_command_are_its_inputs_and_outputs() -> None:
    made, kept = PipelineData("made", "store"), OutputFileDatasetConfig("kept")
    write = CommandStep(
        ["cp -r", DataReference("store", "there"), made, "&&", f"ls {kept.arg_val}"], outputs=[made, kept]
    )
    read = CommandStep(f"cat '{made}/a' {kept.as_input('other').arg_val}", inputs=[made, kept.as_input("other")])
    graph = GraphBuilder(None, read).build()
    assert graph.problems() == []
    first, second = graph.steps
    assert first.arguments == ("cp -r", {"input": "there"}, {"output": "made"}, "&&", "ls DatasetOutputConfig:kept")
    assert second.arguments == ("cat '$AZUREML_DATAREFERENCE_made/a' DatasetConsumptionConfig:other",)
    assert {(each.step, each.output) for each in second.inputs} == {(first.id, "made"), (first.id, "kept")}
    assert write.sources == []


@pytest.mark.parametrize("command", [None, "", [], 3])
def test_a_step_without_a_command_is_refused(command: object) -> None:
    with pytest.raises(UserErrorException, match="A command is a text or a list"):
        CommandStep(command)  # type: ignore[arg-type]


def test_two_commands_are_refused() -> None:
    with pytest.raises(UserErrorException, match="leave one of them out"):
        CommandStep("ls", runconfig=RunConfiguration(command="pwd"))
    with pytest.raises(UserErrorException, match="leave one of them out"):
        ScriptRunConfig(".", "a.py", command="ls")
    assert ScriptRunConfig(".", "a.py", run_config=RunConfiguration(command="ls")).to_step().kind == "python_script"
    with pytest.raises(UserErrorException, match="a script or a command"):
        ScriptRunConfig(".")
