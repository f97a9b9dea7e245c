"""The sections of an environment. Attributes that mean something to Azure's cloud alone are kept and not
used."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional

from duto.environment.conda_dependencies import CondaDependencies


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
    """Spark's packages; Spark is not built.

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


class RSection:
    """R's packages; R is not built.

    Attributes:
        r_version: kept as it is.
        cran_packages: kept as it is.
        user_managed: kept as it is.
    """

    def __init__(self, **kwargs: object) -> None:
        """
        Args:
            kwargs: values of the attributes.
        """
        self.r_version: Optional[str] = None
        self.cran_packages: Optional[List[Any]] = None
        self.user_managed = False
        for key, value in kwargs.items():
            setattr(self, key, value)


class SparkPackage:
    """A package of Spark; Spark is not built."""

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
