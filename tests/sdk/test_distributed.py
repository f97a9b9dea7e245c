"""Several processes of a script: what programs say, what the graph holds, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from azureml.core.runconfig import MpiConfiguration as AzuresMpiConfiguration
from azureml.pipeline.steps import MpiStep as AzuresMpiStep

from duto.configuration.distributed import MpiConfiguration, PyTorchConfiguration, TensorflowConfiguration
from duto.configuration.run_configuration import RunConfiguration
from duto.exceptions import UserErrorException
from duto.experiment.script_run_config import ScriptRunConfig
from duto.pipeline.graph_builder import GraphBuilder
from duto.run.details import _definition
from duto.spec import distribution, fingerprint
from duto.spec.errors import SpecError
from duto.spec.graph import Distribution, Graph, Step
from duto.steps.mpi import MpiStep
from duto.steps.parameter import PipelineParameter
from duto.steps.python_script import PythonScriptStep


def built(step: Any) -> Step:
    builder = GraphBuilder(None, step)
    graph = builder.build()
    assert builder.problems + [each for each in graph.problems() if each.code != "missing_snapshot"] == []
    return graph.steps[0]


@pytest.mark.parametrize(
    ("job", "spread"),
    [
        (MpiConfiguration(process_count_per_node=4), Distribution("mpi", 4)),
        (MpiConfiguration(), Distribution("mpi", 1)),
        (PyTorchConfiguration(process_count=2), Distribution("pytorch", 2)),
        (PyTorchConfiguration("Gloo"), Distribution("pytorch", 1)),
        (TensorflowConfiguration(2), Distribution("tensorflow", 2, 1)),
        (TensorflowConfiguration(worker_count=3, parameter_server_count=0), Distribution("tensorflow", 3, 0)),
        (None, None),
    ],
)
def test_a_distributed_job_is_in_the_graph(job: Any, spread: Distribution | None) -> None:
    source = ScriptRunConfig("src", "a.py", distributed_job_config=job)
    assert built(source.to_step()).distribution == spread
    command = ScriptRunConfig("src", command="python a.py --rank $RANK", distributed_job_config=job)
    assert built(command.to_step()).distribution == spread


def test_a_configuration_that_was_saved_says_the_same(tmp_path: Path) -> None:
    config = RunConfiguration("a.py", framework="TensorFlow", communicator="ParameterServer")
    config.tensorflow.worker_count = 3
    config.pytorch.process_count = 5
    config.save(str(tmp_path), "spread")
    found = RunConfiguration.load(str(tmp_path), "spread")
    assert found._distribution() == Distribution("tensorflow", 3, 1) and found.pytorch.process_count == 5
    found.communicator, found.mpi.process_count_per_node = "IntelMpi", 2
    assert found._distribution() == Distribution("mpi", 2)
    found.communicator = "None"
    assert found._distribution() is None, "processes that nobody is to start"


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (PyTorchConfiguration("Mpi", 2), "communication_backend is Nccl or Gloo, not 'Mpi'"),
        ("mpi", "is an MpiConfiguration, a PyTorchConfiguration or a TensorflowConfiguration, not 'mpi'"),
    ],
)
def test_what_is_no_such_job_is_refused(job: Any, said: str) -> None:
    with pytest.raises(UserErrorException, match=said):
        ScriptRunConfig("src", "a.py", distributed_job_config=job)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"processes": 0}, "its number of processes, 0, is below 1."),
        ({"processes": 65}, "it asks for 65 processes; a step has 64 at most."),
        ({"processes": 2, "parameter_servers": 1}, "only TensorFlow has servers of parameters"),
        ({"type": "horovod"}, "its processes are started by 'horovod'; use one of mpi, pytorch, tensorflow."),
        ({"type": "tensorflow", "parameter_servers": -1}, "its number of parameter servers, -1, is below 0."),
        (
            {"processes": {"parameter": "many"}},
            "the number of processes names the parameter 'many', which the pipeline",
        ),
    ],
)
def test_a_distribution_that_means_nothing_is_a_problem_of_the_graph(given: dict[str, Any], message: str) -> None:
    step = {"id": "a", "script": "a.py", "distribution": {"type": "mpi", **given}}
    with pytest.raises(SpecError) as refused:
        Graph.from_document({"schema": 1, "steps": [step]})
    assert message in str(refused.value)


def test_a_document_is_read_back_and_holds_nothing_where_there_is_none() -> None:
    spread = {"type": "tensorflow", "processes": {"parameter": "many"}, "parameter_servers": 1}
    parameters = [{"name": "many", "type": "int", "default": 2}]
    document = {"schema": 1, "parameters": parameters, "steps": [{"id": "a", "script": "a.py", "distribution": spread}]}
    graph = Graph.from_document(document)
    assert (
        graph.to_document()["steps"][0]["distribution"] == spread and Graph.from_document(graph.to_document()) == graph
    )
    alone = Graph.from_document({"schema": 1, "steps": [{"id": "a", "script": "a.py"}]})
    assert "distribution" not in alone.to_document()["steps"][0], "graphs of before are the same as ever"


def test_the_number_of_processes_is_part_of_a_steps_identity() -> None:
    def of(spread: Distribution | None, many: int = 2) -> dict[str, Any]:
        step = Step("a", "a", "a.py", distribution=spread)
        return fingerprint.fingerprint(
            step, snapshot=None, inputs={}, parameters={"many": many}, environment=None, compute=None
        )

    found = [each.text for each in fingerprint.compare(of(Distribution("mpi", 2)), of(Distribution("mpi", 4)))]
    assert found == ["distribution `processes` 2 → 4"]
    by_parameter = Distribution("mpi", {"parameter": "many"})
    assert fingerprint.digest(of(by_parameter, 2)) != fingerprint.digest(of(by_parameter, 3))
    assert "distribution" not in of(None)["parts"]


def test_a_parameter_says_how_many_processes_there_are() -> None:
    config = RunConfiguration(communicator="OpenMpi")
    many = PipelineParameter("many", 2)
    step = PythonScriptStep("a.py", runconfig=config, runconfig_pipeline_params={"MpiProcessCountPerNode": many})
    spread = built(step).distribution
    assert spread == Distribution("mpi", {"parameter": "many"})
    assert distribution.resolved(spread, {"many": "3"}) == Distribution("mpi", 3)
    assert list(distribution.faults(distribution.resolved(spread, {"many": 0}))) == [
        "its number of processes, 0, is below 1."
    ]
    nodes = PythonScriptStep("a.py", runconfig_pipeline_params={"NodeCount": PipelineParameter("nodes", 3)})
    builder = GraphBuilder(None, nodes)
    builder.build()
    assert "asks for 3 nodes" in builder.problems[0].message


def test_a_step_of_mpi(tmp_path: Path) -> None:
    assert AzuresMpiStep is MpiStep and AzuresMpiConfiguration is MpiConfiguration
    step = MpiStep("spread", "src", "a.py", ["--x", 1], "cpu", 1, 2, pip_packages=["attrs"], use_gpu=False)
    made = built(step)
    assert (made.name, made.script, made.compute, made.distribution) == (
        "spread",
        "a.py",
        "cpu",
        Distribution("mpi", 2),
    )
    assert made.environment is not None and "attrs" in made.environment["python"]["packages"]
    config = RunConfiguration()
    config.environment_variables = {"A": "b"}
    own = MpiStep(script_name="a.py", runconfig=config, process_count_per_node=3)
    assert built(own).distribution == Distribution("mpi", 3) and built(own).environment_variables == {"A": "b"}
    assert config._distribution() is None, "another step may have it, too"
    with pytest.raises(UserErrorException, match="names the script"):
        MpiStep("spread")
    with pytest.raises(UserErrorException, match="leave out pip_packages"):
        MpiStep("spread", script_name="a.py", runconfig=config, pip_packages=["attrs"])
    two = built(MpiStep("spread", "src", "a.py", node_count=2, process_count_per_node=3))
    assert (two.node_count, two.distribution) == (2, Distribution("mpi", 3))
    torch = ScriptRunConfig("src", "a.py", distributed_job_config=PyTorchConfiguration("Gloo", node_count=3)).run_config
    assert built(PythonScriptStep("a.py", runconfig=torch)).distribution == Distribution("pytorch", 3), "one on each"
    for step, words in (
        (
            MpiStep("spread", "src", "a.py", node_count=13, process_count_per_node=5),
            "asks for 65 processes on 13 nodes",
        ),
        (MpiStep("spread", "src", "a.py", node_count=PipelineParameter("n", 0)), "asks for 0 nodes"),
    ):
        builder = GraphBuilder(None, step)
        builder.build()
        assert words in builder.problems[0].message
    asked = MpiStep("spread", "src", "a.py", node_count=PipelineParameter("n", 1), process_count_per_node=PipelineParameter("m", 2))  # fmt: skip
    found = built(asked)
    assert (found.node_count, found.distribution) == ({"parameter": "n"}, Distribution("mpi", {"parameter": "m"}))
    tuned = PythonScriptStep(
        "a.py", source_directory="src", runconfig_pipeline_params={"NodeCount": PipelineParameter("n", 1)}
    )
    assert built(tuned).node_count == {"parameter": "n"}


@pytest.mark.parametrize(
    ("spread", "expected"),
    [
        ({"type": "mpi", "processes": 2}, ("Python", "OpenMpi", "mpi", {"processCountPerNode": 2})),
        ({"type": "pytorch", "processes": 3}, ("PyTorch", "Nccl", "pytorch", {"processCount": 3})),
        ({"type": "tensorflow", "processes": 2, "parameter_servers": 1},
         ("TensorFlow", "ParameterServer", "tensorflow", {"workerCount": 2, "parameterServerCount": 1})),
    ],
)  # fmt: skip
def test_a_run_tells_it_in_azures_words(spread: dict[str, Any], expected: tuple[str, str, str, Any]) -> None:
    found = _definition({"script": "a.py", "distribution": spread})
    assert (found["framework"], found["communicator"], found[expected[2]]) == (expected[0], expected[1], expected[3])
