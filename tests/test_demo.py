"""`manage.py demo`: what its lines say, and that it ends as its run does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmarks.bench_env import inside
from studio.bootstrap import ROOT
from studio.supervisor.demo import Screen, StepLine
from studio.testing.live import LiveStudio


def test_a_line_says_state_time_and_metrics() -> None:
    text = StepLine("train", "Running", 1.26, metrics={"loss": 0.12345678}).text(8)
    assert text.split() == ["▸", "train", "Running", "1.2", "s", "loss", "0.1235"]
    assert "Reused" in StepLine("train", "Completed", None, reused=True).text(8)
    failed = StepLine("train", "Failed", 2.0, metrics={"loss": 1.0}, why="ValueError\nin train.py").text(8)
    assert failed.endswith("ValueError in train.py")


def test_without_a_terminal_only_changes_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(is_terminal=False)
    for seconds in (0.1, 0.2, 0.3):
        screen.show([StepLine("train", "Running", seconds)])
    screen.show([StepLine("train", "Completed", 0.4)])
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_on_a_terminal_the_lines_are_drawn_over(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(is_terminal=True)
    screen.show([StepLine("a", "Running", 1), StepLine("b", "Queued", None)])
    screen.show([StepLine("a", "Completed", 1), StepLine("b", "Running", 0)])
    assert "\x1b[2A" in capsys.readouterr().out


@pytest.mark.slow
def test_the_demo_runs_to_its_end_and_the_second_time_trains_anew(tmp_path: Path) -> None:
    for prepared in ("Completed", "Reused"):
        # Nothing is taken over: here the environment of the sample is built.
        studio = LiveStudio(tmp_path / "var", "demo", "--exit")
        done = subprocess.run(studio.command, cwd=ROOT, env=studio.env, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        for step in ("prepare", "train forest", "train logistic", "compare"):
            lines = [line for line in done.stdout.splitlines() if f" {step} " in line]
            assert lines and (prepared if step == "prepare" else "Completed") in lines[-1], done.stdout
        assert "/w/main/runs/" in done.stdout
        assert "works once" in done.stdout
    # What the benchmark `firstrun` takes for its floor.
    assert inside(studio, "build_seconds")["seconds"] > 0
