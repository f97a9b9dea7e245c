"""An environment under the keys of Azure ML's files: the section of a `.runconfig`, and `azureml_environment.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Mapping, TypeVar

from duto.environment.conda_dependencies import CondaDependencies
from duto.exceptions import RunConfigurationException

_Made = TypeVar("_Made", bound=Any)

# Their attribute → their key. What the studio does not use travels with them, so that a save loses nothing.
DOCKER = {
    "enabled": "enabled",
    "base_image": "baseImage",
    "base_dockerfile": "baseDockerfile",
    "platform": "platform",
    "shared_volumes": "sharedVolumes",
    "gpu_support": "gpuSupport",
    "shm_size": "shmSize",
    "arguments": "arguments",
    "build_context": "buildContext",
}
REGISTRY = {
    "address": "address",
    "username": "username",
    "password": "password",
    "registry_identity": "registryIdentity",
}
SPARK = {"repositories": "repositories", "packages": "packages", "precache_packages": "precachePackages"}
SECTIONS = frozenset(
    [
        "name",
        "version",
        "environmentVariables",
        "python",
        "docker",
        "spark",
        "r",
        "databricks",
        "inferencingStackVersion",
        "assetId",
    ]
)


def fill(target: Any, names: Mapping[str, str], given: Mapping[str, Any]) -> None:
    """Set the attributes whose keys are given, and not null."""
    for attribute, key in names.items():
        if given.get(key) is not None:
            setattr(target, attribute, given[key])


def values_of(source: Any, names: Mapping[str, str]) -> Dict[str, Any]:
    """The attributes under their keys."""
    return {key: getattr(source, attribute) for attribute, key in names.items()}


def section(document: Mapping[str, Any], key: str) -> Dict[str, Any]:
    """A part of a document, empty where it is null or missing. Raises `RunConfigurationException` for a part that is no
    object."""
    found = document.get(key) or {}
    if not isinstance(found, dict):
        raise RunConfigurationException(f"'{key}' of a run configuration holds names and values, and here {found!r}.")
    return found


def write(environment: Any) -> Dict[str, Any]:
    """The document of an environment. Passwords of registries stay where they are."""
    python, docker = environment.python, environment.docker
    dependencies = python.conda_dependencies
    document = {
        "name": environment.name,
        "version": environment.version,
        "environmentVariables": {key: str(value) for key, value in (environment.environment_variables or {}).items()},
        "python": {
            "userManagedDependencies": bool(python.user_managed_dependencies),
            "interpreterPath": python.interpreter_path,
            "baseCondaEnvironment": python.base_conda_environment,
            "condaDependenciesFile": None,
            "condaDependencies": dependencies.as_dict() if dependencies else None,
        },
        "docker": {
            **values_of(docker, DOCKER),
            "baseImageRegistry": {**values_of(docker.base_image_registry, REGISTRY), "password": None},
        },
        "spark": values_of(environment.spark, SPARK),
        "inferencingStackVersion": environment.inferencing_stack_version,
    }
    return {**document, **({"databricks": environment.databricks} if environment.databricks else {})}


def name_of(document: Mapping[str, Any]) -> str:
    """The name that an environment of this document has."""
    return str(document.get("name") or "project")


def read(document: Mapping[str, Any], folder: Path, made: _Made) -> _Made:
    """What a document says, put into an `Environment`; files that it names lie in `folder` or in the one above.

    Raises `RunConfigurationException`, `UserErrorException`."""
    python, docker = section(document, "python"), section(document, "docker")
    made.version = str(document["version"]) if document.get("version") is not None else None
    made.environment_variables = {
        str(name): str(value) for name, value in section(document, "environmentVariables").items()
    }
    made.python.user_managed_dependencies = bool(python.get("userManagedDependencies"))
    made.python.interpreter_path = python.get("interpreterPath") or "python"
    made.python.base_conda_environment = python.get("baseCondaEnvironment")
    if python.get("condaDependencies"):
        made.python.conda_dependencies = CondaDependencies(_underlying_structure=section(python, "condaDependencies"))
    elif python.get("condaDependenciesFile"):
        made.python.conda_dependencies = CondaDependencies(str(_beside(folder, str(python["condaDependenciesFile"]))))
    fill(made.docker, DOCKER, docker)
    fill(made.docker.base_image_registry, REGISTRY, section(docker, "baseImageRegistry"))
    fill(made.spark, SPARK, section(document, "spark"))
    made.databricks = section(document, "databricks") or None
    made.inferencing_stack_version = document.get("inferencingStackVersion")
    return made


def unread(document: Mapping[str, Any]) -> Dict[str, Any]:
    """What of a document means something and is not used here: by its key, why."""
    found = {key: "there is no such section of an environment" for key in document if key not in SECTIONS}
    if document.get("r"):
        found["r"] = "the studio runs no R"
    return found


def _beside(folder: Path, name: str) -> Path:
    """`aml_config/conda_dependencies.yml` is said from the project, and found from its `aml_config` too."""
    places = (folder / name, folder.parent / name, folder / Path(name).name)
    return next((place for place in places if place.is_file()), folder / name)
