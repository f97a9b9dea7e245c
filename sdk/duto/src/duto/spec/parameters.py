"""Types and values of pipeline parameters.

A value arrives typed (from a program), as JSON (from REST, where triggers may send "20" for an int) or as
text (from a form or a command line). All three come to the same typed value or to a named problem. `check` is
the one place that says whether a parameter takes a value.
"""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Tuple

from duto.spec import secrets
from duto.spec.canonical import canonical
from duto.spec.errors import Problem, SpecError, refuse
from duto.spec.filenames import place_on, why_no_place
from duto.spec.moments import moment_of, spelt
from duto.spec.sentences import said
from duto.spec.text import DEEPEST, cleaned, is_deep
from duto.spec.values import Parameter

TYPES: Tuple[str, ...] = (
    "string", "int", "float", "bool", "dataset", "data_path", "list", "json", "datetime",
)  # fmt: skip
"""`dataset` is the id of a dataset version; `data_path` is `{"datastore", "path"}` or `datastore/path`; `list` has
elements of one of `ELEMENTS`; `json` is an object; `datetime` is ISO 8601, in UTC where it says no other zone."""
ELEMENTS: Tuple[str, ...] = ("string", "int", "float", "bool")
LONGEST = 64 * 1024
"""How many bytes of JSON a list or an object may have: an argument of a program holds 128 KiB on Linux."""
LONGEST_TEXT = 131_000
"""How many bytes a text may have: a variable holds its name as well."""

# Floats hold all digits of whole numbers up to here.
_EXACT = 2**53
_SHOWN = 60
_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})


def type_of(value: object) -> str:
    """The parameter type of a plain Python value. Raises `SpecError` (`bad_parameter_type`) for None and
    objects."""
    if isinstance(value, bool):  # before int: True is an int to Python
        return "bool"
    kinds: Tuple[Tuple[Any, str], ...] = (
        (int, "int"), (float, "float"), (str, "string"), (datetime, "datetime"), ((list, tuple), "list"), (Mapping, "json"),
    )  # fmt: skip
    for kind, name in kinds:
        if isinstance(value, kind):
            return name
    raise refuse(
        "bad_parameter_type",
        "A pipeline parameter is a str, an int, a float, a bool, a datetime, a list or a dict, not "
        f"{type(value).__name__}.",
    )


def coerce(name: str, kind: str, value: Any) -> Any:
    """The value as type `kind`. Raises `SpecError` (`wrong_type`) that names parameter, type and value."""
    if kind == "int" and isinstance(value, float) and value.is_integer() and abs(value) > _EXACT:
        raise refuse("wrong_type", said("parameter_inexact", name=name, value=shown(value)))
    try:
        typed = _COERCE[kind](value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        raise refuse("wrong_type", said(_WRONG[kind], name=name, value=shown(value))) from None
    if kind in ("list", "json"):
        size = len(canonical(typed))
        if size > LONGEST:
            text = said("parameter_too_long", name=name, most=f"{LONGEST:,}", size=f"{size:,}")
            raise refuse("too_long", text)
    return typed


def check(parameter: Parameter, value: Any) -> Any:
    """The value as the parameter takes it.

    Raises `SpecError` that names the parameter, the value and what is allowed: `wrong_type`, `too_long`, `not_a_choice`,
    `out_of_range`.
    """
    if parameter.secret:
        return _secret(parameter.name, value)
    if secrets.is_sealed(value):  # another version of the pipeline declares it as plain: that must not tell it
        raise refuse("wrong_type", said("parameter_secret_before", name=parameter.name))
    typed = coerce(parameter.name, parameter.type, value)
    if secrets.is_sealed(typed):
        raise refuse(
            "wrong_type", said("parameter_reserved", name=parameter.name, sealed=secrets.SEALED, digest=secrets.DIGEST)
        )
    is_list = parameter.type == "list"
    if is_list and typed:
        typed = _elements(parameter.name, element_type(parameter), typed)
    for each in typed if is_list else (typed,):
        problem = _not_allowed(parameter, each)
        if problem is not None:
            raise SpecError([problem])
    return typed


def element_type(parameter: Parameter) -> Optional[str]:
    """What the elements of a list are, by its choices, its bounds and its default; None where these tell nothing."""
    bounds = [each for each in (parameter.minimum, parameter.maximum) if each is not None]
    return _common([*(parameter.choices or ()), *bounds, *parameter.default])


def as_text(value: Any, kind: str = "") -> str:
    """The value as a script gets it on its command line: True and False spelt as Python does, lists and objects (of the
    type `json`) as JSON."""
    if kind == "json" or isinstance(value, (list, tuple)):
        return canonical(value).decode("utf-8")
    if isinstance(value, Mapping):
        return f"{value.get('datastore', '')}/{value.get('path', '')}"
    return str(value)


def texts(kinds: Mapping[str, str], values: Mapping[str, Any]) -> Dict[str, Any]:
    """The values of a run, with those of the type `json` as their text: else they could not be told from data paths."""
    return {name: as_text(value, "json") if kinds.get(name) == "json" else value for name, value in values.items()}


def bind(declared: Iterable[Parameter], given: Mapping[str, Any], *, is_whole: bool = False) -> Dict[str, Any]:
    """All declared parameters with their values: those given, as `check` takes them, else the defaults.

    Raises `SpecError` naming every undeclared parameter (`undeclared_parameter`) and every value that `check` refuses or that is
    too long for a script (`too_long`); with `is_whole`, as of what is to run, also every secret that has no value (`secret_missing`).
    """
    declared = list(declared)
    known = {parameter.name: parameter for parameter in declared}
    problems: List[Problem] = []
    values = {name: parameter.default for name, parameter in known.items()}
    for name, value in given.items():
        if name not in known:
            problems.append(_undeclared(name, list(known)))
            continue
        try:
            values[name] = check(known[name], value)
        except SpecError as error:
            problems.extend(error.problems)
    problems += [found for name, value in values.items() if (found := _long_text(name, value)) is not None]
    if is_whole:
        problems += secrets.missing((each for each in declared if each.name not in given), values)
    if problems:
        raise SpecError(problems)
    return values


def _long_text(name: str, value: Any) -> Optional[Problem]:
    """What is wrong with a text that no script could be given, also where a default of an earlier release is one."""
    size = len(value.encode("utf-8", "surrogatepass")) if isinstance(value, str) else 0
    if size <= LONGEST_TEXT:
        return None
    return Problem("too_long", said("parameter_long_text", name=name, most=f"{LONGEST_TEXT:,}", size=f"{size:,}"))


def shown(value: Any) -> str:
    """A value in a sentence, cut where it is long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of more digits than Python writes, a document too deep
        text = f"a {type(value).__name__} too large to show"
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _undeclared(name: str, known: List[str]) -> Problem:
    if known:
        return Problem("undeclared_parameter", said("parameter_undeclared", name=name, names=", ".join(known)))
    return Problem("undeclared_parameter", said("parameter_undeclared_none", name=name))


def _common(values: Iterable[Any]) -> Optional[str]:
    """The type of all the elements; whole numbers among others are numbers. None where they have several."""
    found = {type_of(each) for each in values}
    if found == {"int", "float"}:
        return "float"
    kind = found.pop() if len(found) == 1 else None
    return kind if kind in ELEMENTS else None


def _elements(name: str, kind: Optional[str], values: List[Any]) -> List[Any]:
    """The elements as `kind`, or as what they are themselves."""
    kind = kind or _common(values)
    if kind is None:
        raise refuse("wrong_type", said("parameter_list", name=name, value=shown(values)))
    found = []
    for each in values:
        try:
            found.append(coerce(name, kind, each))
        except SpecError:
            raise refuse("wrong_type", said(_WRONG_ELEMENT[kind], name=name, value=shown(each))) from None
    return found


def _not_allowed(parameter: Parameter, value: Any) -> Optional[Problem]:
    """What is wrong with a typed value, or with one element of a list."""
    name, choices, least, most = parameter.name, parameter.choices, parameter.minimum, parameter.maximum
    is_list = parameter.type == "list"
    if choices is not None and value not in choices:
        offered = ", ".join(shown(each) for each in choices)
        code = "parameter_choice_each" if is_list else "parameter_choice"
        return Problem("not_a_choice", said(code, name=name, choices=offered, value=shown(value)))
    order = _ORDER.get(parameter.type, _itself)
    is_below = least is not None and order(value) < order(least)
    is_above = most is not None and order(value) > order(most)
    if not is_below and not is_above:
        return None
    word = "between" if least is not None and most is not None else "least" if is_below else "most"
    code = (_OUTSIDE_EACH if is_list else _OUTSIDE)[word]
    facts = {"least": least, "most": most}
    bounds = {key: as_text(bound) for key, bound in facts.items() if bound is not None}
    return Problem("out_of_range", said(code, name=name, value=shown(value), **bounds))


def _secret(name: str, value: Any) -> Any:
    """The text, or the secret as it is kept. Its refusals do not show it."""
    if secrets.is_sealed(value):
        return dict(value)
    if value == secrets.MASK:
        raise refuse("wrong_type", said("parameter_secret_hidden", name=name, mask=secrets.MASK))
    is_text = isinstance(value, str) and cleaned(value) == value
    if is_text and len(value) >= secrets.SHORTEST and len(value.encode("utf-8")) <= secrets.LARGEST:
        return value
    text = said("parameter_secret", name=name, least=secrets.SHORTEST, most=f"{secrets.LARGEST:,}")
    raise refuse("wrong_type", text)


def _itself(value: Any) -> Any:
    return value


def _string(value: Any) -> str:
    if isinstance(value, (dict, list, tuple)) or value is None:
        raise ValueError
    if isinstance(value, datetime):
        return value.isoformat()
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
    store = str(value.get("datastore") or "") if isinstance(value, Mapping) else ""
    if not store or "/" in store or why_no_place(store):  # a script puts it before the path
        raise ValueError
    path = place_on(str(value.get("path") or ""))
    if why_no_place(path):
        raise ValueError
    return {"datastore": store, "path": path}


def _list(value: Any) -> List[Any]:
    found = _read(value) if isinstance(value, str) else value
    if not isinstance(found, (list, tuple)):
        raise ValueError
    if any(each is None or not isinstance(each, (str, int, float)) for each in found):
        raise ValueError
    found = list(found)
    _require_plain(found)
    return found


def _json(value: Any) -> Dict[str, Any]:
    found = _read(value) if isinstance(value, str) else value
    if not isinstance(found, Mapping) or is_deep(found):
        raise ValueError
    # As JSON has it: what a program gives may hold tuples and keys that are no texts.
    if not all(isinstance(key, str) for key in found):
        raise ValueError
    plain: Dict[str, Any] = json.loads(canonical(dict(found)))
    _require_plain(plain)
    return plain


def _read(text: str) -> Any:
    """The JSON of a text. Raises `ValueError` also for a key that is there twice, of which one would be lost."""
    found = json.loads(text, object_pairs_hook=_once)
    if is_deep(found):
        raise ValueError(f"It is nested more than {DEEPEST} levels deep.")
    return found


def _once(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("A key is there twice.")
    return found


def _require_plain(value: Any) -> None:
    """Raises `ValueError` for NaN and infinities, and for texts with what no text has: null and halves of a character."""
    canonical(value)
    if cleaned(value) != value:
        raise ValueError


def _datetime(value: Any) -> str:
    return spelt(value if isinstance(value, datetime) else moment_of(value))


_ORDER: Mapping[str, Callable[[Any], Any]] = {"datetime": moment_of}
_COERCE: Mapping[str, Callable[[Any], Any]] = {
    "string": _string,
    "int": _int,
    "float": _float,
    "bool": _bool,
    "dataset": _dataset,
    "data_path": _data_path,
    "list": _list,
    "json": _json,
    "datetime": _datetime,
}
# The sentence that says what a value is not.
_WRONG: Mapping[str, str] = {
    "string": "parameter_string",
    "int": "parameter_int",
    "float": "parameter_float",
    "bool": "parameter_bool",
    "dataset": "parameter_dataset",
    "data_path": "parameter_data_path",
    "list": "parameter_list",
    "json": "parameter_json",
    "datetime": "parameter_datetime",
}
_WRONG_ELEMENT: Mapping[str, str] = {
    "string": "parameter_list_string",
    "int": "parameter_list_int",
    "float": "parameter_list_float",
    "bool": "parameter_list_bool",
}
_OUTSIDE: Mapping[str, str] = {"least": "parameter_least", "most": "parameter_most", "between": "parameter_between"}
_OUTSIDE_EACH: Mapping[str, str] = {
    "least": "parameter_least_each",
    "most": "parameter_most_each",
    "between": "parameter_between_each",
}
