"""The driver of a parallel step with real processes: what they may return, how they may fail, and who may be killed."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from duto.parallel.ledger import done_line, line, placed, rows_of
from duto.parallel.worker_process import _second_end
from duto.spec.ledger import Progress
from studio.bootstrap import ROOT
from tests.agent.steps import alive

SDK = f"{ROOT / 'sdk/duto/src'}:{ROOT / 'sdk/azureml/src'}"


@dataclass
class Step:
    """A folder in which a driver runs as an agent would start it."""

    folder: Path

    def start(
        self,
        script: str,
        *arguments: str,
        inputs: dict[str, Any] | None = None,
        earlier: list[Path] | None = None,
        shared: dict[str, Any] | None = None,
        **settings: Any,
    ) -> subprocess.Popen[str]:
        work = self.folder / "work"
        work.mkdir(exist_ok=True)
        (work / "score.py").write_text(script)
        names = inputs or {"data": self.folder / "in"}
        facts = {
            "settings": {
                **{"inputs": list(names), "output": "rows", "output_action": "append_row", "error_threshold": 0},
                **{"mini_batch_size": 1, "process_count_per_node": 2, **settings},
            },
            "folder": str(self.folder / "tmp"),
            "ledger": str(self.folder / "ledger.jsonl"),
            "earlier": [str(each) for each in earlier or ()],
            **({"shared": shared} if shared else {}),
        }
        places = {name: value for name, value in names.items() if not isinstance(value, tuple)}
        tables = {name: value for name, value in names.items() if isinstance(value, tuple)}
        env = {
            **{
                "PATH": os.environ["PATH"],
                "PYTHONPATH": SDK,
                "TMPDIR": str(self.folder),
                "DUTO_PARALLEL": json.dumps(facts),
            },
            **{"rows": str(self.folder / "rows"), **{name: str(place) for name, place in places.items()}},
            **{name: str(place) for name, (place, _) in tables.items()},
            **{f"DUTO_TABULAR_{name}": json.dumps(definition) for name, (_, definition) in tables.items()},
            "AZUREML_DATASET_ENVIRONMENT_VARS": ",".join(f"{name}:mount" for name in names),
        }
        command = [sys.executable, "-m", "duto.parallel", "score.py", *arguments]
        return subprocess.Popen(command, cwd=work, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run(self, script: str, *arguments: str, **more: Any) -> tuple[int, str]:
        process = self.start(script, *arguments, **more)
        said, _ = process.communicate(timeout=60)
        return process.returncode, said

    def rows(self, name: str = "parallel_run_step.txt") -> list[str]:
        return (self.folder / "rows" / name).read_text().splitlines()

    def left(self) -> list[str]:
        return sorted(file.name for file in (self.folder / "rows").iterdir())

    def log(self, name: str) -> str:
        return (self.folder / "work/logs" / name).read_text()

    @property
    def progress(self) -> Progress:
        found = Progress()
        found.take_lines((self.folder / "ledger.jsonl").read_bytes())
        return found

    def files(self, count: int) -> list[str]:
        names = [f"f{number:03d}.txt" for number in range(count)]
        (self.folder / "in").mkdir(exist_ok=True)
        for name in names:
            (self.folder / "in" / name).write_text(name)
        return names

    def until(self, is_so: Callable[[Progress], bool]) -> Progress:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if (self.folder / "ledger.jsonl").exists() and is_so(progress := self.progress):
                return progress
            time.sleep(0.01)
        raise AssertionError("it did not come")


@pytest.fixture
def step(tmp_path: Path) -> Step:
    return Step(tmp_path)


NAMES = """
import os
def run(batch):
    return [os.path.basename(each) for each in batch]
"""


def test_rows_come_once_and_in_order_and_all_logs_are_there(step: Step) -> None:
    names = step.files(31)
    script = """
import argparse, os, time
from azureml_user.parallel_run import EntryScript
def init():
    global suffix, calls
    parser = argparse.ArgumentParser()
    parser.add_argument("--suffix")
    suffix, calls = parser.parse_known_args()[0].suffix, 0
    EntryScript().logger.info("init of %s", os.getpid())
    EntryScript().logger.debug("not shown")
def run(batch, context):
    global calls
    calls += 1
    print("batch", context.minibatch_index, context.dataset_name, calls)
    time.sleep(0.02 * (context.minibatch_index % 3))
    assert os.environ["DUTO_PARALLEL_OUTPUT"] and os.path.isdir(EntryScript().output_dir)
    return [os.path.basename(each) + suffix for each in batch]
if __name__ == "__main__":
    raise SystemExit("not as a program")
"""
    code, said = step.run(
        script,
        "--suffix",
        ":x",
        "--other",
        "1",
        mini_batch_size=2,
        append_row_file_name="all.txt",
        node_count=2,
        process_count_per_node=1,
    )
    assert code == 0, said
    assert step.rows("all.txt") == [f"{name}:x" for name in names] and step.left() == ["all.txt"]
    assert "completed: 16 of 16 mini-batches done" in said
    found = {
        str(file.relative_to(step.folder / "work/logs"))
        for file in (step.folder / "work/logs").rglob("*")
        if file.is_file()
    }
    each = ("node0/process000", "node1/process000")
    assert found == {
        *("job_progress_overview.txt", "job_result.txt", "job_error.txt", "sys/master_role.txt"),
        "sys/job_report/processed_mini-batches.csv",
        *(f"user/entry_script_log/{name}.log.txt" for name in each),
        *(f"user/stdout/{name}.stdout.txt" for name in each),
        *(f"user/stderr/{name}.stderr.txt" for name in each),
        *(f"sys/node/{name}.txt" for name in each),
        *(f"perf/node{node}/{what}_resource_usage.csv" for node in range(2) for what in ("node", "processes")),
    }
    assert "init of" in step.log("user/entry_script_log/node0/process000.log.txt") and "not shown" not in step.log(
        "user/entry_script_log/node0/process000.log.txt"
    )
    assert "batch" in step.log("user/stdout/node1/process000.stdout.txt") and "completed" in step.log("job_result.txt")
    assert "Done: 16" in step.log("job_progress_overview.txt") and step.log("job_error.txt") == ""
    used = list(csv.DictReader(step.log("perf/node1/processes_resource_usage.csv").splitlines()))
    assert {row["process"] for row in used} == {"node1/process000"} and all(int(row["memory_mib"]) for row in used)
    used = list(csv.DictReader(step.log("perf/node0/node_resource_usage.csv").splitlines()))
    assert len(used) == 2 and all(0 < int(row["memory_used_mib"]) < int(row["memory_total_mib"]) for row in used)
    listed = list(csv.DictReader(step.log("sys/job_report/processed_mini-batches.csv").splitlines()))
    assert sorted(int(row["mini_batch"]) for row in listed) == list(range(16)) and {
        row["status"] for row in listed
    } == {"done"}
    progress = step.progress
    assert {worker.done > 0 for worker in progress.workers.values()} == {True} and progress.state == "completed"


def test_each_way_to_fail_costs_its_mini_batch_alone(step: Step) -> None:
    names = step.files(9)
    script = """
import os, time
def run(batch):
    name, tries = os.path.basename(batch[0]), os.environ["rows"] + "/../" + os.path.basename(batch[0])
    with open(tries, "a") as file:
        file.write("x")
    print("at", name)
    if name == "f001.txt":
        raise ValueError("no one")
    if name == "f002.txt":
        os.kill(os.getpid(), 9)
    if name == "f003.txt":
        time.sleep(60)
    if name == "f004.txt":
        return "text"
    if name == "f005.txt" and os.path.getsize(tries) < 2:
        os._exit(7)
    if name == "f006.txt":
        raise SystemExit(3)
    if name == "f007.txt":
        return []
    return [name]
"""
    code, said = step.run(script, error_threshold=-1, run_max_try=2, run_invocation_timeout=0.5)
    assert code == 0, said
    assert step.rows() == ["f000.txt", "f005.txt", "f008.txt"] and names
    progress = step.progress
    assert (progress.done, progress.failed, progress.left) == (4, 5, 0)
    last = {each.number: each for each in progress.failures if each.final}
    assert {number: each.why for number, each in last.items()} == {
        1: "error",
        2: "lost",
        3: "timeout",
        4: "no_result",
        6: "error",
    }
    assert "ValueError: no one" in last[1].error and "worker.py" not in last[1].error and "SIGKILL" in last[2].error
    assert (
        "0.5 seconds (run_invocation_timeout)" in last[3].error
        and "which is no list, tuple or DataFrame" in last[4].error
    )
    assert [each.log for each in last.values()] == [f"at f00{number}.txt\n" for number in last]
    assert {name: len((step.folder / name).read_text()) for name in names} == dict(
        zip(names, (1, 2, 2, 2, 2, 2, 2, 1, 1), strict=True)
    )
    assert "exit code 7" in next(each.error for each in progress.failures if each.number == 5)
    assert "Mini-batch 3, try 2, given up (timeout)" in step.log("job_error.txt")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"error_threshold": 2, "run_max_try": 1}, "3 items have failed, and error_threshold lets 2 fail"),
        ({"error_threshold": -1, "allowed_failed_count": 0, "run_max_try": 1}, "allowed_failed_count lets 0 fail"),
        (
            {"error_threshold": -1, "allowed_failed_percent": 20, "run_max_try": 1},
            "1 of 4 mini-batches have failed, and allowed_failed_percent lets 20",
        ),
    ],
)
def test_a_step_fails_when_more_fails_than_it_allows(step: Step, settings: dict[str, Any], text: str) -> None:
    step.files(10)
    script = (
        NAMES
        + "    \n_run = run\ndef run(batch):\n    assert 'f004' not in str(batch), 'not four'\n    return _run(batch)\n"
    )
    code, said = step.run(script, mini_batch_size=3, **settings)
    assert (
        code == 1 and text in said and "not four" in said and not (step.folder / "rows/parallel_run_step.txt").exists()
    )
    assert (
        step.progress.state == "failed"
        and text in step.log("job_error.txt")
        and step.log("job_result.txt").startswith("failed")
    )


def test_what_keeps_a_step_from_beginning(step: Step) -> None:
    step.files(2)
    code, said = step.run("def init():\n    print('so far')\n    raise KeyError('gone')\ndef run(b): return b\n")
    assert code == 1 and "init() of score.py failed" in said and "KeyError: 'gone'" in said and "so far" in said
    code, said = step.run("import os\ndef init():\n    os._exit(3)\ndef run(b): return b\n")
    assert code == 1 and "gone 3 times before init() was through, the last time: exit code 3" in said
    code, said = step.run("def go(b): return b\n")
    assert code == 1 and "has no function run(mini_batch)" in said
    code, said = step.run(NAMES, mini_batch_size=None, partition_keys=["k"])
    assert code == 1 and "its dataset has no partition_format" in said
    code, said = step.run(NAMES, mini_batch_size="lots")
    assert code == 1 and "is no size of a mini-batch" in said


FORMAT = {"format": {"type": "delimited"}, "operations": []}


def test_tables_of_several_inputs_as_frames(step: Step) -> None:
    for name, rows in (("a.csv", "k,v\nx,1\ny,2\nx,3\n"), ("b.csv", "k,v\ny,4\n")):
        (step.folder / "tables").mkdir(exist_ok=True)
        (step.folder / "tables" / name).write_text(rows)
    script = """
def run(frame, context):
    assert list(frame.columns) == ["k", "v"] and list(frame.index) == list(range(len(frame)))
    frame["of it"] = str(dict(context.partition_key_value)) + context.dataset_name
    return frame if len(frame) else []
"""
    inputs = {"one": (step.folder / "tables", FORMAT), "two": (step.folder / "tables/b.csv", FORMAT)}
    code, said = step.run(
        script, "--append_row_dataframe_header=True", inputs=inputs, mini_batch_size="1KB", error_threshold=0
    )
    assert code == 0, said
    assert (
        step.rows() == ['k v "of it"', "x 1 {}one", "y 2 {}one", "x 3 {}one", "y 4 {}one", "y 4 {}two"]
        and step.progress.count == 3
    )
    again = Step(step.folder / "again")
    again.folder.mkdir()
    code, said = again.run(script, inputs={"one": inputs["one"]}, mini_batch_size=None, partition_keys=["k"])
    assert code == 0, said
    assert again.rows() == [
        "x 1 \"{'k': 'x'}one\"",
        "x 3 \"{'k': 'x'}one\"",
        "y 2 \"{'k': 'y'}one\"",
        "y 4 \"{'k': 'y'}one\"",
    ]


GATED = """
import os, pathlib, time
def run(batch):
    folder = pathlib.Path(os.environ["rows"]).parent
    while (folder / "called").exists() and (folder / "called").read_bytes().count(b"\\n") >= (folder / "gate").stat().st_size:
        time.sleep(0.01)
    with (folder / "called").open("a") as file:
        file.write("".join(os.path.basename(each) + "\\n" for each in batch))
    return [os.path.basename(each) for each in batch]
"""


def test_killed_drivers_and_processes_cost_what_they_were_at(step: Step) -> None:
    """A driver is killed, with what it had half written, and its processes go with it; the next attempt knows what was done,
    while its own processes are killed one after the other."""
    names = step.files(60)
    gate = step.folder / "gate"  # so many calls: no driver ends before it is killed, however slow the test is
    gate.write_bytes(b"." * 20)
    first = step.start(GATED)
    step.until(lambda progress: progress.done >= 15)
    pids = [worker.pid for worker in step.progress.workers.values()]
    first.send_signal(signal.SIGKILL)
    first.communicate()
    deadline = time.monotonic() + 5
    while any(alive(pid) for pid in pids if pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(alive(pid) for pid in pids if pid)
    old = step.folder / "ledger.jsonl"
    done = {record["n"] for _, _, record in placed(old) if record["e"] == "done"}
    with old.open("ab") as file:
        file.write(b'{"e":"done","n":59,"k":"')
    kept = old.rename(step.folder / "1.jsonl")
    (step.folder / "called").unlink()

    second = step.start(GATED, earlier=[kept], run_max_try=30, error_threshold=0)
    killed: set[int] = set()
    while len(killed) < 5:
        wanted = len(done) + 5 * len(killed)
        gate.write_bytes(b"." * (6 * len(killed) + 3))
        progress = step.until(lambda progress, most=wanted: progress.done > most)  # type: ignore[misc]
        ready = {worker.pid for worker in progress.workers.values() if worker.state == "ready"} - killed
        if pid := min(filter(None, ready), default=None):
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
    step.until(lambda progress: sum(worker.restarts for worker in progress.workers.values()) == 5)
    gate.write_bytes(b"." * 2 * len(names))
    said, _ = second.communicate(timeout=60)
    assert second.returncode == 0, said
    assert step.rows() == names
    progress = step.progress
    assert progress.adopted == len(done) >= 15 and f"({len(done)} taken over)" in said
    called = (step.folder / "called").read_text().splitlines()
    assert not set(called) & {names[number] for number in done} and set(called) == set(names) - {
        names[number] for number in done
    }
    assert len(called) <= len(set(called)) + len(killed)


def test_what_a_process_has_ahead_goes_to_one_that_is_free(step: Step) -> None:
    names = step.files(300)
    script = NAMES.replace("def run(batch):", "def run(batch):\n    '150' in batch[0] and __import__('time').sleep(1)")
    code, said = step.run(script)
    assert code == 0 and step.rows() == names, said
    done = [record for _, _, record in placed(step.folder / "ledger.jsonl") if record["e"] == "done"]
    assert done[-1]["n"] == 150 and done[-1]["at"] - done[-2]["at"] > 0.5


def test_what_is_taken_back_is_never_waited_for() -> None:
    """The process may have read the last number meanwhile."""
    hear, found = os.pipe()
    back = _second_end(hear)
    assert back is not None
    with pytest.raises(BlockingIOError):
        os.read(back, 16)
    os.write(found, b"7")
    assert os.read(back, 16) == b"7"
    os.close(back)
    os.close(found)


def test_what_changed_is_not_taken_over_and_a_canceled_step_ends(step: Step) -> None:
    names = step.files(4)
    assert step.run(NAMES)[0] == 0
    kept = (step.folder / "ledger.jsonl").rename(step.folder / "1.jsonl")
    (step.folder / "in" / names[2]).write_text("longer than before")
    code, said = step.run(NAMES, earlier=[kept])
    assert code == 0 and "(3 taken over)" in said and step.rows() == names
    (step.folder / "ledger.jsonl").unlink()
    process = step.start("import time\ndef run(b):\n    time.sleep(60)\n", run_invocation_timeout=60)
    progress = step.until(lambda progress: progress.running == 2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 143 and step.progress.state == "canceled"
    assert not any(alive(worker.pid) for worker in progress.workers.values() if worker.pid)


def test_many_rows_of_one_mini_batch_and_the_scripts_own_files(step: Step) -> None:
    step.files(2)
    script = "def run(batch):\n    return ['x' * 700_000 + batch[0][-7:]] * 2\n"
    code, said = step.run(script)
    assert code == 0, said
    assert [(len(row), row[-7:]) for row in step.rows()] == [(700_007, "000.txt")] * 2 + [(700_007, "001.txt")] * 2
    kept = (step.folder / "ledger.jsonl").rename(step.folder / "1.jsonl")
    assert max(len(each) for each in kept.read_bytes().splitlines()) < 1 << 20, (
        "it travels in lines that are not too long"
    )
    # Of another attempt, whose host has no file of the first.
    whole = kept.read_bytes()
    kept.write_bytes(whole.replace(b'{"e":"rows"', b'{"e":"lost"', 1))
    calls = "open('calls', 'a').write('.')\n    " + script.partition("\n    ")[2]
    code, said = step.run(script.partition("\n")[0] + "\n    " + calls, earlier=[kept])
    assert code == 0 and "(1 taken over)" in said, said
    assert [(len(row), row[-7:]) for row in step.rows()] == [(700_007, "000.txt")] * 2 + [(700_007, "001.txt")] * 2
    kept.write_bytes(whole)
    (step.folder / "ledger.jsonl").unlink()
    code, said = step.run(script, earlier=[kept])
    assert code == 0 and "(2 taken over)" in said, said
    assert len(step.rows()) == 4
    (step.folder / "ledger.jsonl").unlink()
    script = "import os\ndef run(batch):\n    [open(os.environ['rows'] + '/' + os.path.basename(each), 'w').close() for each in batch]\n    return batch\n"
    code, said = step.run(script, output_action="summary_only", mini_batch_size="1KB", append_row_file_name="not.txt")
    assert code == 0 and step.left() == [
        "f000.txt",
        "f001.txt",
        "parallel_run_step.txt",
    ], said


@pytest.mark.parametrize(
    "rows", ["", "a b\n", '"k": 1,"r":"x"\n', "\\", '\\":', "\udcff\u00fc\U0001f600\n", '"log":"from":']
)
def test_rows_are_cut_out_of_their_line_as_they_are(rows: str) -> None:
    facts: tuple[Any, ...] = (3, "ab", 0, 1, 2, 2, 0.5)
    for raw in (
        done_line(*facts, r=rows),
        done_line(*facts, h=rows, r=rows),
        done_line(*facts, r=rows, log=rows),
        line("done", n=3, r=rows, w=-1, **{"from": "1"}),
    ):
        cut = rows_of(raw)
        assert json.loads(raw)["r"] == rows and (cut is None or json.loads(cut) == rows)
    assert rows_of(done_line(*facts, r="a\n")) == b'"a\\n"' and rows_of(done_line(*facts)) is None
    assert rows_of(done_line(*facts, rp=2)) is None
