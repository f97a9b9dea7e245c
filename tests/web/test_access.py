"""Nothing keeps people out: axe looks at every page, at every dialog, and at the pages before one is signed in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.live.browser import serious
from tests.web.chrome import NARROW, WIDE, open_page, ours
from tests.web.conftest import Site
from tests.web.test_browser import whole_pages
from tests.web.test_links import with_data
from workspaces.models import Role
from workspaces.services import invitations

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]
OPENERS = """[...document.querySelectorAll("[data-open]")].filter((each) => each.dataset.open !== "palette").map((each, place) => {
  each.dataset.opener = place;
  return [place, each.dataset.open, each.getAttribute("hx-get") ?? each.dataset.open];
})"""
CLICK = "place => document.querySelector(`[data-opener='${place}']`).click()"
FILLED = "id => { const it = document.getElementById(id); return it?.open && !it.querySelector('.htmx-request') && it.querySelector('h2, input, form'); }"


@pytest.fixture
def looked_at(chromium: Any) -> Iterator[Any]:
    """A page that axe may put its styles into, which the policy of the studio forbids."""
    context = chromium.new_context(viewport=WIDE, bypass_csp=True)
    yield context.new_page()
    context.close()


def test_axe_finds_nothing_on_any_page_or_dialog(site: Site, looked_at: Any, live_server: Any) -> None:
    pages = {
        **whole_pages(site),
        "audit": "settings/audit/",
        "retention": "settings/retention/",
        "lost": "no/such/page/",
    }
    run = with_data(site)
    pages |= {"data": f"runs/{run.pk}/", "inputs": f"runs/{run.pk}/?step=train&tab=inputs"}
    open_page(site, looked_at, live_server)
    found: dict[str, list[str]] = {}
    dialogs: set[str] = set()
    for name, path in pages.items():
        for size in (WIDE, NARROW):
            looked_at.set_viewport_size(size)
            looked_at.goto(f"{live_server.url}/w/lab/{path}")
            looked_at.wait_for_load_state("networkidle")
            note(found, f"{name} at {size['width']}", looked_at)
        for place, dialog, source in looked_at.evaluate(OPENERS):
            if source in dialogs:
                continue
            dialogs.add(source)
            looked_at.evaluate(CLICK, place)
            looked_at.wait_for_function(FILLED, arg=dialog)
            note(found, f"{name}: {source}", looked_at)
            looked_at.evaluate("id => document.getElementById(id).close()", dialog)
    assert not found, json.dumps(found, indent=1)
    assert len(dialogs) > 8


def note(found: dict[str, list[str]], where: str, page: Any) -> None:
    if problems := serious(page):
        found[where] = problems


def test_axe_finds_nothing_before_one_is_signed_in(site: Site, looked_at: Any, live_server: Any) -> None:
    found: dict[str, list[str]] = {}
    named = invitations.invite(site.room, "newcomer", Role.READER)[1]
    anybody = invitations.invite_open(site.room, Role.READER)[1]
    for path in (
        named,
        anybody,
        "/accounts/login/",
        "/accounts/password/reset/",
        "/accounts/inactive/",
        "/start/spent/",
        "/nowhere/",
    ):
        for scheme in ("light", "dark"):
            looked_at.emulate_media(color_scheme=scheme)
            looked_at.goto(f"{live_server.url}{path}")
            note(found, f"{path} {scheme}", looked_at)
    assert not found, json.dumps(found, indent=1)


def test_a_dialog_that_was_refused_says_so_within_the_policy(site: Site, page: Any, live_server: Any) -> None:
    said = open_page(site, page, live_server)
    page.goto(f"{live_server.url}/w/lab/compute/")
    page.get_by_role("button", name="New cluster").click()
    dialog = page.locator("#compute-dialog")
    dialog.get_by_label("Name").wait_for()
    dialog.locator("form").evaluate("form => { form.noValidate = true; }")
    # As if it had been made larger by hand, or moved by a script.
    dialog.locator("[id]").evaluate_all("all => all.forEach((each) => { each.style.maxWidth = '90%'; })")
    dialog.get_by_label("Name").fill("!")
    dialog.get_by_role("button", name="Create").click()
    dialog.locator("[role=alert]").first.wait_for()
    assert ours(said) == []
