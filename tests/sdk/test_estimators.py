"""Estimators: what the words of older programs come to, as a run configuration, a run and a step."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

import duto
from duto.configuration.distributed import MpiConfiguration, PyTorchConfiguration, TensorflowConfiguration
from duto.data.datastore import AzureBlobDatastore
from duto.data.pipeline_data import PipelineData
from duto.data.references import DataPath, DataReference
from duto.environment.conda_dependencies import CondaDependencies
from duto.environment.environment import Environment
from duto.environment.sections import ContainerRegistry
from duto.exceptions import UserErrorException
from duto.experiment.script_run_config import ScriptRunConfig
from duto.pipeline.graph_builder import GraphBuilder
from duto.spec.graph import Distribution
from duto.steps.parameter import PipelineParameter

NOWHERE: Any = None
STORE = AzureBlobDatastore(NOWHERE, "store", "container", "account")
FRAMEWORKS = {
    "SKLearn": ["scikit-learn"],
    "PyTorch": ["torch", "torchvision"],
    "TensorFlow": ["tensorflow"],
    "Chainer": ["chainer"],
}


def built(estimator: duto.Estimator) -> Any:
    """The step that a submit makes of it."""
    script = ScriptRunConfig(estimator.source_directory, run_config=estimator.run_config)
    (step,) = GraphBuilder(None, script.to_step()).build().steps
    return step


def packages(estimator: duto.Estimator) -> list[str]:
    """What is to be installed, but for what Azure's own packages bring along."""
    reference = estimator.run_config.environment_reference()
    beside = {"python-dateutil", "pytz", "requests", "six", "numpy", "pyarrow", "dill", "pandas"}
    return [] if reference is None else [each for each in reference["python"]["packages"] if each not in beside]


def test_a_dictionary_of_arguments_keeps_its_order_and_its_kinds() -> None:
    reference = DataReference("store", "there")
    step = built(
        duto.Estimator(
            "src",
            entry_script="sub/train.py",
            compute_target="cpu",
            script_params={"--data": STORE, "--rate": 0.1, "--verbose": "", "--there": reference, "-n": 3, "-f": False},
            max_run_duration_seconds=60,
            environment_variables={"A": "b"},
        )
    )
    assert step.arguments == (
        *("--data", {"input": "store"}, "--rate", 0.1, "--verbose", "--there", {"input": "there"}, "-n", 3, "-f", False),
    )  # fmt: skip
    assert (step.script, step.compute, step.timeout_seconds) == ("sub/train.py", "cpu", 60)
    assert [(each.name, each.mode) for each in step.inputs] == [("store", "mount"), ("there", "mount")]
    assert step.environment_variables == {"A": "b"} and step.environment is None and not step.allow_reuse


def test_inputs_are_those_of_the_run_and_none_is_lost() -> None:
    first, second = DataReference("store", "same", "a"), DataReference("store", "same", "b").as_download()
    estimator = duto.Estimator("src", entry_script="a.py", inputs=[first, STORE.path("c").as_download("here")])
    assert [(each.name, each.mode, each.path_on_compute) for each in built(estimator).inputs] == [
        ("same", "mount", None),
        ("c", "download", "here"),
    ]
    twice = duto.Estimator("src", entry_script="a.py", inputs=[first, second])
    assert len(twice.run_config.data_references) == 2
    assert {each.code for each in GraphBuilder(None, duto.EstimatorStep("x", twice)).build().problems()} >= {
        "duplicate_input"
    }
    with pytest.raises(UserErrorException, match="is to be written to"):
        built(duto.Estimator("src", entry_script="a.py", inputs=[STORE.as_upload("./bar")]))
    with pytest.raises(UserErrorException, match=r"write inputs=\[\.\.\.\]"):
        duto.Estimator("src", entry_script="a.py", inputs=STORE)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_framework_brings_its_packages(name: str) -> None:
    kind, (first, *others) = getattr(duto, name), FRAMEWORKS[name]
    assert packages(kind("src", entry_script="a.py")) == [first, *others]
    assert packages(kind("src", entry_script="a.py", framework_version="1.13")) == [f"{first}==1.13.*", *others]
    assert packages(kind("src", entry_script="a.py", framework_version="0.20.3")) == [f"{first}==0.20.3", *others]
    own = kind("src", entry_script="a.py", pip_packages=[f"{first}>=1"], framework_version="2.0")
    assert packages(own) == [f"{first}>=1", *others]
    bare = kind("src", entry_script="a.py", conda_packages=["python=3.11", first], framework_version="2.0")
    assert packages(bare) == [f"{first}==2.0.*", *others]
    assert packages(kind("src", entry_script="a.py", user_managed=True)) == []
    assert packages(kind("src", entry_script="a.py", environment_definition=Environment("mine"))) == []


@pytest.mark.parametrize(
    ("version", "package"),
    [
        ("1.13", "tensorflow-gpu==1.13.*"),
        ("2.0", "tensorflow-gpu==2.0.*"),
        ("2.1", "tensorflow==2.1.*"),
        ("2.14", "tensorflow[and-cuda]==2.14.*"),
        (None, "tensorflow[and-cuda]"),
    ],
)
def test_tensorflow_for_gpus_is_the_package_of_its_version(version: str | None, package: str) -> None:
    assert packages(duto.TensorFlow("src", entry_script="a.py", use_gpu=True, framework_version=version)) == [package]


def test_a_framework_of_the_programs_own_lists_is_not_brought_again() -> None:
    given = ["keras<=2.3.1", "tensorflow-gpu==2.0.0"]
    made = duto.TensorFlow("src", entry_script="a.py", use_gpu=True, pip_packages=given, framework_version="1.13")
    assert packages(made) == given
    torch = duto.PyTorch("src", entry_script="a.py", conda_packages=["pytorch=1.4", "torchvision"])
    assert packages(torch) == ["torch==1.4.*", "torchvision"]


def test_files_lie_in_the_source_directory_or_where_the_path_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").mkdir()
    (tmp_path / "src/requirements.txt").write_text("attrs==1\n")
    (tmp_path / "requirements.txt").write_text("attrs==2\n")
    (tmp_path / "env.yml").write_text("dependencies:\n- python=3.11\n- pip:\n  - attrs==3\n")
    inside = duto.SKLearn("src", entry_script="a.py", pip_requirements_file="requirements.txt")
    assert packages(inside) == ["attrs==1", "scikit-learn"]
    older = duto.SKLearn("src", entry_script="a.py", pip_requirements_file_path="./src/requirements.txt")
    assert packages(older) == ["attrs==1", "scikit-learn"]
    conda = duto.SKLearn("src", entry_script="a.py", conda_dependencies_file="env.yml", pip_packages=["joblib"])
    assert packages(conda) == ["attrs==3", "joblib"], "a conda file stands alone"
    with pytest.raises(UserErrorException, match="nowhere"):
        duto.Estimator("src", entry_script="a.py", conda_dependencies_file="nowhere.yml")


def test_an_environment_stands_in_place_of_lists_and_images_and_says_so() -> None:
    environment = Environment("mine")
    environment.python.conda_dependencies = CondaDependencies.create(pip_packages=["attrs"])
    with pytest.warns(UserWarning, match="SKLearn passes over conda_packages, framework_version: environment_defin"):
        made = duto.SKLearn(
            "src",
            entry_script="a.py",
            environment_definition=environment,
            conda_packages=["joblib"],
            framework_version="0.20.3",
            environment_variables={"A": "b"},
            shm_size="4g",
        )
    assert packages(made) == ["attrs"] and made.run_config.environment_variables == {"A": "b"}
    assert environment.environment_variables == {}, "another script may have it, too"
    reference = made.run_config.environment_reference()
    assert reference is not None and reference["docker"] == {"shm_size": "4g"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        duto.SKLearn("src", entry_script="a.py", environment_definition=environment, use_gpu=True, use_docker=False)


def test_an_image_and_its_registry() -> None:
    registry = ContainerRegistry()
    registry.address = "registry.example.org"
    given: dict[str, Any] = {"image_registry_details": registry, "user_managed": True}
    for name in ("custom_docker_image", "custom_docker_base_image"):
        given_too: dict[str, Any] = {**given, name: "a:1"}
        reference = duto.Estimator("src", entry_script="a.py", **given_too).run_config.environment_reference()
        assert reference is not None and reference["docker"] == {"image": "registry.example.org/a:1"}
        assert reference["python"]["user_managed"] is True


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"node_count": 2}, ["asks for 2 nodes, and says of no processes"]),
        ({"node_count": 2, "distributed_backend": "mpi"}, []),
        ({"node_count": 2, "worker_count": 2}, []),
        ({"node_count": 3, "worker_count": 2}, ["asks for 3 nodes, and has 2 processes to share out"]),
        ({"distributed_training": MpiConfiguration(node_count=2)}, []),
    ],
)
def test_several_nodes_need_processes(given: dict[str, Any], words: list[str]) -> None:
    builder = GraphBuilder(None, duto.EstimatorStep("x", duto.TensorFlow("src", entry_script="a.py", **given), []))
    builder.build()
    found = [problem.message for problem in builder.problems]
    assert len(found) == len(words) and all(text in each for text, each in zip(words, found, strict=True))


@pytest.mark.parametrize(
    ("given", "spread"),
    [
        ({"process_count_per_node": 4}, Distribution("mpi", 4)),
        ({"distributed_training": duto.Mpi(4)}, Distribution("mpi", 4)),
        ({"distributed_training": MpiConfiguration(4)}, Distribution("mpi", 4)),
        ({"distributed_backend": "mpi", "process_count_per_node": 2}, Distribution("mpi", 2)),
        ({"distributed_training": duto.Mpi()}, Distribution("mpi", 1)),
        ({"distributed_training": duto.Nccl()}, Distribution("pytorch", 1)),
        ({"distributed_training": duto.Gloo(), "process_count_per_node": 3}, Distribution("pytorch", 3)),
        ({"distributed_training": PyTorchConfiguration("gloo", 2)}, Distribution("pytorch", 2)),
        ({"distributed_training": duto.ParameterServer(2, 1)}, Distribution("tensorflow", 2, 1)),
        ({"distributed_training": TensorflowConfiguration(2, 0)}, Distribution("tensorflow", 2, 0)),
        ({"distributed_backend": "ps"}, Distribution("tensorflow", 1, 1)),
        ({"worker_count": 2}, Distribution("tensorflow", 2, 1)),
        ({"parameter_server_count": 2}, Distribution("tensorflow", 1, 2)),
        ({"distributed_backend": "none"}, None),
        ({}, None),
    ],
)
def test_what_is_for_several_processes_is_in_the_graph(given: dict[str, Any], spread: Distribution | None) -> None:
    builder = GraphBuilder(None, duto.EstimatorStep("x", duto.TensorFlow("src", entry_script="a.py", **given), []))
    assert builder.build().steps[0].distribution == spread and builder.problems == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "names the script"),
        ({"entry_script": "a.py", "script_params": ["--a", 1]}, "is a dict of arguments"),
        ({"entry_script": "a.py", "distributed_backend": "horovod"}, "one of mpi, ps, nccl, gloo, not 'horovod'"),
        ({"entry_script": "a.py", "distributed_training": "mpi"}, "is Mpi, Nccl, Gloo or ParameterServer"),
        ({"entry_script": "a.py", "resume_from": "there"}, "is the DataPath of the checkpoint's files on a datastore"),
        ({"entry_script": "a.py", "framework_version": "1.0"}, "has no framework"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UserErrorException, match=said):
        duto.Estimator("src", **given)


def test_a_script_goes_on_from_a_checkpoint_on_a_datastore() -> None:
    """Scripts read `--resume-from`, or the variable of the reference's name."""
    place = DataPath("store", "azureml/a-run/outputs")
    script = ScriptRunConfig(".", "a.py", ["--n", 1], compute_target="cpu", resume_from=place)
    estimator = duto.Estimator(
        ".", entry_script="a.py", script_params={"--n": 1}, compute_target="cpu", resume_from=place
    )
    for config in (script, ScriptRunConfig(".", run_config=estimator.run_config)):
        builder = GraphBuilder(None, config.to_step())
        (step,) = builder.build().steps
        assert list(step.arguments) == ["--n", 1, "--resume-from", {"input": "MODEL_LOCATION"}]
        (given,) = step.inputs
        assert (given.name, given.datastore, given.path) == ("MODEL_LOCATION", "store", "azureml/a-run/outputs")
    with pytest.raises(UserErrorException, match="is the DataPath of the checkpoint's files"):
        ScriptRunConfig(".", "a.py", resume_from="outputs/model")
    with pytest.raises(UserErrorException, match="with a command has no resume_from"):
        ScriptRunConfig(".", command="python a.py", resume_from=place)


def test_a_virtual_machine_of_its_own_is_told_as_passed_over() -> None:
    with pytest.warns(UserWarning, match="Estimator passes over vm_size: clusters are made with AmlCompute"):
        duto.Estimator("src", entry_script="a.py", vm_size="STANDARD_D2_V2")


def test_a_step_has_the_estimators_script_folder_and_environment() -> None:
    made, read = PipelineData("made", "store"), PipelineData("read", "store")
    estimator = duto.Estimator("src", entry_script="a.py", compute_target="cpu", pip_packages=["attrs"])
    write = duto.EstimatorStep("write", estimator, ["--out", read], outputs=[read])
    rate = PipelineParameter("rate", 0.1)
    step = duto.EstimatorStep(
        "train", estimator, ["--in", read, "--rate", [rate], "--out", made], None, [read], [made], "gpu", False, "2"
    )
    assert (
        isinstance(step, duto.PythonScriptStep) and step.estimator is estimator and str(step.folder("other")) == "src"
    )
    graph = GraphBuilder(None, step).build()
    assert graph.problems() == []
    first, second = graph.steps
    assert (first.id, first.compute, first.allow_reuse) == (write.name, "cpu", True)
    assert (second.script, second.compute, second.allow_reuse, second.version) == ("a.py", "gpu", False, "2")
    assert second.arguments == (
        *("--in", {"input": "read"}, "--rate", {"parameter": "rate"}, "--out", {"output": "made"}),
    )  # fmt: skip
    assert second.environment is not None and "attrs" in second.environment["python"]["packages"]


def test_a_steps_arguments_are_given_once() -> None:
    estimator = duto.Estimator("src", entry_script="a.py", script_params={"--rate": 1})
    (step,) = GraphBuilder(None, duto.EstimatorStep(estimator=estimator)).build().steps
    assert (step.name, step.arguments) == ("a.py", ("--rate", 1))
    with pytest.raises(UserErrorException, match="leave one of them out"):
        duto.EstimatorStep("x", estimator, ["--rate", 2])
    with pytest.raises(UserErrorException, match="takes an Estimator, not None"):
        duto.EstimatorStep("x")
