"""The SDK's reference is written from its docstrings, and these say of each public name what a program has to know."""

from __future__ import annotations

import ast
import builtins
import datetime
import inspect
import os
import pathlib
import re
import textwrap
import typing
from collections.abc import Iterator

import pytest

import duto
from duto import exceptions
from duto._names import PUBLIC
from duto.spec import errors
from studio.sdk_doc import (
    FOLDER,
    INDEX,
    TYPES,
    Member,
    Name,
    anchor_of,
    member_of,
    names,
    own_classes,
    pages,
    read,
    type_of,
)
from studio.testing.cases import in_one

# Where `Any` is the truth: why, and the members.
REASONS = {
    "what REST takes and answers is as each address has it": "duto.client.http.Client.get duto.client.http.Client.post "
    "duto.client.http.Client.patch duto.client.http.Client.delete duto.client.http.Client.put "
    "duto.client.http.Client.upload duto.client.http.Client.fetch duto.client.http.Client.download "
    "duto.client.http.Client.pages",
    "a document as the studio's JSON, or a file, has it": "Workspace.get_details AbstractDataset.save "
    "AbstractDataset.get_partition_key_values Environment.get_image_details Environment.definition Environment.reference "
    "ImageBuildDetails.__init__ DockerSection.take CondaDependencies.of_definition CondaDependencies.as_dict "
    "RunConfiguration.environment_reference RunConfiguration.to_document ResourceConfiguration.deserialize "
    "StepRun.get_reuse_explanation StepRunOutput.__init__ ComputeTarget.deserialize AmlCompute.get AmlCompute.serialize "
    "AmlComputeStatus.serialize AmlComputeStatus.deserialize ScaleSettings.deserialize Run.get_detailed_status "
    "Run.get_details Run.get_details_with_logs Run.get_metrics Run.wait_for_completion RunDetails.get_widget_data "
    "Model.serialize Model.deserialize HyperParameterSampling.to_json EarlyTerminationPolicy.to_json "
    "HyperDriveRun.get_metrics HyperDriveRun.get_children_sorted_by_primary_metric AutoMLConfig.as_serializable_dict "
    "AutoMLRun.summary FeaturizationConfig.__init__ FeaturizationConfig.add_transformer_params "
    "FeaturizationConfig.get_transformer_params ForecastingParameters.from_parameters_dict "
    "ColumnProfile.__init__ DatasetProfile.__init__ DatasetProfileRun.__init__",
    "a model, which is of whatever class it is": "AutoMLRun.get_output",
    "keywords that are handed on": "ActivityFailedException.__init__ RunEnvironmentException.__init__ "
    "AzureMLAggregatedException.__init__ WebserviceException.__init__ OutputTabularDatasetConfig.__init__ "
    "HyperDriveRun.__init__ PipelineRun.__init__ StepRun.__init__ Pipeline.submit PublishedPipeline.__init__ Experiment.submit "
    "Experiment.start_logging Run.__init__ Run.submit_child Model.__init__ AutoMLConfig.__init__ "
    "AutoMLRun.__init__ AutoMLRun.get_best_child AutoMLRun.get_run_sdk_dependencies AutoMLStep.__init__ "
    "ForecastingParameters.__init__",
}
ANY = {member for members in REASONS.values() for member in members.split()}

# What a helper of the SDK makes, for `raise helper(...)`.
MADE_BY = {
    "not_built": "NotBuiltException",
    "refusal": "AzureMLException",
    "datastore_not_found": "NotFoundException",
}
# What a helper raises for values that this caller never gives it.
NEVER = {"TabularDataset.time_recent": {"UserErrorException"}}
ALL = [pytest.param(each, id=each.shown) for each in names()]


def test_the_pages_are_what_the_code_says() -> None:
    made = pages()
    assert {INDEX, *FOLDER.glob("*.md")} == set(made), "run: python3 manage.py sdk_doc"
    stale = [file.name for file, text in made.items() if file.read_text() != text]
    assert stale == [], "run: python3 manage.py sdk_doc"
    assert [file.name for file, text in made.items() if re.search(r" at 0x[0-9a-f]{6}", text)] == []


def test_type_checkers_see_each_public_name() -> None:
    tree = ast.parse(inspect.getsource(duto))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {each.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for each in node.names}
    assert seen == PUBLIC


def test_no_public_name_is_missing() -> None:
    index = INDEX.read_text()
    for each in names():
        page = (FOLDER / f"{each.package}.md").read_text()
        assert f"[`{each.shown}`](sdk-reference/{each.package}.md#" in index
        assert f"\n## {each.shown}\n" in page
        for member in each.members:
            shown = f"\n| `{member.name}` | " if member.kind == "property" else f"{each.name}.{member.name}\n"
            assert shown in page or member.name in ("__init__", each.name), f"{each.shown}.{member.name}"


def test_every_link_names_a_heading() -> None:
    made = pages()
    anchors = {
        file: [anchor_of(each) for each in re.findall(r"^#+ (.*)$", text, re.MULTILINE)] for file, text in made.items()
    }
    for file, text in made.items():
        for target, anchor in re.findall(r"\]\(([\w/.-]+\.md)#([\w-]+)\)", text):
            assert anchors[(file.parent / target).resolve()].count(anchor) == 1, f"{file.name}: {target}#{anchor}"


@in_one("name", ALL)
def test_its_docstrings_say_all(name: Name) -> None:
    assert [*problems(name)] == []


def problems(name: Name) -> Iterator[str]:
    """What the docstrings of a name leave out."""
    if not callable(name.value):
        return
    if not name.docstring.text:
        yield f"{name.shown} has no docstring"
    if inspect.isclass(name.value):
        known = {each.name for each in name.members}
        for kind in name.value.__mro__:
            if kind.__module__.startswith("duto."):
                init = vars(kind).get("__init__")
                known |= {*read(vars(kind).get("__doc__")).attributes, *(read(init.__doc__).args if init else ())}
        yield from (f"{name.shown}: Attributes does not name {each}" for each in attributes(name) if each not in known)
    for member in name.members:
        where = name.shown if member.kind == "function" else f"{name.shown}.{member.name}"
        if not member.same_as:
            yield from (f"{where}: {each}" for each in missing(name, member, where))


def missing(name: Name, member: Member, where: str) -> Iterator[str]:
    """What the docstring of a member leaves out."""
    docstring, wanted = member.docstring, [each.name for each in member.parameters]
    if not docstring.text and member.name != "__init__":
        yield "has no docstring"
    # What always raises uses no argument, and need not say so of each.
    if list(docstring.args) != wanted and (docstring.args or not is_refused(member)):
        yield f"Args names {list(docstring.args)}, the signature {wanted}"
    if member.returns and member.kind != "property" and not docstring.returns:
        yield "has no Returns"
    if docstring.returns and not member.returns:
        yield "Returns of nothing"
    if unsaid := raised(member, name) - set(docstring.raises) - NEVER.get(where, set()):
        yield f"Raises does not name {sorted(unsaid)}"
    if unknown := [each for each in docstring.raises if not is_exception(each)]:
        yield f"Raises names {unknown}"
    empty = [each for each, text in {**docstring.args, **docstring.raises}.items() if not text]
    if empty:
        yield f"says nothing about {empty}"
    if where not in ANY and (bare := annotated_any(member)):
        yield f"Any: {bare}"


def is_refused(member: Member) -> bool:
    return inspect.signature(member.function).return_annotation == "NoReturn"


def attributes(name: Name) -> set[str]:
    """Plain values of a class, and what its constructor and other methods set."""
    # A member of an enumeration that is its own value, in one word, is said by it.
    found = {
        each
        for each in name.values
        if each.lower() != re.sub(r"\W", "", str(getattr(getattr(name.value, each), "value", ""))).lower()
    }
    functions = [value for kind in own_classes(name.value) for value in vars(kind).values() if member_of("", value)]
    for function in functions:
        if inspect.isfunction(function):
            found |= {
                node.attr
                for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function))))
                if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and node.attr[0] != "_"
                and isinstance(node.value, ast.Name) and node.value.id == "self"
            }  # fmt: skip
    return found


def raised(member: Member, name: Name) -> set[str]:
    """The SDK's exceptions that stand in the body, or in the private helpers beside it that it calls."""
    found: set[str] = set()
    seen: set[object] = set()
    to_read = [member.function]
    while to_read:
        function = to_read.pop()
        if function in seen:
            continue
        seen.add(function)
        caught: set[str] = set()
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
            if isinstance(node, ast.Raise) and node.exc:
                said = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
                made = said.attr if isinstance(said, ast.Attribute) else said.id if isinstance(said, ast.Name) else ""
                found.add(MADE_BY.get(made, made))
            elif isinstance(node, ast.ExceptHandler) and node.type:
                caught |= {each.id for each in ast.walk(node.type) if isinstance(each, ast.Name)}
            elif isinstance(node, ast.Call):
                to_read += [each for each in called(node.func, function, name) if inspect.isfunction(each)]
        if function is member.function:
            mine = caught
    return {each for each in found if hasattr(exceptions, each) and each not in mine}


def called(node: ast.expr, function: object, name: Name) -> Iterator[object]:
    """A private helper: `self._x`, `cls._x`, or `_x` of the same module."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr[0] == "_":
        if node.value.id in ("self", "cls", name.name) and inspect.isclass(name.value):
            found = inspect.getattr_static(name.value, node.attr, None)
            yield getattr(found, "__func__", found)
    elif isinstance(node, ast.Name) and node.id[0] == "_":
        yield getattr(function, "__globals__", {}).get(node.id)


def is_exception(name: str) -> bool:
    found = getattr(exceptions, name, None) or getattr(errors, name, None) or getattr(builtins, name, None)
    return inspect.isclass(found) and issubclass(found, BaseException)


def annotated_any(member: Member) -> list[str]:
    """Parameters, and the value, whose annotation holds `Any`."""
    said = {each.name: str(each.annotation) for each in member.parameters}
    return [each for each, text in {**said, "(value)": member.returns}.items() if re.search(r"\bAny\b", text)]


def test_each_word_of_a_signature_is_explained() -> None:
    known = {each.name for each in names()} | set(TYPES)
    theirs = [typing, builtins, datetime, pathlib, os]
    used = {
        word.rpartition(".")[2]: f"{each.shown}.{member.name}"
        for each in names() for member in each.members
        for text in signature(member) for word in re.findall(r"[A-Za-z_][\w.]*", text)
    }  # fmt: skip
    assert {word: where for word, where in used.items()
            if word not in known and not any(hasattr(module, word) for module in theirs)} == {}  # fmt: skip
    assert set(TYPES) <= set(used)


def signature(member: Member) -> list[str]:
    return [member.returns, *(type_of(each.annotation) for each in member.parameters)]


@in_one("where", sorted(ANY))
def test_each_reason_for_any_is_needed(where: str) -> None:
    found = {
        each.shown if member.kind == "function" else f"{each.shown}.{member.name}": member
        for each in names() for member in each.members
    }  # fmt: skip
    assert annotated_any(found[where])
