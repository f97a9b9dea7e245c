"""The strings that a script sees."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import pytest

from duto_agent.attempt.bindings import Bound, Unbound, arguments, command, substitute, variables
from duto_protocol.messages import Binding
from tests.agent.specs import step_of

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
    assert arguments(step_of({"arguments": given}).arguments, BOUND, {"lr": "0.5"}) == expected


@pytest.mark.parametrize("bad", [{"input": "model"}, {"output": "nope"}, {"parameter": "x"}, {}])
def test_an_argument_that_names_nothing_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(Unbound):
        arguments(step_of({"arguments": [bad]}).arguments, BOUND, {})


def test_variables_of_the_job() -> None:
    found = variables({"epochs": "3", "where": "$AZUREML_DATAREFERENCE_data"}, BOUND)
    assert found["AZUREML_DATAREFERENCE_data"] == found["data"] == "/a/inputs/data"
    assert found["AZUREML_DATAREFERENCE_model"] == found["model"] == "/a/outputs/model"
    assert found["AZUREML_DATASET_ENVIRONMENT_VARS"] == "data:mount,data_test:download,raw:direct"
    assert found["raw"] == "0190-dataset" and found["AZUREML_DATASET_FILE_OUTPUTS"] == "scores"
    assert (found["AML_PARAMETER_epochs"], found["AML_PARAMETER_where"]) == ("3", "/a/inputs/data")


ODD = """a "b" $HOME 'c' `d` \\ * ; e"""


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["printf '%s|' one && printf '%s|' two"], "one|two|"),
        (["printf", "'%s|'", "one two", "&&", "echo three"], "one|two|three\n"),
        (["printf '%s|'", Binding(input="odd"), 3, 0.5], f"{ODD}|3|0.5|"),
        (["printf '%s|' DatasetConsumptionConfig:odd"], f"{ODD}|"),
        (["printf '%s|' DatasetConsumptionConfig:odd/x"], f"{ODD}/x|"),
        (["printf '%s|' \"in DatasetConsumptionConfig:odd/x\""], f"in {ODD}/x|"),
        (["printf '%s|' 'in $AZUREML_DATAREFERENCE_odd/x' last"], f"in {ODD}/x|last|"),
        (["printf '%s|' it\\'s $AZUREML_DATAREFERENCE_odd"], f"it's|{ODD}|"),
        (['printf \'%s|\' "a \\" b ${AZUREML_DATAREFERENCE_odd}"'], f'a " b {ODD}|'),
        (["printf '%s|' \"in", Binding(input="odd"), '"'], f"in {ODD} |"),
        (["printf '%s|' \"$X\" '$X'"], "y|$X|"),
        (
            ["printf '%s|' \"$(printf '<%s>'", Binding(input="odd"), "'DatasetConsumptionConfig:odd/x')\""],
            f"<{ODD}><{ODD}/x>|",
        ),
        (["printf '%s|' $((1 << (1 + 1)))", Binding(input="odd")], f"4|{ODD}|"),
        (["printf '%s|' ${#X} # it's $(\nprintf '%s|'", Binding(input="odd")], f"1|{ODD}|"),
    ],
)
def test_a_shell_takes_a_value_for_one_word(given: list[Any], expected: str) -> None:
    bound = Bound(inputs={"odd": ODD, "odd_not": "/no"})
    for shell in ("sh", "bash"):
        done = subprocess.run(
            [shell, "-c", command(given, bound, {})],
            env={"X": "y", "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
        )
        assert (done.stdout, done.stderr) == (expected, "")
