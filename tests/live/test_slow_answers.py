"""The page of a run whose answers take long: what it shows moves on all the same, and as one."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import APIResponse, Page, Route, WebSocketRoute, expect

from tests.live.browser import SLOW_MS, node
from tests.live.studio import Studio

pytestmark = [pytest.mark.slow, pytest.mark.browser]

STEPS, DELAY_MS = 100, 1_500
# Each fragment of the run comes a second and a half late; how many are under way at once is counted.
SLOWLY = r"""
const real = fetch;
window.asked = [];
window.under = window.most = 0;
window.fetch = async (...args) => {
  if (!/runs\/[-0-9a-f]{36}\/\?.*part=/.test(args[0])) return real(...args);
  asked.push(String(args[0]));
  window.most = Math.max(most, ++window.under);
  try {
    await new Promise((done) => setTimeout(done, %d));
    return await real(...args);
  } finally { window.under--; }
};
"""


def test_head_counter_panel_and_graph_move_on_together_however_slow_the_answers_are(stage: Studio, page: Page) -> None:
    graph = stage.graph({"step": "pass"})
    graph["steps"] = [{**graph["steps"][0], "id": f"s{number}", "name": f"step {number}"} for number in range(STEPS)]
    page.add_init_script(SLOWLY % DELAY_MS)
    run = stage.submit_graph(graph)
    page.goto(f"/w/main/runs/{run.id}/?view=timeline")
    head, counter = page.locator("#run-head .state").first, page.locator("#run-counts .steps-done")
    expect(head).to_have_attribute("data-state", "Running")
    seen: dict[str, None] = {}
    while head.get_attribute("data-state") == "Running":
        seen[counter.inner_text()] = None
        page.wait_for_timeout(200)
    expect(head).to_have_attribute("data-state", "Completed")
    expect(counter).to_have_text(re.compile(rf"^{STEPS}\s/\s{STEPS}$"))
    # The counter follows the drawing, not its own fragment, which came a few times only.
    answers = page.evaluate("asked.length")
    assert len(seen) > answers, (seen, answers)
    assert page.evaluate("most") == 1
    expect(page.locator("#run-head")).to_contain_text("Resubmit")
    expect(page.locator("#run-panel .panel-head .state")).to_have_attribute("data-state", "Completed")
    page.wait_for_function("() => window.under === 0", timeout=SLOW_MS)
    assert any("part=head%2Ccounts%2Cpanel" in url for url in page.evaluate("asked"))


def test_an_answer_that_knows_less_than_the_page_takes_nothing_back(stage: Studio, page: Page) -> None:
    sockets: list[WebSocketRoute] = []
    answers: list[tuple[Route, APIResponse]] = []

    def between(socket: WebSocketRoute) -> None:
        socket.connect_to_server()
        sockets.append(socket)

    page.route_web_socket(re.compile("/ws/"), between)
    run = stage.submit_graph(stage.graph({"train": "import time\ntime.sleep(600)\n"}))
    page.goto(f"/w/main/runs/{run.id}/")
    train = node(page, "train")
    expect(train).to_have_attribute("data-state", "Running", timeout=SLOW_MS)
    asked = re.compile(f"{run.id}/graph/")
    page.route(asked, lambda route: answers.append((route, route.fetch())))
    sockets[-1].send(json.dumps({"topic": f"run:{run.id}", "reload": True}))
    while not answers:
        page.wait_for_timeout(50)
    stage.post(f"runs/{run.id}/cancel/")
    expect(train).to_have_attribute("data-state", "Canceled", timeout=SLOW_MS)
    [(route, answer)] = answers
    assert '"Running"' in answer.text()
    with page.expect_response(asked) as caught:
        route.fulfill(response=answer)
    caught.value.finished()
    page.wait_for_timeout(500)
    expect(train).to_have_attribute("data-state", "Canceled")
    expect(page.locator("#run-counts").get_by_role("img", name="1 canceled")).to_be_visible()
