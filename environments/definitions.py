"""The definition of an environment, normal and checked: pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import Invalid
from core.spec import refusing
from duto.spec import canonical
from duto.spec.environment import lists_of, recipe_of
from duto.spec.names import check_name, is_name
from duto.spec.r import section as r_section

MOST_PACKAGES = 2000
# Of a definition's Python, and in no digest.
FOR_PEOPLE = frozenset({"unused", "said"})


@dataclass(frozen=True)
class Definition:
    """A definition as it is stored, what identifies it, and what identifies its build."""

    document: dict[str, Any]
    digest: str
    recipe: dict[str, Any]
    recipe_digest: str


def read(given: Mapping[str, Any], locks: Mapping[str, str] | None = None) -> Definition:
    """Check a definition (docs/wire.md) and make it normal. `locks` belong to curated environments alone.

    Raises Invalid for what is no definition, Unprocessable for packages that cannot be built.
    """
    python = given.get("python") or {}
    if not isinstance(python, Mapping):
        raise Invalid("'python' of an environment is an object with 'version' and 'packages'.")
    packages = python.get("packages") or []
    if not isinstance(packages, list) or not all(isinstance(line, str) for line in packages):
        raise Invalid("'packages' of an environment is a list of requirements, each a text.")
    if len(packages) > MOST_PACKAGES:
        raise Invalid(f"An environment may list {MOST_PACKAGES} packages at most.")
    name = given.get("name") or ""
    with refusing():
        recipe = recipe_of(given)
        r = None if given.get("r") is None else r_section(given["r"])
        if name:
            check_name("environment", name)
    document: dict[str, Any] = {
        "name": name,
        "python": {
            "version": recipe.python,
            "user_managed": bool(python.get("user_managed")),
            "interpreter": _text(python.get("interpreter"), "interpreter"),
            "packages": list(recipe.packages),
        },
        "variables": _variables(given.get("variables") or {}),
    }
    if recipe.conda is not None and not document["python"]["user_managed"]:
        document["python"]["conda"] = recipe.conda.to_document()
    document["python"].update(lists_of(recipe))
    if isinstance(given.get("docker"), Mapping) and given["docker"]:
        document["docker"] = dict(given["docker"])
    if r is not None:
        document["r"] = r
    return _with_locks(document, recipe.digest, dict(locks or {}))


def _with_locks(document: dict[str, Any], recipe_digest: str, locks: dict[str, str]) -> Definition:
    """A curated environment is installed from locks, so its build is not that of an equal list of packages."""
    counted = {key: value for key, value in document.items() if key != "name"}
    counted["python"] = {key: value for key, value in document["python"].items() if key not in FOR_PEOPLE}
    digest = canonical.digest(counted)
    if locks:
        document = {**document, "locks": locks}
        recipe_digest = canonical.digest({"recipe": recipe_digest, "locks": locks})
    return Definition(document, digest, build_of(document), recipe_digest)


def build_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """What an agent needs of a stored definition to make its lock (docs/wire.md)."""
    python = document["python"]
    recipe: dict[str, Any] = {"python": python["version"], "packages": python["packages"]}
    for key in ("conda", "constraints"):
        if python.get(key):
            recipe[key] = python[key]
    if document.get("locks"):
        recipe["locks"] = document["locks"]
    return recipe


def _variables(given: object) -> dict[str, str]:
    if not isinstance(given, Mapping):
        raise Invalid("'variables' of an environment is an object of names and texts.")
    for name in given:
        if not is_name("variable", name):
            raise Invalid(f"{name!r} cannot name an environment variable.", code="bad_name")
    return {str(name): str(value) for name, value in given.items()}


def _text(value: object, what: str) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise Invalid(f"'{what}' of an environment is a text.")
    return value
