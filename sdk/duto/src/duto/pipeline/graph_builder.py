"""From step objects to the graph: which steps belong, what they are called, what stands in their
arguments."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from duto.client.step_context import variable_of
from duto.configuration.arguments import as_value
from duto.data.pipeline_data import WrittenData
from duto.exceptions import UserErrorException
from duto.spec import distribution
from duto.spec.errors import Problem, SpecError
from duto.spec.graph import Distribution, Graph, Parameter, Step
from duto.steps import ports
from duto.steps.base import flatten
from duto.steps.compute_step import ComputeStep
from duto.steps.parameter import PipelineParameter
from duto.steps.unsaved import Save


class GraphBuilder:
    """Builds the graph of a pipeline, as often as needed, without touching the studio unless `save` is asked
    for."""

    def __init__(
        self,
        workspace: Any,
        steps: Any,
        description: Optional[str] = None,
        default_source_directory: Optional[str] = None,
        resolve_closure: bool = True,
        default_datastore: Any = None,
    ) -> None:
        self.workspace = workspace
        self.description = description
        self.default_source_directory = default_source_directory
        self.default_datastore = default_datastore
        given: List[Any] = list(dict.fromkeys(flatten(steps)))
        self.steps: List[ComputeStep] = _closure(given) if resolve_closure else given
        self.ids = _ids(self.steps)
        self.problems: List[Problem] = []

    def build(
        self, snapshots: Optional[Mapping[str, str]] = None, save: Save = False, continue_on_step_failure: bool = False
    ) -> Graph:
        """The graph. `snapshots` maps a step's id to the digest of its snapshot; with `save` datasets get
        ids: they are saved, or kept by `Drafts`.

        What cannot even be built is left in `problems`.
        """
        self.problems = self._shared_outputs() + self._unclear_writers() + self._distributed()
        self.problems += self._training() + self._refused()
        parameters: Dict[str, Parameter] = {}
        outputs: Dict[str, Tuple[str, str]] = {}
        built = []
        for step in self.steps:
            for parameter in self._parameters(step):
                self._declare(parameters, parameter.declare(self.workspace, save))
            built.append(self._step(step, (snapshots or {}).get(self.ids[step]), save))
            for root in step.out_roots:
                if offered := getattr(root, "pipeline_output_name", None):
                    outputs[offered] = (self.ids[step], ports.output_name(root))
        return Graph(
            tuple(built), tuple(parameters.values()), self.description or "", continue_on_step_failure, outputs
        )

    def _refused(self) -> List[Problem]:
        """Steps of services that there are not."""
        texts = {step: f"Step '{self.ids[step]}': {step._refusal}" for step in self.steps if step._refusal}
        return [Problem("refused_kind", text, self.ids[step]) for step, text in texts.items()]

    def _distributed(self) -> List[Problem]:
        """Steps that ask for what starts nothing here, or for nodes that no process is said to run on: to run their script
        once would be another thing."""
        found = []
        for step in self.steps:
            if wanted := step.runconfig.distributed() if step.runconfig else "":
                text = (
                    f"Step '{self.ids[step]}' asks for {wanted}, which is not part of Duto. "
                    "Ask for several processes by MpiConfiguration, PyTorchConfiguration or TensorflowConfiguration, "
                    "or share the work out over several steps."
                )
                found.append(Problem("bad_node_count", text, self.ids[step]))
                continue
            spread = step._distribution
            counts = {name: _default(each) for name, each in spread.counts.items()} if spread else {}
            if text := distribution.nodes_fault(_default(_nodes(step)), replace(spread, **counts) if spread else None):
                found.append(Problem("bad_node_count", f"Step '{self.ids[step]}' {text}", self.ids[step]))
        return found

    def _training(self) -> List[Problem]:
        """Outputs that the studio is to write, of steps that have none of those: their script would have to."""
        return [
            Problem(
                "bad_output",
                f"Step '{step.name}': the output '{ports.output_name(root)}' has a training_output, which only a HyperDriveStep and an AutoMLStep have.",
                self.ids[step],
            )
            for step in self.steps
            for root in step.out_roots
            if not step._takes_training_output and getattr(root, "training_output", None) is not None
        ]

    def _step(self, step: ComputeStep, snapshot: Optional[str], save: Save) -> Step:
        inputs = step.in_ports
        runconfig = step.runconfig
        variables = dict(runconfig.environment_variables or {}) if runconfig else {}
        variables.update(
            {
                variable_of(port.name): json.dumps(port.tabular, sort_keys=True)
                for port in inputs
                if port.tabular is not None
            }
        )
        return Step(
            id=self.ids[step],
            name=step.name,
            kind=step.kind,
            script=step.script_name,
            snapshot=snapshot,
            compute=step.compute,
            arguments=tuple(self._argument(step, inputs, each) for each in step._arguments),
            environment=self._environment(step, save),
            inputs=tuple(port.build(self._producer, self.workspace, save) for port in inputs),
            outputs=tuple(self._output(root) for root in step.out_roots),
            params={name: self._plain(step, value) for name, value in step.params.items()},
            settings={name: self._setting(value) for name, value in step._settings.items()},
            environment_variables={name: str(value) for name, value in variables.items()},
            run_after=tuple(self.ids.get(each, each.name) for each in step._after),
            allow_reuse=step.allow_reuse,
            hash_paths=None if step.hash_paths is None else tuple(str(each) for each in step.hash_paths),
            version=step.version,
            node_count=self._setting(_nodes(step)),
            distribution=self._distribution(step),
            timeout_seconds=_seconds(step, "timeout"),
            retries=_number(step, "retries", int),
            retry_delay_seconds=_seconds(step, "retry_delay"),
        )

    def _distribution(self, step: ComputeStep) -> Optional[Distribution]:
        spread = step._distribution
        if spread is None:
            return None
        return replace(spread, **{name: self._plain(step, value) for name, value in spread.counts.items()})

    def _output(self, root: Any) -> Any:
        output = ports.build_output(root)
        if output.datastore is None and self.default_datastore is not None:
            name = getattr(self.default_datastore, "name", self.default_datastore)
            return replace(output, datastore=str(name))
        return output

    def _environment(self, step: ComputeStep, save: Save) -> Optional[Dict[str, Any]]:
        try:
            if step.runconfig is None:
                return _plain_document(step._environment)
            return step.runconfig.environment_reference(self.workspace if save else None)
        except SpecError as error:
            self.problems += [
                Problem(each.code, f"Step '{step.name}': {each.message}", self.ids[step]) for each in error.problems
            ]
            return None

    def _producer(self, root: Any) -> str:
        producer = root._writer
        return "" if producer is None else str(self.ids.get(producer, producer.name))

    def _argument(self, step: ComputeStep, inputs: List[ports.InPort], item: Any) -> Any:
        item = as_value(item)
        if isinstance(item, str):
            return ports.renamed(item, inputs, step.out_roots)
        if isinstance(item, (int, float, PipelineParameter)):
            return self._plain(step, item)
        root = ports.output_root(item)
        if root is None and not ports.is_input(item):
            raise UserErrorException(
                f"Step '{step.name}': {item!r} can be no argument. Give texts, numbers, paths, parameters, inputs and outputs."
            )
        if root is not None and any(root is each for each in step.out_roots):
            return {"output": ports.output_name(root)}
        names = {port.name for port in inputs}
        wanted = ports.in_port(item)
        if root is not None and wanted.name not in names:
            # Data of another step that `inputs` takes under a name of its own.
            named = [port.name for port in inputs if port.source is root]
            return {"input": named[0]} if named else {"input": wanted.name}
        return {"input": wanted.name}

    def _plain(self, step: ComputeStep, value: Any) -> Any:
        if isinstance(value, PipelineParameter):
            return {"parameter": value.name}
        value = as_value(value)
        if value is None or isinstance(value, (str, int, float)):
            return value
        raise UserErrorException(f"Step '{step.name}': {value!r} can be no argument and no param.")

    def _setting(self, value: Any) -> Any:
        return {"parameter": value.name} if isinstance(value, PipelineParameter) else value

    def _parameters(self, step: ComputeStep) -> Iterable[PipelineParameter]:
        spread = step._distribution
        values = [
            *step._arguments,
            *step.params.values(),
            *step._settings.values(),
            *(spread.counts.values() if spread else ()),
            _nodes(step),
            *(port.source for port in step.in_ports),
        ]
        return [value for value in values if isinstance(value, PipelineParameter)]

    def _declare(self, known: Dict[str, Parameter], parameter: Parameter) -> None:
        other = known.setdefault(parameter.name, parameter)
        if other != parameter:
            which = f"one with the default {other.default!r}, one with {parameter.default!r}."
            if other.default == parameter.default:
                which = "and they differ in their type, their choices, their bounds or their help."
            text = f"Two parameters are called '{parameter.name}', {which}"
            self.problems.append(Problem("duplicate_parameter", text))

    def _shared_outputs(self) -> List[Problem]:
        writers: Dict[int, List[ComputeStep]] = {}
        for step in self.steps:
            for root in step.out_roots:
                writers.setdefault(id(root), []).append(step)
        return [
            Problem(
                "duplicate_output",
                f"The steps {' and '.join(repr(s.name) for s in steps)} write the same "
                "output: give each a PipelineData of its own.",
                self.ids[steps[-1]],
            )
            for steps in writers.values()
            if len(steps) > 1
        ]

    def _unclear_writers(self) -> List[Problem]:
        """Data in the arguments of several steps and in the outputs of none."""
        found: Dict[str, Problem] = {}
        for step in self.steps:
            for root in (port.source for port in step.in_ports if isinstance(port.source, WrittenData)):
                if root._writer is None and len(root._named) > 1:
                    text = (
                        f"'{root.name}' stands in the arguments of {' and '.join(map(repr, root._named))}, so it cannot "
                        "be told which of them writes it: name it in the `outputs` of that one and in the `inputs` of "
                        "those that read it."
                    )
                    found.setdefault(text, Problem("dangling_input", text, self.ids[step]))
        return list(found.values())


def _plain_document(found: Optional[Mapping[str, Any]]) -> Optional[Dict[str, Any]]:
    return None if found is None else dict(found)


def _nodes(step: ComputeStep) -> Any:
    """How many nodes it asks for: a number, or a parameter that holds it."""
    asked = step._configured.get("NodeCount", step.runconfig.node_count if step.runconfig else 1)
    return asked if isinstance(asked, PipelineParameter) else int(asked or 1)


def _default(count: Any) -> Any:
    """A number, or the one that a parameter holds unless a submit says another."""
    found = getattr(count, "default_value", count)
    return int(found) if isinstance(found, str) and found.strip().isdecimal() else found


def _seconds(step: ComputeStep, name: str) -> Optional[float]:
    """A number of seconds; a `timedelta` is one too. Raises `UserErrorException`."""
    found: Optional[float] = _number(step, name, float)
    return found


def _number(step: ComputeStep, name: str, kind: Any) -> Any:
    value = step.limit(name)
    if value is None:
        return None
    if hasattr(value, "total_seconds"):
        value = value.total_seconds()
    wrong = isinstance(value, bool) or not isinstance(value, (int, float))
    if wrong or (kind is int and value != value // 1):
        what = "a whole number" if kind is int else "a number of seconds"
        raise UserErrorException(f"Step '{step.name}': {name}={value!r} is not {what}.")
    return int(value) if kind is int else value


def _closure(given: List[Any]) -> List[Any]:
    """The steps with everything upstream of them, producers first; a circle is left for the graph to name."""
    found: Dict[Any, None] = {}
    entered = set()

    def visit(step: Any) -> None:
        pending = [(step, iter(step.sources))]
        entered.add(step)
        while pending:
            current, sources = pending[-1]
            following = next((each for each in sources if each not in entered), None)
            if following is None:
                found[current] = None
                pending.pop()
            else:
                entered.add(following)
                pending.append((following, iter(following.sources)))

    for step in given:
        if step not in entered:
            visit(step)
    return list(found)


def _ids(steps: List[Any]) -> Dict[Any, str]:
    """Each step's name, made unique by -2, -3, ... in order: the same program gets the same ids each time."""
    ids: Dict[Any, str] = {}
    used = set()
    for step in steps:
        name, number = step.name, 2
        while name in used:
            name, number = f"{step.name}-{number}", number + 1
        used.add(name)
        ids[step] = name
    return ids
