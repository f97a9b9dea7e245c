"""The names that public programs use most, in `data/ranked.json`, which says where its list comes from: each is there, as a
method with its arguments, a property or an attribute, or stands in `NOT_YET`."""

from __future__ import annotations

import importlib
import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from duto import not_built
from studio.testing.cases import in_one

NAMES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "data/ranked.json").read_text())["names"]

# They import, and say when they are used what to do instead.
NOT_YET = {
    # Azure closed it.
    "Datastore.register_azure_data_lake",
    "AciWebservice.deploy_configuration",
    "AciWebservice.run",
    "AciWebservice.update",
    "AksCompute.provisioning_configuration",
    "AksWebservice.__init__",
    "AksWebservice.deploy_configuration",
    "ContainerImage.image_configuration",
    "InferenceConfig.__init__",
    "LocalWebservice.scoring_uri",
    "LocalWebservice.state",
    "Model.deploy",
    "Model.package",
    "ModelPackage.wait_for_creation",
    "Webservice.__init__",
    "Webservice.delete",
    "Webservice.get_keys",
    "Webservice.get_logs",
    "Webservice.wait_for_deployment",
}


def found_of(name: dict[str, Any]) -> tuple[Any, str]:
    """The class or module that has a name, and the last part of it."""
    owner: Any = importlib.import_module(name["module"])
    *kinds, member = name["name"].split(".")
    for kind in kinds:
        owner = getattr(owner, kind)
    return owner, member


def is_refused(owner: Any, member: str) -> bool:
    """Whether the use of a name raises `NotBuiltException`, whatever it is given."""
    if isinstance(owner, not_built._LaterType):
        return True
    value = getattr(owner, member, None)
    if not callable(value) or isinstance(value, type):
        return isinstance(value, not_built._LaterType)
    of_helper = getattr(value, "__module__", "") == not_built.__name__
    return of_helper or inspect.signature(value).return_annotation == "NoReturn"


def is_set(owner: type, member: str) -> bool:
    """Whether the methods of a class set an attribute."""
    sources = [inspect.getsource(each) for each in owner.__mro__ if each.__module__.startswith("duto")]
    return any(f"self.{member}" in each for each in sources)


def test_each_name_is_there_or_in_the_list_of_those_that_are_not_yet() -> None:
    assert len(NAMES) == 250
    refused = {each["name"] for each in NAMES if is_refused(*found_of(each))}
    assert refused == NOT_YET


@in_one("name", [pytest.param(each, id=each["name"]) for each in NAMES if each["name"] not in NOT_YET])
def test_a_name_is_of_its_kind(name: dict[str, Any]) -> None:
    owner, member = found_of(name)
    static = inspect.getattr_static(owner, member, None)
    if name["kind"] in ("method", "function"):
        assert callable(getattr(owner, member))
        has_arguments(owner if member == "__init__" else getattr(owner, member), static, name["parameters"])
    elif name["kind"] == "property":
        assert isinstance(static, property) or is_set(owner, member), f"{name['name']} is no property"
    elif name["kind"] == "assigned":
        assert getattr(static, "fset", None) is not None or is_set(owner, member), f"{name['name']} cannot be set"
    else:
        assert static is not None or is_set(owner, member)


def has_arguments(function: Any, static: Any, wanted: list[str]) -> None:
    """Each documented argument may be given: by its name, by its place, and left out with the same default."""
    found = [each for each in inspect.signature(function).parameters.values() if each.name[0] != "_"]
    if inspect.isfunction(static) and found and found[0].name == "self":
        found = found[1:]
    kinds = {each.kind for each in found}
    keywords = "*" in wanted
    wanted = [each for each in wanted if each[0] not in "*_"]
    named = [each for each in found if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    by_name = {each.name: each for each in named}
    for place, text in enumerate(wanted):
        given, _, default = text.partition("=")
        if given not in by_name:
            assert inspect.Parameter.VAR_KEYWORD in kinds, f"no argument {given}"
            continue
        parameter = by_name[given]
        if not keywords:
            assert named[place].name == given, f"{given} stands elsewhere"
        assert ("=" in text) == (parameter.default is not parameter.empty), text
        if "=" in text and not default.startswith("<") and "." not in default.split("'")[0]:
            assert repr(parameter.default) == default, text
    known = {each.split("=")[0] for each in wanted}
    assert [each.name for each in named if each.name not in known and each.default is each.empty] == []
