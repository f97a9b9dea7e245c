"""Changes of a graph document: only what is named changes, all else stays byte by byte. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from duto.spec import parameters as parameter_rules
from duto.spec.declarations import of_document
from duto.spec.errors import Problem, SpecError
from duto.spec.graph import read_graph

# What of a step is changed by itself; its ports, its code and its settings come with a new graph.
OF_STEP = ("arguments", "compute", "environment", "allow_reuse", "run_after")


def normal(document: Any) -> dict[str, Any]:
    """The document with every key written out. Raises SpecError for its shape; it need not be able to run."""
    return read_graph(document).to_document()


def changed(
    document: Mapping[str, Any],
    *,
    steps: Mapping[str, Mapping[str, Any]] | None = None,
    defaults: Mapping[str, Any] | None = None,
    continue_on_step_failure: bool | None = None,
) -> dict[str, Any]:
    """The document with other `OF_STEP` of the steps of these ids, other defaults of parameters, and another way to go on.

    Raises SpecError that names every step, parameter and field that there is not, and every value of a wrong type.
    """
    steps, defaults = steps or {}, defaults or {}
    problems = [*_unknown_steps(document, steps), *_unknown_defaults(document, defaults)]
    found = {
        **document,
        "steps": [{**step, **steps.get(step["id"], {})} for step in document["steps"]],
        "parameters": [_with_default(each, defaults, problems) for each in document["parameters"]],
    }
    if continue_on_step_failure is not None:
        found["continue_on_step_failure"] = continue_on_step_failure
    if problems:
        raise SpecError(problems)
    return normal(found)


def _unknown_steps(document: Mapping[str, Any], steps: Mapping[str, Mapping[str, Any]]) -> list[Problem]:
    known = {step["id"] for step in document["steps"]}
    found = [Problem("unknown_step", f"The pipeline has no step '{name}'.") for name in steps if name not in known]
    for name, asked in steps.items():
        others = ", ".join(f"'{key}'" for key in asked if key not in OF_STEP)
        if others:
            text = f"Step '{name}': {others} cannot be changed here, only {', '.join(OF_STEP)}. Bring a new graph for more."
            found.append(Problem("invalid", text, name))
    return found


def _unknown_defaults(document: Mapping[str, Any], defaults: Mapping[str, Any]) -> list[Problem]:
    known = {each["name"] for each in document["parameters"]}
    text = "The pipeline has no parameter '{}'."
    return [Problem("undeclared_parameter", text.format(name)) for name in defaults if name not in known]


def _with_default(each: dict[str, Any], defaults: Mapping[str, Any], problems: list[Problem]) -> dict[str, Any]:
    if each["name"] not in defaults:
        return each
    try:
        return {**each, "default": parameter_rules.check(of_document(each), defaults[each["name"]])}
    except SpecError as error:
        problems.extend(error.problems)
        return each
