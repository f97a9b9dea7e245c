"""The graph document: read, written, ordered, and refused with every problem at once."""

from __future__ import annotations

from typing import Any

import pytest

from duto.spec.errors import SpecError
from duto.spec.fingerprint import fingerprint
from duto.spec.graph import Graph


def step(step_id: str, **facts: Any) -> dict[str, Any]:
    return {"id": step_id, "script": f"{step_id}.py", **facts}


def document(*steps: dict[str, Any], **facts: Any) -> dict[str, Any]:
    return {"schema": 1, "steps": list(steps), **facts}


def reads(name: str, source: str, output: str) -> dict[str, Any]:
    return {"name": name, "from": {"step": source, "output": output}}


FULL = document(
    step("prepare", outputs=[{"name": "prepared"}]),
    step(
        "train",
        arguments=["--data", {"input": "prepared"}, "--lr", {"parameter": "lr"}, "--out", {"output": "model"}, 3],
        inputs=[
            reads("prepared", "prepare", "prepared"),
            {"name": "raw", "from": {"dataset": "d1"}, "mode": "direct"},
            {"name": "ref", "from": {"datastore": "workspaceblobstore", "path": "raw/"}},
        ],
        outputs=[{"name": "model", "is_directory": True}],
        params={"epochs": 3, "lr": {"parameter": "lr"}},
        run_after=["prepare"],
        timeout_seconds=3600,
        retries=2,
        retry_delay_seconds=1.5,
    ),
    parameters=[{"name": "lr", "type": "float", "default": 0.1}],
    pipeline_outputs={"model": {"step": "train", "output": "model"}},
)


def command(*arguments: object) -> dict[str, Any]:
    return document({"id": "a", "kind": "command", "arguments": [*arguments], "outputs": [{"name": "o"}]})


def codes(refused: dict[str, Any], files: Any = None) -> set[str]:
    with pytest.raises(SpecError) as caught:
        Graph.from_document(refused, files)
    return {problem.code for problem in caught.value.problems}


def test_a_graph_survives_its_document() -> None:
    graph = Graph.from_document(FULL)
    assert Graph.from_document(graph.to_document()) == graph
    assert graph.needs == {"prepare": frozenset(), "train": frozenset({"prepare"})}
    assert graph.order == ("prepare", "train")
    assert graph.followers["prepare"] == {"train"}


def test_a_command_needs_no_script_and_no_file() -> None:
    arguments = ["cat DatasetOutputConfig:model/a $AZUREML_DATAREFERENCE_model_b $HOME", 3, {"output": "model"}]
    given = {"id": "a", "kind": "command", "arguments": arguments, "snapshot": "s", "outputs": [{"name": "model"}]}
    graph = Graph.from_document(document(given), {"s": []})
    assert [(each.kind, each.script) for each in graph.steps] == [("command", "")]
    assert Graph.from_document(graph.to_document()) == graph


def test_settings_are_part_of_a_step_where_there_are_any() -> None:
    given = document(step("a", settings={"size": 3, "rate": {"parameter": "rate"}}), step("b"))
    given["parameters"] = [{"name": "rate", "type": "float", "default": 0.5}]
    graph = Graph.from_document(given)
    written = graph.to_document()
    assert Graph.from_document(written) == graph and [each.get("settings") for each in written["steps"]] == [
        {"size": 3, "rate": {"parameter": "rate"}},
        None,
    ]
    parts = [
        fingerprint(each, snapshot="s", inputs={}, parameters={"rate": 1.5}, environment=None, compute=None)["parts"]
        for each in graph.steps
    ]
    assert parts[0]["parameters"] == {"rate": 1.5} and parts[0]["settings"]["size"] == 3 and "settings" not in parts[1]
    assert codes(document(step("a", settings={"x": {"parameter": "ghost"}}))) == {"undeclared_parameter"}
    assert codes(document(step("a", kind="dance"))) == {"unknown_kind"}


def test_order_puts_parents_first_and_keeps_the_rest() -> None:
    graph = Graph.from_document(document(step("c", run_after=["a"]), step("b"), step("a")))
    assert graph.order == ("b", "a", "c")


def test_a_cycle_is_named_by_its_path() -> None:
    with pytest.raises(SpecError, match=r"a → b → c → a|b → c → a → b|c → a → b → c"):
        Graph.from_document(
            document(step("a", run_after=["c"]), step("b", run_after=["a"]), step("c", run_after=["b"]))
        )


@pytest.mark.parametrize(
    "refused,code",
    [
        (document(), "no_steps"),
        (document(step("a"), step("a")), "duplicate_step"),
        (document(step("a", inputs=[reads("x", "ghost", "y")])), "dangling_input"),
        (document(step("b", outputs=[{"name": "z"}]), step("a", inputs=[reads("x", "b", "y")])), "dangling_input"),
        (document(step("a", outputs=[{"name": "x"}, {"name": "x"}])), "duplicate_output"),
        (document(step("a", arguments=[{"parameter": "lr"}])), "undeclared_parameter"),
        (document(step("a", params={"x": {"parameter": "lr"}})), "undeclared_parameter"),
        (document(step("a", arguments=[{"input": "x"}])), "unknown_input"),
        (document(step("a", arguments=[{"output": "x"}])), "unknown_output"),
        (document(step("a", arguments=["--in=${AZUREML_DATAREFERENCE_x}/a"])), "unknown_input"),
        (document(step("a", arguments=["DatasetOutputConfig:x"])), "unknown_output"),
        (document(step("a", params={"where": "DatasetConsumptionConfig:x"})), "unknown_input"),
        (document(step("a", run_after=["ghost"])), "unknown_step"),
        (document(step("a"), parameters=[{"name": "n", "type": "int", "default": "x"}]), "wrong_type"),
        (document(step("a"), parameters=[{"name": "n", "type": "money", "default": 1}]), "wrong_type"),
        (document(step("a", script="../a.py")), "missing_script"),
        (document(step("a", script="/etc/a.py")), "missing_script"),
        (document(step("a", outputs=[{"name": "no spaces"}])), "bad_name"),
        (document(step("a", kind="magic")), "unknown_kind"),
        (document({"id": "a", "kind": "python_script"}), "invalid"),
        (document({"id": "a", "kind": "command"}), "missing_command"),
        (document({"id": "a", "kind": "command", "arguments": [" ", ""]}), "missing_command"),
        (document({"id": "a", "kind": "command", "arguments": ["a\0b"]}), "bad_command"),
        (document(step("a", kind="command", arguments=["ls"])), "bad_command"),
        (document({"id": "a", "kind": "command", "arguments": ["cat 'DatasetConsumptionConfig:x'"]}), "unknown_input"),
        (document({"id": "a", "kind": "command", "arguments": ["ls > ${AZUREML_DATAREFERENCE_x}"]}), "unknown_input"),
        (document({"id": "a", "kind": "command", "arguments": ["ls > DatasetOutputConfig:x/a"]}), "unknown_output"),
        (document({"id": "a", "kind": "command", "arguments": ["cat", {"input": "x"}]}), "unknown_input"),
        (command("echo `cat", {"output": "o"}, "`"), "bad_command"),
        (command('echo "`cat DatasetOutputConfig:o`"'), "bad_command"),
        (command("cat <<END\n$AZUREML_DATAREFERENCE_o\nEND"), "bad_command"),
        (command("ls # of", {"output": "o"}), "bad_command"),
        (document(step("a", timeout_seconds=0)), "bad_timeout"),
        (document(step("a", timeout_seconds=float("nan"))), "bad_timeout"),
        (document(step("a", timeout_seconds=float("inf"))), "bad_timeout"),
        (document(step("a", retries=-1)), "bad_retries"),
        (document(step("a", retries=101)), "bad_retries"),
        (document(step("a", retries=1.5)), "invalid"),
        (document(step("a", retries=float("nan"))), "invalid"),
        (document(step("a", retries="2")), "invalid"),
        (document(step("a", retry_delay_seconds=-1)), "bad_retry_delay"),
        (document(step("a", retry_delay_seconds=604_801)), "bad_retry_delay"),
        (document(step("a", retry_delay_seconds=float("nan"))), "bad_retry_delay"),
        (document(step("a", arguments=[None])), "invalid"),
        (document(step("a", inputs=[{"name": "x", "from": {}}])), "invalid"),
        ({"schema": 1, "steps": "many"}, "invalid"),
        ([], "invalid"),
        ({"schema": 99}, "schema"),
        (document(step("a"), pipeline_outputs={"m": {"step": "a", "output": "x"}}), "dangling_output"),
    ],
)
def test_what_is_refused(refused: Any, code: str) -> None:
    assert code in codes(refused)


def test_all_problems_are_named_at_once() -> None:
    refused = document(step("a", arguments=[{"input": "x"}, {"parameter": "p"}], run_after=["ghost"]))
    assert codes(refused) == {"unknown_input", "undeclared_parameter", "unknown_step"}


def test_a_script_that_the_snapshot_lacks() -> None:
    refused = document(step("a", snapshot="s1"))
    assert codes(refused, {"s1": {"b.py"}}) == {"missing_script"}
    Graph.from_document(refused, {"s1": {"a.py"}})


def test_names_with_spaces_are_names() -> None:
    Graph.from_document(document({"id": "Evaluate Model ", "script": "a.py"}))
