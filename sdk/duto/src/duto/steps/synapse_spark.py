"""A step that runs a script on Spark, and what Spark steps share."""

from __future__ import annotations

from typing import Any, Collection, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import duto
from duto.configuration.run_configuration import RunConfiguration
from duto.environment.conda_dependencies import CondaDependencies
from duto.environment.environment import Environment
from duto.exceptions import UserErrorException
from duto.spec.curated import PYSPARK as CURATED
from duto.spec.packages import normalise
from duto.spec.spark import PYSPARK
from duto.steps import ports
from duto.steps.compute_step import ComputeStep


class SparkStep(ComputeStep):
    """What steps share whose script `spark-submit` runs. Programs make one of its kinds. See docs/spark.md.

    Attributes:
        script_name: the script, relative to the source directory.
    """

    def __init__(
        self,
        name: str,
        script: str,
        arguments: Union[str, Sequence[object], None],
        compute_target: Union[duto.ComputeTarget, str, Tuple[str, str], None],
        environment: Environment,
        inputs: Optional[Collection[object]],
        outputs: Optional[Collection[object]],
        source_directory: Optional[str],
        allow_reuse: bool,
        version: Optional[str],
        settings: Mapping[str, Any],
    ) -> None:
        """Programs make a `SynapseSparkStep` or a `DatabricksStep`.

        Args:
            name: name of the step.
            script: the script.
            arguments: its arguments.
            compute_target: where it runs.
            environment: what has pyspark.
            inputs: what it reads.
            outputs: what it writes.
            source_directory: folder that goes along.
            allow_reuse: whether an earlier result may stand for it.
            version: a part of its identity.
            settings: those of `duto.spec.spark`; what is None or empty is left out.

        Raises:
            UserErrorException: `inputs` or `outputs` is no list, or something in them cannot be read or written.
        """
        config = RunConfiguration()
        config.environment = environment
        super().__init__(
            name, arguments, compute_target, config, None, inputs, outputs, None, source_directory, allow_reuse, version,
            None, None, None, None,
        )  # fmt: skip
        self.script_name = str(script)
        self._spark = {key: value for key, value in settings.items() if value not in (None, [], {})}

    @property
    def _settings(self) -> Mapping[str, Any]:
        new = [ports.output_name(root) for root in self.out_roots if getattr(root, "mode", None) == "hdfs"]
        return {**self._spark, **({"new_outputs": new} if new else {})}


class SynapseSparkStep(SparkStep):
    """A script on Spark: on the step's own node, or on the master of Spark that the compute target names. See docs/spark.md.

    Attributes:
        kind: the kind of the step in the graph.
        runconfig: its environment, with pyspark.
        params: variables that the step gets beside those of its environment; none.
        hash_paths: None: the whole source directory counts.
        retries: how many more attempts there are; programs may set it.
        timeout: seconds that an attempt may take; programs may set it.
        retry_delay: seconds before each further attempt; programs may set it.
    """

    kind = "spark"

    def __init__(
        self,
        file: str,
        source_directory: Optional[str],
        compute_target: Union[duto.ComputeTarget, str, Tuple[str, str], None],
        driver_memory: Optional[str],
        driver_cores: Optional[int],
        executor_memory: Optional[str],
        executor_cores: Optional[int],
        num_executors: Optional[int],
        name: Optional[str] = None,
        app_name: Optional[str] = None,
        environment: Optional[Environment] = None,
        arguments: Union[str, Sequence[object], None] = None,
        inputs: Optional[Collection[object]] = None,
        outputs: Optional[Collection[object]] = None,
        conf: Optional[Mapping[str, object]] = None,
        py_files: Optional[Sequence[str]] = None,
        jars: Optional[Sequence[str]] = None,
        files: Optional[Sequence[str]] = None,
        allow_reuse: bool = True,
        version: Optional[str] = None,
    ) -> None:
        """Nothing is read or sent before the pipeline is validated or submitted.

        Args:
            file: the script, relative to the source directory.
            source_directory: folder that goes along with the step; None for the pipeline's, else the current folder.
            compute_target: a `SynapseCompute` or a cluster, its name, or a pair of a name and a type; None for the
                workspace's default.
            driver_memory: memory of the driver, such as `512m` or `4g`; None for Spark's own.
            driver_cores: cores of the driver, with a master elsewhere.
            executor_memory: memory of each executor.
            executor_cores: cores of each executor.
            num_executors: how many executors there are. On the step's own node they are threads of one process, with
                the memory of all of them.
            name: name of the step; None for that of the script.
            app_name: name of the application of Spark; None for one of Spark's.
            environment: what has pyspark; where its packages do not name it, it is added. None for the curated
                environment that has it.
            arguments: texts, numbers, parameters, inputs, outputs, and lists of these; one text is split as a shell
                does.
            inputs: what the step reads: datasets, `DatasetConsumptionConfig`, data of other steps, references.
            outputs: what the step writes: `HDFSOutputDatasetConfig`, `OutputFileDatasetConfig`, `PipelineData`.
            conf: settings of Spark by name, which go before all else: `spark.sql.shuffle.partitions`, also `spark.master`.
            py_files: modules (`.py`, `.zip`, `.egg`) that the script and the executors import.
            jars: JARs for the driver and the executors.
            files: files that lie beside each executor.
            allow_reuse: take the result of an earlier run of the same step, with the same code, inputs and
                parameters.
            version: a text that is part of the step's identity: another one runs it again.

        Raises:
            ValueError: there is no script.
            UserErrorException: `inputs` or `outputs` is no list, or something in them cannot be read or written.
        """
        if not file:
            raise ValueError("A SynapseSparkStep names its file, the script.")
        settings: Dict[str, Any] = {
            "driver_memory": driver_memory,
            "driver_cores": driver_cores,
            "executor_memory": executor_memory,
            "executor_cores": executor_cores,
            "num_executors": num_executors,
            "app_name": app_name,
            "conf": dict(conf or {}),
            "py_files": texts(py_files),
            "jars": texts(jars),
            "files": texts(files),
        }
        super().__init__(
            name or str(file), file, arguments, compute_target, environment_with_spark(environment), inputs, outputs,
            source_directory, allow_reuse, version, settings,
        )  # fmt: skip


def texts(given: Union[str, Sequence[object], None]) -> List[str]:
    """A list of files: one may stand alone."""
    return [given] if isinstance(given, str) else [str(each) for each in given or ()]


def environment_with_spark(given: Optional[Environment], more: Sequence[str] = ()) -> Environment:
    """An environment that has pyspark, which on Azure comes with the cluster: what was given where its packages name it, or
    where they are not known; else a copy with it. None and an environment of variables alone mean the curated one.

    Args:
        given: the environment of the step.
        more: further packages of pip, and options of it.

    Returns:
        The environment.

    Raises:
        UserErrorException: packages are to be added where there are none of the studio's.
    """
    if given is None or (given.is_blank and not given.is_by_name and given._registered is None):
        made = Environment(CURATED)
        made.environment_variables = dict(given.environment_variables or {}) if given is not None else {}
        return made if not more else _with(made.clone("spark"), more)
    if given.python.user_managed_dependencies or given.is_by_name:
        if more:
            raise UserErrorException(
                f"pypi_libraries cannot be added to the environment '{given.name}', whose packages the studio does not "
                "install: name them in it."
            )
        return given
    dependencies = given.python.conda_dependencies or CondaDependencies()
    listed = (*dependencies.conda_packages, *dependencies.pip_packages)
    if not more and any(_is_spark(each) for each in listed):
        return given
    return _with(given.clone(f"{given.name}-spark"), more)


def _with(made: Environment, more: Sequence[str]) -> Environment:
    dependencies = made.python.conda_dependencies = made.python.conda_dependencies or CondaDependencies()
    for each in more:
        (dependencies.set_pip_option if each.startswith("--") else dependencies.add_pip_package)(each)
    if not any(_is_spark(each) for each in (*dependencies.conda_packages, *dependencies.pip_packages)):
        for each in PYSPARK:
            dependencies.add_pip_package(each)
    return made


def _is_spark(package: str) -> bool:
    """Whether a line of packages names pyspark, of conda or of pip, or what stands on it and brings it."""
    name = package.strip().rpartition("::")[2].lower()
    return normalise(name).startswith("pyspark")
