"""What a pipeline may declare of a parameter: its type, its default, and what values it takes. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, List, Mapping, Optional, Sequence

from duto.spec.errors import Problem, SpecError, refuse
from duto.spec.parameters import ELEMENTS, check, coerce, element_type, shown, type_of
from duto.spec.values import Parameter

CHOOSABLE = ("string", "int", "float", "datetime", "list")
"""The types that may have choices."""
BOUNDED = ("int", "float", "datetime", "list")
"""The types that may have bounds; of a list its elements, where they are numbers."""
MOST_CHOICES, LONGEST_HELP = 500, 2000


def declared(
    name: str,
    kind: str,
    default: Any,
    *,
    choices: Optional[Sequence[Any]] = None,
    minimum: Any = None,
    maximum: Any = None,
    help: str = "",
    secret: bool = False,
) -> Parameter:
    """The parameter, all its values typed.

    Raises `SpecError`: `bad_parameter` for what cannot be meant, and for the default what `parameters.check` raises.
    """
    problems = _faults(name, kind, choices, minimum, maximum, help)
    if secret:
        problems += _faults_of_secret(name, kind, default, choices)
    if problems:
        raise SpecError(problems)
    if secret:
        return Parameter(name, kind, "", help=help.strip(), secret=True)
    plain = Parameter(name, kind, coerce(name, kind, default), help=help.strip())
    if choices is None and minimum is None and maximum is None:
        return replace(plain, default=check(plain, default))
    of_one = _of_one(plain, choices, minimum, maximum)
    made = replace(
        plain,
        choices=None if choices is None else tuple(coerce(name, of_one, each) for each in choices),
        minimum=None if minimum is None else coerce(name, of_one, minimum),
        maximum=None if maximum is None else coerce(name, of_one, maximum),
    )
    _require_meant(made)
    return replace(made, default=check(made, default))


def of_document(document: Mapping[str, Any]) -> Parameter:
    """The parameter of a graph's document that was read before."""
    kept = ("choices", "minimum", "maximum")
    return declared(
        document["name"],
        document["type"],
        document.get("default"),
        help=document.get("help") or "",
        secret=bool(document.get("secret")),
        **{key: document.get(key) for key in kept},
    )


def _faults(
    name: str, kind: str, choices: Optional[Sequence[Any]], minimum: Any, maximum: Any, text: Any
) -> List[Problem]:
    """What of the declaration is not of its shape."""
    found = []
    if choices is not None and kind not in CHOOSABLE:
        found.append(f"is of the type {kind}, which has no choices: {', '.join(CHOOSABLE)} have.")
    elif choices is not None and (isinstance(choices, (str, Mapping)) or not isinstance(choices, Sequence)):
        found.append(f"has choices that are no list: {shown(choices)}.")
    elif choices is not None and not 1 <= len(choices) <= MOST_CHOICES:
        found.append(f"has {len(choices)} choices: give 1 to {MOST_CHOICES}, or leave them out.")
    if (minimum is not None or maximum is not None) and kind not in BOUNDED:
        found.append(f"is of the type {kind}, which has no minimum and no maximum: {', '.join(BOUNDED)} have.")
    if not isinstance(text, str):
        found.append(f"has a help that is no text: {shown(text)}.")
    elif len(text) > LONGEST_HELP:
        found.append(f"has a help of {len(text):,} characters: at most {LONGEST_HELP:,} are shown.")
    return [Problem("bad_parameter", f"Parameter '{name}' {each}") for each in found]


def _faults_of_secret(name: str, kind: str, default: Any, choices: Optional[Sequence[Any]]) -> List[Problem]:
    """What a secret may not be: its graph is no secret, so no value of it may stand there."""
    found = []
    if kind != "string":
        found.append(f"is a secret of the type {kind}: secrets are texts.")
    if choices is not None:
        found.append("is a secret with choices, which would tell it.")
    if default not in ("", None):
        found.append("is a secret with a default, which everybody could read in the graph: let its default be ''.")
    return [Problem("bad_parameter", f"Parameter '{name}' {each}") for each in found]


def _of_one(parameter: Parameter, choices: Optional[Sequence[Any]], minimum: Any, maximum: Any) -> str:
    """The type of a choice and of a bound: the parameter's own, of a list that of its elements."""
    if parameter.type != "list":
        return parameter.type
    bounds = [each for each in (minimum, maximum) if each is not None]
    given = [*(choices or ()), *bounds]
    if any(_kind_of(each) not in ELEMENTS for each in given):
        raise refuse(
            "bad_parameter", f"Parameter '{parameter.name}' has choices or bounds that are no elements of a list."
        )
    kind = element_type(replace(parameter, choices=tuple(given)))
    if kind is None or (bounds and kind not in ("int", "float")):
        text = "is a list: its choices are all texts or all numbers, its bounds are numbers."
        raise refuse("bad_parameter", f"Parameter '{parameter.name}' {text}")
    return kind


def _kind_of(value: Any) -> str:
    try:
        return type_of(value)
    except SpecError:
        return ""


def _require_meant(made: Parameter) -> None:
    """Raises `SpecError` for choices that are there twice or out of bounds, and for bounds that no value keeps."""
    choices = made.choices or ()
    repeated = [each for index, each in enumerate(choices) if each in choices[:index]]
    if repeated:
        raise refuse("bad_parameter", f"Parameter '{made.name}' has the choice {shown(repeated[0])} twice.")
    edges = replace(made, choices=None, maximum=None)
    if made.minimum is not None and made.maximum is not None:
        try:
            check(edges, [made.maximum] if made.type == "list" else made.maximum)
        except SpecError:
            text = f"has the minimum {shown(made.minimum)}, which is above its maximum {shown(made.maximum)}."
            raise refuse("bad_parameter", f"Parameter '{made.name}' {text}") from None
    for each in choices:
        check(replace(made, choices=None), [each] if made.type == "list" else each)
