"""A failure finds its way to a person's browser by the studio's own parts: hook, ticker, worker, socket, page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserType, Page, expect

from studio.testing.plugin import find_chromium, lacking
from tests.live.browser import Person
from tests.live.studio import Studio

pytestmark = [pytest.mark.slow, pytest.mark.browser]
# What the browser is asked to show; it shows it beyond its window, where no test can look.
HEAR = """() => {
  const Real = window.Notification;
  window.shown = [];
  window.Notification = class extends Real { constructor(title, options) { super(title, options); window.shown.push([title, options.tag]); } };
}"""


@pytest.fixture
def page(person: Person, browser_type: BrowserType, browser_type_launch_args: dict[str, Any]) -> Iterator[Page]:
    """A signed-in page of a whole browser: the headless shell has no notifications."""
    found = find_chromium(whole=True)
    if found is None:
        lacking("notifications need a whole Chromium (install chromium, or set DUTO_CHROMIUM)", "DUTO_REQUIRE_BROWSER")
    browser = browser_type.launch(**{**browser_type_launch_args, "executable_path": found})
    try:
        with Person(person.studio, browser, person.state).page() as page:
            yield page
    finally:
        browser.close()


def test_a_failure_is_shown_by_the_browser_once_it_is_allowed(stage: Studio, page: Page) -> None:
    page.goto("/w/main/settings/notifications/")
    page.get_by_role("link", name="New rule of your own").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("my failures")
    page.get_by_label("By the browser").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("link", name="my failures")).to_be_visible()

    def fail(name: str) -> None:
        run: Any = stage.post("runs/", {"experiment": "Notices", "kind": "interactive", "display_name": name})
        assert stage.rest("POST", f"runs/{run['id']}/fail/", json={"error_details": "It broke"}).status_code < 300

    fail("the first")
    # Without the browser's leave the page says it; the log of deliveries follows by itself.
    expect(page.locator("#toasts")).to_contain_text("the first #1 failed")
    expect(page.locator("#deliveries")).to_contain_text("Sent")
    page.context.grant_permissions(["notifications"])
    page.get_by_role("button", name="Allow it in this browser").click()
    expect(page.locator("#toasts")).to_contain_text("shows notifications from now on")
    page.evaluate(HEAR)
    stage.rest(
        "PATCH",
        f"notifications/rules/{stage.get('notifications/rules/')['items'][0]['id']}/",
        json={"digest_minutes": 0},
    )
    fail("the second")
    page.wait_for_function("() => window.shown.some(([title]) => title.includes('the second #2 failed'))")
