"""What the names in a spec's arguments stand for at this host (`duto.spec.bindings`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from duto.spec import bindings
from duto.spec.bindings import Unbound, substitute, variables
from duto.spec.sentences import Said
from duto_protocol.messages import Binding
from duto_protocol.reading import builtins_of

__all__ = ["Argument", "Bound", "Unbound", "arguments", "command", "substitute", "variables"]

Argument = str | int | float | bool | Binding | None


@dataclass
class Bound(bindings.Bound):
    """The same of an attempt, with what a person is to know of it."""

    warnings: list[Said] = field(default_factory=list)
    # Folders and files of this host that links of mounted inputs lead to: a launcher with a sandbox shows them read-only.
    roots: list[str] = field(default_factory=list)
    # Inputs whose files come as they are read (`duto_agent.mounts`), each with its folder.
    mounted: dict[str, str] = field(default_factory=dict)


def arguments(given: Iterable[Argument], bound: Bound, params: Mapping[str, str]) -> list[str]:
    """The command line. Raises Unbound."""
    return bindings.arguments(map(_plain, given), bound, params)


def command(given: Iterable[Argument], bound: Bound, params: Mapping[str, str]) -> str:
    """One line for a shell. Raises Unbound."""
    return bindings.command(map(_plain, given), bound, params)


def _plain(value: Argument) -> Any:
    return builtins_of(value) if isinstance(value, Binding) else value
