"""Run configurations: where and in which environment a script runs."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Union

from duto.configuration import file_format
from duto.configuration.arguments import as_list
from duto.configuration.distributed import (
    MpiConfiguration,
    PyTorchConfiguration,
    TensorflowConfiguration,
    counted,
)
from duto.environment import conda_file
from duto.environment.conda_dependencies import CondaDependencies
from duto.environment.environment import DEFAULT_CPU_IMAGE, DEFAULT_GPU_IMAGE, Environment
from duto.environment.sections import ContainerRegistry
from duto.exceptions import RunConfigurationException, UserErrorException
from duto.not_built import passed_over
from duto.spec.values import Distribution

if TYPE_CHECKING:
    from duto.workspace.workspace import Workspace

__all__ = [
    "DEFAULT_CPU_IMAGE",
    "DEFAULT_GPU_IMAGE",
    "CondaDependencies",
    "ContainerRegistry",
    "DockerConfiguration",
    "Environment",
    "HistoryConfiguration",
    "MpiConfiguration",
    "PyTorchConfiguration",
    "RunConfiguration",
    "TensorflowConfiguration",
]

_DEFAULT_SECONDS = 2592000
_COMMUNICATORS: Dict[str, Optional[str]] = {
    **dict.fromkeys(("", "none")),
    **dict.fromkeys(("mpi", "openmpi", "intelmpi"), "mpi"),
    **dict.fromkeys(("nccl", "gloo"), "pytorch"),
    "parameterserver": "tensorflow",
}


class DockerConfiguration:
    """Whether and how a container is used; where steps run as processes it means nothing."""

    def __init__(
        self,
        use_docker: bool = False,
        shared_volumes: bool = True,
        arguments: List[str] = [],  # noqa: B006 - the signature is Azure ML's
        shm_size: str = "2g",
    ) -> None:
        """
        Args:
            use_docker: apply `arguments` and `shm_size`; the host decides whether steps run in containers.
            shared_volumes: kept as it is and not used.
            arguments: further arguments of the container, those that hosts allow.
            shm_size: shared memory, such as `2g`.
        """
        self.use_docker = use_docker
        self.shared_volumes = shared_volumes
        self.arguments = list(arguments)
        self.shm_size = shm_size


class HistoryConfiguration:
    """What is kept of a run; a studio always keeps outputs, logs and the snapshot.

    Attributes:
        output_collection: kept as it is and not used.
        snapshot_project: kept as it is and not used.
        directories_to_watch: kept as it is; `logs` and `outputs` are watched.
    """

    def __init__(self) -> None:
        """As Azure ML has it by default."""
        self.output_collection = True
        self.snapshot_project = True
        self.directories_to_watch = ["logs"]


class SparkConfiguration:
    """Spark's settings, as files of Azure ML have them. A Spark step names its own, by `conf`.

    Attributes:
        configuration: kept as it is.
    """

    def __init__(self) -> None:
        """Empty."""
        self.configuration: Dict[str, Any] = {}


class RunConfiguration:
    """Environment, compute target and limits of a script. Attributes of Azure's cloud alone are kept and not used.

    Attributes:
        framework: `Python`, `PyTorch` or `TensorFlow`, which the communicator tells apart; another is refused when the
            pipeline is validated.
        communicator: how several processes of the script find each other: `OpenMpi` with `mpi`, `Nccl` or `Gloo` with
            `pytorch`, `ParameterServer` with `tensorflow`; `None` for a script that runs once.
        environment: the environment; one that asks for nothing is the studio's default. `environment.name` and
            `environment.version` set on it mean the registered environment of that name.
        auto_prepare_environment: kept as it is: environments are always built.
        node_count: nodes on which the processes of a communicator run; of a step without one it is 1.
        max_run_duration_seconds: seconds after which an attempt is stopped; None for no limit.
        priority: of a script's run, -100 to 100: the greater goes first among those that wait; None for 0.
        retries: how often a step is tried again after a failure; None for the policy of the cause. An addition of
            ours.
        retry_delay: seconds before it is tried again; None for the policy of the cause. An addition of ours.
        history: what is kept of a run.
        docker: how a container is used.
        mpi: how many processes MPI starts.
        spark: kept as it is: a Spark step names its settings itself.
        tensorflow: how many workers and servers of parameters there are.
        pytorch: how many processes of PyTorch there are.
        amlcompute: kept as it is and not used: `target` names the cluster.
        data: datasets that become inputs, by name.
        data_references: references that become inputs, by name.
        output_data: outputs, by name.
        source_directory_data_store: kept as it is: the studio keeps the code.
        credential_passthrough: kept as it is and not used.
    """

    def __init__(
        self,
        script: Optional[str] = None,
        arguments: Optional[Union[str, List[object]]] = None,
        framework: Optional[str] = None,
        communicator: Optional[str] = None,
        conda_dependencies: Optional[CondaDependencies] = None,
        _history_enabled: Optional[bool] = None,
        _path: Optional[str] = None,
        _name: Optional[str] = None,
        command: Union[str, List[object], None] = None,
    ) -> None:
        """
        Args:
            script: the script, relative to the source directory.
            arguments: its arguments; one text is split as a shell does.
            framework: None for `Python`.
            communicator: how several processes of the script find each other; None for a script that runs once.
            conda_dependencies: packages of the environment.
            command: a line for a shell, for a `CommandStep` or a `ScriptRunConfig` that names none.
        """
        self.script = script
        self.arguments = arguments  # the setter takes a text as well
        self.command = command
        self.framework = framework or "Python"
        self.communicator = communicator or "None"
        self._target: Any = "local"
        self._default_environment = Environment("project")
        self.environment = self._default_environment
        if conda_dependencies is not None:
            self.environment.python.conda_dependencies = conda_dependencies
        self.auto_prepare_environment = True
        self.node_count = 1
        self.max_run_duration_seconds: Optional[float] = None
        self.priority: Optional[int] = None
        self.retries: Optional[int] = None
        self.retry_delay: Optional[float] = None
        self.history = HistoryConfiguration()
        self.docker = DockerConfiguration()
        self.mpi = MpiConfiguration()
        self.spark = SparkConfiguration()
        self.tensorflow = TensorflowConfiguration()
        self.pytorch = PyTorchConfiguration()
        self.amlcompute: Any = None
        self.data: Dict[str, Any] = {}
        self.data_references: Dict[str, Any] = {}
        self.output_data: Dict[str, Any] = {}
        self.source_directory_data_store: Optional[str] = None
        self.credential_passthrough = False
        # Sections of a file that mean something to Azure's cloud alone, for the next save.
        self._others: Dict[str, Any] = {}

    def distributed(self) -> str:
        """What this asks for that no step does: a pipeline that has it is refused when it is validated. An addition of
        ours.

        Returns:
            It in words; empty where it asks for nothing of the kind.
        """
        if str(self.framework).lower() not in ("python", "pytorch", "tensorflow", "none", ""):
            return f"the framework {self.framework}"
        if str(self.communicator).lower() not in _COMMUNICATORS:
            return f"the communicator {self.communicator}"
        return ""

    def _distribution(self, given: Optional[Mapping[str, Any]] = None) -> Optional[Distribution]:
        """The processes of the script, where a communicator is named; None for a script that runs once.

        `given` are `runconfig_pipeline_params` of a step, which go before what is set here. Raises `UserErrorException`
        for a number that is none.
        """
        kind, given = _COMMUNICATORS.get(str(self.communicator).lower()), given or {}
        if kind is None:
            return None
        if kind == "tensorflow":
            workers = given.get("TensorflowWorkerCount", self.tensorflow.worker_count)
            servers = given.get("TensorflowParameterServerCount", self.tensorflow.parameter_server_count)
            return Distribution(kind, counted("worker_count", workers), counted("parameter_server_count", servers))
        per_node = given.get("MpiProcessCountPerNode", self.mpi.process_count_per_node)
        if kind == "pytorch":
            own = self.pytorch.process_count
            if own is None and isinstance(per_node, int):
                own = per_node * _nodes(self.node_count)
            return Distribution(kind, counted("process_count", per_node if own is None else own))
        return Distribution(kind, counted("process_count_per_node", per_node))

    def _spread(self, job: object) -> None:
        """Take what `ScriptRunConfig(distributed_job_config=...)` says. Raises `UserErrorException` for what says
        nothing."""
        if isinstance(job, MpiConfiguration):
            self.mpi, self.communicator, self.node_count = job, "OpenMpi", _nodes(job.node_count)
        elif isinstance(job, PyTorchConfiguration):
            self.pytorch, self.framework, self.node_count = job, "PyTorch", _nodes(job.node_count)
            self.communicator = job.backend()
        elif isinstance(job, TensorflowConfiguration):
            self.tensorflow, self.framework, self.communicator = job, "TensorFlow", "ParameterServer"
        else:
            raise UserErrorException(
                "distributed_job_config is an MpiConfiguration, a PyTorchConfiguration or a TensorflowConfiguration, not "
                f"{job!r}."
            )

    @property
    def arguments(self) -> List[object]:
        """The script's arguments; one text that is set is split as a shell does."""
        return self._arguments

    @arguments.setter
    def arguments(self, value: Union[str, List[object], None]) -> None:
        self._arguments = as_list(value)

    @property
    def inputs(self) -> List[object]:
        """What `data_references` and `data` name, as inputs of a step."""
        return [*(self.data_references or {}).values(), *(self.data or {}).values()]

    @property
    def outputs(self) -> List[object]:
        """What `output_data` names, as outputs of a step."""
        return list((self.output_data or {}).values())

    @property
    def target(self) -> str:
        """Name of the compute target, `local` until one is set. A compute target may be set, too."""
        return self._target if isinstance(self._target, str) else str(self._target.name)

    @target.setter
    def target(self, value: Any) -> None:
        self._target = "local" if value is None else value

    @property
    def environment_variables(self) -> Dict[str, str]:
        """Those of the environment."""
        return self.environment.environment_variables

    @environment_variables.setter
    def environment_variables(self, value: Dict[str, str]) -> None:
        self.environment.environment_variables = value

    @property
    def compute(self) -> Optional[str]:
        """Name of the compute target; None while none is set."""
        return None if self.target == "local" else self.target

    def environment_reference(self, workspace: Optional[Workspace] = None) -> Optional[Dict[str, Any]]:
        """What a step of a graph holds.

        Args:
            workspace: as for `Environment.reference`.

        Returns:
            Name and version, or the definition; None when nothing was asked for, so that the studio's default is
            used.

        Raises:
            SpecError: what of the lists is no package.
            UserErrorException: a file that the lists name cannot be had.
        """
        environment = self._in_container()
        is_asked_for = (
            environment is not self._default_environment or environment.is_by_name or not environment.is_blank
        )
        return environment.reference(workspace) if is_asked_for else None

    def _in_container(self) -> Environment:
        """The environment with what `docker` says of containers, where it is to be used and says more than nothing."""
        docker, usual = self.docker, DockerConfiguration()
        if not docker.use_docker or (docker.shm_size == usual.shm_size and not docker.arguments):
            return self.environment
        made = copy.deepcopy(self.environment)
        made.docker.run_as(made.docker.shm_size or docker.shm_size, docker.arguments)
        return made

    def save(
        self, path: Optional[str] = None, name: Optional[str] = None, separate_environment_yaml: bool = False
    ) -> None:
        """Write the configuration as JSON, under the keys of Azure ML's `.runconfig` files.

        Args:
            path: a folder, for `.azureml/<name>.runconfig` in it, or a file that ends in `.runconfig`; None for the
                current folder.
            name: name of the configuration; None for `default`.
            separate_environment_yaml: passed over with a warning: the environment is in the same file.

        Raises:
            RunConfigurationException: data that a file cannot name.
        """
        passed_over(
            "RunConfiguration.save",
            "the environment is in the same file.",
            separate_environment_yaml=separate_environment_yaml,
        )
        document = self.to_document()
        file = _file(path, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")

    @staticmethod
    def load(path: str, name: Optional[str] = None) -> RunConfiguration:
        """The configuration of a file. What the file says and the studio does not use is told by a Python warning.

        Args:
            path: the file, or a folder with `.azureml/<name>.runconfig` (or `aml_config/`, as older ones).
            name: name of the configuration, where `path` is a folder; None for `default`.

        Returns:
            The configuration.

        Raises:
            RunConfigurationException: the file is missing or cannot be read.
        """
        given = Path(path)
        places = [given, *(given / folder / f"{name}.runconfig" for folder in (".azureml", "aml_config", ""))]
        file = next((place for place in places if place.is_file()), _file(path, name))
        try:
            document = conda_file.parse(file.read_text(encoding="utf-8-sig"))
            return file_format.read(document, file.parent, RunConfiguration())
        except (OSError, ValueError, TypeError) as error:
            raise RunConfigurationException(f"The run configuration '{file}' cannot be read: {error}") from error
        except (UserErrorException, RunConfigurationException) as error:
            text = f"The run configuration '{file}' cannot be read: {error.message}"
            raise RunConfigurationException(text) from error

    @staticmethod
    def delete(path: str, name: str) -> None:
        """Remove a configuration that was saved.

        Args:
            path: as in `save`.
            name: as in `save`.

        Raises:
            FileNotFoundError: there is none.
        """
        _file(path, name).unlink()

    def to_document(self) -> Dict[str, Any]:
        """The configuration under the keys of Azure ML's `.runconfig` files. An addition of ours.

        Returns:
            What `save` writes.

        Raises:
            RunConfigurationException: data that a file cannot name.
        """
        return file_format.write(self)

    def __repr__(self) -> str:
        return json.dumps(self.to_document(), indent=2, default=str)


def _file(path: Optional[str], name: Optional[str]) -> Path:
    root = Path(path or ".")
    if root.suffix == ".runconfig" or (name is None and root.is_file()):
        return root
    return root / ".azureml" / f"{name or 'default'}.runconfig"


def _nodes(count: Any) -> Any:
    """A number of nodes; a pipeline parameter stays what it is."""
    return count if hasattr(count, "default_value") else int(count or 1)
