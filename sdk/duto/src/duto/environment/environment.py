"""Environments: which Python and which packages a script gets, under Azure ML's names."""

from __future__ import annotations

import copy
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Mapping, Optional

from duto.client.http import segment, waiting
from duto.environment import file_format
from duto.environment.conda_dependencies import CondaDependencies
from duto.environment.sections import DockerSection, PythonSection, RSection, SparkSection
from duto.exceptions import UserErrorException
from duto.not_built import not_built, passed_over, refusing
from duto.spec.environment import Recipe
from duto.spec.environment import definition as definition_of

DEFAULT_CPU_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04"
DEFAULT_GPU_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-cuda11.1-cudnn8-ubuntu20.04"
UNMANAGED = (
    "The packages of the environment are not installed: its Python is the user's own (user_managed_dependencies)."
)
_POLL = 0.5
_OVER = frozenset({"ready", "failed", "succeeded", "Ready", "Failed", "Succeeded"})


@refusing(
    "label",
    "Name the version.",
)
class Environment:
    """A named definition. What the studio builds of it is shared by all definitions with the same
    packages."""

    def __init__(self, name: str, **kwargs: Any) -> None:
        self.name = name
        self.version: Optional[str] = None
        self.python = PythonSection(conda_dependencies=_default_dependencies())
        self.docker = DockerSection()
        self.spark = SparkSection()
        self.r: Optional[RSection] = None
        self.environment_variables: Dict[str, str] = {}
        self.inferencing_stack_version: Optional[str] = None
        self.databricks: Any = None
        self._registered: Optional[Dict[str, Any]] = None
        for key, value in kwargs.items():
            setattr(self, key.lstrip("_"), value)

    @staticmethod
    def get(workspace: Any, name: str, version: Optional[str] = None, label: Optional[str] = None) -> Environment:
        """The registered environment. Raises an error of class `Exception` and `NotFoundException` for
        none. The one label is "latest"; another raises `UserErrorException`."""
        if label not in (None, "latest"):
            raise UserErrorException(f"Environments have versions and the label 'latest'; there is no {label!r}.")
        wanted = segment(version or "latest")
        return environment_of(
            workspace._client.get(workspace._path(f"environments/{segment(name)}/versions/{wanted}/"))
        )

    @staticmethod
    def list(workspace: Any) -> Dict[str, Environment]:
        """All registered environments by name, in their latest versions."""
        return dict(workspace.environments)

    @staticmethod
    def from_conda_specification(name: str, file_path: str) -> Environment:
        """The environment of a conda file. Raises `UserErrorException` for a file that is none."""
        made = Environment(name)
        made.python.conda_dependencies = CondaDependencies(file_path)
        return made

    @staticmethod
    def from_pip_requirements(name: str, file_path: str, pip_version: Optional[str] = None) -> Environment:
        """The environment of a requirements file. Raises `UserErrorException` when it is missing."""
        passed_over("Environment.from_pip_requirements", "the studio's own resolver is used.", pip_version=pip_version)
        made = Environment(name)
        made.python.conda_dependencies = CondaDependencies.of_requirements(file_path)
        return made

    @staticmethod
    def from_existing_conda_environment(name: str, conda_environment_name: str) -> Environment:
        """Not built. Raises `NotBuiltException`."""
        raise not_built("Environment.from_existing_conda_environment", "Export it and use from_conda_specification.")

    @staticmethod
    def from_docker_image(
        name: str,
        image: str,
        container_registry: Any = None,
        conda_specification: Optional[str] = None,
        pip_requirements: Optional[str] = None,
    ) -> Environment:
        """An environment that names an image; where steps run as processes its packages alone count."""
        passed_over(
            "Environment.from_docker_image", "hosts know their registries.", container_registry=container_registry
        )
        made = _with_packages(name, conda_specification, pip_requirements)
        made.docker.base_image = image
        return made

    @staticmethod
    def from_dockerfile(
        name: str, dockerfile: str, conda_specification: Optional[str] = None, pip_requirements: Optional[str] = None
    ) -> Environment:
        """An environment with a Dockerfile, by its path or as text; where steps run as processes it means
        nothing."""
        made = _with_packages(name, conda_specification, pip_requirements)
        made.docker.base_image = None
        made.docker.base_dockerfile = dockerfile
        return made

    @staticmethod
    def from_docker_build_context(name: str, docker_build_context: Any) -> Environment:
        """Not built. Raises `NotBuiltException`."""
        raise not_built("Environment.from_docker_build_context", "Name the packages: from_pip_requirements.")

    @staticmethod
    def load_from_directory(path: str) -> Environment:
        """The environment that `save_to_directory` wrote. Raises `UserErrorException`."""
        file = Path(path) / "azureml_environment.json"
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserErrorException(f"'{file}' cannot be read: {error}") from error
        if not isinstance(document, dict):
            raise UserErrorException(f"'{file}' holds no environment.")
        dependencies = Path(path) / "conda_dependencies.yml"
        made = file_format.read(document, Path(path), Environment(file_format.name_of(document)))
        if dependencies.is_file():
            made.python.conda_dependencies = CondaDependencies(str(dependencies))
        return made

    def save_to_directory(self, path: str, overwrite: bool = False) -> None:
        """Write the environment as two files. Raises `UserErrorException` when they exist and not
        `overwrite`."""
        folder = Path(path)
        file = folder / "azureml_environment.json"
        if file.exists() and not overwrite:
            raise UserErrorException(f"'{file}' exists already; save with overwrite=True.")
        folder.mkdir(parents=True, exist_ok=True)
        document = file_format.write(self)
        document["python"].pop("condaDependencies")
        file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        if self.python.conda_dependencies is not None:
            self.python.conda_dependencies.save(str(folder / "conda_dependencies.yml"))

    @staticmethod
    def add_private_pip_wheel(workspace: Any, file_path: str, exist_ok: bool = False) -> str:
        """Not built. Raises `NotBuiltException`."""
        raise not_built("Environment.add_private_pip_wheel", "Put the package into the source directory.")

    def clone(self, new_name: str) -> Environment:
        """The same definition under another name, to be changed."""
        made = copy.deepcopy(self)
        made.name, made.version, made._registered = new_name, None, None
        return made

    def register(self, workspace: Any) -> Environment:
        """The environment as registered: a changed definition makes a new version. Raises `SpecError`."""
        made = environment_of(workspace._client.post(workspace._path("environments/"), self.definition()))
        self.version, self._registered = made.version, made._registered
        return made

    def build(self, workspace: Any, image_build_compute: Any = None) -> ImageBuildDetails:
        """Register and build on the studio's host; what was built already is not built again."""
        passed_over("Environment.build", "hosts build for themselves.", image_build_compute=image_build_compute)
        made = self.register(workspace)
        path = f"environments/{segment(made.name)}/versions/{segment(made.version)}/build/"
        return ImageBuildDetails(workspace, workspace._client.post(workspace._path(path)))

    def build_local(self, workspace: Any, platform: Any = None, **kwargs: Any) -> ImageBuildDetails:
        """The same as `build`: a studio of one's own is local."""
        return self.build(workspace)

    def get_image_details(self, workspace: Any) -> Dict[str, Any]:
        """The lock that the studio made of the definition."""
        version = segment(self.version or "latest")
        return dict(workspace._client.get(workspace._path(f"environments/{segment(self.name)}/versions/{version}/")))

    def definition(self) -> Dict[str, Any]:
        """The definition as the studio takes it. Raises `SpecError` naming what is no package."""
        python = self.python
        dependencies = python.conda_dependencies or CondaDependencies()
        built = Recipe(None, ())
        if not python.user_managed_dependencies:
            built = dependencies.recipe()
        elif not dependencies.asks_for_nothing:
            built = replace(built, unused=(UNMANAGED,))
        return definition_of(
            self.name,
            built,
            user_managed=bool(python.user_managed_dependencies),
            interpreter=python.interpreter_path if python.interpreter_path != "python" else None,
            variables={
                key: str(value)
                for key, value in {**dependencies.variables, **(self.environment_variables or {})}.items()
            },
            docker=self.docker.to_document(),
        )

    def reference(self) -> Dict[str, Any]:
        """What a step of a graph holds: name and version while it is as it was registered, else the
        definition."""
        document = self.definition()
        if self._registered is not None and self._registered["definition"] == document:
            return {"name": self.name, "version": str(self._registered["version"])}
        return document

    def __repr__(self) -> str:
        return json.dumps({"name": self.name, "version": self.version, "python": repr(self.python)})


class ImageBuildDetails:
    """A build that goes on: wait for it, or read its log."""

    def __init__(self, environment_client: Any, location: Mapping[str, Any]) -> None:
        self._workspace = environment_client
        self._build = dict(location.get("build") or location)

    @property
    def status(self) -> str:
        self._build = dict(self._workspace._client.get(self._path))
        return str(self._build.get("status"))

    def get_log(self) -> str:
        """The log so far."""
        return str(self._workspace._client.fetch(self._path + "log/")[0], "utf-8", "replace")

    @waiting()
    def wait_for_completion(self, show_output: bool = True) -> ImageBuildDetails:
        """Wait until the build is over. Raises `UserErrorException` when it failed."""
        shown = 0
        while True:
            over = self.status in _OVER
            if show_output:
                log = self.get_log()
                print(log[shown:], end="", flush=True)
                shown = len(log)
            if over:
                break
            time.sleep(_POLL)
        if str(self._build.get("status")).lower() == "failed":
            raise UserErrorException(f"The environment could not be built: {self._build.get('message') or ''}")
        return self

    @property
    def _path(self) -> str:
        return str(self._workspace._path(f"environment-builds/{segment(self._build['id'])}/"))


def environment_of(item: Mapping[str, Any]) -> Environment:
    """The environment of a version's document."""
    document = item.get("definition") or {}
    python = document.get("python") or {}
    made = Environment(str(item["name"]))
    made.python.conda_dependencies = CondaDependencies.of_definition(python)
    made.python.user_managed_dependencies = bool(python.get("user_managed"))
    if python.get("interpreter"):
        made.python.interpreter_path = str(python["interpreter"])
    made.environment_variables = dict(document.get("variables") or {})
    made.docker.take(document.get("docker") or {})
    made.version = str(item.get("version", ""))
    # As this side writes it, so that a definition that nobody touched is known again.
    made._registered = {"version": made.version, "definition": made.definition()}
    return made


def _default_dependencies() -> CondaDependencies:
    return CondaDependencies.create()


def _with_packages(name: str, conda: Optional[str], pip: Optional[str]) -> Environment:
    if conda and pip:
        raise UserErrorException("An environment has a conda specification or pip requirements, not both.")
    if conda:
        return Environment.from_conda_specification(name, conda)
    return Environment.from_pip_requirements(name, pip) if pip else Environment(name)
