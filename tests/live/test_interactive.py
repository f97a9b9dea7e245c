"""Runs that a program opens itself, and child runs of steps, watched in a real browser while the program is at work."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import APIResponse, Page, Route, WebSocketRoute, expect

from tests.live.axe import violations
from tests.live.browser import SLOW_MS, has_ended, is_awake, mark, open_step, was_not_reloaded
from tests.live.studio import Studio

pytestmark = [pytest.mark.slow, pytest.mark.browser]

PROGRAM = """
import io, sys
from azureml.core import Experiment, Workspace

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
run = Experiment(Workspace.from_config(), "Notebook").start_logging(display_name="by hand", tags={"team": "blue"})
below = []
print(run.id, flush=True)
for line in sys.stdin:
    exec(line)
    run.flush()
    print("done", flush=True)
run.complete()
print("over", flush=True)
"""
SCRIPT = """
import time
from azureml.core import Run

run = Run.get_context()
for phase in ("warming up", "learning"):
    run.log("phase", phase)
run.log_list("columns", ["species", "island"])
with run.child_run("fold 1") as fold:
    fold.log("loss", 0.25)
run.flush()
while "go" not in run.get_tags():
    time.sleep(0.2)
"""


class Notebook:
    """A program that does what it is told, line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.run = self.hear()

    def hear(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def say(self, line: str) -> None:
        """Returns when the studio has all of it."""
        assert self.process.stdin
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        assert self.hear() == "done", self.process.communicate()[1]

    def end(self) -> None:
        """As when the notebook is closed."""
        assert self.process.stdin
        self.process.stdin.close()
        assert self.hear() == "over"


@contextmanager
def notebook(studio: Studio, folder: Path) -> Iterator[Notebook]:
    scope = {"subscription_id": "s", "resource_group": "g", "workspace_name": "main"}
    (folder / "config.json").write_text(json.dumps(scope))
    (folder / "program.py").write_text(PROGRAM)
    env = {**studio.live.env, "DUTO_URL": studio.url, "DUTO_TOKEN": studio.token()}
    pipes: Any = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen([sys.executable, "program.py"], cwd=folder, env=env, text=True, **pipes) as process:
        try:
            yield Notebook(process)
        finally:
            process.kill()


def tab(page: Page, name: str) -> None:
    page.locator("#run-panel .tabs").get_by_role("link", name=name).click()
    expect(page.locator("#run-panel .tabs [aria-current]")).to_contain_text(name)


def test_what_a_program_does_with_its_run_is_seen_while_it_does_it(stage: Studio, page: Page, tmp_path: Path) -> None:
    with notebook(stage, tmp_path) as program:
        page.goto(f"/w/main/runs/{program.run}/")
        is_awake(page)
        mark(page)
        panel = page.locator("#run-panel")
        program.say("run.log('loss', 0.5); run.log('phase', 'warming up')")
        expect(panel.locator(".tile", has_text="loss")).to_contain_text("0.5")
        expect(panel.locator(".tile", has_text="phase")).to_contain_text("warming up")
        program.say(
            "run.log('loss', 0.25); run.log('phase', 'learning'); run.log_list('columns', ['species', 'island'])"
        )
        expect(panel.locator("metric-chart", has_text="loss")).to_contain_text("0.25")
        for text in ("warming up", "learning", "species", "island"):
            expect(panel.get_by_role("cell", name=text, exact=True)).to_be_visible()
        program.say("run.log_row('grid', depth=3, score=0.9)")
        expect(panel.get_by_role("columnheader", name="depth")).to_be_visible()
        program.say("run.log('a', 1); run.log_row('grid', depth=5, score=0.8)")
        expect(panel.get_by_role("cell", name="0.8", exact=True)).to_be_visible()
        expect(panel.locator(".tile", has_text="a").first).to_be_visible()
        tab(page, "Files")
        expect(panel).to_contain_text("No files yet")
        program.say("run.upload_file('outputs/report.txt', io.BytesIO(b'one <b>two</b>'))")
        panel.get_by_role("link", name="outputs").click()
        panel.get_by_role("link", name="report.txt", exact=True).click()
        expect(panel.locator("#preview .source")).to_contain_text("one <b>two</b>")
        tab(page, "Images")
        program.say(
            "open('curve.svg', 'wb').write(SVG); run.log_image('curve', path='curve.svg', description='Loss by epoch')"
        )
        expect(panel.get_by_role("img", name="Loss by epoch")).to_be_visible()
        program.say("below.append(run.child_run('fold 1')); below[0].log('loss', 0.125)")
        tab(page, "Child runs")
        row = panel.get_by_role("row", name="fold 1")
        expect(row.locator('[data-state="Running"]')).to_be_visible()
        expect(row).to_contain_text("0.125", timeout=SLOW_MS)
        program.say("below[0].fail('No luck')")
        expect(row.locator('[data-state="Failed"]')).to_be_visible()
        program.say("below.append(run.child_run('fold 2'))")
        expect(panel.get_by_role("row", name="fold 2")).to_be_visible()
        program.end()
        has_ended(page)
        expect(panel.get_by_role("row", name="fold 2").locator('[data-state="Completed"]')).to_be_visible()
        tab(page, "Details")
        expect(panel).to_contain_text("blue")
        assert was_not_reloaded(page)
        assert violations(page, "light", colours="dark") == []
        tab(page, "Child runs")
        panel.get_by_role("link", name="fold 1").click()
        expect(page.get_by_role("heading", name="fold 1", level=1)).to_be_visible()
        expect(page.locator("#run-head .failure")).to_contain_text("No luck")
        assert violations(page, "light", colours="dark") == []
        page.get_by_role("navigation", name="Breadcrumbs").get_by_role("link", name="by hand").click()
        expect(page.get_by_role("heading", name="by hand", level=1)).to_be_visible()


def test_each_value_is_shown_once_whether_its_answer_or_its_frame_comes_first(
    stage: Studio, page: Page, tmp_path: Path
) -> None:
    sockets: list[WebSocketRoute] = []
    frames: list[str] = []
    answers: list[tuple[Route, APIResponse]] = []
    is_held = False

    def between(socket: WebSocketRoute) -> None:
        def tell(message: str | bytes) -> None:
            if is_held and json.loads(message).get("points"):
                frames.append(str(message))
            else:
                socket.send(message)

        socket.connect_to_server().on_message(tell)
        sockets.append(socket)

    page.route_web_socket(re.compile("/ws/"), between)
    with notebook(stage, tmp_path) as program:
        page.goto(f"/w/main/runs/{program.run}/")
        is_awake(page)
        panel = page.locator("#run-panel")
        program.say("run.log('phase', 'warming up'); run.log('loss', 0.5)")
        expect(panel.locator(".tile", has_text="phase")).to_contain_text("warming up")
        is_held = True
        program.say("run.log('phase', 'learning'); run.log('loss', 0.25)")
        program.say("run.log_list('columns', ['species', 'island'])")  # the page asks for it, and gets all
        expect(panel.get_by_role("cell", name="learning", exact=True)).to_be_visible()
        while not frames:
            page.wait_for_timeout(50)
        is_held = False
        for frame in frames:
            sockets[-1].send(frame)
        # Two points of a name that the page has not seen, in one frame.
        program.say("run.log('mood', 'calm'); run.log('mood', 'merry')")
        for text in ("calm", "merry", "warming up", "learning"):
            expect(panel.get_by_role("cell", name=text, exact=True)).to_have_count(1)
        panel.locator("metric-chart", has_text="loss").get_by_text("Values").click()
        expect(panel.locator("metric-chart", has_text="loss").locator("tbody tr")).to_have_count(2)
        # An answer that is older than what the page heard while it waited.
        page.route(re.compile(f"{program.run}/metrics/"), lambda route: answers.append((route, route.fetch())))
        program.say("run.log_list('rows', ['first', 'second'])")
        while not answers:
            page.wait_for_timeout(50)
        program.say("run.log('phase', 'resting'); run.log('loss', 0.125)")
        expect(panel.get_by_role("cell", name="resting", exact=True)).to_be_visible()
        for route, answer in answers:
            assert "resting" not in answer.text()
            route.fulfill(response=answer)
        for text in ("first", "warming up", "learning", "resting"):
            expect(panel.get_by_role("cell", name=text, exact=True)).to_have_count(1)
        expect(panel.locator("metric-chart", has_text="loss").locator("tbody tr")).to_have_count(3)
        page.unroute_all(behavior="ignoreErrors")
        program.end()


def test_texts_and_child_runs_of_a_step_stand_on_its_panel_as_they_come(stage: Studio, page: Page) -> None:
    run = stage.submit({"train": SCRIPT})
    page.goto(f"/w/main/runs/{run.id}/")
    mark(page)
    panel = open_step(page, "train")
    expect(panel.get_by_role("link", name="Child runs")).to_be_visible(timeout=SLOW_MS)
    tab(page, "Metrics")
    for text in ("warming up", "learning", "species", "island"):
        expect(panel.get_by_role("cell", name=text, exact=True)).to_be_visible()
    tab(page, "Child runs")
    row = panel.get_by_role("row", name="fold 1")
    expect(row.locator('[data-state="Completed"]')).to_be_visible(timeout=SLOW_MS)
    expect(row).to_contain_text("0.25", timeout=SLOW_MS)
    # The run itself has a place beside its steps, and a click on a step leaves it.
    page.get_by_role("link", name="Details").first.click()
    expect(panel.get_by_role("heading", name="The run itself")).to_be_visible()
    open_step(page, "train")
    step = run.step("train")["id"]
    answer = stage.rest("PATCH", f"runs/{step}/", json={"tags": {"go": "yes"}})
    assert answer.status_code == 200, answer.text
    has_ended(page)
    assert was_not_reloaded(page)
