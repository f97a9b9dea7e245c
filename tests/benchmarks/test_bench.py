"""Every benchmark measures something, in a tiny size on a real studio. No figure is judged here: the machine is shared."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import record, registry
from benchmarks.bench_env import credentials_env
from duto_agent.engine.client import Engine
from studio.bootstrap import ROOT
from studio.testing.engine import IMAGE, forget
from studio.testing.live import LiveStudio, clean_env, live_studio

KEYS = {"bench", "value", "unit", "floor", "ratio", "goal", "met"}
WITHOUT_FLOOR = {"ticks", "reuse", "trigger", "loglag", "heartbeat", "place", "floods"}
ON_A_STUDIO = [
    "chain",
    "fanout",
    "plan",
    "reuse",
    "trigger",
    "loglag",
    "logflood",
    "runslist",
    "heartbeat",
    "soak",
    "floods",
    "fire",
    "ticks",
    "large",
]
# What builds a world of its own; `chaos` is judged in tests/live, and what `firstrun` measures in tests/test_demo.py.
ALONE = ["start", "firstrun", "adopt", "chaos", "place", "container", "parallel", "transfer"]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStudio]:
    base = tmp_path_factory.mktemp("bench")
    with live_studio(base / "var", env=credentials_env(base)) as running:
        yield running


def holds(result: dict[str, Any]) -> bool:
    assert set(result) >= KEYS
    assert result["value"] > 0
    assert (result["floor"] is None, result["ratio"] is None) == (result["bench"] in WITHOUT_FLOOR,) * 2
    return isinstance(result["met"], bool)


@pytest.mark.slow
@pytest.mark.parametrize("name", ON_A_STUDIO)
def test_a_benchmark_measures_running_work(live: LiveStudio, name: str) -> None:
    result = registry.run(name, print, database="sqlite", rounds=1, small=True, live=live)
    assert holds(json.loads(registry.line(result)))
    for name in ("missing_bytes", "lost", "left", "refused_pages"):
        assert result["figures"].get(name, 0) == 0, result


@pytest.mark.slow
@pytest.mark.parametrize("name", ["start", "adopt", "parallel", "transfer"])
def test_a_benchmark_measures_in_a_world_of_its_own(name: str) -> None:
    assert holds(json.loads(registry.line(registry.run(name, print, rounds=1, small=True))))


@pytest.mark.slow
def test_the_last_line_of_the_command_is_one_json_object() -> None:
    command = [sys.executable, "manage.py", "bench", "place", "--small", "--repeat", "1"]
    done = subprocess.run(command, cwd=ROOT, env=clean_env(), capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "place 1/1" in done.stderr
    assert holds(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.slow
@pytest.mark.docker
def test_steps_in_containers_are_measured_beside_bare_ones(engine_socket: str) -> None:
    result = registry.run("container", print, rounds=1, small=True)
    assert holds(json.loads(registry.line(result)))
    assert result["figures"]["steps"] == 2


@pytest.mark.docker
def test_what_an_ended_installation_has_left_on_an_engine_goes_and_nothing_else(engine_socket: str) -> None:
    engine, mine, other = Engine(engine_socket), f"bench{uuid.uuid4().hex}", f"bench{uuid.uuid4().hex}"
    for name in (mine, other):
        engine.create(name, {"Image": IMAGE, "Cmd": ["python3"], "Labels": {"duto.installation": name}})
    try:
        forget(engine_socket, mine)
        assert engine.inspect(mine) is None and engine.inspect(other) is not None
    finally:
        forget(engine_socket, other)


def test_every_benchmark_is_tried_here_and_stands_in_the_table() -> None:
    assert {*ON_A_STUDIO, *ALONE} == set(registry.load())
    text = record.README.read_text()
    assert [name for name in registry.load() if f"| `{name}` |" not in text] == []


def test_the_median_of_the_rounds_is_judged_by_every_goal() -> None:
    goals = tuple(map(registry.Goal.parse, ("ratio <= 2", "p99 <= 10")))
    bench = registry.Benchmark("b", "s", goals, registry.load()["chain"].measure, "sqlite")
    rounds = [registry.Sample(value, 2.0, {"p99": p99}) for value, p99 in ((3.0, 99.0), (4.0, 1.0), (50.0, 2.0))]
    judged = bench.judge(rounds)
    assert (judged["value"], judged["ratio"], judged["figures"]["p99"], judged["met"]) == (4.0, 2.0, 2.0, True)
    assert bench.judge([*rounds, registry.Sample(5.0, 2.0, {"p99": 99.0})])["met"] is False


def test_a_goal_about_a_floor_is_not_met_without_one() -> None:
    bench = registry.Benchmark("b", "s", (registry.Goal.parse("ratio <= 2"),), registry.load()["chain"].measure, "s")
    assert bench.judge([registry.Sample(1.0)])["met"] is False


def test_recording_keeps_the_line_and_writes_only_the_measured_columns(tmp_path: Path) -> None:
    page, kept = tmp_path / "README.md", tmp_path / "results.json"
    page.write_text(
        "| name | goal | measured | floor | ratio | met | why |\n|---|---|---|---|---|---|---|\n"
        "| `chain` | ≤ 50 ms | | | | | words |\n| `start` | ≤ 2.5 × | | | | | more |\n"
    )
    result = {"bench": "chain", "value": 61.234, "unit": "ms", "floor": 15.0, "ratio": 4.08, "goal": "value <= 50"}
    more = {"met": False, "figures": {"steps": 20}}
    record.keep([{**result, **more, "db": "sqlite"}], kept, page)
    record.keep([{**result, **more, "db": "postgres", "met": True, "value": 48.0}], kept, page)
    lines = page.read_text().splitlines()
    assert lines[2] == (
        "| `chain` | ≤ 50 ms | 61.2 ms; 48 ms (PostgreSQL) | 15; 15 | 4.08; 4.08 | **no**; yes | words |"
    )
    assert lines[3] == "| `start` | ≤ 2.5 × | | | | | more |"
    assert set(json.loads(kept.read_text())["results"]["chain"]) == {"sqlite", "postgres"}
