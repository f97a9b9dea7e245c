"""An environment under the keys of Azure ML's files: the section of a `.runconfig`, and `azureml_environment.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Mapping, TypeVar

from duto.environment.conda_dependencies import CondaDependencies
from duto.environment.sections import RCranPackage, RGitHubPackage, RSection
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
R = {
    "r_version": "rVersion",
    "user_managed": "userManaged",
    "rscript_path": "rscriptPath",
    "snapshot_date": "snapshotDate",
    "custom_url_packages": "customUrlPackages",
    "bioconductor_packages": "bioConductorPackages",
}
# Lists of packages, each of several names and values.
R_PACKAGES = {"cran_packages": "cranPackages", "github_packages": "gitHubPackages"}
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
    found = {"databricks": environment.databricks, "r": None if environment.r is None else _r(environment.r)}
    return {**document, **{key: value for key, value in found.items() if value}}


def _r(given: Any) -> Dict[str, Any]:
    """A section of R. Tokens stay where they are."""
    lists = {key: getattr(given, name) for name, key in R_PACKAGES.items()}
    packages = {
        key: [each if isinstance(each, str) else {**vars(each), "auth_token": None} for each in found]
        for key, found in lists.items()
        if found
    }
    return {**values_of(given, R), **packages}


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
    made.r = _read_r(section(document, "r")) if document.get("r") else None
    made.inferencing_stack_version = document.get("inferencingStackVersion")
    return made


def _read_r(given: Mapping[str, Any]) -> RSection:
    made = RSection()
    fill(made, R, given)
    for (name, key), kind in zip(R_PACKAGES.items(), (RCranPackage, RGitHubPackage)):
        if given.get(key):
            setattr(made, name, [kind(**each) if isinstance(each, dict) else str(each) for each in given[key]])
    return made


def unread(document: Mapping[str, Any]) -> Dict[str, Any]:
    """What of a document means something and is not used here: by its key, why."""
    return {key: "there is no such section of an environment" for key in document if key not in SECTIONS}


def _beside(folder: Path, name: str) -> Path:
    """`aml_config/conda_dependencies.yml` is said from the project, and found from its `aml_config` too."""
    places = (folder / name, folder.parent / name, folder / Path(name).name)
    return next((place for place in places if place.is_file()), folder / name)
