"""Lists follow what is typed into their search field."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from runs.models import Experiment
from tests.live.browser import mark, was_not_reloaded
from tests.web.chrome import open_page, ours
from tests.web.conftest import Site

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
# The first answer comes last, as over a slow network.
OVERTAKEN = """
const real = fetch;
window.answered = 0;
window.fetch = async (address, ...more) => {
  const answer = await real(address, ...more);
  if (String(address).endsWith("q=n")) await new Promise((done) => setTimeout(done, 1500));
  window.answered += 1;
  return answer;
};
"""


def query(page: Any) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def test_every_list_follows_what_is_typed_without_a_new_page(full: Site, page: Any, live_server: Any) -> None:
    full.dataset("weather")
    said = open_page(full, page, live_server)
    for at, typed, stays, count in (
        ("runs", "nightly", "nightly #1", 2),
        ("experiments", "notebook", "Notebook", 1),
        ("data", "wea", "weather", 1),
        ("environments", "sli", "slim", 1),
        ("pipelines", "nigh", "nightly", 2),
        ("models", "for", "forest", 1),
    ):
        page.goto(f"{live_server.url}/w/lab/{at}/")
        mark(page)
        field, rows = page.locator("[data-search]"), page.locator("main tbody tr")
        before = rows.count()
        field.press_sequentially("no such thing")
        expect(page.locator("main .empty")).to_be_visible()
        field.fill("")
        expect(rows).to_have_count(before)
        page.wait_for_url(f"**/w/lab/{at}/")
        field.press_sequentially(typed)
        page.wait_for_url(f"**/w/lab/{at}/?q={typed}")
        expect(rows).to_have_count(count)
        expect(rows.last).to_contain_text(stays)
        expect(field).to_be_focused()
        expect(field).to_have_value(typed)
        field.blur()  # no reason to send anything
        assert was_not_reloaded(page), at
        page.reload()
        expect(rows).to_have_count(count)
    assert ours(said) == []


def test_what_else_filters_a_list_stays_beside_what_is_typed(site: Site, page: Any, live_server: Any) -> None:
    site.dataset("penguins")
    said = open_page(site, page, live_server)
    page.goto(f"{live_server.url}/w/lab/data/?kind=tabular&after=")
    page.locator("[data-search]").press_sequentially("pen")
    page.wait_for_url("**/data/?q=pen&kind=tabular")
    page.get_by_role("link", name="Files", exact=True).click()
    expect(page.locator("[data-search]")).to_have_value("pen")
    assert query(page) == {"kind": ["file"], "q": ["pen"]}
    assert ours(said) == []


def test_an_answer_that_was_overtaken_is_not_shown(site: Site, page: Any, live_server: Any) -> None:
    Experiment.objects.create(workspace=site.workspace, name="night")
    Experiment.objects.create(workspace=site.workspace, name="noon")
    said = open_page(site, page, live_server)
    page.add_init_script(OVERTAKEN)
    page.goto(f"{live_server.url}/w/lab/experiments/")
    field, rows = page.locator("[data-search]"), page.locator("main tbody tr")
    with page.expect_request("**/experiments/?q=n"):
        field.press_sequentially("n")
    field.press_sequentially("oo")
    expect(rows).to_have_count(1)
    page.wait_for_timeout(1700)  # by then the first answer would be there
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("noon")
    expect(page.locator("main [aria-busy]")).to_have_count(0)
    assert ours(said) == []
