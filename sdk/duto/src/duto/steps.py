"""Steps of a pipeline: what runs, with what, and after what."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple, Union

from duto import ports
from duto.arguments import as_list
from duto.exceptions import UserErrorException
from duto.later import passed_over, refusing
from duto.runconfig import RunConfiguration


@refusing(
    "create_input_output_bindings create_module_def create_node get_source_directory "
    "resolve_input_arguments validate_arguments",
    "Pipeline makes the graph of its steps.",
)
class PipelineStep:
    """What all kinds of step share."""

    def __init__(
        self,
        name: str,
        inputs: Any,
        outputs: Any,
        arguments: Any = None,
        fix_port_name_collisions: bool = False,
        resource_inputs: Any = None,
    ) -> None:
        passed_over(
            "PipelineStep", "a name that two ports have is refused.", fix_port_name_collisions=fix_port_name_collisions
        )
        if resource_inputs:
            raise UserErrorException("Give resource_inputs as inputs.")
        self.name = name
        self._inputs: List[Any] = _entries("inputs", name, inputs)
        self._outputs: List[Any] = _entries("outputs", name, outputs)
        self._arguments: List[Any] = list(_flat(as_list(arguments)))
        self._after: List[PipelineStep] = []
        self._written: Dict[int, Any] = {}
        for item in self._outputs:
            root = ports.output_root(item)
            if root is None:
                raise UserErrorException(f"{item!r} cannot be an output of step '{name}'.")
            self._written[id(root)] = root
        self._take_written_arguments()
        for root in self._written.values():
            root._producer = self

    def _take_written_arguments(self) -> None:
        """Outputs that stand in the arguments alone. What `inputs` takes is read, however it stands there."""
        read = {id(ports.in_port(item).source) for item in self._inputs}
        for item in self._arguments:
            root = ports.output_root(item)
            if root is None or id(root) in read or id(root) in self._written:
                continue
            if isinstance(item, ports.OutputFileDatasetConfig):  # who reads it says `as_input()`
                self._written[id(root)] = root
            else:
                root._argued += (self,)

    def run_after(self, step: Any) -> None:
        """Run after another step, or after all steps of a list, without data between them."""
        for each in flatten(step):
            if each not in self._after:
                self._after.append(each)

    @property
    def in_ports(self) -> List[ports.InPort]:
        """The inputs, those included that only stand in the arguments. Raises `UserErrorException`."""
        found: Dict[str, ports.InPort] = {}
        own = {id(root) for root in self.out_roots}
        twins: List[ports.InPort] = []
        for item in [*self._inputs, *(each for each in self._arguments if self._reads(each, own))]:
            port = ports.in_port(item)
            known = any(port.source is each.source for each in found.values())
            if known and item not in self._inputs and ports.output_root(item) is not None:
                continue  # the same data under the name that `inputs` gave it
            if not ports.same_source(found.setdefault(port.name, port).source, port.source):
                twins.append(port)  # for the graph to refuse: one of the two would be lost
        return [*found.values(), *twins]

    def _reads(self, item: Any, own: Any) -> bool:
        root = ports.output_root(item)
        return ports.is_input(item) if root is None else id(root) not in own

    @property
    def out_roots(self) -> List[Any]:
        """The objects that stand for the outputs."""
        argued = {id(root): root for root in map(ports.output_root, self._arguments) if root is not None}
        more = [root for key, root in argued.items() if key not in self._written and root._writer is self]
        return [*self._written.values(), *more]

    @property
    def sources(self) -> List[PipelineStep]:
        """The steps that this one waits for, where they are known."""
        made = [getattr(port.source, "_writer", None) for port in self.in_ports]
        return [step for step in made if step is not None] + self._after

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


RUN_CONFIGURATION = frozenset(
    {"NodeCount", "MpiProcessCountPerNode", "TensorflowWorkerCount", "TensorflowParameterServerCount"}
)


class PythonScriptStep(PipelineStep):
    """A script on one node of a compute target.

    `compute_target` is an object, a name, or a pair of a name and a type; `params` become the variables
    `AML_PARAMETER_<name>`; `arguments` may hold texts, numbers, parameters, inputs, outputs, and lists of
    these.

    Additions of this studio, which win over the run configuration's: `retries`, how many more attempts there
    are after one that failed; `retry_delay`, the seconds before each; `timeout`, the seconds that one
    attempt's script may take, its time in the queue not counted. None of them is part of the step's
    identity: a change of one does not keep a step from being reused.
    """

    def __init__(
        self,
        script_name: str,
        name: Optional[str] = None,
        arguments: Optional[Union[str, List[Any]]] = None,
        compute_target: Any = None,
        runconfig: Optional[RunConfiguration] = None,
        runconfig_pipeline_params: Optional[Mapping[str, Any]] = None,
        inputs: Optional[List[Any]] = None,
        outputs: Optional[List[Any]] = None,
        params: Optional[Mapping[str, Any]] = None,
        source_directory: Optional[str] = None,
        allow_reuse: bool = True,
        version: Optional[str] = None,
        hash_paths: Optional[List[str]] = None,
        retries: Optional[int] = None,
        retry_delay: Optional[float] = None,
        timeout: Optional[float] = None,
    ) -> None:
        """Raises `ValueError` without a script, `UserErrorException` for what cannot be an input or
        output."""
        if not script_name:
            raise ValueError("A PythonScriptStep names its script.")
        configured: Tuple[List[Any], List[Any]] = (runconfig.inputs, runconfig.outputs) if runconfig else ([], [])
        label = name or str(script_name)
        inputs = [*_entries("inputs", label, inputs), *configured[0]]
        outputs = [*_entries("outputs", label, outputs), *configured[1]]
        super().__init__(label, inputs, outputs, arguments)
        self.script_name = str(script_name)
        self.compute_target = compute_target
        self.runconfig = runconfig
        self.params: Dict[str, Any] = {**dict(params or {}), **_of_run_configuration(runconfig_pipeline_params)}
        self.source_directory = None if source_directory is None else str(source_directory)
        self.allow_reuse = bool(allow_reuse)
        self.version = None if version is None else str(version)
        self.hash_paths = [hash_paths] if isinstance(hash_paths, str) else hash_paths
        self.retries, self.retry_delay, self.timeout = retries, retry_delay, timeout

    @property
    def compute(self) -> Optional[str]:
        """The name of the compute target; None when neither step nor run configuration names one."""
        target = self.compute_target
        if isinstance(target, (tuple, list)):
            target = target[0]
        if target is None:
            return self.runconfig.compute if self.runconfig else None
        return target if isinstance(target, str) else str(target.name)

    def limit(self, name: str) -> Any:
        """`retries`, `retry_delay` or `timeout`: the step's own, else its run configuration's, else None."""
        own = getattr(self, name)
        other = "max_run_duration_seconds" if name == "timeout" else name
        return own if own is not None or self.runconfig is None else getattr(self.runconfig, other)

    def folder(self, default: Optional[str]) -> Path:
        """The source directory; the current folder when nothing names one, as in Azure ML."""
        return Path(self.source_directory or default or ".")


def _of_run_configuration(wanted: Optional[Mapping[str, Any]]) -> Dict[str, Any]:
    """The properties of the run configuration that parameters set.

    One step runs on one node, so they change nothing about where it runs; the script is told their values as
    `AML_PARAMETER_<property>`, and a change of one is a change of the step. Raises `UserErrorException` for
    a property that Azure ML does not know here either.
    """
    unknown = sorted(set(wanted or ()) - RUN_CONFIGURATION)
    if unknown:
        known = ", ".join(sorted(RUN_CONFIGURATION))
        raise UserErrorException(f"runconfig_pipeline_params knows {known}; not {', '.join(unknown)}.")
    return dict(wanted or {})


class StepSequence:
    """Steps in a row: each entry, a step or a list of steps, runs after the one before it."""

    def __init__(self, steps: Any = None) -> None:
        groups = [list(flatten(entry)) for entry in steps or ()]
        for before, after in zip(groups, groups[1:]):  # noqa: RUF007 - pairwise is younger than 3.8
            for step in after:
                step.run_after(before)
        self._steps: List[PipelineStep] = [step for group in groups for step in group]

    def __iter__(self) -> Iterator[PipelineStep]:
        return iter(self._steps)


def flatten(steps: Any) -> Iterator[PipelineStep]:
    """The steps of a step, a sequence, or nested lists of these. Raises `UserErrorException` for anything
    else."""
    if isinstance(steps, PipelineStep):
        yield steps
    elif isinstance(steps, (list, tuple, set, StepSequence)):
        for each in steps:
            yield from flatten(each)
    else:
        raise UserErrorException(f"{steps!r} is no step of a pipeline.")


def _entries(what: str, step: str, given: Any) -> List[Any]:
    """The entries of `inputs` or `outputs`. Raises `UserErrorException` for what is no list."""
    if given is not None and not isinstance(given, (list, tuple, set)):
        raise UserErrorException(f"Step '{step}': {what}={given!r} is no list: write {what}=[...].")
    return list(given or ())


def _flat(arguments: Iterable[Any]) -> Iterator[Any]:
    for each in arguments:
        if isinstance(each, list):
            yield from _flat(each)
        else:
            yield each
