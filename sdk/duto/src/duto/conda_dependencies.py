"""Conda and pip lists as programs build them, and their file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Optional

from duto import conda_file
from duto.later import refusing
from duto.spec.environment import Recipe, recipe
from duto.spec.packages import is_own

DEFAULT_PYTHON = "3.9.12"


class _Unasked(str):
    """The default Python version, told apart from the same version asked for by name."""


@refusing(
    "add_cntk_package sdk_origin_url",
    "Name packages with add_pip_package, and an index with set_pip_index_url.",
)
class CondaDependencies:
    """The packages of an environment. Names are mapped to PyPI's when a run is submitted, not here."""

    DEFAULT_NUMBER_OF_PACKAGES = 1

    def __init__(self, conda_dependencies_file_path: Optional[str] = None, _underlying_structure: Any = None) -> None:
        """An empty list, or that of a conda file. Raises `UserErrorException` for a file that is none."""
        self._python: Optional[str] = None
        self._conda: List[str] = []
        self._pip: List[str] = []
        self._channels: List[str] = []
        self._options: List[str] = []
        self._name = "project_environment"
        if conda_dependencies_file_path:
            self._read(conda_file.read(Path(conda_dependencies_file_path)))
        elif _underlying_structure:
            self._read(_underlying_structure)

    @staticmethod
    def create(
        pip_indexurl: Optional[str] = None,
        pip_packages: Optional[List[str]] = None,
        conda_packages: Optional[List[str]] = None,
        python_version: str = _Unasked(DEFAULT_PYTHON),
        pin_sdk_version: bool = True,
    ) -> CondaDependencies:
        """The lists of these packages. Unless a version of Python is asked for, whatever the host has will
        do."""
        made = CondaDependencies()
        made._python = None if isinstance(python_version, _Unasked) else python_version
        for package in conda_packages or ():
            made.add_conda_package(package)
        for package in pip_packages if pip_packages is not None else ("azureml-defaults",):
            made.add_pip_package(package)
        if pip_indexurl:
            made.set_pip_index_url(pip_indexurl)
        return made

    def _read(self, document: Dict[str, Any]) -> None:
        self._name = str(document.get("name") or self._name)
        self._channels = [str(each) for each in document.get("channels") or ()]
        for item in document.get("dependencies") or ():
            if isinstance(item, dict):
                for package in item.get("pip") or ():
                    (self._options if str(package).startswith("-") else self._pip).append(str(package))
            else:
                self.add_conda_package(str(item))

    def add_conda_package(self, conda_package: str) -> None:
        """One more package; `python=3.8` sets the version of Python."""
        if conda_package.replace(" ", "").split("=")[0].split(">")[0].split("<")[0] == "python":
            self._python = conda_package.replace(" ", "")[len("python") :].lstrip("=<>~!") or None
        elif conda_package not in self._conda:
            self._conda.append(conda_package)

    def add_pip_package(self, pip_package: str) -> None:
        if pip_package not in self._pip:
            self._pip.append(pip_package)

    def add_channel(self, channel: str) -> None:
        """A conda channel: asked where something is named that PyPI has not, or where it is none of the usual ones."""
        if channel not in self._channels:
            self._channels.append(channel)

    def add_tensorflow_pip_package(self, core_type: str = "cpu", version: Optional[str] = None) -> None:
        self.add_pip_package("tensorflow" + (f"=={version}" if version else ""))

    def add_tensorflow_conda_package(self, core_type: str = "cpu", version: Optional[str] = None) -> None:
        self.add_conda_package("tensorflow" + (f"={version}" if version else ""))

    def remove_conda_package(self, conda_package: str) -> None:
        self._conda = [each for each in self._conda if each != conda_package]

    def remove_pip_package(self, pip_package: str) -> None:
        self._pip = [each for each in self._pip if each != pip_package]

    def remove_channel(self, channel: str) -> None:
        self._channels = [each for each in self._channels if each != channel]

    def set_python_version(self, version: str) -> None:
        self._python = version

    def get_python_version(self) -> str:
        """The version of Python that was asked for, else the default."""
        return self._python or DEFAULT_PYTHON

    def set_pip_option(self, pip_option: str) -> None:
        if pip_option not in self._options:
            self._options.append(pip_option)

    def remove_pip_option(self, pip_option: str) -> None:
        self._options = [each for each in self._options if each != pip_option]

    def set_pip_index_url(self, index_url: str) -> None:
        self.set_pip_option(f"--index-url {index_url}")

    def set_pip_requirements(self, pip_requirements: List[str]) -> None:
        self._pip = list(pip_requirements)

    @staticmethod
    def merge_requirements(requirements: List[str]) -> List[str]:
        """The requirements without repetition."""
        return list(dict.fromkeys(requirements))

    @property
    def conda_packages(self) -> List[str]:
        return list(self._conda)

    @property
    def pip_packages(self) -> List[str]:
        return list(self._pip)

    @property
    def conda_channels(self) -> List[str]:
        return list(self._channels)

    @property
    def pip_options(self) -> List[str]:
        return list(self._options)

    def get_default_number_of_packages(self) -> int:
        return self.DEFAULT_NUMBER_OF_PACKAGES

    def as_dict(self) -> Dict[str, Any]:
        """The conda file as a dict."""
        items: List[Any] = [f"python={self.get_python_version()}", *self._conda]
        if self._pip or self._options:
            items.append({"pip": [*self._options, *self._pip]})
        document: Dict[str, Any] = {"name": self._name, "dependencies": items}
        if self._channels:
            document["channels"] = list(self._channels)
        return document

    def serialize_to_string(self) -> str:
        """The text of the conda file."""
        return conda_file.write(self.as_dict())

    def save(self, path: Optional[str] = None) -> str:
        """Write the conda file; its path."""
        target = Path(path or "conda_dependencies.yml")
        if target.is_dir():
            target = target / "conda_dependencies.yml"
        target.write_text(self.serialize_to_string(), encoding="utf-8")
        return str(target)

    def save_to_file(self, base_directory: str, conda_file_path: Optional[str] = None) -> str:
        """Write the conda file into a folder; its name there."""
        name = conda_file_path or "conda_dependencies.yml"
        self.save(str(Path(base_directory) / name))
        return name

    def recipe(self) -> Recipe:
        """What is to be built. Raises `SpecError` naming what is no package."""
        return recipe(self._conda, [*self._options, *self._pip], self._python, self._channels)

    @property
    def asks_for_nothing(self) -> bool:
        """Whether the list holds no package but Azure's own."""
        return (
            not self._python
            and not self._conda
            and all(is_own(each.split("[")[0].split("=")[0].strip("<>~! ")) for each in self._pip)
        )

    def _copy(self) -> CondaDependencies:
        made = CondaDependencies()
        made._python, made._name = self._python, self._name
        made._conda, made._pip = list(self._conda), list(self._pip)
        made._channels, made._options = list(self._channels), list(self._options)
        return made
