"""The sections of an environment. Attributes that mean something to Azure's cloud alone are kept and not
used."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

from duto.environment.conda_dependencies import CondaDependencies


class PythonSection:
    """Python and its packages, or a Python that the user keeps (`user_managed_dependencies`)."""

    def __init__(self, **kwargs: Any) -> None:
        self.interpreter_path = "python"
        self.user_managed_dependencies = False
        self.conda_dependencies: Optional[CondaDependencies] = None
        self.base_conda_environment: Optional[str] = None
        for key, value in kwargs.items():
            setattr(self, key, value)

    @property
    def conda_dependencies_file(self) -> Optional[str]:
        return None

    @conda_dependencies_file.setter
    def conda_dependencies_file(self, path: str) -> None:
        self.conda_dependencies = CondaDependencies(path)


class DockerSection:
    """The image of a container. Where steps run as processes it is kept with the environment and not used."""

    def __init__(self, **kwargs: Any) -> None:
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

    def to_document(self) -> Dict[str, Any]:
        """What the definition holds: only what was set. A Dockerfile's path becomes its text."""
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

    def _image(self) -> Optional[str]:
        """The image with its registry, as an engine takes it."""
        address = str(self.base_image_registry.address or "").strip("/")
        if not self.base_image or not address or self.base_image.startswith(f"{address}/"):
            return self.base_image
        return f"{address}/{self.base_image}"

    def take(self, document: Mapping[str, Any]) -> None:
        """The section of a definition."""
        self.base_image = document.get("image")
        self.base_dockerfile = document.get("dockerfile")
        self.shm_size = document.get("shm_size")
        self.arguments = list(document.get("arguments") or ())


class ContainerRegistry:
    """Where an image comes from. The password stays on this machine: it enters no definition."""

    def __init__(self) -> None:
        self.address: Optional[str] = None
        self.username: Optional[str] = None
        self.password: Optional[str] = None
        self.registry_identity: Any = None


class SparkSection:
    """Spark's packages; Spark is not built."""

    def __init__(self, **kwargs: Any) -> None:
        self.repositories: List[str] = []
        self.packages: List[Any] = []
        self.precache_packages = True
        for key, value in kwargs.items():
            setattr(self, key, value)


class RSection:
    """R's packages; R is not built."""

    def __init__(self, **kwargs: Any) -> None:
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
        self.group, self.artifact, self.version = group, artifact, version
