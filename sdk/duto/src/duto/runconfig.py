"""Run configurations: where and in which environment a script runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List, Optional

from duto import conda_file
from duto.conda_dependencies import CondaDependencies
from duto.environment import DEFAULT_CPU_IMAGE, DEFAULT_GPU_IMAGE, Environment
from duto.environment_sections import ContainerRegistry
from duto.exceptions import RunConfigurationException
from duto.later import passed_over

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
        arguments: Optional[List[Any]] = None,
        framework: Optional[str] = None,
        communicator: Optional[str] = None,
        conda_dependencies: Optional[CondaDependencies] = None,
        _history_enabled: Optional[bool] = None,
        _path: Optional[str] = None,
        _name: Optional[str] = None,
        command: Any = None,
    ) -> None:
        self.script = script
        self.arguments = list(arguments or ())
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
        environment = self.environment
        untouched = environment is self._default_environment and not environment.python.user_managed_dependencies
        dependencies = environment.python.conda_dependencies
        if untouched and (dependencies is None or dependencies.asks_for_nothing):
            return None
        return environment.reference()

    def save(
        self, path: Optional[str] = None, name: Optional[str] = None, separate_environment_yaml: bool = False
    ) -> None:
        """Write `<path>/.azureml/<name>.runconfig`, or the file that `path` names."""
        passed_over(
            "RunConfiguration.save",
            "the environment is in the same file.",
            separate_environment_yaml=separate_environment_yaml,
        )
        file = _file(path, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(self.to_document(), indent=2) + "\n", encoding="utf-8")

    @staticmethod
    def load(path: str, name: Optional[str] = None) -> RunConfiguration:
        """The configuration of a file, or of `<path>/.azureml/<name>.runconfig`. Raises
        `RunConfigurationException`."""
        given = Path(path)
        file = given if given.is_file() else _file(path, name)
        if not file.is_file() and (given / f"{name}.runconfig").is_file():
            file = given / f"{name}.runconfig"
        try:
            document = _structure(file.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError) as error:
            raise RunConfigurationException(f"The run configuration '{file}' cannot be read: {error}") from error
        return _from_document(document, file.parent)

    @staticmethod
    def delete(path: str, name: str) -> None:
        """Remove a configuration that was saved."""
        _file(path, name).unlink()

    def to_document(self) -> Dict[str, Any]:
        """The configuration under the keys of Azure ML's `.runconfig` files."""
        python = self.environment.python
        dependencies = python.conda_dependencies
        return {
            "script": self.script,
            "arguments": [str(each) for each in self.arguments],
            "target": self.target,
            "framework": self.framework,
            "communicator": self.communicator,
            "nodeCount": self.node_count,
            "maxRunDurationSeconds": self.max_run_duration_seconds,
            "priority": self.priority,
            "retries": self.retries,
            "retryDelay": self.retry_delay,
            "environment": {
                "name": self.environment.name,
                "environmentVariables": dict(self.environment_variables or {}),
                "python": {
                    "userManagedDependencies": python.user_managed_dependencies,
                    "interpreterPath": python.interpreter_path,
                    "condaDependencies": dependencies.as_dict() if dependencies else None,
                },
                "docker": {"enabled": self.environment.docker.enabled, "baseImage": self.environment.docker.base_image},
            },
        }

    def __repr__(self) -> str:
        return json.dumps(self.to_document(), indent=2)


def _file(path: Optional[str], name: Optional[str]) -> Path:
    root = Path(path or ".")
    if root.suffix == ".runconfig" or (name is None and root.is_file()):
        return root
    return root / ".azureml" / f"{name or 'default'}.runconfig"


def _structure(text: str) -> Dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = conda_file.parse(text)
    if not isinstance(found, dict):
        raise ValueError("it holds no object")
    return found


def _from_document(document: Dict[str, Any], folder: Path) -> RunConfiguration:
    made = RunConfiguration(
        document.get("script"), document.get("arguments") or [], document.get("framework"), document.get("communicator")
    )
    made.target = document.get("target")
    made.node_count = int(document.get("nodeCount") or 1)
    made.max_run_duration_seconds = document.get("maxRunDurationSeconds")
    made.priority, made.retries = document.get("priority"), document.get("retries")
    made.retry_delay = document.get("retryDelay")
    environment = document.get("environment") or {}
    python, docker = environment.get("python") or {}, environment.get("docker") or {}
    found = Environment(str(environment.get("name") or "project"))
    found.environment_variables = dict(environment.get("environmentVariables") or {})
    found.python.user_managed_dependencies = bool(python.get("userManagedDependencies"))
    found.python.interpreter_path = python.get("interpreterPath") or "python"
    if python.get("condaDependencies"):
        found.python.conda_dependencies = CondaDependencies(_underlying_structure=python["condaDependencies"])
    elif python.get("condaDependenciesFile"):
        name = Path(str(python["condaDependenciesFile"]))
        beside = next((place / name for place in (folder, folder.parent) if (place / name).is_file()), folder / name)
        found.python.conda_dependencies = CondaDependencies(str(beside))
    found.docker.enabled = bool(docker.get("enabled"))
    found.docker.base_image = docker.get("baseImage")
    made.environment = found
    return made
