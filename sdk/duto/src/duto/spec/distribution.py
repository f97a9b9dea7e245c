"""How many processes a step has on its node, and what starts them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Iterator, Mapping

from duto.spec.values import Distribution

# Open MPI's `mpirun`; processes that find each other at one address; workers beside servers of parameters.
TYPES = ("mpi", "pytorch", "tensorflow")
MOST = 64


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


def nodes_fault(count: Any) -> str:
    """What is wrong with a number of nodes, as the end of a sentence about its step; empty for the one that a step runs on."""
    if isinstance(count, bool) or not isinstance(count, int):
        return f"asks for {count!r} nodes, which is no whole number."
    return "" if count == 1 else f"asks for {count} nodes; a step runs on one."


def _wrong(name: str, value: Any) -> Iterator[str]:
    what, least = name.replace("_", " "), 0 if name == "parameter_servers" else 1
    if isinstance(value, bool) or not isinstance(value, int):
        yield f"its number of {what}, {value!r}, is no whole number."
    elif value < least:
        yield f"its number of {what}, {value}, is below {least}."
