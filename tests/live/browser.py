"""A person at a browser: signed in, with everything that the console complains about written down."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from tests.conftest import STEP_MS, begin_anew
from tests.live.studio import Studio

PASSWORD = "a long pass phrase 7"
SLOW_MS = 300_000
# Chromium gives up whatever it is loading when this machine gets another address, as each container with a network of
# its own brings one. A page that misses a script or a style for that is loaded once more.
CHANGED = "net::ERR_NETWORK_CHANGED"
MODULE_MISSED = "Failed to fetch dynamically imported module"
ONCE_MORE = """
addEventListener("error", ({target}) => {
  if (!["SCRIPT", "LINK"].includes(target.tagName) || sessionStorage.loadedOnceMore) return;
  sessionStorage.loadedOnceMore = "yes";
  location.reload();
}, true);
"""


class Person:
    """One signed-in browser context on a studio."""

    def __init__(self, studio: Studio, browser: Browser, state: Any = None) -> None:
        self.studio, self.browser = studio, browser
        self.complaints: list[str] = []
        self.network_changed = False
        self.state = state
        self._windows: dict[str, BrowserContext] = {}

    def context(self, **options: Any) -> BrowserContext:
        """A new context, signed in once that has happened; its complaints are heard."""
        made = self.browser.new_context(base_url=self.studio.url, storage_state=self.state, **options)
        made.set_default_timeout(STEP_MS)
        made.add_init_script(ONCE_MORE)
        made.on("console", self._heard)
        made.on("weberror", lambda error: self._missed(str(error.error)))
        return made

    @contextlib.contextmanager
    def page(self, **options: Any) -> Iterator[Page]:
        """A signed-in page for one test, in a context that stays: what it has compiled need not be compiled again.
        Whatever the console has to say fails the test."""
        window = self._windows.get(key := repr(options))
        if window is None:
            window = self._windows[key] = self.context(**options)
            window.new_page()  # without any, the window would close
        window.add_cookies(self.state["cookies"])
        page = window.new_page()
        try:
            yield page
        finally:
            page.close()
            begin_anew(window)
        complaints, self.complaints = self.complaints, []
        assert complaints == []

    def _missed(self, error: str) -> None:
        if not (self.network_changed and MODULE_MISSED in error):
            self.complaints.append(f"uncaught: {error}")

    def _heard(self, message: ConsoleMessage) -> None:
        if CHANGED in message.text:
            self.network_changed = True
        elif message.type == "error":
            self.complaints.append(f"{message.type}: {message.text} ({message.location.get('url')})")

    def sign_in(self) -> None:
        """By the one-time link, with a password: as the first minute of a new studio goes."""
        context = self.context()
        page = context.new_page()
        link = self.studio.sign_in_link()
        page.goto(link)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_label("Once more").fill(PASSWORD)
        page.get_by_role("button", name="Set password and sign in").click()
        expect(page.get_by_role("heading", name="Home")).to_be_visible()
        self.state = context.storage_state()
        page.goto(link)
        expect(page.get_by_role("heading", name="This link is spent")).to_be_visible()
        # A spent link is an error of the page itself, which the console says, too.
        self.complaints = [each for each in self.complaints if "/start/" not in each]
        context.close()


def run_the_sample(page: Page, again: str = "") -> None:
    """Press the button of the home page, or where the sample has run, the way `again` of its menu."""
    page.goto("/w/main/")
    if again:
        page.get_by_role("button", name="More ways to run the sample").click()
    page.get_by_role("button", name=again or "Run the sample pipeline").click()
    expect(page.locator("run-graph")).to_be_visible()


def mark(page: Page) -> None:
    """From here on the page must not be loaded anew."""
    page.evaluate("window.notReloaded = true")


def was_not_reloaded(page: Page) -> bool:
    """Whether it is the very page that was marked."""
    return bool(page.evaluate("window.notReloaded === true"))


def node(page: Page, name: str) -> Any:
    """A node of the run's graph."""
    return page.locator(f'run-graph [data-node="{name}"]')


def is_awake(page: Page) -> None:
    """Wait until the page's modules have come and its socket is open."""
    expect(page.locator('[data-live]:not([data-live="connecting"])')).to_have_count(1)


def open_step(page: Page, name: str) -> Any:
    """Click a node, and wait until the panel is about it; the panel."""
    node(page, name).click()
    panel = page.locator("#run-panel")
    expect(panel.get_by_role("heading", name=name, exact=True, level=2)).to_be_visible()
    return panel


def has_ended(page: Page, state: str = "Completed") -> None:
    """Wait until the head of a run page shows this end."""
    expect(page.locator(f'#run-head .state[data-state="{state}"]').first).to_be_visible(timeout=SLOW_MS)


def download(page: Page, link: Any, target: Path) -> bytes:
    """Click a link that downloads; the bytes."""
    with page.expect_download() as found:
        link.click()
    found.value.save_as(target)
    return target.read_bytes()
