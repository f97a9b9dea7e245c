"""A training script with its environment, in the words of older programs."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Collection, Dict, Iterator, Mapping, Optional, Sequence, Tuple, Union

from duto.configuration.distributed import (
    Gloo,
    Mpi,
    MpiConfiguration,
    Nccl,
    ParameterServer,
    PyTorchConfiguration,
    TensorflowConfiguration,
)
from duto.configuration.resuming import resuming
from duto.configuration.run_configuration import DockerConfiguration, RunConfiguration
from duto.data.datastore import AbstractAzureStorageDatastore
from duto.data.references import DataReference
from duto.environment.conda_dependencies import CondaDependencies
from duto.environment.environment import Environment
from duto.environment.sections import ContainerRegistry
from duto.exceptions import UserErrorException
from duto.not_built import passed_over, refusing
from duto.spec.packages import from_conda, from_pip

if TYPE_CHECKING:
    import duto

_BACKENDS = {"mpi": "OpenMpi", "ps": "ParameterServer", "nccl": "Nccl", "gloo": "Gloo"}


class Estimator:
    """A training script with its arguments, data, packages and compute target: `Experiment.submit` runs it, and
    `EstimatorStep` makes it a step. Newer programs say the same with `ScriptRunConfig`.

    Attributes:
        source_directory: the folder that goes along.
        run_config: the run configuration that is made of all this; what is set on it counts.
        framework_version: the version that was asked for, or None.
        FRAMEWORK_NAME: the framework whose packages are brought along; empty for none.
    """

    FRAMEWORK_NAME = ""
    # Its packages on PyPI, and other packages that are the first of them.
    _FRAMEWORK: Tuple[str, ...] = ()
    _VARIANTS: Tuple[str, ...] = ()

    def __init__(
        self,
        source_directory: str,
        *,
        compute_target: Union[duto.ComputeTarget, str, None] = None,
        vm_size: Optional[str] = None,
        vm_priority: Optional[str] = None,
        entry_script: Optional[str] = None,
        script_params: Optional[Mapping[str, object]] = None,
        node_count: int = 1,
        process_count_per_node: int = 1,
        distributed_backend: Optional[str] = None,
        distributed_training: Union[
            Mpi, Nccl, Gloo, ParameterServer, MpiConfiguration, PyTorchConfiguration, TensorflowConfiguration, None
        ] = None,
        use_gpu: bool = False,
        use_docker: bool = True,
        custom_docker_base_image: Optional[str] = None,
        custom_docker_image: Optional[str] = None,
        image_registry_details: Optional[ContainerRegistry] = None,
        user_managed: bool = False,
        conda_packages: Optional[Sequence[str]] = None,
        pip_packages: Optional[Sequence[str]] = None,
        conda_dependencies_file_path: Optional[str] = None,
        pip_requirements_file_path: Optional[str] = None,
        conda_dependencies_file: Optional[str] = None,
        pip_requirements_file: Optional[str] = None,
        environment_variables: Optional[Mapping[str, str]] = None,
        environment_definition: Optional[Environment] = None,
        inputs: Optional[Collection[object]] = None,
        source_directory_data_store: Optional[str] = None,
        shm_size: Optional[str] = None,
        resume_from: object = None,
        max_run_duration_seconds: Optional[float] = None,
        framework_version: Optional[str] = None,
        worker_count: int = 1,
        parameter_server_count: int = 1,
        _enable_optimized_mode: bool = False,
        _disable_validation: bool = True,
        _show_lint_warnings: bool = False,
        _show_package_warnings: bool = False,
    ) -> None:
        """Nothing is sent before it is submitted; files that are named are read.

        Args:
            source_directory: folder that goes along.
            compute_target: a cluster or its name; None for the workspace's default.
            vm_size: passed over with a warning: clusters are made with `AmlCompute`.
            vm_priority: passed over with a warning.
            entry_script: the script, relative to the folder.
            script_params: arguments by name, such as `{"--rate": 0.1, "--data": dataset.as_mount()}`; an empty text
                as value gives the name alone.
            node_count: nodes on which the processes run; more than one needs a `distributed_training` or a backend.
            process_count_per_node: processes on the node.
            distributed_backend: how they find each other: `mpi`, `ps`, `nccl` or `gloo`.
            distributed_training: the same as an object, which goes before.
            use_gpu: take a framework's package for GPUs; where it runs is up to the compute target.
            use_docker: kept with the environment; the host decides whether steps run in containers.
            custom_docker_base_image: the same as `custom_docker_image`, which goes before.
            custom_docker_image: image of the container, where steps run in containers.
            image_registry_details: where the image comes from.
            user_managed: nothing is installed: the interpreter has what the script needs.
            conda_packages: packages as conda takes them, such as `numpy=1.26`.
            pip_packages: packages as pip takes them, such as `numpy==1.26.*`.
            conda_dependencies_file_path: the same as `conda_dependencies_file`, which goes before.
            pip_requirements_file_path: the same as `pip_requirements_file`, which goes before.
            conda_dependencies_file: a conda file, in the folder or by its path; a framework's own packages are then
                left out.
            pip_requirements_file: a requirements file, in the folder or by its path.
            environment_variables: variables of the script.
            environment_definition: the environment, in place of all that is said here of packages and images.
            inputs: what the script reads: datasets, references, data of other steps.
            source_directory_data_store: kept as it is: the studio keeps the code.
            shm_size: shared memory of the container, such as `2g`.
            resume_from: `DataPath` of a checkpoint's files; the script is given their path behind `--resume-from`.
            max_run_duration_seconds: seconds that the script may take; None for no limit.
            framework_version: version of the class's framework, such as `1.13` or `0.20.3`; None for any that the
                host's Python can have. One that the program's own lists say goes before.
            worker_count: TensorFlow's workers, where the backend is `ps`.
            parameter_server_count: TensorFlow's servers of parameters, where the backend is `ps`.

        Raises:
            UserErrorException: no script is named, `script_params` is no dict, a file is missing, a value is none of
                those that are known, or an `Estimator` of no framework was given a version of it.
        """
        if not entry_script:
            raise UserErrorException(f"{self._kind}(entry_script=...) names the script, relative to source_directory.")
        if framework_version is not None and not self.FRAMEWORK_NAME:
            raise UserErrorException(f"{self._kind} has no framework, so that framework_version means nothing.")
        self.framework_version = None if framework_version is None else str(framework_version)
        passed_over(self._kind, "clusters are made with AmlCompute.", vm_size=vm_size, vm_priority=vm_priority)
        self.source_directory = str(source_directory or ".")
        self.run_config = config = RunConfiguration(
            entry_script, [*_arguments(script_params), *resuming(self._kind, resume_from)]
        )
        config.target = compute_target
        config.mpi.process_count_per_node = process_count_per_node
        config.tensorflow = TensorflowConfiguration(worker_count, parameter_server_count)
        served = max(worker_count, parameter_server_count) > 1
        _spread(config, distributed_backend or ("ps" if served else None), distributed_training, process_count_per_node)
        config.node_count = max(node_count, config.node_count)
        config.max_run_duration_seconds = max_run_duration_seconds
        config.source_directory_data_store = source_directory_data_store
        if shm_size:
            config.docker = DockerConfiguration(use_docker=True, shm_size=shm_size)
        self._take(inputs or ())
        conda_file = conda_dependencies_file or conda_dependencies_file_path
        pip_file = pip_requirements_file or pip_requirements_file_path
        image = custom_docker_image or custom_docker_base_image
        if environment_definition is not None:
            passed_over(
                self._kind,
                "environment_definition says what the environment is.",
                custom_docker_image=image,
                image_registry_details=image_registry_details,
                user_managed=user_managed,
                conda_packages=conda_packages or None,
                pip_packages=pip_packages or None,
                conda_dependencies_file=conda_file,
                pip_requirements_file=pip_file,
                framework_version=self.framework_version,
            )
            # The variables are this script's, and the environment may be another's, too.
            given = environment_definition
            config.environment = copy.deepcopy(given) if environment_variables else given
        else:
            environment = config.environment
            environment.docker.enabled = use_docker
            environment.docker.base_image = image
            environment.docker.base_image_registry = image_registry_details or ContainerRegistry()
            environment.python.user_managed_dependencies = user_managed
            packages = self._packages(conda_packages or (), pip_packages or (), conda_file, pip_file)
            if not (user_managed or conda_file):
                for line in self._framework_lines(_named(packages), use_gpu):
                    packages.add_pip_package(line)
            environment.python.conda_dependencies = packages
        if environment_variables:
            config.environment_variables = {**config.environment_variables, **environment_variables}

    @property
    def conda_dependencies(self) -> Optional[CondaDependencies]:
        """The packages of the environment."""
        return self.run_config.environment.python.conda_dependencies

    @property
    def _kind(self) -> str:
        return type(self).__name__

    def _take(self, inputs: Collection[object]) -> None:
        """Make the inputs those of the run configuration. Two of one name stay two, for the graph to refuse where they
        are not the same data."""
        if not isinstance(inputs, (list, tuple, set)):
            raise UserErrorException(f"{self._kind}: inputs={inputs!r} is no list: write inputs=[...].")
        for number, item in enumerate(map(_data, inputs)):
            is_reference = isinstance(item, DataReference)
            name = getattr(item, "data_reference_name" if is_reference else "name", None) or "input"
            place = self.run_config.data_references if is_reference else self.run_config.data
            place[f"{name}_{number}" if name in place else name] = item

    def _packages(
        self,
        conda_packages: Sequence[str],
        pip_packages: Sequence[str],
        conda_file: Optional[str],
        pip_file: Optional[str],
    ) -> CondaDependencies:
        made = CondaDependencies(self._file(conda_file)) if conda_file else CondaDependencies.create()
        if pip_file:
            made.add_requirements(self._file(pip_file))
        for package in conda_packages:
            made.add_conda_package(package)
        for package in pip_packages:
            made.add_pip_package(package)
        return made

    def _file(self, path: str) -> str:
        """A file of the source directory, else of the current one."""
        beside = Path(self.source_directory) / path
        return str(beside if beside.is_file() else path)

    def _framework_lines(self, named: Mapping[str, bool], use_gpu: bool) -> Iterator[str]:
        """The framework's packages, beside those that are named already, with a version or without."""
        if not self._FRAMEWORK:
            return
        first, *others = self._FRAMEWORK
        version = self.framework_version
        own = next((each for each in (first, *self._VARIANTS) if each in named), None)
        if own is None:
            yield (self._for_gpu() if use_gpu else first) + _pinned(version)
        elif version is not None and not named[own]:
            yield own + _pinned(version)
        yield from (each for each in others if each not in named)

    def _for_gpu(self) -> str:
        """The framework's package for GPUs."""
        return self._FRAMEWORK[0]


_ANY_VERSION = "framework_version takes any version that PyPI has."


@refusing("get_supported_versions", _ANY_VERSION)
class SKLearn(Estimator):
    """An `Estimator` that has scikit-learn."""

    FRAMEWORK_NAME = "SKLearn"
    _FRAMEWORK = ("scikit-learn",)


@refusing("get_supported_versions", _ANY_VERSION)
class PyTorch(Estimator):
    """An `Estimator` that has PyTorch and torchvision."""

    FRAMEWORK_NAME = "PyTorch"
    _FRAMEWORK = ("torch", "torchvision")


@refusing("get_supported_versions", _ANY_VERSION)
class TensorFlow(Estimator):
    """An `Estimator` that has TensorFlow."""

    FRAMEWORK_NAME = "TensorFlow"
    _FRAMEWORK = ("tensorflow",)
    _VARIANTS = ("tensorflow-gpu", "tensorflow-cpu")

    def _for_gpu(self) -> str:
        """A package of its own up to 2.0, an extra from 2.14 on, and between them the same."""
        numbers = re.findall(r"\d+", self.framework_version or "")
        version = tuple(map(int, numbers[:2]))
        if version and version < (2, 1):
            return "tensorflow-gpu"
        return "tensorflow[and-cuda]" if not version or version >= (2, 14) else "tensorflow"


@refusing("get_supported_versions", _ANY_VERSION)
class Chainer(Estimator):
    """An `Estimator` that has Chainer. CuPy is named in `pip_packages`, for the CUDA of the hosts."""

    FRAMEWORK_NAME = "Chainer"
    _FRAMEWORK = ("chainer",)


def _arguments(script_params: Optional[Mapping[str, object]]) -> Iterator[object]:
    if script_params is not None and not isinstance(script_params, Mapping):
        raise UserErrorException(f"script_params is a dict of arguments by name, not {script_params!r}.")
    for name, value in (script_params or {}).items():
        yield name
        if not (isinstance(value, str) and not value):
            yield _data(value)


def _data(value: object) -> object:
    """A whole datastore is mounted, as older programs mean it."""
    return value.as_mount() if isinstance(value, AbstractAzureStorageDatastore) else value


def _spread(config: RunConfiguration, backend: Optional[str], training: Any, processes: int) -> None:
    """Set what several processes are told by, as an object or as the word for it."""
    if isinstance(training, (MpiConfiguration, PyTorchConfiguration, TensorflowConfiguration)):
        config._spread(training)
        return
    if training is not None:
        known = getattr(training, "communicator", None)
        if known is None:
            raise UserErrorException(f"distributed_training is Mpi, Nccl, Gloo or ParameterServer, not {training!r}.")
        config.communicator = str(known)
        if isinstance(training, Mpi):
            config.mpi.process_count_per_node = training.process_count_per_node
        elif isinstance(training, ParameterServer):
            config.tensorflow = TensorflowConfiguration(training.worker_count, training.parameter_server_count)
    elif backend is None or str(backend).lower() == "none":
        config.communicator = "OpenMpi" if processes > 1 else "None"
    elif str(backend).lower() not in _BACKENDS:
        raise UserErrorException(f"distributed_backend is one of {', '.join(_BACKENDS)}, not {backend!r}.")
    else:
        config.communicator = _BACKENDS[str(backend).lower()]


def _pinned(version: Optional[str]) -> str:
    if version is None:
        return ""
    return f"=={version}.*" if re.fullmatch(r"\d+(\.\d+)?", version) else f"=={version}"


def _named(packages: CondaDependencies) -> Dict[str, bool]:
    """The packages that are asked for, by PyPI's names, and whether a version is said."""
    found = {}
    for lines, name_of in ((packages.conda_packages, from_conda), (packages.pip_packages, from_pip)):
        for line in lines:
            match = re.match(r"\s*(?:[\w./:-]+::)?([\w.-]+)\s*(?:\[[^]]*\])?\s*([^;#]*)", line)
            if match:
                found[name_of(match[1]) or match[1]] = bool(match[2].strip())
    return found
