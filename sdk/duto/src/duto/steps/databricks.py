"""A script of Databricks on the studio's Spark, and the libraries that it asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Collection, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

import duto
from duto.configuration.run_configuration import RunConfiguration
from duto.exceptions import UserErrorException
from duto.not_built import passed_over
from duto.steps import ports
from duto.steps.synapse_spark import SparkStep, environment_with_spark

_SCRIPT = "Give the step python_script_name and a source_directory."
_REFUSED = {
    "notebook_path": "notebooks of Databricks do not run. Make the notebook a script (jupyter nbconvert --to script), and "
    "give the step python_script_name.",
    "main_class_name": "JARs of Databricks do not run. Start the JAR by spark-submit of the package pyspark in a CommandStep, "
    "in an environment whose image has a Java.",
}
_FORMS = (*_REFUSED, "python_script_path", "python_script_name")


class _Library:
    """A library that a cluster of Databricks would install."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in vars(self).items())})"


class PyPiLibrary(_Library):
    """A package of PyPI, which the step's environment gets.

    Attributes:
        package: the package, with its version: `simplejson==3.8.0`.
        repo: an index beside PyPI; None for none.
    """

    def __init__(self, package: Optional[str] = None, repo: Optional[str] = None) -> None:
        """
        Args:
            package: the package.
            repo: an index beside PyPI.
        """
        self.package, self.repo = package, repo


class MavenLibrary(_Library):
    """A package of Maven, which Spark fetches when the step begins.

    Attributes:
        coordinates: `group:artifact:version`.
        repo: a repository beside Maven Central; None for none.
        exclusions: packages that are not to come with it.
    """

    def __init__(
        self, coordinates: Optional[str] = None, repo: Optional[str] = None, exclusions: Optional[List[str]] = None
    ) -> None:
        """
        Args:
            coordinates: what is fetched.
            repo: a repository beside Maven Central.
            exclusions: `group:artifact` of what is not to come with it.
        """
        self.coordinates, self.repo, self.exclusions = coordinates, repo, list(exclusions or ())


class JarLibrary(_Library):
    """A JAR.

    Attributes:
        library: a file of the source directory, or an address.
    """

    def __init__(self, library: Optional[str] = None) -> None:
        """
        Args:
            library: the file.
        """
        self.library = library


class EggLibrary(_Library):
    """An egg of Python.

    Attributes:
        library: a file of the source directory, or an address.
    """

    def __init__(self, library: Optional[str] = None) -> None:
        """
        Args:
            library: the file.
        """
        self.library = library


class RCranLibrary(_Library):
    """A package of R. A step that asks for one is refused.

    Attributes:
        package: the package.
        repo: where it is; None for CRAN.
    """

    def __init__(self, package: Optional[str] = None, repo: Optional[str] = None) -> None:
        """
        Args:
            package: the package.
            repo: where it is.
        """
        self.package, self.repo = package, repo


class DatabricksStep(SparkStep):
    """A script on Spark, as a cluster of Databricks runs one: on the step's own node, or on the master of Spark that the
    compute target names. Notebooks and JARs are refused by `validate`. See docs/spark.md.

    Attributes:
        kind: the kind of the step in the graph.
        params: variables that the step gets beside those of its environment; none.
        retries: how many more attempts there are; programs may set it.
        timeout: seconds that an attempt may take, as `timeout_seconds` says.
        retry_delay: seconds before each further attempt; programs may set it.
    """

    kind = "databricks"

    def __init__(
        self,
        name: str,
        inputs: Optional[Collection[object]] = None,
        outputs: Optional[Collection[object]] = None,
        existing_cluster_id: Optional[str] = None,
        spark_version: Optional[str] = None,
        node_type: Optional[str] = None,
        instance_pool_id: Optional[str] = None,
        num_workers: Optional[int] = None,
        min_workers: Optional[int] = None,
        max_workers: Optional[int] = None,
        spark_env_variables: Optional[Mapping[str, object]] = None,
        spark_conf: Optional[Mapping[str, object]] = None,
        init_scripts: Optional[Sequence[object]] = None,
        cluster_log_dbfs_path: Optional[str] = None,
        notebook_path: Optional[str] = None,
        notebook_params: Optional[Mapping[str, object]] = None,
        python_script_path: Optional[str] = None,
        python_script_params: Optional[Sequence[object]] = None,
        main_class_name: Optional[str] = None,
        jar_params: Optional[Sequence[object]] = None,
        python_script_name: Optional[str] = None,
        source_directory: Optional[str] = None,
        hash_paths: Union[str, List[str], None] = None,
        run_name: Optional[str] = None,
        timeout_seconds: Optional[float] = None,
        runconfig: Optional[RunConfiguration] = None,
        maven_libraries: Optional[Sequence[MavenLibrary]] = None,
        pypi_libraries: Optional[Sequence[PyPiLibrary]] = None,
        egg_libraries: Optional[Sequence[EggLibrary]] = None,
        jar_libraries: Optional[Sequence[JarLibrary]] = None,
        rcran_libraries: Optional[Sequence[RCranLibrary]] = None,
        compute_target: Union[duto.ComputeTarget, str, Tuple[str, str], None] = None,
        allow_reuse: bool = True,
        version: Optional[str] = None,
        permit_cluster_restart: Optional[bool] = None,
    ) -> None:
        """Nothing is read or sent before the pipeline is validated or submitted.

        The script gets `python_script_params`, then `--<name> <path>` for each input and output, then `--AZUREML_RUN_ID` and
        the like, as on Databricks.

        Args:
            name: name of the step.
            inputs: what the step reads.
            outputs: what the step writes.
            existing_cluster_id: passed over with a warning: the compute target says where it runs.
            spark_version: passed over with a warning: the environment says which Spark it is.
            node_type: passed over with a warning: the compute target has a size.
            instance_pool_id: passed over with a warning, like `node_type`.
            num_workers: how many executors there are.
            min_workers: taken and not used: executors do not come and go.
            max_workers: how many executors there are, where `num_workers` does not say it.
            spark_env_variables: variables of the script.
            spark_conf: settings of Spark by name.
            init_scripts: passed over with a warning: put into the script, or into the environment, what they do.
            cluster_log_dbfs_path: passed over with a warning: the log is the step's.
            notebook_path: refused by `validate`.
            notebook_params: passed over with a warning.
            python_script_path: the script, relative to the source directory. One that lies on DBFS is refused by
                `validate`.
            python_script_params: arguments of the script: texts, numbers, parameters, inputs and outputs.
            main_class_name: refused by `validate`.
            jar_params: passed over with a warning.
            python_script_name: the script, relative to the source directory.
            source_directory: folder that goes along with the step; None for the pipeline's, else the current folder.
            hash_paths: files and folders that count, beside the script, when a result is to be reused; None for the
                whole source directory.
            run_name: name of the application of Spark; None for one of Spark's.
            timeout_seconds: seconds that an attempt may take.
            runconfig: its environment is the step's; where that does not name pyspark, it is added.
            maven_libraries: packages of Maven, which Spark fetches.
            pypi_libraries: packages that the environment gets.
            egg_libraries: eggs of the source directory.
            jar_libraries: JARs of the source directory.
            rcran_libraries: refused by `validate`: there is no R in Spark here.
            compute_target: a `DatabricksCompute` or a cluster, its name, or a pair of a name and a type; None for the
                workspace's default.
            allow_reuse: take the result of an earlier run of the same step, with the same code, inputs and
                parameters.
            version: a text that is part of the step's identity: another one runs it again.
            permit_cluster_restart: taken and not used.

        Raises:
            UserErrorException: not exactly one of `notebook_path`, `main_class_name`, `python_script_path` and
                `python_script_name` is given, `inputs` or `outputs` is no list, or something in them cannot be read or
                written.
        """
        forms = (notebook_path, main_class_name, python_script_path, python_script_name)
        given = [form for form, value in zip(_FORMS, forms) if value]
        if len(given) != 1:
            raise UserErrorException(f"A DatabricksStep has exactly one of {', '.join(_FORMS)}.")
        passed_over(
            "DatabricksStep",
            "the step runs on a host of its compute target, with the Spark of its environment.",
            existing_cluster_id=existing_cluster_id, spark_version=spark_version, node_type=node_type,
            instance_pool_id=instance_pool_id, init_scripts=init_scripts or None,
            cluster_log_dbfs_path=cluster_log_dbfs_path, notebook_params=notebook_params or None,
            jar_params=jar_params or None,
        )  # fmt: skip
        script = str(python_script_path or python_script_name or "")
        self._why = _why_not(given[0], script, rcran_libraries)
        packages = [str(each.package) for each in pypi_libraries or ()]
        packages += [f"--extra-index-url {each.repo}" for each in pypi_libraries or () if each.repo]
        maven = list(maven_libraries or ())
        settings: Dict[str, Any] = {
            "num_executors": num_workers or max_workers,
            "app_name": run_name,
            "conf": {**dict(spark_conf or {}), **_exclusions(maven)},
            "packages": [str(each.coordinates) for each in maven],
            "repositories": [str(each.repo) for each in maven if each.repo],
            "py_files": [str(each.library) for each in egg_libraries or ()],
            "jars": [str(each.library) for each in jar_libraries or ()],
            "variables": dict(spark_env_variables or {}),
            "tells_run": True,
        }
        environment = environment_with_spark(runconfig.environment if runconfig else None, packages)
        super().__init__(
            name, script, python_script_params, compute_target or (runconfig.compute if runconfig else None), environment, inputs,
            outputs, source_directory, allow_reuse, version, settings,
        )  # fmt: skip
        self.hash_paths = [hash_paths] if isinstance(hash_paths, str) else hash_paths
        self.timeout = timeout_seconds
        if self._why:  # so that the rest of the pipeline is looked through
            vars(self).update(kind="command", script_name="", _arguments=["true"], _spark={})
        else:
            self._arguments += list(self._named())

    def folder(self, default: Optional[str]) -> Optional[Path]:
        """The source directory; of a step that is refused nothing goes along.

        Args:
            default: the pipeline's.

        Returns:
            The folder, or None.
        """
        return None if self._why else super().folder(default)

    def _named(self) -> Iterator[Any]:
        """Each input and output that the arguments do not name already, as `--<name> <path>`."""
        named = [each for each in self._arguments if not isinstance(each, (str, int, float))]
        for item in [*self._inputs, *self._outputs]:
            if any(item is each for each in named):
                continue
            root = ports.output_root(item)
            written = root is not None and any(root is each for each in self.out_roots)
            yield f"--{ports.output_name(root) if written else ports.in_port(item).name}"
            yield item

    @property
    def _refusal(self) -> str:
        """Why it is refused, and what to do instead."""
        return f"DatabricksStep is not part of Duto: {self._why}" if self._why else ""


def _why_not(form: str, script: str, rcran: Optional[Sequence[object]]) -> str:
    """Why no studio runs a step of this form; empty where one does."""
    if form in _REFUSED:
        return _REFUSED[form]
    if script.startswith(("dbfs:", "/dbfs/")):
        return f"the script {script!r} lies on DBFS. Put it into the source directory. {_SCRIPT}"
    if rcran:
        return "rcran_libraries are packages of R, which Spark has not here. Use an RScriptStep."
    return ""


def _exclusions(maven: Sequence[MavenLibrary]) -> Dict[str, str]:
    found = [each for library in maven for each in library.exclusions]
    return {"spark.jars.excludes": ",".join(found)} if found else {}
