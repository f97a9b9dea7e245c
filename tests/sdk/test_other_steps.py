"""Steps that run no Python script of the program: programs, data transfers, and those that are refused."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

import duto
from duto.data.datastore import AzureBlobDatastore
from duto.data.pipeline_data import PipelineData
from duto.data.references import DataReference
from duto.exceptions import UserErrorException
from duto.pipeline.graph_builder import GraphBuilder
from duto.run import transfer
from duto.spec.kinds import KINDS

NOWHERE: Any = None
ONE, OTHER = (AzureBlobDatastore(NOWHERE, name, "container", "account") for name in ("one", "other"))


def graph_of(*steps: Any) -> tuple[list[str], list[Any]]:
    """The codes of all problems, and the steps as the graph has them."""
    builder = GraphBuilder(None, list(steps))
    graph = builder.build()
    return [each.code for each in (*builder.problems, *graph.problems())], list(graph.steps)


def test_a_program_is_started_as_it_is() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        step = duto.AzureBatchStep("b", pool_id="p", executable="run.sh", arguments="-a 'b c'", vm_size="big")
    assert "pool_id, vm_size" in str(caught[0].message)
    codes, (built,) = graph_of(step)
    assert codes == [] and (built.kind, built.script, built.arguments) == ("program", "run.sh", ("-a", "b c"))
    assert built.settings == {"exit_codes": "fail"}
    with pytest.raises(ValueError, match="executable"):
        duto.AzureBatchStep("b")


@pytest.mark.parametrize("codes,ended", [("fail", 3), ("pass", 0)])
def test_what_an_exit_code_above_zero_means_is_the_program_s_to_say(tmp_path: Path, codes: str, ended: int) -> None:
    (tmp_path / "a.sh").write_text('#!/bin/sh\nprintf "%s|" "$@"\nexit 3\n')
    (tmp_path / "a.sh").chmod(0o755)
    argv = [*KINDS["program"].starting("python", "a.sh", {"exit_codes": codes}), "x y", "$z"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (ended, "x y|$z|", "")
    (tmp_path / "a.sh").write_text("#!/bin/sh\nkill -9 $$\n")
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True)
    assert done.returncode in (-9, 137), "a signal fails it, whatever is said of exit codes"
    gone = [each.replace("a.sh", "none.sh") for each in argv]
    assert subprocess.run(gone, cwd=tmp_path, capture_output=True).returncode == 127


def test_a_transfer_reads_one_place_and_writes_the_other() -> None:
    step = duto.DataTransferStep("t", DataReference(ONE, "a", "x/y.csv"), DataReference(OTHER, "b", "/z/./w.csv"), "adf", "file", "file")  # fmt: skip
    reader = duto.PythonScriptStep("r.py", inputs=[step.get_output()], arguments=[step.get_output()])
    codes, (built, reading) = graph_of(reader)
    assert codes == [] and built.settings == {"source": "file", "destination": "file"} and built.compute == "adf"
    assert built.arguments == ({"input": "a"}, {"output": "b"})
    (read,), (written,) = built.inputs, built.outputs
    assert (read.datastore, read.path, read.mode) == ("one", "x/y.csv", "mount")
    assert (written.datastore, written.destination, written.is_directory) == ("other", "z/w.csv", False)
    assert (reading.inputs[0].step, reading.inputs[0].output) == ("t", "b") and reading.arguments == ({"input": "b"},)


def test_a_transfer_takes_and_leaves_data_of_steps() -> None:
    data, kept = PipelineData("data", ONE), PipelineData("kept", OTHER)
    first = duto.PythonScriptStep("a.py", arguments=[data], outputs=[data])
    codes, (_, built) = graph_of(first, duto.DataTransferStep("t", data, kept))
    assert codes == [] and built.inputs[0].step == "a.py" and built.outputs[0].datastore == "other"
    assert built.outputs[0].destination is None and built.settings["source"] == "any"


@pytest.mark.parametrize(
    "given,words",
    [
        ({"source_reference_type": "table"}, "'file' or 'directory', not 'table'"),
        ({"source_reference_type": "directory", "destination_reference_type": "file"}, "cannot become one file"),
        ({"source_data_reference": None}, "names a source_data_reference"),
        ({"source_data_reference": "x"}, "cannot be an input"),
        ({"destination_data_reference": "x"}, "name a DataReference or a PipelineData"),
        ({"destination_data_reference": DataReference(OTHER, "b")}, "no path on it"),
    ],
)
def test_a_transfer_that_cannot_be_says_why(given: dict[str, Any], words: str) -> None:
    usual = {"source_data_reference": DataReference(ONE, "a"), "destination_data_reference": DataReference(OTHER, "b", "z")}  # fmt: skip
    with pytest.raises(UserErrorException, match=words):
        duto.DataTransferStep("t", **{**usual, **given})


def test_a_folder_is_copied_through_the_links_of_a_mount(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    calls: list[dict[str, int]] = []
    monkeypatch.setattr(transfer, "_log", calls.append)
    store, mount, target = (tmp_path / name for name in ("store", "mount", "target"))
    (store / "sub").mkdir(parents=True)
    (store / "a.bin").write_bytes(b"x" * (transfer.CHUNK + 1))
    (store / "sub/b\xff.txt").write_text("b")
    (store / "sub/back").symlink_to(store)
    mount.symlink_to(store)
    assert transfer.main(["any", "directory", str(mount), str(target)]) == ""
    found = {str(path.relative_to(target)): path.stat().st_size for path in target.rglob("*") if path.is_file()}
    assert found == {"a.bin": transfer.CHUNK + 1, "sub/b\xff.txt": 1}
    assert calls == [{"files": 2, "bytes": transfer.CHUNK + 2, "percent": 100}]
    assert "Copied 2 of 2 files, 1 MiB of 1 MiB (100 %)." in capsys.readouterr().out
    assert transfer.main(["file", "file", str(store / "a.bin"), str(tmp_path / "deep/renamed")]) == ""
    assert (tmp_path / "deep/renamed").stat().st_size == transfer.CHUNK + 1
    assert transfer.main(["any", "directory", str(store / "a.bin"), str(tmp_path / "kept")]) == ""
    assert (tmp_path / "kept/a.bin").is_file()
    for kinds, words in ((("file", "directory"), "says 'file'"), (("any", "file"), "cannot become one file")):
        assert words in transfer.main([*kinds, str(store), str(target)])
    assert "says 'directory'" in transfer.main(["directory", "directory", str(store / "a.bin"), str(target)])
    (tmp_path / "blank").mkdir()
    assert "no file lies there" in transfer.main(["any", "directory", str(tmp_path / "blank"), str(target)])
    for source, code, words in ((store / "none", 1, "nothing to copy"), (store / "sub/b\xff.txt", 0, "")):
        command = [sys.executable, "-m", "duto.run.transfer", "any", "file", str(source), str(tmp_path / "again")]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == code and words in done.stderr, done.stderr


@pytest.mark.parametrize(
    "step,words",
    [
        (lambda: duto.AdlaStep("a.usql"), "PythonScriptStep"),
        (lambda: duto.KustoStep("k", output=PipelineData("rows")), "azure-kusto-data"),
    ],
)
def test_what_no_studio_runs_is_refused_with_what_to_do_instead(step: Any, words: str) -> None:
    builder = GraphBuilder(None, step())
    graph = builder.build()
    (problem,) = builder.problems
    assert problem.code == "refused_kind" and words in problem.message and graph.problems() == []
