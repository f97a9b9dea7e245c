"""A second host added on the compute page, a cluster of both, the sample on it, and their agents killed by turns."""

from __future__ import annotations

import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from compute.web.clusters import SIZES
from studio.testing.live import eventually
from tests.live.browser import SLOW_MS, Person, has_ended, node
from tests.live.second import Second
from tests.live.studio import ENDS, LiveRun, Studio, is_alive

pytestmark = [pytest.mark.slow, pytest.mark.browser]

STEPS = ("prepare", "train forest", "train logistic", "compare")
BLOWS = 2  # to each agent at most: one that is killed again and again gets nothing done
ROUNDS = [1, 5, 10, 15, 20]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """One without a cluster."""
    made = Studio(tmp_path_factory.mktemp("pair"))
    try:
        yield made.start()
    finally:
        made.stop()


@pytest.fixture
def second(studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Second]:
    made = Second(studio, tmp_path_factory.mktemp("b"))
    try:
        yield made
    finally:
        made.kill()


@pytest.fixture
def page(studio: Studio, browser: Browser) -> Iterator[Page]:
    """Signed in as the owner, with a clipboard; whatever the console says fails the test."""
    person = Person(studio, browser)
    person.sign_in()
    context = person.context()
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield context.new_page()
    context.close()
    assert person.complaints == []


def test_the_sample_runs_on_both_hosts_while_their_agents_are_killed(
    studio: Studio, second: Second, page: Page
) -> None:
    second.take_over()
    page.goto("/w/main/compute/")
    done = second.install(copy_command(page, "beta"))
    assert done.returncode == 0, done.stdout + done.stderr
    row = page.locator("tr", has=page.get_by_role("link", name="beta", exact=True))
    expect(row).to_contain_text("alive", timeout=SLOW_MS)
    create_cluster(page, studio)
    run = press(page, studio)
    hosts = [Struck("alpha", lambda: studio.strike("agent")), Struck("beta", lambda: strike(second))]
    hosts[0].name = next(each["name"] for each in studio.get("hosts/")["items"] if each["shared"])
    kill_by_turns(run, hosts)
    has_ended(page)
    for name in STEPS:
        expect(node(page, name)).to_have_attribute("data-state", "Completed")
    assert run.status == "Completed", run.why()
    print({host.name: host.injected for host in hosts})
    assert all(host.injected for host in hosts)
    assert ran_on(run) == {host.name for host in hosts}, run.why()
    nothing_came_twice(run)


# --- the page ---


def copy_command(page: Page, name: str) -> str:
    """What the button puts on the clipboard."""
    page.get_by_role("button", name="Add a host…").click()
    dialog = page.locator("#host-dialog")
    dialog.get_by_label("Name").fill(name)
    dialog.get_by_role("button", name="Show the command").click()
    dialog.get_by_role("button", name="Copy").click()
    copied = str(eventually(lambda: page.evaluate("navigator.clipboard.readText()"), what="a copied text"))
    assert copied.startswith("curl ") and " --token duto_enrol_" in copied
    dialog.get_by_role("button", name="Close").last.click()
    return copied


def create_cluster(page: Page, studio: Studio) -> None:
    """Of nodes that fill a host each, on both."""
    hosts = {each["name"]: each["cores"] for each in studio.get("hosts/")["items"]}
    assert len(hosts) == 2
    sizes = {
        text: int(found.group(1)) for _, text in SIZES if (found := re.search(r"(\d+) cores?,(?!.*GPU)", str(text)))
    }
    fitting = [str(text) for text, cores in sizes.items() if 2 * cores > max(hosts.values())]
    if not fitting:
        pytest.skip(f"the page offers no size that fills a host of {max(hosts.values())} cores")
    page.get_by_role("button", name="New cluster").first.click()
    dialog = page.locator("#compute-dialog")
    dialog.get_by_label("Name").fill("cpu-cluster")
    dialog.get_by_label("Size of a node").select_option(label=fitting[0])
    dialog.get_by_label("Max nodes").fill("2")
    for name in hosts:
        dialog.get_by_role("checkbox", name=re.compile(rf"^{re.escape(name)}\b")).check()
    dialog.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="cpu-cluster")).to_be_visible()


def press(page: Page, studio: Studio) -> LiveRun:
    page.goto("/w/main/")
    page.get_by_role("button", name="Run the sample pipeline").click()
    expect(page.locator("run-graph")).to_be_visible()
    found = re.search(r"/runs/([0-9a-f-]{36})/", page.url)
    assert found, page.url
    return LiveRun(studio, found.group(1))


# --- the faults ---


@dataclass
class Struck:
    """A host, how its agent is killed and comes back, and which steps ran there meanwhile."""

    name: str
    strike: Callable[[], None]
    injected: list[str] = field(default_factory=list)


def strike(second: Second) -> None:
    old = second.pid
    os.kill(old, signal.SIGKILL)
    eventually(lambda: not is_alive(old), what="the death of the second agent")
    second.start()


def kill_by_turns(run: LiveRun, hosts: list[Struck]) -> None:
    """Until the run is over, kill the agent that watches over a running script: of two the one that was hit less."""
    while run.status not in ENDS:
        at_work = [host for host in hosts if len(host.injected) < BLOWS and on(run, host.name, "running")]
        if at_work:
            host = min(at_work, key=lambda each: len(each.injected))
            host.injected += on(run, host.name, "running")[:1] or ["one that has just ended"]
            host.strike()
            time.sleep(1)
        time.sleep(0.3)


# --- what became of it ---


def attempts(run: LiveRun) -> list[tuple[str, dict[str, Any]]]:
    steps = run.studio.get(f"runs/{run.id}/steps/")["items"]
    return [(each["step"]["name"], attempt) for each in steps for attempt in each["step"]["attempts"]]


def on(run: LiveRun, host: str, status: str) -> list[str]:
    return [name for name, attempt in attempts(run) if (attempt["host"], attempt["status"]) == (host, status)]


def ran_on(run: LiveRun) -> set[str]:
    return {str(attempt["host"]) for _, attempt in attempts(run)}


def nothing_came_twice(run: LiveRun) -> None:
    """One attempt and one verdict of each step, each line and each value of a metric once."""
    assert Counter(name for name, _ in attempts(run)) == Counter(STEPS), run.why()
    assert {attempt["status"] for _, attempt in attempts(run)} == {"completed"}
    prepared = run.log("prepare").decode()
    assert (prepared.count("Read 344 records"), prepared.count("complete records.")) == (1, 1), prepared
    for model in ("forest", "logistic"):
        said = run.log(f"train {model}").decode()
        assert [int(each) for each in re.findall(r"round +(\d+):", said)] == ROUNDS, said
        metrics = run.studio.get(f"runs/{run.step(f'train {model}')['id']}/metrics/")["metrics"]
        counts = {each["name"]: each["count"] for each in metrics}
        assert (counts["accuracy"], counts["loss"]) == (ROUNDS[-1], ROUNDS[-1]), counts
    assert run.log("compare").decode().count("The best model is") == 1
