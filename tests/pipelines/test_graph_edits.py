"""Changes of a graph document: what is not named stays as it was, whatever kind of step it is."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from duto.spec.errors import SpecError
from duto.spec.kinds import KINDS
from pipelines.graph_edits import OF_STEP, changed, normal

FULL: dict[str, Any] = {
    "script": "step.py",
    "arguments": ["--lr", {"parameter": "lr"}, 5, 0.5, "5", "", " a\nb ", '{"x": 1}', True, {"input": "data"}, {"output": "o"}],
    "snapshot": "0" * 64,
    "compute": "cpu",
    "environment": {"name": "slim", "version": "3"},
    "inputs": [
        {"name": "data", "mode": "mount", "path_on_compute": "/tmp/x", "from": {"dataset": "d"}, "tabular": {"format": "csv"}},
        {"name": "given", "mode": "direct", "path_on_compute": None, "from": {"parameter": "lr"}},
        {"name": "raw", "mode": "download", "path_on_compute": None, "from": {"datastore": "blob", "path": "a/b"}},
    ],
    "outputs": [
        {
            "name": "o", "kind": "file_dataset", "datastore": "blob", "mode": "upload", "is_directory": True,
            "path_on_compute": "out", "overwrite": True, "destination": "x/{run-id}", "register": {"name": "n", "tags": {"a": "b"}},
        }
    ],
    "params": {"P": {"parameter": "lr"}, "Q": 1},
    "environment_variables": {"SECRET": "keyvault:name", "A": "b"},
    "run_after": [],
    "allow_reuse": False,
    "hash_paths": ["*.py"],
    "version": "7",
    "node_count": {"parameter": "nodes"},
    "timeout_seconds": 1.5,
    "retries": 3,
    "retry_delay_seconds": 60,
    "settings": {"sampling": "grid", "space": [{"name": "x", "expression": "choice", "values": [1, 2.5, None]}], "deep": {"a": [{}]}},
    "distribution": {"type": "mpi", "processes": {"parameter": "nodes"}, "parameter_servers": 0},
}  # fmt: skip
PARAMETERS = [
    {"name": "lr", "type": "float", "default": 0.1},
    {"name": "nodes", "type": "int", "default": 2},
    {"name": "where", "type": "data_path", "default": {"datastore": "blob", "path": "raw"}},
]


def document(kind: str = "python_script") -> dict[str, Any]:
    steps = [{"id": each, "name": each.upper(), "kind": kind, **copy.deepcopy(FULL)} for each in ("a", "b")]
    outputs = {"all": {"step": "a", "output": "o"}}
    about = {"schema": 1, "description": "all", "continue_on_step_failure": True}
    return {**about, "parameters": copy.deepcopy(PARAMETERS), "pipeline_outputs": outputs, "steps": steps}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_is_not_named_stays_whatever_the_kind(kind: str) -> None:
    before = document(kind)
    assert normal(before) == before and changed(before) == before
    edit = {
        "arguments": ["--lr", 3], "compute": "gpu", "environment": {"name": "other", "version": "1"}, "allow_reuse": True,
        "run_after": ["a"],
    }  # fmt: skip
    assert set(edit) == set(OF_STEP)
    for name, value in edit.items():
        expected = document(kind)
        expected["steps"][1][name] = value
        assert changed(before, steps={"b": {name: value}}) == expected, name
    expected = document(kind)
    expected["parameters"][1]["default"] = 9
    expected["continue_on_step_failure"] = False
    assert changed(before, defaults={"nodes": "9"}, continue_on_step_failure=False) == expected
    assert before == document(kind), "what was given is left alone"


def test_every_wrong_name_and_value_is_told_at_once() -> None:
    with pytest.raises(SpecError) as refused:
        changed(
            document(),
            steps={"c": {"compute": "x"}, "a": {"script": "other.py", "snapshot": ""}},
            defaults={"speed": 1, "nodes": "many"},
        )
    texts = [problem.message for problem in refused.value.problems]
    assert texts[0] == "The pipeline has no step 'c'."
    assert "'script', 'snapshot' cannot be changed here" in texts[1] and "Bring a new graph" in texts[1]
    assert texts[2:] == [
        "The pipeline has no parameter 'speed'.",
        "Parameter 'nodes' is a whole number, but the value is 'many'.",
    ]
    for edit, text in (
        ({"arguments": [{"secret": "x"}]}, "is no text, number, input, output or parameter"),
        ({"arguments": "--lr"}, "`arguments` must be a list"),
        ({"allow_reuse": "yes"}, "`allow_reuse` must be true or false"),
        ({"environment": "slim"}, "`environment` must be an object"),
    ):
        with pytest.raises(SpecError, match=text):
            changed(document(), steps={"a": edit})


def test_what_cannot_run_can_still_be_kept() -> None:
    kept = changed(document(), steps={"a": {"run_after": ["b", "gone"], "compute": ""}, "b": {"run_after": ["a"]}})
    assert [each["run_after"] for each in kept["steps"]] == [["b", "gone"], ["a"]]
