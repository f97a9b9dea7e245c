"""What is deleted under its open page: the page says so, and asks for nothing of it any more."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Page, expect

from studio.testing.live import eventually
from tests.live.browser import SLOW_MS, Person, is_awake
from tests.live.studio import BARE, Studio
from tests.live.test_bad_input import dataset, put

pytestmark = [pytest.mark.slow, pytest.mark.browser]

DELETED = "What this page shows was deleted."
# A request as the page itself makes it: in the person's session.
CALL = """async ([method, path, body]) => {
  const headers = { "Content-Type": "application/json", "X-CSRFToken": document.querySelector('meta[name="csrf-token"]').content };
  const answer = await fetch(path, { method, headers, body: JSON.stringify(body) });
  const text = await answer.text();
  return [answer.status, text ? JSON.parse(text) : null];
}"""


class Watched:
    """A page, with all that it asked for since a moment."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.refused: list[str] = []
        self.asked: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("response", lambda answer: self.refused.append(answer.url) if answer.status >= 400 else None)

    def says(self, text: str) -> None:
        expect(self.page.locator("#content > .banner").first).to_contain_text(text)

    def hears(self, studio: Studio) -> list[str]:
        """All that it asks for after more has happened in the workspace: until its two counters were fetched anew."""
        is_count = [lambda answer, part=part: f"/{part}/?part=count" in answer.url for part in ("runs", "compute")]
        self.asked.clear()
        with self.page.expect_response(is_count[0]), self.page.expect_response(is_count[1]):
            studio.submit({"one": "pass"}).wait()
            assert studio.rest("PATCH", "compute/cpu-cluster/", json={"description": uuid4().hex}).status_code == 200
        return self.asked


@pytest.fixture
def other(person: Person) -> Iterator[Page]:
    """The second tab."""
    context = person.context()
    yield context.new_page()
    context.close()


Delete = Callable[[Page], Any]


def a_run(studio: Studio) -> tuple[str, Delete]:
    run = studio.submit({"one": "print('x')"}).wait()
    path = f"runs/{run.id}/?step=one&tab=logs"

    def delete(tab: Page) -> None:
        tab.get_by_role("button", name="More", exact=True).click()
        tab.get_by_role("button", name="Delete…").click()
        tab.locator("#run-dialog").get_by_role("button", name="Delete").click()
        expect(tab.get_by_role("heading", name="Runs", exact=True)).to_be_visible()

    return path, delete


def metrics_of_a_run(studio: Studio) -> tuple[str, Delete]:
    path, delete = a_run(studio)
    return path.replace("logs", "metrics"), delete


def a_cluster(studio: Studio) -> tuple[str, Delete]:
    studio.post("compute/", {"name": "passing", "vm_size": "STANDARD_DS1_V2", "max_nodes": 1})

    def delete(tab: Page) -> None:
        tab.get_by_role("button", name="Delete…").click()
        tab.locator("#compute-dialog").get_by_role("button", name="Delete", exact=True).click()
        expect(tab.get_by_role("heading", name="Compute", exact=True)).to_be_visible()

    return "compute/clusters/passing/", delete


def a_dataset(studio: Studio) -> tuple[str, Delete]:
    studio.post("datasets/", dataset("file", put(studio, "passing/a.txt", b"a"), name="passing"))

    def delete(tab: Page) -> None:
        tab.get_by_role("button", name="Unregister").click()
        tab.locator("#confirm").get_by_role("button", name="Unregister").click()
        expect(tab.get_by_role("heading", name="Data", exact=True)).to_be_visible()

    return "data/sets/passing/", delete


def a_model(studio: Studio) -> tuple[str, Delete]:
    run = studio.submit({"one": "open('outputs/m.txt', 'w').write('m')"}).wait()
    studio.post("models/", {"name": "passing", "run_id": run.step("one")["id"], "path": "outputs/m.txt"})
    number = studio.get("models/")["items"][0]["version"]

    def delete(tab: Page) -> None:
        assert studio.rest("DELETE", f"models/passing/versions/{number}/").status_code == 204

    return "models/named/passing/", delete


@pytest.mark.parametrize("make", [a_run, metrics_of_a_run, a_cluster, a_dataset, a_model])
def test_a_page_whose_object_is_deleted_in_another_tab_says_so_and_leaves_it_in_peace(
    stage: Studio, page: Page, other: Page, make: Callable[[Studio], tuple[str, Delete]]
) -> None:
    path, delete = make(stage)
    watched = Watched(page)
    for each in (page, other):
        each.goto(f"/w/main/{path}")
        is_awake(each)
        each.wait_for_load_state("networkidle")
    delete(other)
    watched.says(DELETED)
    asked = watched.hears(stage)
    assert [url for url in asked if "?part=count" not in url] == []
    assert watched.refused == []
    expect(page.locator("#content > .banner")).to_have_count(1)


def test_a_host_that_is_detached_in_another_tab_is_still_told_of(stage: Studio, page: Page, other: Page) -> None:
    enrolled(stage, "main", "passing", {"Authorization": f"Bearer {stage.token('owner')}"})
    watched = Watched(page)
    for each in (page, other):
        each.goto("/w/main/compute/hosts/passing/")
        is_awake(each)
        each.wait_for_load_state("networkidle")
    other.get_by_role("button", name="Detach").click()
    other.locator("#confirm").get_by_role("button", name="Detach").click()
    expect(page.locator("#host .banner.error")).to_contain_text("its key is")
    assert watched.refused == []


def test_a_deleted_workspace_ends_its_pages_tokens_and_hosts_at_once_while_its_agent_is_away(
    stage: Studio, page: Page, other: Page
) -> None:
    page.goto("/workspaces/new/")
    made = call(page, "POST", "/api/v1/workspaces/", {"name": "passing"})
    base = "/api/v1/workspaces/passing/"
    token = call(page, "POST", f"{base}tokens/", {"name": "t", "role": "owner"})["token"]
    headers = {"Authorization": f"Bearer {token}"}
    agent = enrolled(stage, "passing", "away", headers)
    cluster = {"name": "far", "vm_size": "STANDARD_DS1_V2", "max_nodes": 1, "hosts": ["away"]}
    assert stage.rest("POST", f"{base}compute/", json=cluster, headers=headers).status_code == 201
    submitted = stage.rest("POST", f"{base}runs/", json=one_step(stage, base, headers), headers=headers)
    assert submitted.status_code == 201, submitted.text
    run = submitted.json()
    # It takes the step, and is not heard of again.
    work = eventually(lambda: exchange(stage, agent).json()["work"], 60, "work for the host")
    assert work[0]["type"] == "attempt"
    watched = Watched(page)
    page.goto(f"/w/passing/runs/{run['id']}/")
    is_awake(page)
    page.wait_for_load_state("networkidle")
    other.goto("/w/passing/settings/workspace/delete/")
    other.get_by_label("Type passing to delete it").fill("passing")
    other.get_by_role("button", name="Delete the workspace").click()
    expect(other.get_by_role("heading", name="Workspaces")).to_be_visible()
    assert stage.rest("GET", base, headers=headers).status_code == 401
    assert exchange(stage, agent).status_code == 401
    watched.says("was deleted")
    assert watched.refused == []
    watched.asked.clear()
    # All that it kept goes while its agent is away; the page asks for nothing meanwhile.
    eventually(lambda: not list(stage.data_dir.rglob(f"*{made['id']}*")), 120, "the end of its files")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert (watched.asked, watched.refused) == ([], [])
    expect(page.locator("#content > .banner").first).to_be_visible(timeout=SLOW_MS)


def call(page: Page, method: str, path: str, body: Any) -> Any:
    """What REST answers the person who is signed in here."""
    status, found = page.evaluate(CALL, [method, path, body])
    assert status in (200, 201), found
    return found


def enrolled(studio: Studio, workspace: str, name: str, headers: dict[str, str]) -> str:
    """The key of a new host that has spoken once."""
    base = f"/api/v1/workspaces/{workspace}/"
    made = studio.rest("POST", f"{base}host-enrolments/", json={"name": name}, headers=headers)
    assert made.status_code == 201, made.text
    asked = {"token": made.json()["token"], "name": name, "agent": "0"}
    key = httpx.post(f"{studio.url}/agent/v1/enrol", json=asked, timeout=180).json()["key"]
    assert exchange(studio, key, want=0).status_code == 200
    return str(key)


def exchange(studio: Studio, key: str, want: int = 1) -> httpx.Response:
    """The agent of a host speaks."""
    facts = {"cores": 4, "memory": 16 << 30}
    body = {"host": facts, "holding": [], "reports": [], "want": want, "wait": 0}
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.post(f"{studio.url}/agent/v1/exchange", json=body, headers=headers, timeout=180)


def one_step(studio: Studio, base: str, headers: dict[str, str]) -> dict[str, Any]:
    """A run of one step on the cluster of that host."""
    code = b"print('x')"
    digest = hashlib.sha256(code).hexdigest()
    studio.rest("PUT", f"{base}blobs/{digest}/", content=code, headers=headers).raise_for_status()
    files = [{"path": "one.py", "digest": digest, "size": len(code), "executable": False}]
    snapshot = studio.rest("POST", f"{base}snapshots/", json={"schema": 1, "files": files}, headers=headers).json()
    step = {
        "id": "one", "name": "one", "kind": "python_script", "script": "one.py", "snapshot": snapshot["digest"],
        "compute": "far", "environment": BARE, "allow_reuse": False,
    }  # fmt: skip
    return {"experiment": "Passing", "kind": "pipeline", "graph": {"schema": 1, "steps": [step]}}
