"""Names of any length and direction leave pages in order, and forms show what their choices ask for."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from playwright.sync_api import expect

from core.text import isolated
from datasets.models import Dataset
from notifications.models import Channel, Rule
from pipelines.models import Module, PipelineDraft, PipelineEndpoint, PublishedPipeline
from registry.models import RegisteredModel
from runs.models import Experiment, Run, StepRun
from schedules.models import Schedule
from tests.web.chrome import fits, open_page, ours
from tests.web.conftest import Site

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
LONG = "averylongnamewithoutanyblank_" * 2 + "thatgoesontothe80thchr"
RTL = "תחזית לילית"
NAMED = (
    PublishedPipeline,
    PipelineEndpoint,
    PipelineDraft,
    Module,
    Channel,
    Rule,
    RegisteredModel,
    Dataset,
    Schedule,
    Experiment,
)
PAGES = (
    "pipelines", "pipeline", "endpoints", "versions of an endpoint", "schedules", "schedule", "edit schedule", "schedule of an endpoint",
    "calendar", "month", "backfill", "notifications", "rule", "channel", "deliveries", "delivery", "drafts", "draft", "modules", "module",
    "datasets", "dataset", "models", "model", "failed run", "trials", "searched", "mini-batches", "stages", "ranks", "new store",
)  # fmt: skip
# Whether the number that follows a name stands to its right, and the name's last piece is its own.
FOLLOWS = """(text) => {
  const walk = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT), range = document.createRange();
  for (let node; (node = walk.nextNode());) {
    const at = node.data.search(/[0-9]+\\.[0-9]+/);
    const cell = node.parentElement.closest("td, a, option, h1, span");
    if (at < 0 || !cell || !cell.textContent.includes(text) || cell.matches("option")) continue;
    const walkName = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    let name;
    while ((name = walkName.nextNode()) && !name.data.includes(text));
    if (!name) continue;
    range.setStart(node, at); range.setEnd(node, at + 1);
    const number = range.getBoundingClientRect();
    range.setStart(name, name.data.indexOf(text)); range.setEnd(name, name.data.indexOf(text) + text.length);
    const words = range.getBoundingClientRect();
    if (!words.width || !number.width) continue;
    return number.left >= words.right - 1;
  }
  return null;
}"""


# What in the page takes the keyboard; and what the key has come to, with those that do not show it. Dates and graphs draw their own.
UNSEEN = """() => {
  const all = document.querySelectorAll("main :is(a[href], button, input:not([type=hidden], [type=radio]), select, textarea, summary)");
  window.toReach = new Set([...all].filter((each) => each.checkVisibility({visibilityProperty: true}) && !each.disabled && each.tabIndex >= 0));
  window.unmarked = [];
}"""
FOCUSED = """() => {
  const at = document.activeElement, look = getComputedStyle(at);
  window.toReach.delete(at);
  if (at.closest("main") && !at.matches(".page, [type=datetime-local], svg *") && look.outlineStyle === "none" && look.boxShadow === "none") window.unmarked.push(at.outerHTML.slice(0, 120));
  return !window.toReach.size;
}"""


def rename(text: str) -> None:
    """Give everything this name; where names are unique all but the first has a number behind it."""
    for kind in NAMED:
        for number, row in enumerate(kind.objects.order_by("pk")):
            kind.objects.filter(pk=row.pk).update(
                name=f"{text}{number}" if number and kind is not PublishedPipeline else text
            )
    Run.objects.update(display_name=text)
    StepRun.objects.update(name=text)


def test_a_long_name_makes_no_page_wider_than_a_small_screen(full: Site, page: Any, live_server: Any) -> None:
    everything = full.pages
    rename(LONG)
    everything |= {"dataset": f"data/sets/{LONG}/", "model": f"models/named/{LONG}/"}
    said = open_page(full, page, live_server)
    page.set_viewport_size({"width": 390, "height": 844})
    for name in PAGES:
        page.goto(f"{live_server.url}/w/lab/{everything[name]}")
        assert fits(page), name
    assert ours(said) == []


def test_a_state_beside_a_long_name_is_not_cut_off_with_it(full: Site, page: Any, live_server: Any) -> None:
    everything = full.pages
    rename(LONG)
    PublishedPipeline.objects.update(status="Disabled")
    PipelineEndpoint.objects.update(status="Disabled")
    Module.objects.update(status="Disabled")
    open_page(full, page, live_server)
    for name in ("pipelines", "endpoints", "schedules", "modules"):
        page.goto(f"{live_server.url}/w/lab/{everything[name]}{'?disabled=1' if name == 'pipelines' else ''}")
        chip = page.locator("tbody .chip").first
        chip.wait_for()
        cell = chip.locator("xpath=ancestor::td").bounding_box()
        box = chip.bounding_box()
        assert box["width"] > 30 and box["x"] + box["width"] <= cell["x"] + cell["width"], name


def test_the_number_behind_a_name_from_right_to_left_stays_behind_it(full: Site, page: Any, live_server: Any) -> None:
    everything = full.pages
    rename(RTL)
    open_page(full, page, live_server)
    for name in ("endpoints", "versions of an endpoint", "schedules", "notifications"):
        page.goto(f"{live_server.url}/w/lab/{everything[name]}")
        assert page.evaluate(FOLLOWS, RTL) is True, name
    page.goto(f"{live_server.url}/w/lab/{everything['failed run']}")
    assert page.title().startswith(isolated(RTL)) and isolated("nightly") == "nightly"


def test_a_form_shows_and_sends_what_the_choice_asks_for(full: Site, page: Any, live_server: Any) -> None:
    everything = full.pages
    said = open_page(full, page, live_server)
    page.goto(f"{live_server.url}/w/lab/{everything['edit schedule']}")
    field = page.get_by_label
    shown = {
        "Day": ("Every", "Hours", "Start", "Time zone"),
        "Week": ("Every", "Monday", "Hours", "Start", "Time zone"),
        "Hour": ("Every", "Start", "Time zone"),
        "cron": ("Cron expression", "Time zone"),
        "change": ("Every", "Folder", "A run for each file"),
        "after": ("After", "When its run"),
    }
    labels = {each for group in shown.values() for each in group}
    for unit, group in shown.items():
        field("Unit").select_option(unit)
        for label in labels:
            expect(field(label, exact=True).or_(field(f"{label} optional", exact=True)).first).to_be_visible(
                visible=label in group
            )
    field("Unit").select_option("cron")
    field("Cron expression").fill("0 4 * * *")
    field("Cron expression").press("Tab")
    expect(page.locator("#preview li").first).to_contain_text("04:00:00")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("every night")
    assert Schedule.objects.get(name="every night").timetable == {"cron": "0 4 * * *", "time_zone": "Europe/Lisbon"}
    page.goto(f"{live_server.url}/w/lab/{everything['new channel']}")
    expect(field("Addresses")).to_be_visible()
    expect(field("Address of the webhook")).to_be_hidden()
    field("Kind").select_option("slack")
    expect(field("Addresses")).to_be_hidden()
    expect(field("Address of the webhook")).to_be_visible()
    assert ours(said) == []


def test_each_box_stands_beside_its_words(full: Site, page: Any, live_server: Any) -> None:
    everything = full.pages
    open_page(full, page, live_server)
    page.context.add_cookies([{"name": settings.LANGUAGE_COOKIE_NAME, "value": "pt-pt", "url": live_server.url}])
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 844})
        for name in ("new store", "new rule", "edit schedule", "draft", "endpoint"):
            page.goto(f"{live_server.url}/w/lab/{everything[name]}")
            boxes = page.locator("main form.form input[type=checkbox]:visible, main .form input[type=checkbox]:visible")
            assert boxes.count(), name
            for box in boxes.all():
                label = box.evaluate(
                    "(each) => { const l = each.labels[0], b = each.getBoundingClientRect(), r = l.getBoundingClientRect(); return l.contains(each) && b.width > 14 && b.top >= r.top && b.bottom <= r.bottom; }"
                )
                assert label, (name, width, box.get_attribute("name"))


def test_a_question_names_the_act_and_gives_the_focus_back(full: Site, page: Any, live_server: Any) -> None:
    everything = full.pages
    open_page(full, page, live_server)
    page.goto(f"{live_server.url}/w/lab/{everything['schedule']}")
    button = page.locator("main").get_by_role("button", name="Delete")
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("alertdialog")
    expect(dialog.get_by_role("button")).to_have_text(["Cancel", "Delete"])
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(button).to_be_focused()


def test_keys_reach_all_that_acts_and_show_where_they_are(full: Site, page: Any, live_server: Any) -> None:
    everything = full.pages
    open_page(full, page, live_server)
    for name in (
        "schedule",
        "edit schedule",
        "calendar",
        "notifications",
        "rule",
        "endpoint",
        "draft",
        "new store",
        "mini-batches",
    ):
        page.goto(f"{live_server.url}/w/lab/{everything[name]}")
        page.wait_for_load_state("networkidle")
        page.evaluate(UNSEEN)
        missed = page.evaluate("() => window.toReach.size")
        assert missed, name
        for _step in range(160):
            page.keyboard.press("Tab")
            if page.evaluate(FOCUSED):
                break
        assert page.evaluate("() => [...window.toReach].map((each) => each.outerHTML.slice(0, 120))") == [], name
        assert page.evaluate("() => window.unmarked") == [], name


def test_a_table_that_goes_on_beyond_a_small_screen_is_no_second_landmark(
    full: Site, page: Any, live_server: Any
) -> None:
    everything = full.pages
    open_page(full, page, live_server)
    page.set_viewport_size({"width": 390, "height": 844})
    for name in ("backfill", "notifications", "endpoint"):
        page.goto(f"{live_server.url}/w/lab/{everything[name]}")
        page.wait_for_load_state("networkidle")
        assert page.locator("[data-scrolls]").count() or name != "backfill"
        found = Axe().run(page)
        assert found.violations_count == 0, (name, found.generate_report())
