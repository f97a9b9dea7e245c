"""From the spec's names to the strings that a script sees: arguments, placeholders. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from msgspec import UNSET

from duto.spec.sentences import Said, said
from duto.spec.shell import as_word
from duto_agent.worded import Worded
from duto_protocol import step_variables
from duto_protocol.messages import Binding

Argument = str | int | float | bool | Binding | None


class Unbound(Worded):
    """An argument names something that the step does not have."""


@dataclass
class Bound:
    """What each name of a step stands for: a path, or the id of a dataset in direct mode."""

    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    modes: dict[str, str] = field(default_factory=dict)
    file_outputs: list[str] = field(default_factory=list)
    warnings: list[Said] = field(default_factory=list)
    # Folders and files of this host that links of mounted inputs lead to: a launcher with a sandbox shows them read-only.
    roots: list[str] = field(default_factory=list)

    @property
    def places(self) -> dict[str, str]:
        return {**self.inputs, **self.outputs}


def arguments(given: Iterable[Argument], bound: Bound, params: Mapping[str, str]) -> list[str]:
    """The command line: bindings by name, numbers as Python writes them, placeholders inside strings."""
    return [_argument(value, bound, params) for value in given]


def _argument(value: Argument, bound: Bound, params: Mapping[str, str]) -> str:
    if isinstance(value, str):
        return substitute(value, bound)
    if not isinstance(value, Binding):
        return "" if value is None else str(value)
    for name, known, unknown in (
        (value.input, bound.inputs, "unbound_input"),
        (value.output, bound.outputs, "unbound_output"),
        (value.parameter, params, "unbound_parameter"),
    ):
        if name is not UNSET:
            if name not in known:
                raise Unbound(said(unknown, name=name))
            return str(known[name])
    raise Unbound(said("unknown_argument", value=repr(value)))


def command(given: Iterable[Argument], bound: Bound, params: Mapping[str, str]) -> str:
    """One line for a shell: texts as they are, but for their placeholders. A value is one word, whatever it holds and
    whatever quotes it stands in."""
    line = ""
    for value in given:
        line += " " if line else ""
        if isinstance(value, str):
            line += substitute(value, bound, partial(_spelled, line))
        else:
            line += as_word(_argument(value, bound, params), line)
    return line


def _spelled(before: str, found: re.Match[str], value: str) -> str:
    return as_word(value, before + found.string[: found.start()])


def substitute(text: str, bound: Bound, spelled: Callable[[re.Match[str], str], str] = lambda _, value: value) -> str:
    """Replace the placeholders of data by paths, `spelled` as the place asks, wherever in the text they stand."""
    if "AZUREML_DATAREFERENCE_" not in text and ":" not in text:
        return text
    found: dict[str, str] = {}
    for prefixes, known in (
        (("$AZUREML_DATAREFERENCE_%s", "${AZUREML_DATAREFERENCE_%s}"), bound.places),
        (("DatasetOutputConfig:%s",), bound.outputs),
        (("DatasetConsumptionConfig:%s",), bound.inputs),
    ):
        found.update({prefix % name: value for prefix in prefixes for name, value in known.items()})
    if not found:
        return text
    # The longest name first: `data` must not eat the head of `data_test`.
    names = "|".join(re.escape(name) for name in sorted(found, key=len, reverse=True))
    return re.sub(names, lambda place: spelled(place, found[place[0]]), text)


def variables(params: Mapping[str, str], bound: Bound) -> dict[str, str]:
    """Those of the data and the parameters, in which placeholders may stand."""
    given = {name: substitute(value, bound) for name, value in params.items()}
    return step_variables.of_data(bound.places, bound.modes, bound.file_outputs, given)
