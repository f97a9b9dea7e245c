"""Data from the web, fetched by the worker while a program waits and a page looks on. The web site is a real one."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from playwright.sync_api import Page, expect

from tests.live.browser import SLOW_MS, mark, was_not_reloaded
from tests.live.studio import PATIENCE, Studio

pytestmark = [pytest.mark.slow]

PROGRAM = """
import sys
from azureml.core import Dataset, Workspace
from azureml.exceptions import UserErrorException

ws = Workspace.from_config()
site = sys.argv[1]
try:
    Dataset.File.from_files(site + "/gone.csv").register(ws, "seeds")
except UserErrorException as error:
    print("refused:", error)
table = Dataset.Tabular.from_delimited_files(site + "/slow.csv").register(ws, "seeds")
print("registered:", table.name, [each["path"] for each in table._files()])
print("again:", table.register(ws, "seeds").id == table.id == Dataset.get_by_name(ws, "seeds").id)
"""


class Site(BaseHTTPRequestHandler):
    """Keeps every visitor of a slow file waiting until the gate is open."""

    gate: ClassVar[threading.Event] = threading.Event()

    def do_GET(self) -> None:
        is_there = self.path.startswith("/slow")
        body = b"a,b\n1,2\n" if is_there else b"no"
        if is_there:
            self.gate.wait(60)
        self.send_response(200 if is_there else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def site() -> Iterator[str]:
    Site.gate = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    Site.gate.set()
    server.shutdown()
    server.server_close()


def until_ready(studio: Studio, version: str) -> None:
    end = time.monotonic() + PATIENCE
    while studio.get(f"dataset-versions/{version}/")["status"] != "ready":
        assert time.monotonic() < end, studio.part_log("worker")[-2000:]
        time.sleep(0.2)


def test_a_program_sees_no_difference(stage: Studio, site: str, tmp_path: Path) -> None:
    scope = {"subscription_id": "s", "resource_group": "g", "workspace_name": "main"}
    (tmp_path / "config.json").write_text(json.dumps(scope))
    (tmp_path / "program.py").write_text(PROGRAM)
    opening = threading.Timer(2.0, Site.gate.set)
    opening.start()
    done = stage.program(tmp_path, "program.py", site)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "refused:" in done.stdout and "it answers 404" in done.stdout
    assert "registered: seeds ['slow.csv']" in done.stdout
    assert "again: True" in done.stdout


def test_a_run_is_refused_until_its_data_are_here(stage: Studio, site: str) -> None:
    body = {"name": "held back", "kind": "file", "definition": {"sources": [{"url": f"{site}/slow-2.csv"}]}}
    version = stage.post("datasets/", body)
    assert version["status"] == "fetching"
    graph = stage.graph({"step": "print('ran')"})
    graph["steps"][0]["inputs"] = [{"name": "d", "from": {"dataset": version["id"]}, "mode": "direct"}]
    asked = {"experiment": "Fetch", "graph": graph}
    refused = stage.rest("POST", "runs/", json=asked)
    assert refused.status_code == 422, refused.text
    assert refused.json()["error"]["code"] == "still_fetching"
    assert "'held back' version 1 is still being fetched from the web" in refused.json()["error"]["message"]
    Site.gate.set()
    until_ready(stage, version["id"])
    stage.submit_graph(graph, experiment="Fetch").wait()


@pytest.mark.browser
def test_a_page_shows_how_the_data_come(stage: Studio, page: Page, site: str) -> None:
    page.goto("/w/main/data/register/?from=web")
    page.get_by_label("Web address").fill(f"{site}/slow.csv")
    page.get_by_role("textbox", name="Name", exact=True).fill("live web")
    page.get_by_role("button", name="Register").click()
    expect(page.get_by_text("being fetched from the web")).to_be_visible()
    mark(page)
    Site.gate.set()
    expect(page.locator("#preview tbody tr")).to_have_count(1, timeout=SLOW_MS)
    expect(page.get_by_text("being fetched from the web")).to_have_count(0)
    expect(page.locator("#dataset-head")).to_contain_text("1 file")
    assert was_not_reloaded(page)
    page.goto("/w/main/data/register/?from=web")
    page.get_by_label("Web address").fill(f"{site}/gone.csv")
    page.get_by_role("textbox", name="Name", exact=True).fill("live gone")
    page.get_by_role("button", name="Register").click()
    expect(page.locator("#dataset-head").get_by_role("alert")).to_contain_text("it answers 404")
