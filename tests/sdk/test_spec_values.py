"""Parameters, names, fingerprints and environments: tables of what goes in and comes out."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any

import pytest

from duto.spec import conda, parameters, selection, status
from duto.spec.conda import Conda
from duto.spec.environment import conda_version, definition, recipe, recipe_digest, recipe_of
from duto.spec.errors import SpecError
from duto.spec.fingerprint import compare, digest, explain, fingerprint
from duto.spec.graph import Parameter, Step
from duto.spec.names import is_name


@pytest.mark.parametrize(
    "kind,given,value",
    [
        ("int", "20", 20),
        ("int", 3.0, 3),
        ("int", " 7 ", 7),
        ("float", "0.2", 0.2),
        ("float", 1, 1.0),
        ("bool", "true", True),
        ("bool", "False", False),
        ("bool", "on", True),
        ("bool", 0, False),
        ("string", 3, "3"),
        ("data_path", "store/a/b", {"datastore": "store", "path": "a/b"}),
        ("dataset", " id ", "id"),
    ],
)
def test_a_value_comes_to_its_type(kind: str, given: Any, value: Any) -> None:
    assert parameters.coerce("p", kind, given) == value
    assert type(parameters.coerce("p", kind, given)) is type(value)


@pytest.mark.parametrize(
    "kind,given",
    [
        ("int", "x"),
        ("int", 1.5),
        ("int", True),
        ("float", "nan"),
        ("float", None),
        ("bool", "perhaps"),
        ("string", None),
        ("string", {}),
        ("dataset", ""),
        ("data_path", ""),
    ],
)
def test_a_value_of_another_type_is_named(kind: str, given: Any) -> None:
    with pytest.raises(SpecError, match="'p'"):
        parameters.coerce("p", kind, given)


def test_binding_names_everything_that_is_wrong() -> None:
    declared = [Parameter("n", "int", 1), Parameter("name", "string", "x")]
    assert parameters.bind(declared, {"n": "5"}) == {"n": 5, "name": "x"}
    with pytest.raises(SpecError) as caught:
        parameters.bind(declared, {"n": "five", "ghost": 1})
    assert {problem.code for problem in caught.value.problems} == {"wrong_type", "undeclared_parameter"}


@pytest.mark.parametrize(
    "kind,name,fits",
    [
        ("port", "model_dir", True),
        ("port", "model dir", False),
        ("compute", "cpu-cluster", True),
        ("compute", "-x", False),
        ("experiment", "Palmer penguins", True),
        ("experiment", "a/b", False),
        ("step", "Evaluate Model ", True),
        ("dataset", "..", False),
        ("datastore", "Upper", False),
        ("model", "", False),
    ],
)
def test_names(kind: str, name: str, fits: bool) -> None:
    assert is_name(kind, name) is fits


def test_both_vocabularies_of_success() -> None:
    assert status.step_status("Completed") == status.pipeline_status("Completed") == "Finished"
    assert status.pipeline_status("Queued") == "NotStarted"
    assert status.is_terminal("Skipped") and not status.is_terminal("NotResponding")


STEP = Step("train", "train", "train.py", arguments=("--lr", {"parameter": "lr"}, "--n", 3))


def made(step: Step = STEP, **facts: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "snapshot": "s1",
        "inputs": {},
        "parameters": {"lr": 0.1, "unused": 1},
        "environment": "e1",
        "compute": "AmlCompute",
    }
    return fingerprint(step, **{**given, **facts})


def test_a_parameter_that_the_step_uses_not_changes_nothing() -> None:
    assert digest(made()) == digest(made(parameters={"lr": 0.1, "unused": 2}))


@pytest.mark.parametrize(
    "other,text",
    [
        (made(parameters={"lr": 0.2}), "parameter `lr` 0.1 → 0.2"),
        (made(dataclasses.replace(STEP, arguments=("--lr", {"parameter": "lr"}, "--n", 4))), "`--n` 3 → 4"),
        (made(environment="e2"), "the environment's packages changed"),
        (made(dataclasses.replace(STEP, script="other.py")), "script train.py → other.py"),
        (made(snapshot="s2"), "the files of the source directory changed"),
        (made(dataclasses.replace(STEP, params={"a": 1})), "param `a` is new"),
    ],
)
def test_why_in_plain_words(other: dict[str, Any], text: str) -> None:
    assert explain(compare(made(), other)) == f"not reused: {text}"


def test_files_are_told_one_by_one() -> None:
    found = compare(made(), made(snapshot="s2"), {"a.py": "1", "b.py": "1"}, {"a.py": "2", "c.py": "1"})
    assert [each.text for each in found] == ["`a.py` changed", "`b.py` is gone", "`c.py` is new"]
    assert compare(made(), made()) == []


@pytest.mark.parametrize(
    "given,wanted",
    [
        ("=1.19", "==1.19.*"),
        ("=1.19.5", "==1.19.5"),
        ("==1.2", "==1.2"),
        ("=1.19.5=py37_0", "==1.19.5"),
        (">=1.2,<2", ">=1.2,<2"),
        ("=1.2.*", "==1.2.*"),
        ("", ""),
        ("1.19.2 py37_0", "==1.19.2"),
    ],
)
def test_conda_versions(given: str, wanted: str) -> None:
    assert conda_version(given) == wanted


def test_an_old_conda_file() -> None:
    found = recipe(
        [
            "python=3.6.2",
            "scikit-learn=0.22",
            "conda-forge::pytorch==1.4.0",
            "pip",
            {"pip": ["azureml-defaults", "azureml-dataprep[fuse,pandas]", "sklearn", "joblib>=0.14"]},
        ]
    )
    assert found.python == "3.6"
    brought = {"dill", "numpy", "pandas", "pyarrow", "python-dateutil", "pytz", "requests", "six"}
    assert set(found.packages) - brought == {"joblib>=0.14", "scikit-learn==0.22.*", "torch==1.4.0"}
    assert brought <= set(found.packages)


def test_a_list_with_something_that_only_conda_has_stays_condas() -> None:
    found = recipe(
        ["python=3.9", "cudatoolkit = 10.2 # old", "numpy=1.19.5=py37_0", "azureml-mlflow", "r-base>=4,<5", {"pip": ["sklearn"]}],
        channels=["nodefaults", "https://a.example/t", "conda-forge"],
    )  # fmt: skip
    assert (found.python, found.packages) == ("3.9", ("mlflow-skinny", "scikit-learn"))
    assert found.conda is not None
    assert found.conda.packages == ("cudatoolkit = 10.2", "numpy=1.19.5=py37_0", "r-base>=4,<5")
    assert found.conda.channels == ("https://a.example/t", "conda-forge")
    assert recipe(["gdal"]).conda == Conda(("conda-forge",), ("gdal",))
    again = recipe_of(definition("e", found))
    assert (again, again.digest) == (dataclasses.replace(found, notes=()), found.digest)
    assert found.digest != recipe_of({"python": {"version": "3.9", "packages": list(found.packages)}}).digest


@pytest.mark.parametrize(
    "packages,channels,wanted",
    [
        (["numpy"], ["defaults", "conda-forge", "pytorch"], False),
        (["conda-forge::pytorch"], [], False),
        (["numpy"], ["https://conda.anaconda.org/conda-forge", "https://repo.anaconda.com/pkgs/main"], False),
        (["samtools"], ["bioconda"], True),
        (["bioconda::samtools"], [], True),
        (["numpy"], ["https://conda.example/mine"], True),
        ([], ["bioconda"], False),
        (["python=3.8", "ffmpeg"], [], True),
    ],
)
def test_conda_is_needed_by_a_name_or_by_an_unusual_channel(
    packages: list[str], channels: list[str], wanted: bool
) -> None:
    assert conda.is_needed(packages, channels) is wanted
    assert (recipe(packages, channels=channels).conda is not None) is wanted


@pytest.mark.parametrize(
    "packages,channels",
    [
        (["gdal; rm -rf /"], []),
        (["--file=x", "gdal"], []),
        (["gdal$(id)"], []),
        (["gdal"], ["file:///etc"]),
        (["gdal"], ["https://ana:secret@a.example/x"]),
        (["gdal"], ["-c"]),
        (["gdal" + "x" * 300], []),
        (["gdal"], [f"c{number}" for number in range(21)]),
    ],
)
def test_what_is_no_conda_package_or_channel_is_refused(packages: list[str], channels: list[str]) -> None:
    section = {"channels": channels, "packages": packages}
    with pytest.raises(SpecError):
        recipe_of({"python": {"conda": section}})
    with pytest.raises(SpecError):
        recipe_of({"python": {"conda": {"packages": "gdal"}}})


def test_those_that_are_nowhere_else_are_named() -> None:
    assert conda.only_there({"packages": ["gdal=3", "numpy", "c::r-base >=4"]}) == ["gdal", "r-base"]
    assert conda.only_there({"packages": ["bioconda::samtools=1"]}) == ["samtools"]
    assert "Only conda has gdal, r-base: " in conda.refusal(["gdal", "r-base", "gdal"])


def test_a_recipe_knows_neither_name_nor_variables() -> None:
    first = {"name": "a", "python": {"packages": ["Numpy", "pandas"]}, "variables": {"X": "1"}}
    second = {"name": "b", "python": {"packages": ["pandas", "numpy"]}}
    assert recipe_digest(first) == recipe_digest(second)


def test_the_parts_of_a_split_complement_each_other() -> None:
    split = {"op": "random_split", "percentage": 0.3, "seed": 7}
    first = selection.indices(100, [{**split, "part": 0}])
    rest = selection.indices(100, [{**split, "part": 1}])
    assert sorted(first + rest) == list(range(100)) and 15 < len(first) < 45
    some = [{"op": "skip", "count": 1}, {"op": "take", "count": 2}]
    assert selection.select("abcdef", some, lambda _: {}, datetime.fromisoformat) == ["b", "c"]


@pytest.mark.parametrize(
    "line", ["a" + " " * 50_000 + "\nx", "numpy\n--index-url=x", "a #\n" * 20_000 + "x", "x" * 100_000]
)
def test_a_line_of_packages_is_one_line_of_a_length_that_somebody_writes(line: str) -> None:
    for given in ({"conda": [line]}, {"pip": [line]}):
        with pytest.raises(SpecError) as refused:
            recipe(python="3.11", **given)
        [problem] = refused.value.problems
        assert problem.code == "bad_requirement" and len(problem.message) < 100_000
