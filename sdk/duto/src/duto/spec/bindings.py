"""From the names in a step's arguments to the strings that its script sees: bindings and placeholders. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Callable, Dict, Iterable, List, Mapping, Match

from duto.spec import step_variables
from duto.spec.sentences import Said, said
from duto.spec.shell import as_word


class Unbound(ValueError):
    """An argument names something that the step does not have; `message` is the sentence for people."""

    def __init__(self, message: Said) -> None:
        super().__init__(message)
        self.message = message


@dataclass
class Bound:
    """What each name of a step stands for: a path, or the id of a dataset in direct mode."""

    inputs: Dict[str, str] = field(default_factory=dict)
    outputs: Dict[str, str] = field(default_factory=dict)
    modes: Dict[str, str] = field(default_factory=dict)
    file_outputs: List[str] = field(default_factory=list)
    # Outputs that link a dataset, each with the kind of the dataset.
    links: Dict[str, str] = field(default_factory=dict)

    @property
    def places(self) -> Dict[str, str]:
        return {**self.inputs, **self.outputs}


def arguments(given: Iterable[Any], bound: Bound, params: Mapping[str, str]) -> List[str]:
    """The command line: bindings by name, numbers as Python writes them, placeholders inside strings."""
    return [_argument(value, bound, params) for value in given]


def _argument(value: Any, bound: Bound, params: Mapping[str, str]) -> str:
    if isinstance(value, str):
        return substitute(value, bound)
    if not isinstance(value, Mapping):
        return "" if value is None else str(value)
    for name, known, unknown in (
        ("input", bound.inputs, "unbound_input"),
        ("output", bound.outputs, "unbound_output"),
        ("parameter", params, "unbound_parameter"),
    ):
        if name in value:
            if value[name] not in known:
                raise Unbound(said(unknown, name=value[name]))
            return str(known[value[name]])
    raise Unbound(said("unknown_argument", value=repr(value)))


def command(given: Iterable[Any], bound: Bound, params: Mapping[str, str]) -> str:
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


def _spelled(before: str, found: Match[str], value: str) -> str:
    return as_word(value, before + found.string[: found.start()])


def substitute(text: str, bound: Bound, spelled: Callable[[Match[str], str], str] = lambda _, value: value) -> str:
    """Replace the placeholders of data by paths, `spelled` as the place asks, wherever in the text they stand."""
    if "AZUREML_DATAREFERENCE_" not in text and ":" not in text:
        return text
    found: Dict[str, str] = {}
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


def variables(params: Mapping[str, str], bound: Bound) -> Dict[str, str]:
    """Those of the data and the parameters, in which placeholders may stand."""
    given = {name: substitute(value, bound) for name, value in params.items()}
    return step_variables.of_data(bound.places, bound.modes, bound.file_outputs, given, bound.links)
