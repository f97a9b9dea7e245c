"""Parallel steps before they run: settings, mini-batches, rows, the ledger's words, and what the SDK makes of it all."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pandas
import pytest

from duto.data.consumption import DatasetConsumptionConfig
from duto.data.file_dataset import FileDataset
from duto.data.output_config import OutputFileDatasetConfig
from duto.data.pipeline_data import PipelineData
from duto.data.tabular_dataset import TabularDataset
from duto.environment.conda_dependencies import CondaDependencies
from duto.environment.environment import Environment
from duto.exceptions import UserErrorException
from duto.parallel.batches import File, NotCut, Stretch, cut_files, cut_rows
from duto.parallel.ledger import Ledger, line, placed
from duto.parallel.results import NoResult, result_of
from duto.pipeline.graph_builder import GraphBuilder
from duto.spec import fingerprint, ledger, parallel
from duto.spec.errors import SpecError
from duto.spec.graph import Graph
from duto.steps.parallel_run import ParallelRunConfig, ParallelRunStep
from duto.steps.parameter import PipelineParameter

STORE = {"sources": [{"datastore": "store", "path": "in/"}]}
FILES = FileDataset._of(STORE, None)
TABLE = TabularDataset._of({**STORE, "format": {"type": "delimited"}}, None)


def config(**more: Any) -> ParallelRunConfig:
    given: dict[str, Any] = {
        "environment": Environment("e"),
        "entry_script": "score.py",
        "error_threshold": 10,
        "output_action": "Append_Row",
        "compute_target": "cpu-cluster",
        "node_count": 2,
    }
    return ParallelRunConfig(**{**given, **more})


def built(*steps: Any) -> Graph:
    builder = GraphBuilder(None, list(steps))
    return Graph.from_document(builder.build().to_document())


@pytest.mark.parametrize(
    ("given", "amount", "has_unit"),
    [(5, 5, False), ("12", 12, False), ("1KB", 1024, True), (" 2 mb ", 2 << 20, True), ("1Gb", 1 << 30, True)],
)
def test_sizes_of_mini_batches(given: Any, amount: int, has_unit: bool) -> None:
    assert parallel.batch_size(given) == parallel.BatchSize(amount, has_unit)


@pytest.mark.parametrize("given", ["", "0", "-1", "1.5MB", "ten", "5TB", True, 2.0, None])
def test_what_is_no_size(given: Any) -> None:
    with pytest.raises(ValueError, match="is no size of a mini-batch"):
        parallel.batch_size(given)


def test_all_that_is_wrong_is_told_at_once() -> None:
    wrong = parallel.problems_of(
        {
            "inputs": [],
            "output_action": "keep",
            "error_threshold": -2,
            "node_count": 0,
            "run_invocation_timeout": 0,
            "run_max_try": 1.5,
            "append_row_file_name": "a/b",
            "allowed_failed_percent": 101,
            "mini_batch_size": {"parameter": "size"},
            "partition_keys": {"parameter": "keys"},
            "logging_level": "loud",
            "retries": 3,
        },
        {"size": "lots"},
    )
    text = "\n".join(wrong)
    for name in (
        *(
            "output_action",
            "error_threshold",
            "node_count",
            "run_invocation_timeout",
            "run_max_try",
            "allowed_failed_percent",
        ),
        *("append_row_file_name", "mini_batch_size", "partition_keys", "logging_level", "retries", "no input"),
    ):
        assert name in text, name
    assert parallel.settings_of({"inputs": ["a"], "output_action": "SUMMARY_ONLY", "run_max_try": "2"}).run_max_try == 2
    with pytest.raises(ValueError, match="partition_keys and mini_batch_size"):
        parallel.settings_of({"inputs": ["a"], "output": "o", "partition_keys": ["k"], "mini_batch_size": 1})
    with pytest.raises(ValueError, match="give the step one"):
        parallel.settings_of({"inputs": ["a"]})


def test_files_are_cut_by_number_by_bytes_and_by_keys() -> None:
    files = [File(f"/x/{name}", name, size) for name, size in (("a/1", 10), ("a/2", 2000), ("b/1", 600), ("b/2", 424))]
    assert [batch.count for batch in cut_files("in", files, parallel.BatchSize(3, False))] == [3, 1]
    assert [batch.count for batch in cut_files("in", files * 3, None)] == [10, 2]
    by_bytes = cut_files("in", files, parallel.batch_size("1KB"))
    assert [batch.files for batch in by_bytes] == [("/x/a/1",), ("/x/a/2",), ("/x/b/1", "/x/b/2")]
    by_key = cut_files("in", files, None, ["k"], "{k}/{n}")
    assert [(dict(batch.partition), batch.count) for batch in by_key] == [({"k": "a"}, 2), ({"k": "b"}, 2)]
    assert len({batch.key for batch in (*by_bytes, *by_key)}) == 5 and by_bytes == cut_files(
        "in", files, parallel.batch_size("1KB")
    )
    with pytest.raises(NotCut, match="no partition key 'z'; it has k, n"):
        cut_files("in", files, None, ["z"], "{k}/{n}")
    with pytest.raises(NotCut, match="no partition_format"):
        cut_files("in", files, None, ["k"])


def test_rows_are_cut_by_bytes_and_never_over_the_end_of_a_file() -> None:
    stretches = [Stretch(0, 10, 1000), Stretch(10, 13, 3_000_000), Stretch(13, 14, 0)]
    assert cut_rows(stretches, parallel.batch_size(400)) == [
        (0, 4),
        (4, 8),
        (8, 10),
        (10, 11),
        (11, 12),
        (12, 13),
        (13, 14),
    ]
    assert cut_rows(stretches, None) == [(0, 10), (10, 11), (11, 12), (12, 13), (13, 14)]


def test_what_run_returns_becomes_rows() -> None:
    frame = pandas.DataFrame({"a": [1, 2], "b c": ["x", "y z"]})
    assert result_of(["a", 1], True) == (2, "a\n1\n", "") and result_of(("a",), False) == (1, "", "")
    assert result_of(frame, True) == (2, '1 x\n2 "y z"\n', 'a "b c"') and result_of(frame, False).number == 2
    assert result_of(frame["a"].to_numpy(), True).rows == "1\n2\n" and result_of([], True).number == 0
    for wrong in ("text", None, 3, {"a": 1}):
        with pytest.raises(NoResult, match="no list, tuple or DataFrame"):
            result_of(wrong, True)


def test_a_ledger_loses_half_a_line_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    first = Ledger(path)
    first.add([line("done", n=0), line("done", n=1)])
    first.close()
    with path.open("ab") as file:
        file.write(b'{"e":"done","n":2')
    second = Ledger(path)
    second.add([line("done", n=3)])
    second.close()
    assert [record["n"] for _, _, record in placed(path)] == [0, 1, 3]
    at, size, _ = list(placed(path))[2]
    assert json.loads(path.read_bytes()[at : at + size])["n"] == 3
    assert list(placed(tmp_path / "none")) == []


def records(*given: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in given)


def test_the_ledger_read() -> None:
    done = {"e": "done", "k": "k", "t": 1, "i": 5, "s": 0.5}
    failed = {"e": "fail", "k": "k", "t": 1, "i": 5, "why": "error", "x": "Traceback", "log": "said"}
    progress = ledger.Progress()
    progress.take_lines(
        records(
            {"e": "plan", "at": 100.0, "count": 6, "items": 30, "processes": 2, "action": "append_row"},
            {**done, "at": 100.0, "n": 5, "w": -1, "o": 5, "from": "1"},
            *(
                {"e": "worker", "at": 100.0, "w": w, "name": f"node0/process00{w}", "pid": 10 + w, "state": "ready"}
                for w in (0, 1)
            ),
            {**done, "at": 101.0, "n": 0, "w": 0, "o": 5},
            {**done, "at": 101.5, "n": 0, "w": 1, "o": 5},
            {**done, "at": 102.0, "n": 1, "w": 1, "o": 3},
            {"e": "begin", "at": 102.5, "n": 2, "w": 0, "t": 1},
            {**failed, "at": 103.0, "n": 3, "w": 1, "final": False},
            {**failed, "at": 104.0, "n": 3, "w": 1, "final": True, "t": 2},
            {"e": "worker", "at": 104.0, "w": 1, "name": "node0/process001", "pid": 12, "state": "starting"},
            {"e": "done", "n": "odd"},
            {"what": 1},
        )
        + b"no json\n[1]\n"
        + b'{"e": "done", "at": 104, "n": 4'
    )
    assert (progress.done, progress.adopted, progress.failed, progress.retried, progress.running, progress.left) == (
        3,
        1,
        1,
        1,
        1,
        2,
    )
    assert (progress.items_done, progress.items_failed) == (13, 7)
    assert progress.rate(104.0) == pytest.approx(3 / 4) and progress.seconds_left(104.0) == pytest.approx(8 / 3)
    first, second = progress.workers[0], progress.workers[1]
    assert (first.batch, first.done, second.done, second.failed, second.restarts, second.pid) == (2, 1, 1, 2, 1, 12)
    assert [(each.number, each.final, each.log) for each in progress.failures] == [
        (3, False, "said"),
        (3, True, "said"),
    ]
    progress.take({"e": "end", "at": 110.0, "state": "failed", "why": "too many"})
    assert (progress.state, progress.running, progress.seconds_left()) == ("failed", 0, None)


def test_a_step_in_the_graph() -> None:
    size = PipelineParameter("size", "2MB")
    rows = OutputFileDatasetConfig("rows", destination=("store", "rows"))
    step = ParallelRunStep(
        "score-all",
        config(mini_batch_size=size, process_count_per_node=2, environment_variables={"A": "b"}, run_max_try=None),
        [FILES.as_named_input("images"), TABLE.as_named_input("table")],
        rows,
        side_inputs=[FILES.as_named_input("labels").as_mount()],
        arguments=["--labels", FILES.as_named_input("labels").as_mount(), "--x", 1],
    )
    (made,) = (graph := built(step)).steps
    assert (made.kind, made.script, made.compute, made.node_count) == ("parallel_run", "score.py", "cpu-cluster", 1)
    assert [(each.name, each.mode) for each in made.inputs] == [
        ("images", "mount"),
        ("table", "direct"),
        ("labels", "mount"),
    ]
    assert made.settings == {
        **{"inputs": ["images", "table"], "output": "rows", "output_action": "append_row", "error_threshold": 10},
        **{
            "mini_batch_size": {"parameter": "size"},
            "node_count": 2,
            "process_count_per_node": 2,
            "logging_level": "INFO",
        },
        **{"run_invocation_timeout": 60, "run_max_try": 3},
    }
    assert made.environment_variables == {"A": "b"} and [each.name for each in graph.parameters] == ["size"]
    assert Graph.from_document(graph.to_document()) == graph

    def parts(**settings: Any) -> Any:
        from dataclasses import replace

        facts: dict[str, Any] = {
            "snapshot": "s",
            "inputs": {},
            "parameters": {"size": "1MB"},
            "environment": "e",
            "compute": "c",
        }
        return fingerprint.fingerprint(replace(made, settings={**made.settings, **settings}), **facts)["parts"]

    assert parts(node_count=7, run_max_try=9) == parts() != parts(error_threshold=0) and parts()["parameters"] == {
        "size": "1MB"
    }


def test_what_a_graph_may_not_say() -> None:
    step = {
        "id": "a",
        "kind": "parallel_run",
        "script": "a.py",
        "settings": {"inputs": ["no"], "output": "none", "run_max_try": 0},
    }
    with pytest.raises(SpecError) as caught:
        Graph.from_document({"schema": 1, "steps": [step]})
    assert [problem.code for problem in caught.value.problems] == ["bad_settings"] * 3


def test_data_of_other_steps_and_a_parameter_of_files() -> None:
    from duto.steps.python_script import PythonScriptStep

    made = PipelineData("made", is_directory=True)
    first = PythonScriptStep("a.py", outputs=[made], compute_target="c")
    dataset = DatasetConsumptionConfig("chosen", PipelineParameter("data", FILES))
    step = ParallelRunStep("next", config(output_action="summary_only"), [made.as_dataset(), dataset])
    graph = built(first, step)
    assert [(each.name, each.mode, each.source) for each in graph.step("next").inputs] == [
        ("made", "mount", "step"),
        ("chosen", "mount", "parameter"),
    ]
    assert graph.step("next").settings["inputs"] == ["made", "chosen"] and "output" not in graph.step("next").settings


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"mini_batch_size": "1.5"}, "mini_batch_size"),
        ({"mini_batch_size": PipelineParameter("p", "x")}, "mini_batch_size"),
        ({"partition_keys": ["a"], "mini_batch_size": 1}, "give one of them"),
        ({"output_action": "append"}, "append_row, summary_only"),
        ({"environment": "name"}, "environment is an Environment"),
        ({"entry_script": " "}, "entry_script"),
    ],
)
def test_a_configuration_that_cannot_be(more: dict[str, Any], text: str) -> None:
    with pytest.raises(UserErrorException, match=text):
        config(**more)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("Score", config(), [FILES], PipelineData("o")), "cannot name a ParallelRunStep"),
        (("ab", config(), [FILES], PipelineData("o")), "cannot name a ParallelRunStep"),
        (("score", config(), [], PipelineData("o")), "what is to be cut"),
        (("score", config(), [FILES]), "needs an output"),
        (("score", None, [FILES]), "is a ParallelRunConfig"),
    ],
)
def test_a_step_that_cannot_be(arguments: Any, text: str) -> None:
    with pytest.raises(UserErrorException, match=text):
        ParallelRunStep(*arguments)


def test_a_configuration_survives_its_file(tmp_path: Path) -> None:
    environment = Environment("scores")
    environment.python.conda_dependencies = CondaDependencies.create(pip_packages=["pillow"])
    made = config(
        environment=environment, mini_batch_size="3KB", environment_variables={"A": "1"}, source_directory="src"
    )
    made.save_to_yaml(str(tmp_path / "prs.yml"))
    again = ParallelRunConfig.load_yaml(None, str(tmp_path / "prs.yml"))  # type: ignore[arg-type]
    assert (tmp_path / "prs.yml").read_text().startswith("parallel_run_config:")
    assert again._settings(["i"], "o") == made._settings(["i"], "o")
    assert again.environment.reference() == environment.reference() and again.compute_target == "cpu-cluster"
    assert (again.environment_variables, again.source_directory, again.entry_script) == ({"A": "1"}, "src", "score.py")
    (tmp_path / "odd.yml").write_text("parallel_run_config: {environment: {name: e}, nodes: 3}")
    with pytest.raises(UserErrorException, match="nodes"):
        ParallelRunConfig.load_yaml(None, str(tmp_path / "odd.yml"))  # type: ignore[arg-type]
    (tmp_path / "less.yml").write_text("entry_script: a.py")
    with pytest.raises(UserErrorException, match="lacks environment, error_threshold"):
        ParallelRunConfig.load_yaml(None, str(tmp_path / "less.yml"))  # type: ignore[arg-type]
    with pytest.raises(UserErrorException, match="node_count is a PipelineParameter"):
        config(node_count=PipelineParameter("n", 1)).save_to_yaml(str(tmp_path / "no.yml"))


def test_the_older_import_names() -> None:
    Older, Named, EntryScript = (
        getattr(importlib.import_module(module), name)
        for module, name in (
            ("azureml.contrib.pipeline.steps", "ParallelRunConfig"),
            ("azureml.pipeline.steps", "ParallelRunStep"),
            ("azureml_user.parallel_run", "EntryScript"),
        )
    )

    assert Older is ParallelRunConfig and Named is ParallelRunStep
    assert EntryScript() is EntryScript() and EntryScript().logger is EntryScript().log
    with pytest.warns(UserWarning, match="passes over"):
        step = Named("abc", config(output_action="summary_only"), [FILES], models=[1], tags={"a": "b"})
    older = Older(
        Environment("e"),
        "s.py",
        1,
        "summary_only",
        "c",
        1,
        logging_level=None,
        run_invocation_timeout=None,
        input_format=None,
    )
    assert step._settings["logging_level"] == Named("abc", older, [FILES])._settings["logging_level"] == "INFO"
