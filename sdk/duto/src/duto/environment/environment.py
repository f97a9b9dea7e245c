"""Environments: which Python and which packages a script gets, under Azure ML's names."""

from __future__ import annotations

import copy
import json
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Mapping, NoReturn, Optional

from duto.client.http import segment, waiting
from duto.environment import file_format
from duto.environment.conda_dependencies import CondaDependencies
from duto.environment.sections import DockerSection, PythonSection, RSection, SparkSection
from duto.exceptions import UserErrorException
from duto.not_built import not_built, passed_over, refusing
from duto.spec.environment import Recipe
from duto.spec.environment import definition as definition_of
from duto.spec.sentences import said

if TYPE_CHECKING:
    from duto.workspace.workspace import Workspace

DEFAULT_CPU_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04"
DEFAULT_GPU_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-cuda11.1-cudnn8-ubuntu20.04"
_POLL = 0.5
_OVER = frozenset({"ready", "failed", "succeeded", "Ready", "Failed", "Succeeded"})


@refusing(
    "label",
    "Name the version.",
)
class Environment:
    """A named definition: Python, packages, image and variables of a script.

    Registering a changed definition makes a new version. What the studio builds of it is shared by all definitions
    with the same packages.

    Attributes:
        name: its name.
        version: number of the version, as text; None before it is registered.
        python: Python and its packages; a new environment has `azureml-defaults`.
        docker: the image of a container.
        spark: kept as it is: a Spark step names its packages itself.
        r: R's packages; None where nothing of R is needed.
        environment_variables: variables that the script gets, as text.
        inferencing_stack_version: kept as it is; a studio serves no models.
        databricks: kept as it is: a `DatabricksStep` names its libraries itself.
    """

    def __init__(self, name: str, **kwargs: object) -> None:
        """Nothing is registered or built before it is used.

        Args:
            name: its name.
            kwargs: values of the attributes.
        """
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
    def get(workspace: Workspace, name: str, version: Optional[str] = None, label: Optional[str] = None) -> Environment:
        """The registered environment.

        Args:
            workspace: the workspace.
            name: its name, also of one of the studio's own (`AzureML-…`). One of Azure's means the nearest of those,
                whatever its version, with a warning that names it.
            version: number of a version; None for the latest.
            label: `latest` is the only one.

        Returns:
            The environment, which may be changed, or cloned under another name.

        Raises:
            NotFoundException: there is no such environment or version; the text names those that there are.
            UserErrorException: another label.
        """
        if label not in (None, "latest"):
            raise UserErrorException(f"Environments have versions and the label 'latest'; there is no {label!r}.")
        wanted = segment(version or "latest")
        found = workspace._client.get(workspace._path(f"environments/{segment(name)}/versions/{wanted}/"))
        if found.get("note"):
            warnings.warn(str(found["note"]), stacklevel=2)
            found = {**found, "name": name}  # so that runs tell it, too
        return environment_of(found)

    @staticmethod
    def list(workspace: Workspace) -> Dict[str, Environment]:
        """All registered environments.

        Args:
            workspace: the workspace.

        Returns:
            Environments by name, in their latest versions.
        """
        return dict(workspace.environments)

    @staticmethod
    def from_conda_specification(name: str, file_path: str) -> Environment:
        """The environment of a conda file.

        Args:
            name: its name.
            file_path: the file, of conda's YAML.

        Returns:
            The environment.

        Raises:
            UserErrorException: the file is missing or no conda file, or PyYAML is not installed.
        """
        made = Environment(name)
        made.python.conda_dependencies = CondaDependencies(file_path)
        return made

    @staticmethod
    def from_pip_requirements(name: str, file_path: str, pip_version: object = None) -> Environment:
        """The environment of a requirements file.

        Args:
            name: its name.
            file_path: the file; `-r` and `-c` in it name files beside it, or by an address.
            pip_version: passed over with a warning: the studio's own resolver is used.

        Returns:
            The environment.

        Raises:
            UserErrorException: the file, or one that it names, is missing.
        """
        passed_over("Environment.from_pip_requirements", "the studio's own resolver is used.", pip_version=pip_version)
        made = Environment(name)
        made.python.conda_dependencies = CondaDependencies.of_requirements(file_path)
        return made

    @staticmethod
    def from_existing_conda_environment(name: str, conda_environment_name: str) -> NoReturn:
        """Not built.

        Args:
            name: taken and not used.
            conda_environment_name: taken and not used.

        Raises:
            NotBuiltException: always; it says what to do instead.
        """
        raise not_built("Environment.from_existing_conda_environment", "Export it and use from_conda_specification.")

    @staticmethod
    def from_docker_image(
        name: str,
        image: str,
        container_registry: object = None,
        conda_specification: Optional[str] = None,
        pip_requirements: Optional[str] = None,
    ) -> Environment:
        """An environment that names an image; where steps run as processes its packages alone count.

        Args:
            name: its name.
            image: the image, with its registry where it is not the engine's default.
            container_registry: passed over with a warning: hosts know their registries.
            conda_specification: a conda file with packages to install.
            pip_requirements: a requirements file with packages to install.

        Returns:
            The environment.

        Raises:
            UserErrorException: both lists of packages were given, or a file is missing or cannot be read.
        """
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
        """An environment with a Dockerfile; where steps run as processes its packages alone count.

        Args:
            name: its name.
            dockerfile: the file, or its text.
            conda_specification: a conda file with packages to install.
            pip_requirements: a requirements file with packages to install.

        Returns:
            The environment.

        Raises:
            UserErrorException: both lists of packages were given, or a file is missing or cannot be read.
        """
        made = _with_packages(name, conda_specification, pip_requirements)
        made.docker.base_image = None
        made.docker.base_dockerfile = dockerfile
        return made

    @staticmethod
    def from_docker_build_context(name: str, docker_build_context: object) -> NoReturn:
        """Not built.

        Args:
            name: taken and not used.
            docker_build_context: taken and not used.

        Raises:
            NotBuiltException: always; it says what to do instead.
        """
        raise not_built("Environment.from_docker_build_context", "Name the packages: from_pip_requirements.")

    @staticmethod
    def load_from_directory(path: str) -> Environment:
        """The environment that `save_to_directory` wrote.

        Args:
            path: the folder.

        Returns:
            The environment.

        Raises:
            UserErrorException: its files are missing or cannot be read.
        """
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
        """Write the environment as `azureml_environment.json` and `conda_dependencies.yml`.

        Args:
            path: the folder, which is made.
            overwrite: replace files that are there.

        Raises:
            UserErrorException: they are there and `overwrite` is False.
        """
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
    def add_private_pip_wheel(workspace: object, file_path: str, exist_ok: bool = False) -> NoReturn:
        """Not built.

        Args:
            workspace: taken and not used.
            file_path: taken and not used.
            exist_ok: taken and not used.

        Raises:
            NotBuiltException: always; it says what to do instead.
        """
        raise not_built("Environment.add_private_pip_wheel", "Put the package into the source directory.")

    def clone(self, new_name: str) -> Environment:
        """The same definition under another name, to be changed.

        Args:
            new_name: the name.

        Returns:
            An environment without a version.
        """
        made = copy.deepcopy(self)
        made.name, made.version, made._registered = new_name, None, None
        return made

    def register(self, workspace: Workspace) -> Environment:
        """Register the environment: a changed definition makes a new version, an unchanged one gives the version that
        is there.

        Args:
            workspace: the workspace.

        Returns:
            The environment as registered; this object has its version, too.

        Raises:
            SpecError: what of the lists is no package.
            UserErrorException: a file that the lists name cannot be had.
        """
        made = environment_of(workspace._client.post(workspace._path("environments/"), self.definition()))
        self.version, self._registered = made.version, made._registered
        return made

    def build(self, workspace: Workspace, image_build_compute: object = None) -> ImageBuildDetails:
        """Register and build on the studio's host; what was built already is not built again.

        Args:
            workspace: the workspace.
            image_build_compute: passed over with a warning: hosts build for themselves.

        Returns:
            The build, which goes on when this returns.

        Raises:
            SpecError: what of the lists is no package.
            UserErrorException: a file that the lists name cannot be had.
        """
        passed_over("Environment.build", "hosts build for themselves.", image_build_compute=image_build_compute)
        made = self.register(workspace)
        path = f"environments/{segment(made.name)}/versions/{segment(made.version)}/build/"
        return ImageBuildDetails(workspace, workspace._client.post(workspace._path(path)))

    def build_local(self, workspace: Workspace, platform: object = None, **kwargs: object) -> ImageBuildDetails:
        """The same as `build`: a studio of one's own is local.

        Args:
            workspace: the workspace.
            platform: taken and not used.
            kwargs: taken and not used.

        Returns:
            The build, which goes on when this returns.

        Raises:
            SpecError: what of the lists is no package.
            UserErrorException: a file that the lists name cannot be had.
        """
        return self.build(workspace)

    def get_image_details(self, workspace: Workspace) -> Dict[str, Any]:
        """What the studio knows of the version.

        Args:
            workspace: the workspace.

        Returns:
            The version's document, as REST has it: `definition`, the packages that were resolved and others. Azure ML
            tells of an image here.

        Raises:
            NotFoundException: it is not registered.
        """
        version = segment(self.version or "latest")
        return dict(workspace._client.get(workspace._path(f"environments/{segment(self.name)}/versions/{version}/")))

    def definition(self) -> Dict[str, Any]:
        """The definition as the studio takes it.

        Returns:
            The document that is registered, with packages by the names that they have on PyPI.

        Raises:
            SpecError: what of the lists is no package.
            UserErrorException: a file that the lists name cannot be had.
        """
        python = self.python
        dependencies = python.conda_dependencies or CondaDependencies()
        built = Recipe(None, ())
        if not python.user_managed_dependencies:
            built = dependencies.recipe()
        elif not dependencies.asks_for_nothing:
            built = replace(built, unused=(said("unmanaged"),))
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
            r=None if self.r is None else self.r.to_document(),
        )

    @property
    def is_by_name(self) -> bool:
        """Whether it says no more than the name of a registered environment: one of the studio's own (`AzureML-…`), or
        any with a version. An addition of ours."""
        has_known_name = self.name.startswith("AzureML-") or self.version is not None
        return has_known_name and self._registered is None and self._asks_for_no_packages and not self.docker.is_image

    @property
    def _asks_for_no_packages(self) -> bool:
        dependencies = self.python.conda_dependencies
        asks_for_nothing = dependencies is None or dependencies.asks_for_nothing
        return asks_for_nothing and not self.python.user_managed_dependencies

    @property
    def has_no_runtime(self) -> bool:
        """Whether neither packages of Python nor an image nor a registered environment is asked for. An addition of ours."""
        is_registered = self._registered is not None or self.is_by_name
        return self._asks_for_no_packages and not self.docker.is_image and not is_registered

    @property
    def is_blank(self) -> bool:
        """Whether it asks for nothing beside variables, which a step has of its own. An addition of ours."""
        return self._asks_for_no_packages and not self.docker.to_document() and self.r is None

    def reference(self, workspace: Optional[Workspace] = None) -> Dict[str, Any]:
        """What a step of a graph holds.

        Args:
            workspace: where an environment by its name is looked up whose container is to be run otherwise than it
                was registered, or that is to have R; None leaves it at its name, which does for a draft.

        Returns:
            `name` and `version` while it is as it was registered, or says no more than them, else the definition.

        Raises:
            SpecError: what of the lists is no package.
            UserErrorException: a file that the lists name cannot be had.
            NotFoundException: there is no environment of the name.
        """
        if self.is_by_name and workspace is not None and (self.docker.to_document() or self.r is not None):
            return self._as_registered(workspace).reference()
        if self.is_by_name:
            return {"name": self.name, "version": None if self.version is None else str(self.version)}
        document = self.definition()
        if self._registered is not None and self._registered["definition"] == document:
            return {"name": self.name, "version": str(self._registered["version"])}
        return document

    def _as_registered(self, workspace: Workspace) -> Environment:
        """The environment that the name means, with what this one says of containers, variables and R."""
        made = Environment.get(workspace, self.name, None if self.version is None else str(self.version))
        made.docker.run_as(self.docker.shm_size, self.docker.arguments)
        made.environment_variables.update(self.environment_variables)
        made.r = self.r or made.r
        return made

    def __repr__(self) -> str:
        return json.dumps({"name": self.name, "version": self.version, "python": repr(self.python)})


class ImageBuildDetails:
    """A build that goes on: wait for it, or read its log."""

    def __init__(self, environment_client: Workspace, location: Mapping[str, Any]) -> None:
        """Made by `Environment.build`.

        Args:
            environment_client: the workspace.
            location: the build's document, as REST has it.
        """
        self._workspace = environment_client
        self._build = dict(location.get("build") or location)

    @property
    def status(self) -> str:
        """How it stands now, asked anew each time: `queued`, `building`, `ready` or `failed`."""
        self._build = dict(self._workspace._client.get(self._path))
        return str(self._build.get("status"))

    def get_log(self) -> str:
        """The log so far.

        Returns:
            Its text; what is no UTF-8 is replaced.
        """
        return str(self._workspace._client.fetch(self._path + "log/")[0], "utf-8", "replace")

    @waiting()
    def wait_for_completion(self, show_output: bool = True) -> ImageBuildDetails:
        """Wait until the build is over, however long it takes.

        Args:
            show_output: print the log as it grows.

        Returns:
            This object.

        Raises:
            UserErrorException: the build failed.
        """
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
    made.r = None if document.get("r") is None else RSection._of_document(document["r"])
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
