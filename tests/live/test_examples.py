"""The open examples, unchanged and as their READMEs start them, one after the other on one studio."""

from __future__ import annotations

import csv
import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from statistics import fmean
from zoneinfo import ZoneInfo

import pytest

from studio.bootstrap import ROOT
from tests.live.studio import Studio

pytestmark = [pytest.mark.slow]

EXAMPLES = ROOT / "examples"
# `article` and `penguins` have tests of their own.
HERE = (
    "hello",
    "prepare-and-train",
    "dataset-parameters",
    "batch-scoring",
    "wrapped-scripts",
    "sweep",
    "data-references",
)


@pytest.fixture(scope="module", autouse=True)
def environments(live_studio: Studio) -> None:
    """What other studios of this run of the suite have built."""
    live_studio.live.take_over()


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A copy of the example that the test is of, by its name."""
    name = request.node.name.removeprefix("test_").replace("_", "-")
    assert name in HERE
    yield shutil.copytree(EXAMPLES / name, tmp_path / name)


def lines(studio: Studio, folder: Path, *words: str) -> list[str]:
    """What a program prints; the test fails with it when the program does."""
    done = studio.program(folder, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Warning" not in done.stderr, done.stderr
    return done.stdout.splitlines()


def test_hello(live_studio: Studio, folder: Path) -> None:
    shown = lines(live_studio, folder, "pipeline.py")
    log = shown.index("--- The log of 'count' ---")
    assert shown[log + 1] == "There is nothing to count: --rounds is below 1."
    for how, ends in {
        "independent": [("count", "Failed", "false"), ("hello", "Finished", "false"), ("report", "Finished", "false")],
        "in a row": [("count", "Finished", "false"), ("hello", "Finished", "false"), ("report", "Finished", "true")],
        "again": [("count", "Finished", "true"), ("hello", "Finished", "false"), ("report", "Finished", "true")],
    }.items():
        assert " ".join([how, *map(str, ends)]) in shown
    rest = "\n".join(shown[shown.index("--- The log of 'count' ---") :])
    assert 0 < rest.index("[hello] Hello from the first step.") < rest.index("[count] round 0"), "in a row"


def test_prepare_and_train(live_studio: Studio, folder: Path) -> None:
    shown = lines(live_studio, folder, "pipeline.py")
    assert "prepare {'records': 344, 'complete': 342}" in shown
    assert "train {'neighbours': 5, 'accuracy': 1.0}" in shown
    assert shown[-1] == "model penguin-species 1.000 True"
    shown = lines(live_studio, folder, "publish.py")
    assert "Published Prepare and train with 2 steps." in shown
    assert shown[-4:-2] == ["triggered Finished", "tags {'program': 'publish.py'}"]
    assert shown[-2:] == ["scheduled ['Penguins on Sundays'] Active", "active True"]
    (schedule,) = live_studio.get("schedules/")["items"]
    due = datetime.fromisoformat(schedule["next_at"]).astimezone(ZoneInfo("Europe/Berlin"))
    assert (due.weekday(), due.hour, due.minute) == (6, 3, 30) and schedule["run_count"] == 0


def test_dataset_parameters(live_studio: Studio, folder: Path) -> None:
    def expected(how: str, airlines: str, day: str) -> str:
        """Found without the SDK."""
        known = [row["carrier"] for row in csv.DictReader((folder / "data" / airlines / "airlines.csv").open())]
        rows = [row for row in csv.DictReader((folder / f"data/flights/{day}.csv").open()) if row["carrier"] in known]
        delay = fmean(float(row["dep_delay"]) for row in rows if row["dep_delay"] != "NA")
        return f"{how} | {len(known)} | {len(rows)} | {delay:.2f} | flights of {day}"

    shown = lines(live_studio, folder, "pipeline.py")
    assert [line for line in shown if " | " in line] == [
        expected("as declared", "airlines", "2013-01-01"),
        expected("at submit", "airlines", "2013-07-04"),
        expected("at submit of the published", "large-airlines", "2013-12-24"),
        expected("over HTTP", "airlines", "2013-12-24"),
    ]


def test_batch_scoring(live_studio: Studio, folder: Path) -> None:
    model = (folder / "model/middles.json").read_bytes()
    subprocess.run([sys.executable, "fit.py"], cwd=folder, check=True, timeout=100)
    assert (folder / "model/middles.json").read_bytes() == model, "the file is not what fit.py makes of the data"

    def expected(file: Path) -> str:
        """Found without the SDK, and without numpy."""
        known = json.loads(model)
        rows = [row for row in csv.DictReader(file.open()) if "NA" not in [row[each] for each in known["measures"]]]
        right = 0
        for row in rows:
            values = [
                (float(row[measure]) - mean) / spread
                for measure, mean, spread in zip(known["measures"], known["means"], known["spreads"], strict=True)
            ]
            nearest = min(known["middles"], key=lambda name: math.dist(values, known["middles"][name]))
            right += row["Species"].startswith(nearest)
        return f"{file.name} {len(rows)} {right}"

    files = sorted((folder / "data/seasons").glob("*.csv"))
    wanted = [expected(file) for file in files]
    shown = [" ".join(line.split()) for line in lines(live_studio, folder, "pipeline.py")]
    penguins, right = (sum(int(line.split()[place]) for line in wanted) for place in (1, 2))
    for how in ("submitted", "triggered"):
        end = shown.index(f"{how} {len(files)} {right} of {penguins}")
        assert shown[end - len(files) : end] == wanted, "each file once, in the order of the input"


def test_wrapped_scripts(live_studio: Studio, folder: Path, tmp_path: Path) -> None:
    shown = lines(live_studio, folder, "pipeline.py")
    (first,) = [line for line in shown if line.startswith("assess ")]
    assert first.startswith("assess {'tested': 574, 'right': 0.8937")
    assert shown[-1].startswith("endpoint time-zones 0 {'tested': 359, 'right': 0.8941")
    # By hand the scripts do the same, and `.amlignore` has kept the notes here.
    commands = (
        ["split.py", "--airports", "../data/airports.csv", "--out", str(tmp_path / "parts")],
        ["fit.py", "--parts", str(tmp_path / "parts"), "--out", str(tmp_path / "zones")],
        ["assess.py", "--parts", str(tmp_path / "parts"), "--zones", str(tmp_path / "zones")],
    )
    for command in commands:
        done = subprocess.run(
            [sys.executable, *command], cwd=folder / "scripts", capture_output=True, text=True, timeout=400
        )
        assert done.returncode == 0, done.stderr
    assert "0.8941" in done.stdout and done.stdout.endswith("the script runs by itself.\n")
    (run,) = re.findall(r"^Submitted PipelineRun (\S+)", "\n".join(shown[: shown.index(first)]), re.MULTILINE)
    (digest,) = {step["snapshot"] for step in live_studio.get(f"runs/{run}/")["graph"]["steps"]}
    sent = [file["path"] for file in live_studio.get(f"snapshots/{digest}/")["files"]]
    assert sorted(sent) == [".amlignore", "assess.py", "fit.py", "split.py"]


def test_sweep(live_studio: Studio, folder: Path) -> None:
    shown = lines(live_studio, folder, "pipeline.py")
    trials = [line.split(maxsplit=3) for line in shown if line.startswith("trial ")]
    losses = [float(loss) for _, _, loss, _ in trials]
    assert len(trials) == 4 and losses == sorted(losses) and trials[0][1] == "Completed"
    for _, _, _, chosen in trials:
        assert {name: 0 <= value <= 1 for name, value in json.loads(chosen).items()} == {
            "--learning-rate": True,
            "--penalty": True,
        }
    word, name, loss, accuracy, is_of_the_best = shown[-1].split()
    assert (word, name, is_of_the_best) == ("model", "penguin-weights", "True")
    assert float(loss) == losses[0] and 0.8 < float(accuracy) <= 1


def test_data_references(live_studio: Studio, folder: Path) -> None:
    shown = lines(live_studio, folder, "pipeline.py", "--upload", "data", "--publish", "pipeline-id.txt")
    assert "clean Finished {'files': ['lga-2013-02.csv', 'lga-2013-03.csv'], 'flights': 873, 'arrived': 852}" in shown
    assert shown[-1] == "Published Arrival delays False"
    report = (folder / "downloaded").rglob("report.txt")
    assert [file.read_text() for file in report] == ["Mean error 11.31 minutes over 852 flights\n"]
    shown = lines(live_studio, folder, "trigger.py", "pipeline-id.txt")
    assert shown[-5:] == [
        "Data references Finished Completed",
        *(f"{name} Finished" for name in ("clean", "train", "evaluate", "register")),
    ]
    shown = lines(live_studio, folder, "trigger.py", "pipeline-id.txt", "--largest-error", "1")
    assert "[evaluate] The model is wrong by 11.31 minutes, more than 1.0." in shown
    assert shown[-5:] == [
        "Data references Failed Failed",
        "clean Finished",
        "train Finished",
        "evaluate Failed",
        "register NotStarted",
    ]


def test_notebooks(live_studio: Studio, tmp_path: Path) -> None:
    """All at once, a kernel each, as they lie beside the examples whose scripts they use."""
    folder = shutil.copytree(EXAMPLES, tmp_path / "examples") / "notebooks"
    names = sorted(file.name for file in folder.glob("*.ipynb"))
    with ThreadPoolExecutor(len(names)) as threads:
        done = dict(zip(names, threads.map(partial(executed, live_studio, folder), names), strict=True))
    assert done["first-pipeline.ipynb"][-1] == "{'prepare.py': 'true', 'train.py': 'true'}"
    assert "Gentoo" in done["data.ipynb"][-1]
    assert [line for line in done["parallel-run.ipynb"][-1].splitlines() if "torgersen-2009.csv" in line]
    assert re.fullmatch(r"\('penguin-weights-of-a-notebook', (0\.[89]\d*|1\.0)\)", done["sweep.ipynb"][-1])
    assert done["publish.ipynb"][-1] == "'Disabled'"
    assert "{'square': [0, 1, 4, 9]}" in done["publish.ipynb"]
    assert "('1', {'square': [0, 1, 4, 9, 16]})" in done["publish.ipynb"]
    assert done["publish.ipynb"][-4:-2] == ["{'square': [0, 1, 4, 9, 16, 25]}", "('Disabled', 1)"]
    for name in names:
        cells = json.loads((EXAMPLES / "notebooks" / name).read_text())["cells"]
        assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells), f"{name} holds outputs"


def executed(studio: Studio, folder: Path, name: str) -> list[str]:
    """What the cells of a notebook have shown, as text."""
    result = f"executed-{name}"
    done = studio.program(folder, "-m", "jupyter", "execute", name, f"--output={result}", "--timeout=300")
    assert done.returncode == 0, done.stdout + done.stderr
    cells = json.loads((folder / result).read_text())["cells"]
    found = [
        each.get("data", {}).get("text/plain", each.get("text")) for cell in cells for each in cell.get("outputs", [])
    ]
    return ["".join(text) for text in found if text]


def test_each_example_imports_azureml_and_says_what_it_is() -> None:
    """No name of ours, and a README beside the programs; whoever adds an example adds its test."""
    for folder in sorted(each for each in EXAMPLES.iterdir() if each.is_dir()):
        assert json.loads((folder / "config.json").read_text())["workspace_name"] == "main"
        assert (folder / "README.md").read_text().startswith("# ")
        for program in folder.rglob("*.py"):
            assert not re.search(r"^\s*(from|import) duto\b", program.read_text(), re.MULTILINE), program
