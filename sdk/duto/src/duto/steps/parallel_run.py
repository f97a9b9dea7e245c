"""A step that shares its data out to many processes, mini-batch by mini-batch, and how it does so."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any, Collection, Dict, List, Mapping, Optional, Sequence, Union

import duto
from duto.configuration.run_configuration import RunConfiguration
from duto.data.consumption import DatasetConsumptionConfig
from duto.environment import conda_file, file_format
from duto.environment.environment import Environment
from duto.exceptions import UserErrorException
from duto.not_built import passed_over
from duto.spec import parallel
from duto.steps import ports
from duto.steps.base import entries
from duto.steps.compute_step import ComputeStep
from duto.steps.parameter import PipelineParameter

_NAME = re.compile(r"[a-z][-a-z0-9]{1,30}[a-z0-9]")
_SECTION = "parallel_run_config"
_SAVED = (
    "source_directory",
    "entry_script",
    "error_threshold",
    "output_action",
    "node_count",
    "process_count_per_node",
    "mini_batch_size",
    "description",
    "logging_level",
    "run_invocation_timeout",
    "run_max_try",
    "append_row_file_name",
    "allowed_failed_count",
    "allowed_failed_percent",
    "partition_keys",
)


class ParallelRunConfig:
    """How a `ParallelRunStep` runs: script, environment, cluster, mini-batches, and which failures it outlives.

    `mini_batch_size`, `node_count`, `process_count_per_node`, `logging_level`, `run_invocation_timeout`, `run_max_try`
    and the three limits of failures may be `PipelineParameter`s. See docs/parallel.md.

    Attributes:
        environment: as given.
        entry_script: as given.
        compute_target: as given.
        source_directory: as given.
        description: as given.
        error_threshold: as given.
        output_action: in lower case.
        node_count: as given.
        process_count_per_node: as given.
        mini_batch_size: as given.
        logging_level: as given.
        run_invocation_timeout: as given.
        run_max_try: as given.
        append_row_file_name: as given.
        allowed_failed_count: as given.
        allowed_failed_percent: as given.
        partition_keys: as given.
    """

    def __init__(
        self,
        environment: duto.Environment,
        entry_script: str,
        error_threshold: Union[int, PipelineParameter],
        output_action: str,
        compute_target: Union[duto.ComputeTarget, str],
        node_count: Union[int, PipelineParameter],
        process_count_per_node: Union[int, PipelineParameter, None] = None,
        mini_batch_size: Union[int, str, PipelineParameter, None] = None,
        source_directory: Optional[str] = None,
        description: Optional[str] = None,
        logging_level: Union[str, PipelineParameter, None] = "INFO",
        run_invocation_timeout: Union[float, PipelineParameter, None] = 60,
        run_max_try: Union[int, PipelineParameter, None] = 3,
        append_row_file_name: Optional[str] = None,
        allowed_failed_count: Union[int, PipelineParameter, None] = None,
        allowed_failed_percent: Union[float, PipelineParameter, None] = None,
        partition_keys: Optional[List[str]] = None,
        environment_variables: Optional[Mapping[str, str]] = None,
        input_format: Optional[str] = None,
    ) -> None:
        """Nothing is read or sent before the pipeline is validated or submitted.

        Args:
            environment: packages and variables of the processes.
            entry_script: the script with `init()` and `run(mini_batch)`, relative to the source directory.
            error_threshold: how many files, or rows, may fail in all before the step does; -1 for any number.
            output_action: `append_row` puts what `run` returns into one file, `summary_only` leaves writing to the
                script.
            compute_target: a cluster, or its name.
            node_count: nodes of the cluster that share the mini-batches. The step begins with one, and takes the others
                as they come free.
            process_count_per_node: processes on each of them; None for one a core of the node, or one a GPU.
            mini_batch_size: of files how many (`10`), or bytes (`1MB`); of rows bytes. None for 10 files, or 1 MB.
            source_directory: folder that goes along with the step; None for the pipeline's, else the current folder.
            description: text for people.
            logging_level: from which level on `EntryScript().logger` writes.
            run_invocation_timeout: seconds that one call of `run` may take; then its process is ended and replaced.
            run_max_try: how often a mini-batch is tried.
            append_row_file_name: name of the file of `append_row`; None for `parallel_run_step.txt`.
            allowed_failed_count: how many mini-batches may fail; None for any number.
            allowed_failed_percent: how many of a hundred may; None for any number.
            partition_keys: names of keys: a mini-batch for each combination of their values, instead of a size.
            environment_variables: variables that the processes get.
            input_format: passed over with a warning: what an input is tells its kind.

        Raises:
            UserErrorException: a value that cannot be one: all of them at once.
        """
        passed_over("ParallelRunConfig", "what an input is tells its kind.", input_format=input_format)
        self.environment = environment
        self.entry_script = str(entry_script)
        self.compute_target = compute_target
        self.source_directory = source_directory
        self.description = description
        self.error_threshold = error_threshold
        self.output_action = output_action.lower() if isinstance(output_action, str) else output_action
        self.node_count = node_count
        self.process_count_per_node = process_count_per_node
        self.mini_batch_size = mini_batch_size
        self.logging_level = logging_level if logging_level is not None else "INFO"
        self.run_invocation_timeout = run_invocation_timeout if run_invocation_timeout is not None else 60
        self.run_max_try = run_max_try if run_max_try is not None else 3
        self.append_row_file_name = append_row_file_name
        self.allowed_failed_count = allowed_failed_count
        self.allowed_failed_percent = allowed_failed_percent
        self.partition_keys = None if partition_keys is None else list(partition_keys)
        self._environment_variables = dict(environment_variables or {})
        self._check()

    @property
    def environment_variables(self) -> Dict[str, str]:
        """Variables that the processes get, beside those of the environment."""
        return self._environment_variables

    @environment_variables.setter
    def environment_variables(self, value: Mapping[str, str]) -> None:
        self._environment_variables = dict(value or {})

    def _settings(self, inputs: Sequence[str], output: Optional[str]) -> Dict[str, Any]:
        """The settings that were given, as a step of a graph holds them, with parameters where they stand."""
        names = [name for name in parallel.READERS if name not in ("inputs", "output")]
        found = {name: getattr(self, name) for name in names if getattr(self, name) not in (None, [])}
        return {**found, "inputs": list(inputs), **({"output": output} if output else {})}

    def _check(self) -> None:
        wrong = [] if self.entry_script.strip() else ["entry_script names the script with init() and run()."]
        environment: Any = self.environment
        if not isinstance(environment, Environment):
            wrong.append(f"environment is an Environment, not {environment!r}.")
        given = {
            n: {"parameter": v.name} if isinstance(v, PipelineParameter) else v
            for n, v in self._settings(["x"], "x").items()
        }
        wrong += parallel.problems_of(given, self._defaults())
        if wrong:
            raise UserErrorException(" ".join(["This ParallelRunConfig cannot be used:", *wrong]))

    def _defaults(self) -> Dict[str, Any]:
        values = (getattr(self, name) for name in parallel.TUNABLE)
        return {value.name: value.default_value for value in values if isinstance(value, PipelineParameter)}

    def save_to_yaml(self, path: str) -> None:
        """Write the configuration as YAML that `load_yaml` reads.

        Args:
            path: the file.

        Raises:
            UserErrorException: a setting is a `PipelineParameter`, which a file cannot hold.
        """
        tuned = [name for name in _SAVED if isinstance(getattr(self, name), PipelineParameter)]
        if tuned:
            raise UserErrorException(
                f"A file holds values and no parameters: {', '.join(tuned)} is a PipelineParameter."
            )
        target: Any = self.compute_target
        document: Dict[str, Any] = {name: getattr(self, name) for name in _SAVED if getattr(self, name) is not None}
        document["compute_target"] = target if isinstance(target, str) else str(target.name)
        document["environment"] = file_format.write(self.environment)
        document["environment_variables"] = self.environment_variables
        Path(path).write_text(_yaml({_SECTION: document}), encoding="utf-8")

    @staticmethod
    def load_yaml(workspace: duto.Workspace, path: str) -> ParallelRunConfig:
        """The configuration of a file of YAML.

        Args:
            workspace: where an environment of which the file has the name alone is looked up.
            path: the file. What it says stands under `parallel_run_config`, or at the top.

        Returns:
            The configuration; its compute target is the name that the file has.

        Raises:
            UserErrorException: the file is missing, cannot be read, or holds what is no setting.
        """
        file = Path(path)
        try:
            document = conda_file.parse(file.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError) as error:
            raise UserErrorException(f"'{file}' cannot be read: {error}") from error
        document = document.get(_SECTION, document) if isinstance(document, dict) else None
        if not isinstance(document, Mapping):
            raise UserErrorException(f"'{file}' holds no settings under {_SECTION}.")
        given = dict(document)
        known = {*_SAVED, "environment", "environment_variables", "compute_target", "input_format"}
        if unknown := sorted(set(map(str, given)) - known):
            raise UserErrorException(
                f"'{file}' names {', '.join(unknown)}, and a ParallelRunConfig has no such setting."
            )
        needed = ("environment", "entry_script", "error_threshold", "output_action", "compute_target", "node_count")
        if missing := [name for name in needed if given.get(name) is None]:
            raise UserErrorException(f"'{file}' lacks {', '.join(missing)}.")
        given["environment"] = _environment_of(workspace, given["environment"], file.parent)
        return ParallelRunConfig(**given)

    def __repr__(self) -> str:
        return f"<ParallelRunConfig {self.entry_script} {self.output_action}>"


def _yaml(document: Dict[str, Any]) -> str:
    """The document as YAML; where PyYAML is missing as JSON, which is YAML too."""
    try:
        import yaml
    except ImportError:
        return json.dumps(document, indent=2) + "\n"
    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))


def _environment_of(workspace: Any, given: Any, folder: Path) -> Environment:
    """The environment that a file names, or holds under the keys of Azure ML's files."""
    if isinstance(given, str):
        return Environment.get(workspace, given)
    if not isinstance(given, Mapping):
        raise UserErrorException(f"environment: {given!r} is neither a name nor a section.")
    if set(given) <= {"name", "version"}:
        version = given.get("version")
        return Environment.get(workspace, str(given.get("name")), None if version is None else str(version))
    return file_format.read(dict(given), folder, Environment(file_format.name_of(given)))


class ParallelRunStep(ComputeStep):
    """A script's `run` over all mini-batches of its inputs, by many processes at once. See docs/parallel.md.

    Attributes:
        kind: the kind of the step in the graph.
        script_name: the entry script, relative to the source directory.
        compute_target: that of the configuration.
        runconfig: its environment, with the variables of the configuration.
        source_directory: that of the configuration.
        params: empty: `init()` reads arguments.
        version: None: nothing is added to the step's identity.
        hash_paths: None: the whole source directory counts when a result is to be reused.
        retries: None: an attempt that failed is tried again by the policy of its cause.
        retry_delay: None, as `retries`.
        timeout: None: the step may take as long as its mini-batches do.
    """

    kind = parallel.KIND

    def __init__(
        self,
        name: str,
        parallel_run_config: ParallelRunConfig,
        inputs: Collection[object],
        output: Optional[object] = None,
        side_inputs: Optional[Collection[object]] = None,
        arguments: Union[str, Sequence[object], None] = None,
        allow_reuse: bool = True,
        models: Optional[Collection[object]] = None,
        tags: Optional[Mapping[str, str]] = None,
        properties: Optional[Mapping[str, str]] = None,
        add_parallel_run_step_dependencies: bool = True,
    ) -> None:
        """Nothing is read or sent before the pipeline is validated or submitted.

        Args:
            name: name of the step: 3 to 32 lower-case letters, digits and dashes, a letter first.
            parallel_run_config: how it runs.
            inputs: datasets that are cut into mini-batches, one after the other: files, rows, or what another step
                wrote.
            output: where the file of rows goes (`append_row`), or what the script writes to; None for none.
            side_inputs: what every process reads beside its mini-batches; `arguments` name them.
            arguments: arguments of the script, which `init()` reads from `sys.argv`.
            allow_reuse: take the result of an earlier run of the same step, with the same code, inputs and
                parameters.
            models: passed over with a warning: `Model.get_model_path` finds models.
            tags: passed over with a warning.
            properties: passed over with a warning.
            add_parallel_run_step_dependencies: False is passed over with a warning: steps have what they need.

        Raises:
            UserErrorException: the name is another, there is no input, `append_row` has no output, or something in
                `inputs` cannot be read.
        """
        passed_over("ParallelRunStep", "models are found by Model.get_model_path.", models=models)
        passed_over(
            "ParallelRunStep",
            "steps have no tags of their own, and have what they need.",
            tags=tags,
            properties=properties,
            add_parallel_run_step_dependencies=not add_parallel_run_step_dependencies,
        )
        config = parallel_run_config
        if not isinstance(config, ParallelRunConfig):
            raise UserErrorException(f"parallel_run_config is a ParallelRunConfig, not {config!r}.")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise UserErrorException(
                f"{name!r} cannot name a ParallelRunStep: use 3 to 32 lower-case letters, digits and hyphens, with a letter "
                "first and no hyphen last."
            )
        cut = [_as_files(each) for each in _listed("inputs", name, inputs)]
        beside = _listed("side_inputs", name, side_inputs)
        if not cut:
            raise UserErrorException(f"Step '{name}': inputs names what is to be cut into mini-batches.")
        if config.output_action == parallel.APPEND_ROW and output is None:
            raise UserErrorException(
                f"Step '{name}': output_action='append_row' needs an output, for the file of its rows."
            )
        super().__init__(
            name,
            arguments,
            config.compute_target,
            _run_configuration(config),
            None,
            [*cut, *beside],
            [] if output is None else [output],
            None,
            config.source_directory,
            allow_reuse,
            None,
            None,
            None,
            None,
            None,
        )
        self.script_name = config.entry_script
        self.parallel_run_config = config
        self._cut, self._output = cut, output

    @property
    def _settings(self) -> Dict[str, Any]:
        """What its kind alone has, with parameters where they stand."""
        inputs = [ports.in_port(each).name for each in self._cut]
        output = None if self._output is None else ports.output_name(ports.output_root(self._output))
        return self.parallel_run_config._settings(inputs, output)

    @property
    def running_on_windows(self) -> bool:
        """False: hosts run Linux."""
        return False


def _listed(what: str, name: Any, given: Any) -> List[Any]:
    """The entries of `inputs` or `side_inputs`; one that stands alone is one of a list."""
    return entries(what, str(name), [given] if ports.is_input(given) and not isinstance(given, tuple) else given)


def _as_files(item: Any) -> Any:
    """A dataset of files is cut by its paths, so it arrives as such, whatever mode its name brought along."""
    if not isinstance(item, DatasetConsumptionConfig) or item.mode != "direct":
        return item
    known = item.dataset.default_value if isinstance(item.dataset, PipelineParameter) else item.dataset
    return item.as_mount(item.path_on_compute) if getattr(known, "kind", None) == "file" else item


def _run_configuration(config: ParallelRunConfig) -> RunConfiguration:
    made = RunConfiguration()
    made.environment = config.environment
    if config.environment_variables:
        made.environment = copy.deepcopy(config.environment)
        made.environment.environment_variables.update(config.environment_variables)
    return made
