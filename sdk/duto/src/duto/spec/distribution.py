"""How many processes a step has on its nodes, and what starts them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Iterator, List, Mapping, Optional

from duto.spec.values import Distribution

# Open MPI's `mpirun`; processes that find each other at one address; workers beside servers of parameters.
TYPES = ("mpi", "pytorch", "tensorflow")
# Processes of a step on all its nodes, and nodes of a step.
MOST, NODES_MOST = 64, 1000


def faults(spread: Distribution) -> Iterator[str]:
    """What is wrong with it, as far as no parameter has to tell; each completes a sentence about its step."""
    if spread.type not in TYPES:
        yield f"its processes are started by {spread.type!r}; use one of {', '.join(TYPES)}."
    elif spread.parameter_servers != 0 and spread.type != "tensorflow":
        yield f"only TensorFlow has servers of parameters, and its processes are started by {spread.type!r}."
    known = {name: value for name, value in spread.counts.items() if not isinstance(value, Mapping)}
    wrong = [text for name, value in known.items() for text in _wrong(name, value)]
    yield from wrong
    if not wrong and sum(known.values()) > MOST:
        yield f"it asks for {sum(known.values())} processes; a step has {MOST} at most."


def resolved(spread: Distribution, parameters: Mapping[str, Any]) -> Distribution:
    """The same with the values of its parameters, which may be the texts of numbers."""
    return replace(spread, **{name: valued(value, parameters) for name, value in spread.counts.items()})


def valued(value: Any, parameters: Mapping[str, Any]) -> Any:
    """A number, or that of the parameter that it names, which may be the text of one."""
    if not isinstance(value, Mapping):
        return value
    found = parameters.get(value["parameter"])
    return int(found) if isinstance(found, str) and found.strip().isdecimal() else found


def nodes_fault(count: Any, spread: Optional[Distribution]) -> str:
    """What is wrong with a number of nodes, as the end of a sentence about its step; empty where nothing is. `spread` are its
    processes, with the values of their parameters; None for a script that runs once."""
    if isinstance(count, bool) or not isinstance(count, int):
        return f"asks for {count!r} nodes, which is no whole number."
    if not 1 <= count <= NODES_MOST:
        return f"asks for {count} nodes; a step has 1 to {NODES_MOST}."
    if spread is None:
        return (
            ""
            if count == 1
            else f"asks for {count} nodes, and says of no processes that are to run there: use MpiConfiguration, "
            "PyTorchConfiguration or TensorflowConfiguration, or a ParallelRunStep."
        )
    try:
        workers, servers = spread.processes, spread.parameter_servers
        total = workers * count if spread.type == "mpi" else workers + servers
        if count > 1 and total > MOST:
            return f"asks for {total} processes on {count} nodes; a step has {MOST} at most."
        if spread.type != "mpi" and workers < count:
            return f"asks for {count} nodes, and has {workers} processes to share out: give each node one."
    except TypeError:
        pass  # what is wrong with those is told by itself
    return ""


def workers_of(spread: Any, nodes: int) -> int:
    """How many processes there are on all nodes, without servers of parameters."""
    return int(spread.processes * nodes if spread.type == "mpi" else spread.processes)


def ranks_on(spread: Any, nodes: int, node: int) -> List[int]:
    """The ranks that one of the nodes has, among those of all; servers of parameters, which come last, are on the first."""
    total = workers_of(spread, nodes)
    servers = range(total, total + spread.parameter_servers) if node == 0 else ()
    return [*range(total * node // nodes, total * (node + 1) // nodes), *servers]


def _wrong(name: str, value: Any) -> Iterator[str]:
    what, least = name.replace("_", " "), 0 if name == "parameter_servers" else 1
    if isinstance(value, bool) or not isinstance(value, int):
        yield f"its number of {what}, {value!r}, is no whole number."
    elif value < least:
        yield f"its number of {what}, {value}, is below {least}."
