"""Run configurations: where and in which environment a script runs."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, Dict, List, Optional, Union

from duto.configuration import file_format
from duto.configuration.arguments import as_list
from duto.environment import conda_file
from duto.environment.conda_dependencies import CondaDependencies
from duto.environment.environment import DEFAULT_CPU_IMAGE, DEFAULT_GPU_IMAGE, Environment
from duto.environment.sections import ContainerRegistry
from duto.exceptions import RunConfigurationException, UserErrorException
from duto.not_built import passed_over

__all__ = [
    "DEFAULT_CPU_IMAGE",
    "DEFAULT_GPU_IMAGE",
    "CondaDependencies",
    "ContainerRegistry",
    "DockerConfiguration",
    "Environment",
    "HistoryConfiguration",
    "MpiConfiguration",
    "RunConfiguration",
]

_DEFAULT_SECONDS = 2592000


class DockerConfiguration:
    """Whether and how a container is used; where steps run as processes it means nothing."""

    def __init__(
        self,
        use_docker: bool = False,
        shared_volumes: bool = True,
        arguments: List[str] = [],  # noqa: B006 - the signature is Azure ML's
        shm_size: str = "2g",
    ) -> None:
        self.use_docker = use_docker
        self.shared_volumes = shared_volumes
        self.arguments = list(arguments)
        self.shm_size = shm_size


class MpiConfiguration:
    """How many processes and nodes an MPI script has; MPI is not built."""

    def __init__(self, process_count_per_node: int = 1, node_count: int = 1) -> None:
        self.process_count_per_node = process_count_per_node
        self.node_count = node_count


class HistoryConfiguration:
    """What is kept of a run; a studio always keeps outputs, logs and the snapshot."""

    def __init__(self) -> None:
        self.output_collection = True
        self.snapshot_project = True
        self.directories_to_watch = ["logs"]


class SparkConfiguration:
    """Spark's settings; Spark is not built."""

    def __init__(self) -> None:
        self.configuration: Dict[str, Any] = {}


class RunConfiguration:
    """Environment, compute target and limits of a script. Attributes of Azure's cloud alone are kept and not
    used."""

    def __init__(
        self,
        script: Optional[str] = None,
        arguments: Optional[Union[str, List[Any]]] = None,
        framework: Optional[str] = None,
        communicator: Optional[str] = None,
        conda_dependencies: Optional[CondaDependencies] = None,
        _history_enabled: Optional[bool] = None,
        _path: Optional[str] = None,
        _name: Optional[str] = None,
        command: Any = None,
    ) -> None:
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
        self.tensorflow: Any = None
        self.pytorch: Any = None
        self.amlcompute: Any = None
        self.data: Dict[str, Any] = {}
        self.data_references: Dict[str, Any] = {}
        self.output_data: Dict[str, Any] = {}
        self.source_directory_data_store: Optional[str] = None
        self.credential_passthrough = False
        # Sections of a file that mean something to Azure's cloud alone, for the next save.
        self._others: Dict[str, Any] = {}

    @property
    def arguments(self) -> List[Any]:
        """The script's arguments; one text is split as a shell does."""
        return self._arguments

    @arguments.setter
    def arguments(self, value: Any) -> None:
        self._arguments = as_list(value)

    @property
    def inputs(self) -> List[Any]:
        """What `data_references` and `data` name, as inputs of a step."""
        return [*(self.data_references or {}).values(), *(self.data or {}).values()]

    @property
    def outputs(self) -> List[Any]:
        """What `output_data` names, as outputs of a step."""
        return list((self.output_data or {}).values())

    @property
    def target(self) -> str:
        """The name of the compute target; "local" until one is set."""
        return self._target if isinstance(self._target, str) else str(self._target.name)

    @target.setter
    def target(self, value: Any) -> None:
        self._target = "local" if value is None else value

    @property
    def environment_variables(self) -> Dict[str, str]:
        return self.environment.environment_variables

    @environment_variables.setter
    def environment_variables(self, value: Dict[str, str]) -> None:
        self.environment.environment_variables = value

    @property
    def compute(self) -> Optional[str]:
        """The name of the compute target, None while none is set."""
        return None if self.target == "local" else self.target

    def environment_reference(self) -> Optional[Dict[str, Any]]:
        """What a step of a graph holds; None when nothing was asked for, so that the studio's default is
        used."""
        environment = self._in_container()
        dependencies = environment.python.conda_dependencies
        is_asked_for = (
            environment is not self._default_environment
            or environment.python.user_managed_dependencies
            or environment.docker.to_document()
            or not (dependencies is None or dependencies.asks_for_nothing)
        )
        return environment.reference() if is_asked_for else None

    def _in_container(self) -> Environment:
        """The environment with what `docker` says of containers, where it is to be used and says more than nothing."""
        docker, usual = self.docker, DockerConfiguration()
        if not docker.use_docker or (docker.shm_size == usual.shm_size and not docker.arguments):
            return self.environment
        made = copy.deepcopy(self.environment)
        made.docker.shm_size = made.docker.shm_size or docker.shm_size
        made.docker.arguments = [*made.docker.arguments, *docker.arguments]
        return made

    def save(
        self, path: Optional[str] = None, name: Optional[str] = None, separate_environment_yaml: bool = False
    ) -> None:
        """Write `<path>/.azureml/<name>.runconfig`, or the file that `path` names; the environment is always a part of
        it. Raises `RunConfigurationException` for data that a file cannot name."""
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
        """The configuration of a file, or of `<path>/.azureml/<name>.runconfig` (or `aml_config`, as older ones).

        What the file says and the studio does not use is told by a Python warning. Raises
        `RunConfigurationException`."""
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
        """Remove a configuration that was saved."""
        _file(path, name).unlink()

    def to_document(self) -> Dict[str, Any]:
        """The configuration under the keys of Azure ML's `.runconfig` files. Raises `RunConfigurationException` for
        data that a file cannot name."""
        return file_format.write(self)

    def __repr__(self) -> str:
        return json.dumps(self.to_document(), indent=2, default=str)


def _file(path: Optional[str], name: Optional[str]) -> Path:
    root = Path(path or ".")
    if root.suffix == ".runconfig" or (name is None and root.is_file()):
        return root
    return root / ".azureml" / f"{name or 'default'}.runconfig"
