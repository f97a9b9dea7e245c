"""Conda and pip lists as programs build them, and their file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional

from duto.environment import conda_file, requirement_files
from duto.exceptions import UserErrorException
from duto.not_built import refusing
from duto.spec import requirements
from duto.spec.environment import Recipe, recipe
from duto.spec.packages import is_own, normalise
from duto.spec.sentences import said, said_in

DEFAULT_PYTHON = "3.9.12"


class _Unasked(str):
    """The default Python version, told apart from the same version asked for by name."""


@refusing(
    "add_cntk_package sdk_origin_url",
    "Name packages with add_pip_package, and an index with set_pip_index_url.",
)
class CondaDependencies:
    """The packages of an environment, as conda and pip name them.

    Names are mapped to PyPI's when a run is submitted, not here; conda is used for what only conda can install.

    Attributes:
        DEFAULT_NUMBER_OF_PACKAGES: kept for its name.
    """

    DEFAULT_NUMBER_OF_PACKAGES = 1

    def __init__(self, conda_dependencies_file_path: Optional[str] = None, _underlying_structure: Any = None) -> None:
        """An empty list, or that of a conda file.

        Args:
            conda_dependencies_file_path: a file of conda's YAML; files that its list of pip names lie beside it.

        Raises:
            UserErrorException: the file is missing or no conda file, or PyYAML is not installed.
        """
        self._python: Optional[str] = None
        self._conda: List[str] = []
        self._pip: List[str] = []
        self._channels: List[str] = []
        self._options: List[str] = []
        self._unused: List[str] = []
        self._bounds: List[str] = []
        self._variables: Dict[str, str] = {}
        self._fetched: requirement_files.Fetched = {}
        self._name = "project_environment"
        if conda_dependencies_file_path:
            path = Path(conda_dependencies_file_path)
            self._read(conda_file.read(path), str(path.parent))
        elif _underlying_structure:
            self._read(_underlying_structure, "")

    @staticmethod
    def create(
        pip_indexurl: Optional[str] = None,
        pip_packages: Optional[List[str]] = None,
        conda_packages: Optional[List[str]] = None,
        python_version: str = _Unasked(DEFAULT_PYTHON),
        pin_sdk_version: bool = True,
    ) -> CondaDependencies:
        """The lists of these packages.

        Args:
            pip_indexurl: address of the index that pip asks.
            pip_packages: packages as pip takes them, such as `numpy==1.26.*`; None for `azureml-defaults`, an empty
                list for none.
            conda_packages: packages as conda takes them, such as `numpy=1.26`.
            python_version: a version such as `3.11`, or bounds. Unless one is given, whatever the host has will do,
                where Azure ML takes the default.
            pin_sdk_version: taken and not used: each step has the SDK.

        Returns:
            The lists.
        """
        made = CondaDependencies()
        made._python = None if isinstance(python_version, _Unasked) else python_version
        for package in conda_packages or ():
            made.add_conda_package(package)
        for package in pip_packages if pip_packages is not None else ("azureml-defaults",):
            made.add_pip_package(package)
        if pip_indexurl:
            made.set_pip_index_url(pip_indexurl)
        return made

    @classmethod
    def of_requirements(cls, file_path: str) -> CondaDependencies:
        """The lists of a requirements file. An addition of ours.

        Args:
            file_path: the file; `-r` and `-c` in it name files beside it, or by an address.

        Returns:
            The lists.

        Raises:
            UserErrorException: it, or a file that it names, is missing.
        """
        made = cls()
        made.add_requirements(file_path)
        return made

    @classmethod
    def of_definition(cls, python: Mapping[str, Any]) -> CondaDependencies:
        """The lists of a definition's Python. An addition of ours.

        Args:
            python: the part `python` of a definition, as the studio keeps it.

        Returns:
            The lists.
        """
        section, made = python.get("conda") or {}, cls()
        made._pip = [str(each) for each in python.get("packages") or ()]
        made._conda = [str(each) for each in section.get("packages") or ()]
        made._channels = [str(each) for each in section.get("channels") or ()]
        made._bounds = [str(each) for each in python.get("constraints") or ()]
        made._unused = [said_in(python, str(each)) for each in python.get("unused") or ()]
        made._python = str(python["version"]) if python.get("version") else None
        return made

    def _read(self, document: Dict[str, Any], folder: str) -> None:
        self._name = str(document.get("name") or self._name)
        self._channels = [str(each) for each in _listed(document, "channels")]
        self._bounds = [str(each) for each in _listed(document, "constraints")]
        variables = document.get("variables") or {}
        if not isinstance(variables, dict):
            raise UserErrorException("'variables' of a conda file are names and texts.")
        self._variables = {str(name): str(value) for name, value in variables.items()}
        unknown = sorted(str(key) for key in set(document) - conda_file.KEYS)
        self._unused = [said("section_unused", name=key) for key in unknown]
        for item in _listed(document, "dependencies"):
            if not isinstance(item, dict):
                self._add_conda(str(item))
                continue
            for key in item:
                if key != "pip":
                    raise UserErrorException(f"'{key}' in the list of dependencies is no package, and not 'pip'.")
            for line in requirement_files.read(map(str, _listed(item, "pip")), folder, self._fetched):
                self._add_line(line)

    def _add_line(self, line: str) -> None:
        kept = self._options if line.startswith("-") else self._pip
        if line not in kept:
            kept.append(line)

    def _add_conda(self, line: str) -> None:
        python = re.match(r"^(?:[\w./:-]+::)?python\s*(?![\w.-])(.*)$", line.strip())
        if python is None:
            if line not in self._conda:
                self._conda.append(line)
            return
        bracketed = re.search(r"\[.*?version\s*=\s*['\"]?([^'\"\]]+)", python.group(1))
        wanted = bracketed.group(1) if bracketed else python.group(1)
        wanted = re.sub(r"^={1,2}(?!=)", "", wanted.strip()).strip()
        self._python = wanted or self._python

    def add_conda_package(self, conda_package: str) -> None:
        """One more package, in the place of another version of the same.

        Args:
            conda_package: the package; `python=3.8` sets the version of Python.
        """
        self._conda = _without(self._conda, conda_package)
        self._add_conda(conda_package)

    def add_pip_package(self, pip_package: str) -> None:
        """One more package, in the place of another version of the same.

        Args:
            pip_package: the package, as a line of a requirements file.
        """
        self._pip = _without(self._pip, pip_package)
        self._add_line(pip_package)

    def add_requirements(self, file_path: str) -> None:
        """The lines of a requirements file more. An addition of ours.

        Args:
            file_path: the file; `-r` and `-c` in it name files beside it, or by an address.

        Raises:
            UserErrorException: it, or a file that it names, is missing.
        """
        for line in requirement_files.lines_of(str(file_path), self._fetched):
            self._add_line(line)

    def add_channel(self, channel: str) -> None:
        """A conda channel more: asked where something is named that PyPI has not, or where it is none of the usual
        ones.

        Args:
            channel: name or address of the channel.
        """
        if channel not in self._channels:
            self._channels.append(channel)

    def add_tensorflow_pip_package(self, core_type: str = "cpu", version: Optional[str] = None) -> None:
        """TensorFlow more, from PyPI.

        Args:
            core_type: taken and not used: newer releases serve CPU and GPU.
            version: a version; None for any.
        """
        self.add_pip_package("tensorflow" + (f"=={version}" if version else ""))

    def add_tensorflow_conda_package(self, core_type: str = "cpu", version: Optional[str] = None) -> None:
        """TensorFlow more, as conda names it.

        Args:
            core_type: taken and not used.
            version: a version; None for any.
        """
        self.add_conda_package("tensorflow" + (f"={version}" if version else ""))

    def remove_conda_package(self, conda_package: str) -> None:
        """Take a package out; one that is not there is no error.

        Args:
            conda_package: its name, or as it was added.
        """
        self._conda = _without(self._conda, conda_package)

    def remove_pip_package(self, pip_package: str) -> None:
        """Take a package out; one that is not there is no error.

        Args:
            pip_package: its name, or as it was added.
        """
        self._pip = _without(self._pip, pip_package)

    def remove_channel(self, channel: str) -> None:
        """Take a channel out; one that is not there is no error.

        Args:
            channel: the channel, as it was added.
        """
        self._channels = [each for each in self._channels if each != channel]

    def set_python_version(self, version: str) -> None:
        """Ask for a version of Python.

        Args:
            version: a version such as `3.11`, or bounds such as `>=3.8,<3.11`.
        """
        self._python = str(version)

    def get_python_version(self) -> str:
        """The version of Python that was asked for.

        Returns:
            The version, or `3.9.12`, Azure ML's default, where none was asked for.
        """
        return self._python or DEFAULT_PYTHON

    def set_pip_option(self, pip_option: str) -> None:
        """An option of pip more, such as `--extra-index-url https://…`.

        Args:
            pip_option: a line of a requirements file that begins with `-`.
        """
        if pip_option not in self._options:
            self._options.append(pip_option)

    def remove_pip_option(self, pip_option: str) -> None:
        """Take an option out; one that is not there is no error.

        Args:
            pip_option: the option, as it was added.
        """
        self._options = [each for each in self._options if each != pip_option]

    def set_pip_index_url(self, index_url: str) -> None:
        """The index that pip asks. Which indexes a host asks is its own setting; the option is told as not used.

        Args:
            index_url: address of the index.
        """
        self.set_pip_option(f"--index-url {index_url}")

    def set_pip_requirements(self, pip_requirements: List[str]) -> None:
        """These packages in place of all that were there.

        Args:
            pip_requirements: packages, as lines of a requirements file.
        """
        self._pip = list(pip_requirements)

    @staticmethod
    def merge_requirements(requirements: List[str]) -> List[str]:
        """Requirements without repetition.

        Args:
            requirements: lines of a requirements file.

        Returns:
            Each line once, in their order.
        """
        return list(dict.fromkeys(requirements))

    @property
    def conda_packages(self) -> List[str]:
        """The packages as conda takes them, without Python."""
        return list(self._conda)

    @property
    def pip_packages(self) -> List[str]:
        """The packages as pip takes them."""
        return list(self._pip)

    @property
    def conda_channels(self) -> List[str]:
        """The channels."""
        return list(self._channels)

    @property
    def pip_options(self) -> List[str]:
        """The options of pip."""
        return list(self._options)

    def get_default_number_of_packages(self) -> int:
        """Kept for its name.

        Returns:
            `DEFAULT_NUMBER_OF_PACKAGES`.
        """
        return self.DEFAULT_NUMBER_OF_PACKAGES

    def as_dict(self) -> Dict[str, Any]:
        """The conda file as a dictionary.

        Returns:
            Its keys: `name` and `dependencies`; `channels`, `constraints` and `variables` where there are some.
        """
        items: List[Any] = []
        if self._python:
            sign = "" if self._python[0] in "<>=!~" else "="
            items.append(f"python{sign}{self._python}")
        items += self._conda
        if self._pip or self._options:
            items.append({"pip": [*self._options, *self._pip]})
        document: Dict[str, Any] = {"name": self._name, "dependencies": items}
        if self._channels:
            document["channels"] = list(self._channels)
        if self._bounds:
            document["constraints"] = list(self._bounds)
        if self._variables:
            document["variables"] = dict(self._variables)
        return document

    def serialize_to_string(self) -> str:
        """The text of the conda file.

        Returns:
            YAML.

        Raises:
            UserErrorException: PyYAML is not installed.
        """
        return conda_file.write(self.as_dict())

    def save(self, path: Optional[str] = None) -> str:
        """Write the conda file.

        Args:
            path: the file, or a folder for `conda_dependencies.yml` in it; None for the current folder.

        Returns:
            Path of the file.

        Raises:
            UserErrorException: PyYAML is not installed.
        """
        target = Path(path or "conda_dependencies.yml")
        if target.is_dir():
            target = target / "conda_dependencies.yml"
        target.write_text(self.serialize_to_string(), encoding="utf-8")
        return str(target)

    def save_to_file(self, base_directory: str, conda_file_path: Optional[str] = None) -> str:
        """Write the conda file into a folder.

        Args:
            base_directory: the folder, which has to exist.
            conda_file_path: path in it; None for `conda_dependencies.yml`.

        Returns:
            That path in the folder.

        Raises:
            UserErrorException: PyYAML is not installed.
        """
        name = conda_file_path or "conda_dependencies.yml"
        self.save(str(Path(base_directory) / name))
        return name

    def recipe(self) -> Recipe:
        """What is to be built: of files on the web what they said when they were first read. An addition of ours.

        Returns:
            Python, packages, channels and bounds.

        Raises:
            SpecError: what of the lists is no package.
            UserErrorException: a file that the lists name cannot be had.
        """
        bounds, lines = list(self._bounds), []
        for line in requirement_files.read([*self._options, *self._pip], "", self._fetched):
            name, value = requirements.option(line)
            if name == "-c":
                bounds += requirement_files.constraints_of(value, self._fetched)
            else:
                lines.append(line)
        return recipe(self._conda, lines, self._python, self._channels, bounds, self._unused)

    @property
    def variables(self) -> Dict[str, str]:
        """The environment variables of a conda file."""
        return dict(self._variables)

    @property
    def asks_for_nothing(self) -> bool:
        """Whether the list holds no package but Azure's own. An addition of ours."""
        return not (self._python or self._conda or self._options or self._variables or self._bounds) and all(
            is_own(_name_of(each)) for each in self._pip
        )


def _listed(document: Dict[str, Any], key: str) -> List[Any]:
    found = document.get(key) or []
    if not isinstance(found, list):
        raise UserErrorException(f"'{key}' of a conda file is a list.")
    return [each for each in found if each is not None]


def _name_of(package: str) -> str:
    found = re.match(r"^(?:[\w./:-]+::)?([\w.-]+)", package.strip())
    return normalise(found.group(1)) if found else package


def _without(packages: Iterable[str], package: str) -> List[str]:
    """Those that are of another name; lines of one package for several conditions stay."""
    return [each for each in packages if each != package and (";" in each or _name_of(each) != _name_of(package))]
