"""What all pages have in common: keyboard, theme, narrow screens, readers of other kinds, the way out."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.live.axe import violations
from tests.live.browser import PASSWORD, Person, has_ended, is_awake, run_the_sample
from tests.live.studio import LiveRun, Studio

pytestmark = [pytest.mark.slow, pytest.mark.browser]


def test_the_keyboard_leads_everywhere(stage: Studio, page: Page, echo: LiveRun) -> None:
    page.goto("/w/main/")
    is_awake(page)
    page.keyboard.press("g")
    page.keyboard.press("r")
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    is_awake(page)
    page.keyboard.press("/")
    expect(page.get_by_label("Search runs")).to_be_focused()
    page.keyboard.type("Rehearsal")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("q=Rehearsal"))
    is_awake(page)
    page.keyboard.press("?")
    keys = page.locator("dialog#keys")
    expect(keys).to_be_visible()
    page.keyboard.press("Escape")
    expect(keys).not_to_be_visible()
    page.keyboard.press("Control+k")
    palette = page.locator("dialog#palette")
    expect(palette).to_be_visible()
    page.keyboard.type("Rehearsal")
    expect(palette.get_by_role("option").first).to_contain_text(re.compile("rehearsal", re.IGNORECASE))
    page.keyboard.press("Enter")
    expect(palette).not_to_be_visible()


def test_light_and_dark_are_a_choice_that_stays(page: Page) -> None:
    page.goto("/w/main/")

    def ground() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    page.locator('button[popovertarget="account"]').click()
    page.get_by_role("button", name="Dark").click()
    dark = ground()
    page.get_by_role("button", name="Light").click()
    light = ground()
    assert dark != light
    page.get_by_role("button", name="Dark").click()
    page.goto("/w/main/runs/")
    assert ground() == dark


PHONE, DESK = ViewportSize(width=390, height=844), ViewportSize(width=1440, height=810)
PAGES = (
    "", "runs/", "experiments/", "pipelines/", "data/", "data/stores/", "data/stores/workspaceblobstore/", "data/register/",
    "data/register/?from=path", "compute/", "compute/clusters/cpu-cluster/", "environments/", "environments/named/AzureML-Tutorial/", "models/", "settings/", "settings/workspace/", "settings/people/", "settings/audit/", "settings/workspace/delete/",
)  # fmt: skip


def pages_of_the_run(studio: Studio) -> list[str]:
    """What a run that really ran has filled: its tabs and views, and the pages of what it stands on."""
    run = studio.get("runs/", experiment="Palmer penguins")["items"][-1]["id"]
    tabs = [
        f"runs/{run}/?step=compare&tab={tab}"
        for tab in ("logs", "metrics", "usage", "images", "outputs", "inputs", "code", "environment", "why")
    ]
    views = [f"runs/{run}/?view={view}" for view in ("timeline", "table")]
    pipelines = [f"pipelines/{each['id']}/" for each in studio.get("pipelines/")["items"][:1]]
    datasets = [f"data/sets/{each['name']}/" for each in studio.get("datasets/")["items"][:1]]
    hosts = [f"compute/hosts/{each['name']}/" for each in studio.get("hosts/")["items"]]
    return [f"/w/main/{each}" for each in ("", *tabs, *views, *pipelines, *datasets, *hosts)]


def other_pages() -> list[str]:
    """Each other kind of page, with something on it."""
    outside = [
        "/workspaces/",
        "/workspaces/new/",
        "/studio/",
        "/studio/workspaces/",
        "/studio/people/",
        "/studio/banner/",
    ]
    return outside + [f"/w/main/{each}" for each in PAGES if each]


@pytest.fixture(scope="module")
def filled(stage: Studio, person: Person) -> Studio:
    """The studio after the sample has run; whichever tests came before."""
    if not stage.get("runs/", experiment="Palmer penguins", status="Completed")["items"]:
        context = person.context()
        page = context.new_page()
        run_the_sample(page)
        has_ended(page)
        context.close()
    return stage


def test_no_page_of_a_real_run_keeps_people_out_or_scrolls_sideways(filled: Studio, person: Person) -> None:
    """Every page with rows of the test's own is looked at in tests/web/test_access.py."""
    found = {}
    with person.page(viewport=PHONE) as page:
        for place in pages_of_the_run(filled):
            page.set_viewport_size(PHONE)
            page.goto(place)
            is_awake(page)
            width = page.evaluate("document.documentElement.scrollWidth")
            page.set_viewport_size(DESK)
            problems = violations(page, "light", colours="dark")
            if width > PHONE["width"] or problems:
                found[place] = [f"{width} wide on a phone", *problems]
    assert not found, json.dumps(found, indent=1)


def test_on_a_phone_no_other_page_scrolls_sideways(filled: Studio, person: Person) -> None:
    wide = {}
    with person.page(viewport=PHONE) as page:
        for place in other_pages():
            page.goto(place)
            is_awake(page)
            width = page.evaluate("document.documentElement.scrollWidth")
            if width > PHONE["width"]:
                wide[place] = width
    assert wide == {}


def test_who_signs_out_is_out(stage: Studio, person: Person) -> None:
    context = person.browser.new_context(base_url=stage.url)
    page = context.new_page()
    page.goto("/w/main/runs/")
    expect(page).to_have_url(re.compile("/accounts/login/"))
    name = stage.rest("GET", "/api/v1/me/").json()["username"]
    page.get_by_label(re.compile("name|login", re.IGNORECASE)).first.fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    page.locator('button[popovertarget="account"]').click()
    page.get_by_role("button", name="Sign out").click()
    page.goto("/w/main/")
    expect(page).to_have_url(re.compile("/accounts/login/"))
    context.close()
