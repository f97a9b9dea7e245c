"""Scripts on Spark: PyPI's pyspark on a host's Java, their stages on the page while they run, and their end."""

from __future__ import annotations

import contextlib
import csv
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect
from uv import find_uv_bin

from duto.spark.java import NoJava, java_for
from studio.bootstrap import ROOT
from studio.supervisor.broker import free_port
from studio.testing.engine import cache_folder
from studio.testing.live import eventually
from studio.testing.plugin import lacking
from tests.live.studio import ENDS, LiveRun, Studio
from tests.live.test_sdk import config

pytestmark = [pytest.mark.slow]
PROGRAM = Path(__file__).parent / "programs/spark"
BIRDS = ROOT / "examples/penguins/penguins-raw.csv"
SPARK = "3.5.9"


@pytest.fixture(scope="module")
def spark_python() -> str:
    """A Python with pyspark. It is built from its sources once a machine, which takes a minute."""
    try:
        java_for(SPARK, os.environ)
    except NoJava as error:
        lacking(str(error), "DUTO_REQUIRE_SPARK")
    place = cache_folder() / f"pyspark-{SPARK}-{sys.version_info.major}.{sys.version_info.minor}"
    if not place.exists():
        uv, draft = os.fsdecode(find_uv_bin()), place.with_name(f"{place.name}.{os.getpid()}")
        for words in (
            ["venv", "--python", sys.executable, str(draft)],
            ["pip", "install", "--python", str(draft), f"pyspark=={SPARK}"],
        ):
            done = subprocess.run([uv, *words], capture_output=True, text=True, timeout=600)
            if done.returncode:
                lacking(f"no pyspark here: {done.stderr.strip()}", "DUTO_REQUIRE_SPARK")
        draft.rename(place)
    return str(place / "bin/python")


@pytest.fixture
def master(spark_python: str, tmp_path: Path) -> Iterator[str]:
    """The address of a standalone master with one worker, as Spark's own scripts start them; without its gateway."""
    home, port = next(Path(spark_python).parents[1].glob("lib/python*/site-packages/pyspark")), free_port()
    address = f"spark://127.0.0.1:{port}"
    java = {"SPARK_DAEMON_JAVA_OPTS": "-Dspark.master.rest.enabled=false -XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}
    own = {
        "SPARK_HOME": str(home),
        "JAVA_HOME": str(java_for(SPARK, os.environ)),
        "SPARK_DAEMON_MEMORY": "256m",
        **java,
    }
    parts = (
        ["master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", "0"],
        [
            "worker.Worker",
            "--host",
            "127.0.0.1",
            "--webui-port",
            "0",
            "-c",
            "1",
            "-m",
            "1g",
            "-d",
            str(tmp_path),
            address,
        ],
    )
    with contextlib.ExitStack() as stack:
        for part in parts:
            words = [str(home / "bin/spark-class"), f"org.apache.spark.deploy.{part[0]}", *part[1:]]
            log = stack.enter_context((tmp_path / f"{part[0]}.log").open("wb"))
            process = stack.enter_context(subprocess.Popen(words, env={**os.environ, **own}, stdout=log, stderr=log))
            stack.callback(process.terminate)
        yield address


def javas_below(place: Path) -> list[str]:
    """The commands of Java's processes that work in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = process.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if "org.apache.spark" in words and str(place) in words:
            found.append(words)
    return found


def is_seen(row: Locator, run: LiveRun) -> bool:
    """Whether the page shows it by now; a step that is over will never show it."""
    assert run.step("endless")["status"] not in ENDS, run.log("endless").decode()
    return row.count() > 0


def test_scripts_run_on_spark_and_their_stages_are_seen(
    stage: Studio, page: Page, spark_python: str, master: str, tmp_path: Path
) -> None:
    folder = tmp_path / "program"
    shutil.copytree(PROGRAM, folder)
    config(folder)
    # One step has executors at a master elsewhere, the other is one process.
    places = {"SPARK_PYTHON": spark_python, "SPARK_MASTER": master}
    done = stage.program(folder, "pipeline.py", str(BIRDS), token=stage.token("owner"), **places)
    assert done.returncode == 0, done.stdout + done.stderr
    run = LiveRun(stage, done.stdout.split()[-1])
    place = f"{stage.url}/w/main/runs/{run.id}/"
    # Five Javas at once are too much for two cores: the second step waits for the first.
    eventually(lambda: run.step("count")["status"] in ENDS, what=lambda: f"the end of count: {run.why()}")
    assert run.step("count")["status"] == "Completed", run.log("count").decode()
    page.goto(f"{place}?step=endless&tab=stages")
    # The page is open before there is a stage: it comes by itself, and so does its end.
    row = page.get_by_role("row").filter(has_text="foreach at")
    eventually(lambda: is_seen(row, run), what=lambda: f"a stage: {run.why()}")
    expect(row).to_contain_text("running")
    expect(row).to_contain_text("/ 2")
    assert javas_below(stage.data_dir)
    stage.post(f"runs/{run.id}/cancel/")
    expect(row).to_contain_text("canceled", timeout=60_000)
    run.wait("Canceled", 60)
    assert not javas_below(stage.data_dir)
    log = run.log("count").decode()
    assert f"settings 3 512m birds {master}" in log, log
    with BIRDS.open(encoding="utf-8") as file:
        kinds = Counter(row["Species"].split()[0] for row in csv.DictReader(file))
    assert f"birds {sum(kinds.values())}" in log
    written = [path.read_text() for path in stage.data_dir.rglob("counted/*/part-*.csv")]
    assert written and sorted(written[0].split()[1:]) == sorted(f"{kind},{count}" for kind, count in kinds.items())
    assert not list(stage.data_dir.rglob("counted/*/.*.crc"))
    page.goto(f"{place}?step=count&tab=stages")
    shown = page.get_by_role("region", name="Stages").first
    expect(shown.get_by_role("row").filter(has_text="csv at").first).to_contain_text("done")
    assert not re.search(r"running|waiting", shown.inner_text())
