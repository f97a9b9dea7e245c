"""The strings that a script sees."""

from __future__ import annotations

from typing import Any

import pytest

from duto_agent.attempt.bindings import Bound, Unbound, arguments, substitute, variables

BOUND = Bound(
    inputs={"data": "/a/inputs/data", "data_test": "/a/inputs/data_test", "raw": "0190-dataset"},
    outputs={"model": "/a/outputs/model", "scores": "/a/outputs/scores"},
    modes={"data": "mount", "data_test": "download", "raw": "direct"},
    file_outputs=["scores"],
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("a:b", "a:b"),
        ("$AZUREML_DATAREFERENCE_data", "/a/inputs/data"),
        ("$AZUREML_DATAREFERENCE_data_test", "/a/inputs/data_test"),
        ("${AZUREML_DATAREFERENCE_data}", "/a/inputs/data"),
        ("$AZUREML_DATAREFERENCE_data/x.csv", "/a/inputs/data/x.csv"),
        ("$AZUREML_DATAREFERENCE_data2", "/a/inputs/data2"),
        ("--in=$AZUREML_DATAREFERENCE_data --out=$AZUREML_DATAREFERENCE_model", "--in=/a/inputs/data --out=/a/outputs/model"),
        ("DatasetOutputConfig:scores", "/a/outputs/scores"),
        ("DatasetConsumptionConfig:raw", "0190-dataset"),
        ("python x.py DatasetConsumptionConfig:data_test/f", "python x.py /a/inputs/data_test/f"),
        ("$AZUREML_DATAREFERENCE_other", "$AZUREML_DATAREFERENCE_other"),
        ("$HOME and %s and \\1", "$HOME and %s and \\1"),
    ],
)  # fmt: skip
def test_placeholders_stand_inside_longer_strings(text: str, expected: str) -> None:
    assert substitute(text, BOUND) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], []),
        (["--n", 3, 0.1, True, None], ["--n", "3", "0.1", "True", ""]),
        ([{"input": "data"}, {"input": "raw"}, {"output": "model"}], ["/a/inputs/data", "0190-dataset", "/a/outputs/model"]),
        ([{"parameter": "lr"}], ["0.5"]),
    ],
)  # fmt: skip
def test_arguments(given: list[Any], expected: list[str]) -> None:
    assert arguments(given, BOUND, {"lr": 0.5}) == expected


@pytest.mark.parametrize("bad", [{"input": "model"}, {"output": "nope"}, {"parameter": "x"}, {"what": 1}])
def test_an_argument_that_names_nothing_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(Unbound):
        arguments([bad], BOUND, {})


def test_variables_of_the_job() -> None:
    found = variables({"params": {"epochs": "3", "where": "$AZUREML_DATAREFERENCE_data"}}, BOUND)
    assert found["AZUREML_DATAREFERENCE_data"] == found["data"] == "/a/inputs/data"
    assert found["AZUREML_DATAREFERENCE_model"] == found["model"] == "/a/outputs/model"
    assert found["AZUREML_DATASET_ENVIRONMENT_VARS"] == "data:mount,data_test:download,raw:direct"
    assert found["raw"] == "0190-dataset" and found["AZUREML_DATASET_FILE_OUTPUTS"] == "scores"
    assert (found["AML_PARAMETER_epochs"], found["AML_PARAMETER_where"]) == ("3", "/a/inputs/data")
