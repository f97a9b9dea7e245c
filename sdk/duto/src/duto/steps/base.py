"""What all kinds of step share, and steps in a row."""

from __future__ import annotations

from typing import Any, Dict, Iterable, Iterator, List

from duto.configuration.arguments import as_list
from duto.data.output_config import OutputFileDatasetConfig
from duto.exceptions import UserErrorException
from duto.not_built import passed_over, refusing
from duto.steps import ports


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
        self._inputs: List[Any] = entries("inputs", name, inputs)
        self._outputs: List[Any] = entries("outputs", name, outputs)
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
            if isinstance(item, OutputFileDatasetConfig):  # who reads it says `as_input()`
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


def entries(what: str, step: str, given: Any) -> List[Any]:
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
