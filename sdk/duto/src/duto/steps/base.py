"""What all kinds of step share, and steps in a row."""

from __future__ import annotations

from typing import Any, Collection, Dict, Iterable, Iterator, List, Optional, Sequence, Union

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
    """What all kinds of step share. What stands in `inputs`, `outputs` and `arguments`, and what it then is: see
    *Inputs and outputs of a step* in docs/sdk.md.

    Attributes:
        name: name of the step.
    """

    def __init__(
        self,
        name: str,
        inputs: Optional[Collection[object]],
        outputs: Optional[Collection[object]],
        arguments: Union[str, Sequence[object], None] = None,
        fix_port_name_collisions: bool = False,
        resource_inputs: Optional[Sequence[object]] = None,
    ) -> None:
        """Programs make a `PythonScriptStep` or a `CommandStep`.

        Args:
            name: name of the step.
            inputs: what it reads.
            outputs: what it writes.
            arguments: arguments of its script.
            fix_port_name_collisions: passed over with a warning: a name that two inputs or outputs have is refused.
            resource_inputs: give them as `inputs`.

        Raises:
            UserErrorException: `inputs` or `outputs` is no list, something in `outputs` cannot be written, or
                `resource_inputs` were given.
        """
        passed_over(
            "PipelineStep", "a name that two ports have is refused.", fix_port_name_collisions=fix_port_name_collisions
        )
        if resource_inputs:
            raise UserErrorException("Give resource_inputs as inputs.")
        self.name = name
        self._inputs: List[Any] = entries("inputs", name, inputs)
        self._outputs: List[Any] = entries("outputs", name, outputs)
        self._arguments: List[Any] = list(flat(as_list(arguments)))
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
            if isinstance(item, (OutputFileDatasetConfig, *ports.LINKS)):  # who reads it says `as_input()`
                self._written[id(root)] = root
            else:
                root._argued += (self,)

    def run_after(self, step: Union[PipelineStep, StepSequence, Collection[object]]) -> None:
        """Run after another step, without data between them.

        Args:
            step: the step, or several, also in nested lists.

        Raises:
            UserErrorException: something of it is no step.
        """
        for each in flatten(step):
            if each not in self._after:
                self._after.append(each)

    @property
    def in_ports(self) -> List[ports.InPort]:
        """The inputs, those included that only stand in the arguments.

        Raises:
            UserErrorException: something in `inputs` cannot be read.
        """
        found: Dict[str, ports.InPort] = {}
        own = {id(root) for root in self.out_roots}
        twins: List[ports.InPort] = []
        for item in [*self._inputs, *(each for each in self._arguments if self._reads(each, own))]:
            port = ports.in_port(item)
            known = any(port.source is each.source for each in found.values())
            if known and item not in self._inputs and ports.output_root(item) is not None:
                continue  # the same data under the name that `inputs` gave it
            other = found.setdefault(port.name, port)
            if not ports.same_source(other.source, port.source):
                twins.append(port)  # for the graph to refuse: one of the two would be lost
            elif other.mode == "direct" != port.mode and port.tabular is None:
                found[port.name] = port  # `ds` in `inputs`, `ds.as_download()` in the arguments: a path is asked for
        return [*found.values(), *twins]

    def _reads(self, item: Any, own: Any) -> bool:
        root = ports.output_root(item)
        return ports.is_input(item) if root is None else id(root) not in own

    @property
    def out_roots(self) -> List[object]:
        """The objects that stand for the outputs, those included that only stand in the arguments."""
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
    """Steps in a row: each entry, a step or a list of steps, runs after the one before it. Goes over its steps."""

    def __init__(self, steps: Optional[Iterable[object]] = None) -> None:
        """
        Args:
            steps: the entries; within one, steps run at the same time.

        Raises:
            UserErrorException: something of it is no step.
        """
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


def flat(arguments: Iterable[Any]) -> Iterator[Any]:
    """Arguments one by one, those in lists of lists too."""
    for each in arguments:
        if isinstance(each, list):
            yield from flat(each)
        else:
            yield each
