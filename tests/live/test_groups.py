"""The picture of a run of many steps in a real browser: groups open, close by the way back, and stand for the steps they hold."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.live.browser import SLOW_MS, node
from tests.live.studio import LiveRun, Studio

pytestmark = [pytest.mark.slow, pytest.mark.browser]
STEPS = 320


@pytest.fixture
def long_run(stage: Studio) -> LiveRun:
    """One step that fails, and very many that are skipped then."""
    graph = stage.graph({"first": "raise SystemExit(1)"})
    (first,) = graph["steps"]
    others = [{**first, "id": f"s{n}", "name": f"train-{n}", "run_after": ["first"]} for n in range(STEPS)]
    last = {**first, "id": "last", "name": "report", "run_after": [each["id"] for each in others]}
    return stage.submit_graph({**graph, "steps": [first, *others, last]})


def test_groups_open_close_and_stand_for_the_step_that_is_selected(page: Page, long_run: LiveRun) -> None:
    address = f"/w/main/runs/{long_run.id}/?view=graph"
    page.goto(f"{address}&step=s7")
    group = node(page, "group:train")
    # The step of the address is in there.
    expect(group).to_have_class(re.compile("selected"))
    expect(group).to_have_attribute("data-state", "Skipped", timeout=SLOW_MS)
    group.click()
    inner = node(page, "group:train#0")
    expect(inner).to_have_class(re.compile("selected"))
    assert page.url.endswith("&open=train")
    inner.click()
    expect(node(page, "s7")).to_have_class(re.compile("selected"))
    node(page, "s8").click()
    expect(page.get_by_role("region", name="Step", exact=True)).to_contain_text("train-8")
    # What is open is in the address.
    page.reload()
    expect(node(page, "s8")).to_have_class(re.compile("selected"))
    # The way back: the other step, then the groups, one after the other.
    page.go_back()
    expect(node(page, "s7")).to_have_class(re.compile("selected"))
    page.go_back()
    expect(inner).to_have_class(re.compile("selected"))
    page.go_back()
    expect(group).to_be_visible()
    # A step that is chosen elsewhere is found in its group.
    views = page.get_by_role("navigation", name="View")
    views.get_by_role("link", name="Table").click()
    page.get_by_role("link", name="train-3", exact=True).click()
    views.get_by_role("link", name="Graph").click()
    expect(group).to_have_class(re.compile("selected"))
    # The timeline has the same groups, with the path that decided how long it took.
    views.get_by_role("link", name="Timeline").click()
    expect(page.locator("run-timeline .line", has_text="first")).to_have_class(re.compile("critical"))
    expect(page.locator("run-timeline .line", has_text=f"train × {STEPS}")).to_be_visible()
