"""The sections of an environment. Attributes that mean something to Azure's cloud alone are kept and not
used."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional

from duto.environment.conda_dependencies import CondaDependencies
from duto.exceptions import UserErrorException
from duto.not_built import passed_over
from duto.spec.r import package_of


class PythonSection:
    """Python and its packages, or a Python that the user keeps.

    Attributes:
        interpreter_path: the interpreter, where `user_managed_dependencies` is True.
        user_managed_dependencies: True: nothing is installed, and the interpreter has what the script needs.
        conda_dependencies: the packages.
        base_conda_environment: kept as it is and not used.
    """

    def __init__(self, **kwargs: object) -> None:
        """
        Args:
            kwargs: values of the attributes.
        """
        self.interpreter_path = "python"
        self.user_managed_dependencies = False
        self.conda_dependencies: Optional[CondaDependencies] = None
        self.base_conda_environment: Optional[str] = None
        for key, value in kwargs.items():
            setattr(self, key, value)

    @property
    def conda_dependencies_file(self) -> Optional[str]:
        """Always None. A path that is set is read at once, into `conda_dependencies`."""
        return None

    @conda_dependencies_file.setter
    def conda_dependencies_file(self, path: str) -> None:
        self.conda_dependencies = CondaDependencies(path)


class DockerSection:
    """The image of a container. Where steps run as processes it is kept with the environment and not used.

    Attributes:
        enabled: kept as it is; the host decides whether steps run in containers.
        base_image: the image, such as `python:3.11-slim`; None for the host's own.
        base_dockerfile: a Dockerfile, by its path or as text, in place of an image.
        base_image_registry: where the image comes from; its address goes before the image's name.
        build_context: kept as it is and not used.
        platform: kept as it is and not used.
        gpu_support: kept as it is; what a compute target has, steps get.
        shared_volumes: kept as it is and not used.
        shm_size: shared memory, such as `2g`; None for the engine's default.
        arguments: further arguments of the container, those that hosts allow.
    """

    def __init__(self, **kwargs: object) -> None:
        """
        Args:
            kwargs: values of the attributes.
        """
        self.enabled = False
        self.base_image: Optional[str] = None
        self.base_dockerfile: Optional[str] = None
        self.base_image_registry = ContainerRegistry()
        self.build_context: Any = None
        self.platform: Any = None
        self.gpu_support = False
        self.shared_volumes = True
        self.shm_size: Optional[str] = None
        self.arguments: List[str] = []
        for key, value in kwargs.items():
            setattr(self, key, value)

    def to_document(self) -> Dict[str, object]:
        """What the definition holds. A Dockerfile's path becomes its text.

        Returns:
            `image`, `dockerfile`, `shm_size` and `arguments`, those that were set.
        """
        dockerfile = self.base_dockerfile
        if dockerfile and "\n" not in dockerfile and Path(dockerfile).is_file():
            dockerfile = Path(dockerfile).read_text(encoding="utf-8")
        found = {
            "image": self._image(),
            "dockerfile": dockerfile,
            "shm_size": self.shm_size,
            "arguments": list(self.arguments or ()),
        }
        return {key: value for key, value in found.items() if value}

    @property
    def is_image(self) -> bool:
        """Whether it names an image of its own, not only how the container is run. An addition of ours."""
        return bool(self.base_image or self.base_dockerfile)

    def run_as(self, shm_size: Optional[str], arguments: Iterable[str]) -> None:
        """Say how the container is run; its image stays. An addition of ours.

        Args:
            shm_size: shared memory, such as `2g`; None leaves it as it is.
            arguments: further arguments of the container, behind those that there are.
        """
        self.shm_size = shm_size or self.shm_size
        self.arguments = [*self.arguments, *arguments]

    def _image(self) -> Optional[str]:
        """The image with its registry, as an engine takes it."""
        address = str(self.base_image_registry.address or "").strip("/")
        if not self.base_image or not address or self.base_image.startswith(f"{address}/"):
            return self.base_image
        return f"{address}/{self.base_image}"

    def take(self, document: Mapping[str, Any]) -> None:
        """Set the section from that of a definition.

        Args:
            document: the section, as `to_document` gives it.
        """
        self.base_image = document.get("image")
        self.base_dockerfile = document.get("dockerfile")
        self.shm_size = document.get("shm_size")
        self.arguments = list(document.get("arguments") or ())


class ContainerRegistry:
    """Where an image comes from. The password stays on this machine: it enters no definition, and hosts log in by
    themselves.

    Attributes:
        address: address of the registry, such as `registry.example.org`.
        username: kept as it is.
        password: kept as it is.
        registry_identity: kept as it is and not used.
    """

    def __init__(self) -> None:
        """The registry that an image's own name says."""
        self.address: Optional[str] = None
        self.username: Optional[str] = None
        self.password: Optional[str] = None
        self.registry_identity: Any = None


class SparkSection:
    """Spark's packages, as files of Azure ML have them. A Spark step names its own: `conf={"spark.jars.packages": "..."}`.

    Attributes:
        repositories: kept as it is.
        packages: kept as it is.
        precache_packages: kept as it is.
    """

    def __init__(self, **kwargs: object) -> None:
        """
        Args:
            kwargs: values of the attributes.
        """
        self.repositories: List[str] = []
        self.packages: List[Any] = []
        self.precache_packages = True
        for key, value in kwargs.items():
            setattr(self, key, value)


class RCranPackage:
    """A package of CRAN, or of a repository that is laid out like it.

    Attributes:
        name: its name.
        version: the exact version, such as `1.8.8`; None for the one that the repository has when the library is made.
        repository: address of the repository; None for the studio's CRAN.
    """

    def __init__(self, **kwargs: object) -> None:
        """
        Args:
            kwargs: values of the attributes.
        """
        self.name: Optional[str] = None
        self.version: Optional[str] = None
        self.repository: Optional[str] = None
        for key, value in kwargs.items():
            setattr(self, key, value)


class RGitHubPackage:
    """A package of a public repository on GitHub, as its default branch has it when the library is made.

    Attributes:
        repository: owner and name, such as `r-lib/cli`.
        auth_token: refused: a definition can be read by all members of the workspace.
    """

    def __init__(self, **kwargs: object) -> None:
        """
        Args:
            kwargs: values of the attributes.
        """
        self.repository: Optional[str] = None
        self.auth_token: Optional[str] = None
        for key, value in kwargs.items():
            setattr(self, key, value)


class RSection:
    """R's packages: they go into a library of their own, which is made once on each host. See docs/r.md.

    Attributes:
        r_version: the version of R; a host that has another uses that one, and says so as a warning of the step.
        user_managed: True: nothing is installed, and the host's R has what the script needs.
        rscript_path: the program that runs the script; None for the `Rscript` on the path.
        cran_packages: `RCranPackage`s; a text is `name` or `name==version`.
        github_packages: `RGitHubPackage`s; a text is owner and name.
        custom_url_packages: addresses of archives of packages.
        bioconductor_packages: refused: name the repository in an `RCranPackage`.
        snapshot_date: refused: name the versions, or a repository of that date.
    """

    def __init__(self, **kwargs: object) -> None:
        """
        Args:
            kwargs: values of the attributes.
        """
        self.r_version: Optional[str] = None
        self.user_managed = False
        self.rscript_path: Optional[str] = None
        self.cran_packages: Optional[List[Any]] = None
        self.github_packages: Optional[List[Any]] = None
        self.custom_url_packages: Optional[List[str]] = None
        self.bioconductor_packages: Optional[List[str]] = None
        self.snapshot_date: Optional[str] = None
        for key, value in kwargs.items():
            setattr(self, key, value)

    def to_document(self) -> Dict[str, object]:
        """What the definition holds (docs/wire.md).

        Returns:
            `version`, `packages` and `sources`.

        Raises:
            UserErrorException: something that the studio cannot install.
        """
        for name, advice in _NO_R.items():
            if getattr(self, name):
                raise UserErrorException(f"RSection.{name} is not part of Duto: {advice}")
        packages = [_cran_package(each) for each in self.cran_packages or ()]
        sources = [_archive(each) for each in self.github_packages or ()]
        sources += [str(each) for each in self.custom_url_packages or ()]
        if self.user_managed and (packages or sources):
            passed_over("RSection", "user_managed says that the host's R has its packages.", packages=True)
            packages, sources = [], []
        return {"version": self.r_version, "packages": packages, "sources": sources}

    @classmethod
    def _of_document(cls, document: Mapping[str, Any]) -> RSection:
        """The section of a definition."""
        packages = [RCranPackage(**each) for each in document.get("packages") or ()]
        sources = list(document.get("sources") or ())
        return cls(
            r_version=document.get("version"), cran_packages=packages or None, custom_url_packages=sources or None
        )


_NO_R = {
    "bioconductor_packages": "give RCranPackage(name=..., repository=...) the address of Bioconductor's repository.",
    "snapshot_date": "give each RCranPackage its version, or the address of a repository of that date.",
}


def _cran_package(given: Any) -> Dict[str, Optional[str]]:
    if isinstance(given, str):
        return package_of(given)
    return {name: getattr(given, name, None) for name in ("name", "version", "repository")}


def _archive(given: Any) -> str:
    """The archive of a repository's default branch."""
    if getattr(given, "auth_token", None):
        raise UserErrorException(
            "RGitHubPackage(auth_token=...) would be readable in the environment's definition. Give a public repository, or "
            "an address in custom_url_packages that hosts may read."
        )
    repository = given if isinstance(given, str) else str(getattr(given, "repository", ""))
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise UserErrorException(f"A package on GitHub is named by owner and repository, not {repository!r}.")
    return f"https://github.com/{repository}/archive/HEAD.tar.gz"


class SparkPackage:
    """A package of a `SparkSection`."""

    def __init__(
        self, group: Optional[str] = None, artifact: Optional[str] = None, version: Optional[str] = None
    ) -> None:
        """
        Args:
            group: kept as it is.
            artifact: kept as it is.
            version: kept as it is.
        """
        self.group, self.artifact, self.version = group, artifact, version
