"""The names, import paths and signatures that public programs use. Both lists come from a survey of such
programs."""

from __future__ import annotations

import importlib
import inspect
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import duto
from studio.testing.cases import in_one

DATA = Path(__file__).parent / "data"
SURFACE: dict[str, Any] = json.loads((DATA / "surface.json").read_text())
PATHS = (DATA / "import_paths.txt").read_text().split()

# Used by one to four programs each, and answered by no attribute yet.
NOT_HERE = {
    "AzureBlobDatastore.blob_service",
    "Dataset.auto_read_files",
    "Dataset.from_delimited_files",
    "Dataset.from_pandas_dataframe",
    "Model.profile",
    "Run.list_by_compute",
    "Workspace.DEFAULT_CPU_CLUSTER_CONFIGURATION",
    "Workspace.setup",
}


@in_one("path", PATHS)
def test_import_path_resolves(path: str) -> None:
    try:
        importlib.import_module(path)
    except ImportError:
        module, _, name = path.rpartition(".")
        assert getattr(importlib.import_module(module), name) is not None


@pytest.mark.parametrize(
    "module,name",
    [
        ("azureml.core", "Workspace"),
        ("azureml.pipeline.core", "Pipeline"),
        ("azureml.core.run", "_OfflineRun"),
        ("azureml.pipeline.steps", "PythonScriptStep"),
        ("azureml.core.compute", "AmlCompute"),
    ],
)
def test_azureml_gives_the_very_classes(module: str, name: str) -> None:
    assert getattr(importlib.import_module(module), name) is getattr(duto, name)


def _expected() -> list[tuple[str, str, list[str]]]:
    return [
        (owner, name, params)
        for owner, facts in SURFACE.items()
        for name, params in facts["signatures"].items()
        if f"{owner}.{name}" not in NOT_HERE
    ]


@in_one("owner,name,params", [pytest.param(*each, id=f"{each[0]}.{each[1]}") for each in _expected()])
def test_signature_is_that_of_the_surface(owner: str, name: str, params: list[str]) -> None:
    member = inspect.getattr_static(getattr(duto, owner), name)
    function = member.__func__ if isinstance(member, (staticmethod, classmethod)) else member
    found = list(inspect.signature(function).parameters.values())
    if not isinstance(member, staticmethod):
        found = found[1:]
    public = [each for each in found if not each.name.startswith("_")]
    named = [each for each in public if each.kind is each.POSITIONAL_OR_KEYWORD]
    open_ended = {each.kind for each in public} & {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    if inspect.Parameter.VAR_POSITIONAL in open_ended and not named:
        return  # a refusal takes anything
    wanted = [each for each in params if not each.startswith("*")]
    assert [each.name for each in named][: len(wanted)] == [each.split("=")[0] for each in wanted]
    for parameter, text in zip(named, wanted, strict=False):
        _same_default(parameter, text)
    assert all(each.default is not each.empty for each in named[len(wanted) :])


def _same_default(parameter: inspect.Parameter, text: str) -> None:
    _, given, default = text.partition("=")
    assert bool(given) == (parameter.default is not parameter.empty), text
    if given and not default.startswith("<") and "." not in default.split("'")[0]:
        assert repr(parameter.default) == default, text


@in_one(
    "owner,name",
    [
        pytest.param(owner, name, id=f"{owner}.{name}")
        for owner, facts in SURFACE.items()
        for name in facts["members"]
        if f"{owner}.{name}" not in NOT_HERE
    ],
)
def test_members_that_programs_use_exist(owner: str, name: str) -> None:
    kind = getattr(duto, owner)
    if hasattr(kind, name):
        return
    source = "".join(inspect.getsource(each) for each in kind.__mro__[:-1])
    assert f"self.{name}" in source or f'"{name}"' in source, f"{owner} has no {name}"


@pytest.mark.parametrize(
    ("beside", "said"), [(True, "`azureml.core` is Azure's"), (False, "`azureml` is Duto's here"), (None, "")]
)
def test_with_azures_own_sdk_installed_too_a_program_is_told_which_it_gets(
    tmp_path: Path, beside: bool | None, said: str
) -> None:
    folders = [tmp_path / "ours", tmp_path / "theirs"]
    for name in ("duto", "azureml"):
        source = Path(str(importlib.import_module(name).__file__)).parent
        shutil.copytree(source, folders[0] / name, ignore=shutil.ignore_patterns("__pycache__"))
    if beside is not None:
        core = folders[0 if beside else 1] / "azureml/core"
        core.mkdir(parents=True)
        (core / "__init__.py").touch()
        (core / "workspace.py").write_text("class Workspace:\n    pass\n")
    code = f"import sys; sys.path[:0] = {list(map(str, folders))!r}; import azureml; import azureml.core as core; print(core.__file__ if core.__spec__.origin else 'Duto')"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert said in done.stderr and done.stderr.count("UserWarning") == (beside is not None)
    assert done.stdout.strip() == (str(folders[0] / "azureml/core/__init__.py") if beside else "Duto")
