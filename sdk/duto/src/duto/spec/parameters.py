"""Types and values of pipeline parameters.

A value arrives typed (from a program), as JSON (from REST, where triggers may send "20" for an int) or as
text (from a form or a command line). All three come to the same typed value or to a named problem.
"""

from __future__ import annotations

import math
from typing import Any, Dict, Iterable, List, Mapping, Tuple

from duto.spec.errors import Problem, SpecError, refuse
from duto.spec.filenames import place_on, why_no_place

TYPES: Tuple[str, ...] = ("string", "int", "float", "bool", "dataset", "data_path")
"""`dataset` is the id of a dataset version; `data_path` is `{"datastore", "path"}` or `datastore/path`."""

_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})


def type_of(value: object) -> str:
    """The parameter type of a plain Python value. Raises `SpecError` (`bad_parameter_type`) for None and
    objects."""
    if isinstance(value, bool):  # before int: True is an int to Python
        return "bool"
    for kind, name in ((int, "int"), (float, "float"), (str, "string")):
        if isinstance(value, kind):
            return name
    raise refuse(
        "bad_parameter_type",
        f"A pipeline parameter is a str, an int, a float or a bool, not {type(value).__name__}.",
    )


def coerce(name: str, kind: str, value: Any) -> Any:
    """The value as type `kind`. Raises `SpecError` (`wrong_type`) that names parameter, type and value."""
    try:
        return _COERCE[kind](value)
    except (TypeError, ValueError, OverflowError):
        raise refuse("wrong_type", f"Parameter '{name}' is {_WORDS[kind]}, but the value is {_shown(value)}.") from None


def as_text(value: Any) -> str:
    """The value as a script gets it on its command line: True and False spelt as Python does."""
    if isinstance(value, Mapping):
        return f"{value.get('datastore', '')}/{value.get('path', '')}"
    return str(value)


def bind(declared: Iterable[Any], given: Mapping[str, Any]) -> Dict[str, Any]:
    """All declared parameters with their values: those given, coerced, else the defaults.

    `declared` holds objects with `name`, `type` and `default` (`graph.Parameter`). Raises `SpecError` naming
    every undeclared parameter (`undeclared_parameter`) and every value of a wrong type (`wrong_type`).
    """
    known = {parameter.name: parameter for parameter in declared}
    problems: List[Problem] = []
    values = {name: parameter.default for name, parameter in known.items()}
    for name, value in given.items():
        if name not in known:
            problems.append(_undeclared(name, list(known)))
            continue
        try:
            values[name] = coerce(name, known[name].type, value)
        except SpecError as error:
            problems.extend(error.problems)
    if problems:
        raise SpecError(problems)
    return values


def _undeclared(name: str, known: List[str]) -> Problem:
    offer = f"It has: {', '.join(known)}." if known else "It has none."
    return Problem("undeclared_parameter", f"The pipeline has no parameter '{name}'. {offer}")


def _string(value: Any) -> str:
    if isinstance(value, (dict, list)) or value is None:
        raise ValueError
    return as_text(value)


def _int(value: Any) -> int:
    if isinstance(value, bool):
        raise ValueError
    if isinstance(value, float):
        if not value.is_integer():
            raise ValueError
        return int(value)
    return int(value.strip()) if isinstance(value, str) else int(value + 0)


def _float(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError
    number = float(value)
    if not math.isfinite(number):  # has no JSON spelling, and no meaning as a setting
        raise ValueError
    return number


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError


def _dataset(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    return value.strip()


def _data_path(value: Any) -> Dict[str, str]:
    if isinstance(value, str):
        datastore, _, path = value.partition("/")
        value = {"datastore": datastore, "path": path}
    if not isinstance(value, Mapping) or not value.get("datastore"):
        raise ValueError
    path = place_on(str(value.get("path") or ""))
    if why_no_place(path):
        raise ValueError
    return {"datastore": str(value["datastore"]), "path": path}


_COERCE = {
    "string": _string,
    "int": _int,
    "float": _float,
    "bool": _bool,
    "dataset": _dataset,
    "data_path": _data_path,
}
_WORDS = {
    "string": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "dataset": "the id of a dataset version",
    "data_path": "a path on a datastore, without '..' and not an address",
}


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
