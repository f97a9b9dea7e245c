"""The pages in a real browser: they hold together, at once and on a small screen."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import expect

from compute.services import hosts, samples
from core.clock import now
from duto_agent.environments.pythons import Pythons
from duto_agent.host.facts import HostFacts
from duto_agent.host.gpus import Gpus
from duto_protocol.messages import Isolation
from duto_protocol.reading import builtins_of
from runs.models import Run, StepRun
from tests.agent.nvml import StandIn
from tests.conftest import begin_anew
from tests.web.chrome import NARROW, WIDE, becomes, fits, open_page, ours
from tests.web.conftest import Site

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
# What stands beside the title of each chart of devices: number and last value.
NAMES = {
    "GPU, %": "0: 87 1: 0 2: 87 3: 0",
    "GPU memory, GiB": "0: 40 1: 0 2: 40 3: 0",
    "GPU temperature, °C": "0: 61 1: 33 2: 61 3: 33",
}
INKED = """(chart, token) => {
  const probe = chart.appendChild(document.createElement("i"));
  probe.style.color = `var(${token})`;
  const wanted = getComputedStyle(probe).color.match(/\\d+/g).map(Number);
  probe.remove();
  const canvas = chart.querySelector("canvas"), seen = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let count = 0;
  for (let at = 0; at < seen.length; at += 4) if (seen[at + 3] > 100 && wanted.every((value, place) => Math.abs(seen[at + place] - value) < 12)) count += 1;
  return count;
}"""

# The scripts that follow the size of the window have had their turn.
DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
# Two words or more on the axis of a timeline, none over the next.
APART = """() => {
  const words = [...document.querySelectorAll("run-timeline .axis span:not(:empty)")].map((each) => each.getBoundingClientRect());
  return words.length > 1 && words.slice(1).every((after, place) => words[place].right <= after.left + 1);
}"""

# How narrow the narrowest value of a menu is; at once, so that nothing can close it in between.
SHOWN_WIDTH = """(menu) => {
  menu.showPopover();
  const least = Math.min(...[...menu.querySelectorAll("dd")].map((value) => value.clientWidth));
  menu.hidePopover();
  return least;
}"""


def test_no_tab_and_no_child_run_of_a_step_is_out_of_reach(site: Site, page: Any, live_server: Any) -> None:
    run = site.pipeline(status="Running")
    step = site.step(run, "train")
    fields = {"workspace": run.workspace, "experiment": run.experiment, "parent": step, "root": run}
    Run.objects.bulk_create(
        [Run(kind="child", status="Completed", display_name=f"fold {number}", **fields) for number in range(50)]
    )
    said = open_page(site, page, live_server)
    page.goto(f"{live_server.url}/w/lab/runs/{run.pk}/?step=train&tab=children")
    panel = page.locator("#run-panel")
    edge = panel.bounding_box()
    for tab in panel.locator(".tabs a").all():
        place = tab.bounding_box()
        assert edge["x"] <= place["x"] and place["x"] + place["width"] <= edge["x"] + edge["width"], tab.inner_text()
    assert panel.locator(".tabs a").count() == 10
    last = panel.locator("tbody tr").last
    last.scroll_into_view_if_needed()
    for part in (panel.locator(".card"), panel.locator(".table-wrap")):
        assert part.evaluate("(each) => each.scrollHeight - each.clientHeight") <= 1
    panel.get_by_role("link", name="fold 0", exact=True).click()
    page.wait_for_url("**/runs/*/")
    expect(page.get_by_role("heading", name="fold 0", level=1)).to_be_visible()
    assert ours(said) == []


def test_what_a_test_has_left_in_its_browser_is_gone(site: Site, page: Any, live_server: Any) -> None:
    open_page(site, page, live_server)
    page.goto(f"{live_server.url}/w/lab/")
    page.evaluate("localStorage.setItem('left', 'yes')")
    begin_anew(page.context)
    page.goto(f"{live_server.url}/accounts/login/")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert page.evaluate("localStorage.length") == 0
    assert settings.SESSION_COOKIE_NAME not in {each["name"] for each in page.context.cookies()}


def test_choosing_a_step_and_a_tab_changes_the_address_and_the_panel(site: Site, page: Any, live_server: Any) -> None:
    run = site.failed()
    said = open_page(site, page, live_server)
    page.goto(f"{live_server.url}/w/lab/runs/{run.pk}/?view=table")
    page.locator("tr[data-step=prepare]").click()
    page.locator(".panel-head h2", has_text="prepare").wait_for()
    page.get_by_role("link", name="Code").click()
    page.locator(".panel[data-tab=code] .highlight").wait_for()
    expect(page).to_have_url(re.compile("step=prepare.*tab=code"))
    assert ours(said) == []


def test_a_tab_is_lit_before_its_content_is_there(site: Site, page: Any, live_server: Any) -> None:
    run = site.failed()
    open_page(site, page, live_server)
    page.goto(f"{live_server.url}/w/lab/runs/{run.pk}/?step=train")
    held: list[Any] = []
    page.route("**/*part=*", lambda route: held.append(route))  # noqa: PLW0108 -- Playwright marks what it is given
    for tab, pane in (("Code", "#run-panel"), ("Table", ".split > .card:first-child")):
        page.locator(pane).get_by_role("link", name=tab, exact=True).click()
        expect(page.locator(f"{pane} .tabs [aria-current]")).to_have_text(tab)
    for route in held:
        route.continue_()
    page.unroute("**/*part=*")
    page.locator("#run-panel .highlight").wait_for()
    page.locator("tr[data-step=prepare]").wait_for()
    expect(page.locator("#run-panel .tabs [aria-current]")).to_have_text("Code")


def test_long_names_and_messages_leave_room_for_the_panes(site: Site, page: Any, live_server: Any) -> None:
    run = site.failed()
    message = "\n".join(f"line {place} of a long message" for place in range(40))
    error = {**(run.error or {}), "message": message, "traceback": {}}
    for name in ("train " * 13 + "it", "x" * 80):
        Run.objects.filter(root=run.pk).update(display_name=name, tags={f"tag{n}": "v" * 60 for n in range(30)})
        Run.objects.filter(root=run.pk, status="Failed").update(error=error)
        StepRun.objects.filter(run__root=run.pk, node_id="train").update(name=name)
        said = open_page(site, page, live_server)
        page.goto(f"{live_server.url}/w/lab/runs/{run.pk}/")
        for width, most in ((1440, 130), (1024, 130), (768, 150), (390, 230)):
            page.set_viewport_size({"width": width, "height": 810})
            assert fits(page)
            banner = page.locator(".banner.failure").bounding_box()
            assert banner["height"] < most, (width, banner)
            title = page.locator(".banner.failure > b").bounding_box()
            assert title["height"] < 36, (width, title)
            assert page.locator(".panel-head h2").bounding_box()["height"] < 36
        assert ours(said) == []


def test_a_cut_name_is_told_under_the_pointer_and_a_table_that_goes_on_says_so(
    site: Site, page: Any, live_server: Any
) -> None:
    run = site.failed()
    Run.objects.filter(pk=run.pk).update(display_name="a name " * 12)
    said = open_page(site, page, live_server)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{live_server.url}/w/lab/runs/")
    name = page.locator("tbody .clip, tbody .truncate").filter(has_text="a name").first
    assert name.get_attribute("title") is None
    name.hover()
    expect(name).to_have_attribute("title", name.inner_text().strip())
    table = page.locator(".table-wrap").first
    assert table.evaluate("each => each.scrollWidth > each.clientWidth")
    beyond = "(each) => parseFloat(getComputedStyle(each).getPropertyValue('--beyond'))"
    page.wait_for_function(f"each => ({beyond})(each) > 0", arg=table.element_handle())
    table.evaluate("each => each.scrollTo({left: each.scrollWidth})")
    page.wait_for_function(f"each => ({beyond})(each) === 0", arg=table.element_handle())
    assert ours(said) == []


def test_no_tab_is_out_of_sight_and_long_parameters_can_be_read(site: Site, page: Any, live_server: Any) -> None:
    run = site.failed()
    names = {"trees": 3, "a_parameter_with_a_name_of_its_own_and_long": "v" * 90, "note": "w " * 90, "scale": True}
    Run.objects.filter(pk=run.pk).update(parameters={**names, "rate": 0.1})
    said = open_page(site, page, live_server)
    page.context.add_cookies([{"name": settings.LANGUAGE_COOKIE_NAME, "value": "pt-pt", "url": live_server.url}])
    page.goto(f"{live_server.url}/w/lab/runs/{run.pk}/?view=timeline&tab=inputs")
    rows = "tabs => [...new Set(tabs.map(tab => tab.offsetTop))].length"
    ends = "(strip) => strip.scrollWidth <= strip.clientWidth"
    for width, most in ((1440, 1), (1024, 1), (768, 1), (390, 2)):
        page.set_viewport_size({"width": width, "height": 900})
        tabs = page.locator("#run-panel .tabs")
        assert tabs.locator("a").evaluate_all(rows) <= most, width
        assert tabs.evaluate(ends), width
        assert page.locator("#run-panel dd").evaluate_all("all => all.every(each => each.clientWidth > 100)"), width
        axis = page.locator("run-timeline .axis").bounding_box()
        last = page.locator("run-timeline .axis span").last.bounding_box()
        assert last["x"] + last["width"] <= axis["x"] + axis["width"] + 1, width
        assert page.locator("#run-parameters").evaluate(SHOWN_WIDTH) > 100, width
    assert ours(said) == []


def test_the_words_of_a_timelines_axis_stand_apart_at_every_width(site: Site, page: Any, live_server: Any) -> None:
    run, moment = site.failed(), now()
    open_page(site, page, live_server)
    for minutes in (30, 47, 185):
        Run.objects.filter(root=run.pk).update(started_at=moment - timedelta(minutes=minutes), finished_at=moment)
        page.goto(f"{live_server.url}/w/lab/runs/{run.pk}/?view=timeline")
        page.locator("run-timeline .axis span:not(:empty)").first.wait_for()
        for width in (1440, 1330, 1101, 768, 390):
            page.set_viewport_size({"width": width, "height": 810})
            page.evaluate(DRAWN)
            assert becomes(page, APART), (minutes, width)


def test_the_panes_are_sized_by_keys_and_by_hand_and_stay_so(site: Site, page: Any, live_server: Any) -> None:
    run = site.failed()
    open_page(site, page, live_server)
    page.goto(f"{live_server.url}/w/lab/runs/{run.pk}/")
    handle, pane = page.get_by_role("separator", name="Width of the panes"), page.locator(".split > .card").first
    before = pane.bounding_box()["width"]
    handle.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    wider = pane.bounding_box()["width"]
    assert wider > before + 50
    assert handle.get_attribute("aria-valuenow") == "56"
    page.reload()
    handle.wait_for()
    assert abs(pane.bounding_box()["width"] - wider) < 2
    box = handle.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] - 200, box["y"] + 100)
    page.mouse.up()
    assert pane.bounding_box()["width"] < wider - 150


def test_a_cancel_is_called_off_by_keeping_the_run(site: Site, page: Any, live_server: Any) -> None:
    run = site.pipeline("a -> b", status="Running")
    open_page(site, page, live_server)
    page.goto(f"{live_server.url}/w/lab/runs/{run.pk}/?step=b&tab=code&view=table")
    page.locator("#run-head").get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Keep it").click()
    assert Run.objects.get(pk=run.pk).status == "Running"
    page.locator("#run-head").get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Cancel the run").click()
    page.get_by_text("Cancel was asked for.").wait_for()
    expect(page).to_have_url(re.compile("[?]step=b&tab=code&view=table$"))


def test_the_reference_of_rest_works_under_its_policy(site: Site, page: Any, live_server: Any) -> None:
    said = open_page(site, page, live_server)
    for size in (WIDE, NARROW):
        page.set_viewport_size(size)
        page.goto(f"{live_server.url}/api/v1/docs")
        assert fits(page)
    page.locator("#operation-me_retrieve summary").click()
    page.locator("#operation-me_retrieve .command").get_by_text("/api/v1/me/").wait_for()
    page.locator("#operation-me_retrieve a[href^='#schema-']").click()
    expect(page).to_have_url(re.compile("#schema-"))
    assert ours(said) == []


def test_the_pages_of_accounts_hold_together(site: Site, page: Any, live_server: Any) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    for path in ("password/reset/", "inactive/", "login/"):
        for size in (WIDE, NARROW):
            page.set_viewport_size(size)
            page.goto(f"{live_server.url}/accounts/{path}")
            assert fits(page), path
    assert ours(said) == []


def test_a_token_form_that_was_refused_comes_back_open(site: Site, page: Any, live_server: Any) -> None:
    open_page(site, page, live_server)
    page.goto(f"{live_server.url}/w/lab/settings/")
    page.get_by_role("button", name="New token").click()
    page.locator("#create-token [name=name]").fill(" ")
    page.locator("#create-token form").evaluate("form => { form.noValidate = true; }")
    page.get_by_role("button", name="Make token").click()
    page.locator("#create-token [role=alert]").wait_for()
    expect(page.locator("#create-token")).to_be_visible()


def test_what_a_host_with_four_devices_told_is_drawn_by_device(
    site: Site, page: Any, live_server: Any, tmp_path: Path
) -> None:
    """From the recorded answers of NVIDIA's library by the agent's word to the picture."""
    agent = HostFacts(tmp_path, Pythons(), None, Gpus(lambda: StandIn(devices=4)), Isolation())
    hosts.seen(site.host, agent.message())
    sample = builtins_of(agent.sample(0))
    for minutes in range(1, 40):
        samples.keep(site.host, sample, now() - timedelta(minutes=40 - minutes))
    said = open_page(site, page, live_server)
    page.goto(f"{live_server.url}/w/lab/compute/hosts/alpha/")
    charts = {name: page.locator("metric-chart", has=page.get_by_role("heading", name=name)) for name in NAMES}
    for name, shown in NAMES.items():
        charts[name].locator("canvas").wait_for()
        expect(charts[name].locator(".readout"), name).to_have_text(shown, use_inner_text=True)
    charts["GPU, %"].get_by_text("Values").click()
    rows = charts["GPU, %"].locator("tbody tr")
    expect(charts["GPU, %"].locator("thead")).to_have_text("Time use 0 use 1 use 2 use 3", use_inner_text=True)
    expect(rows).to_have_count(61)
    expect(rows.first).to_contain_text("–")  # the host was not heard of yet: a gap
    # The third and the fourth line, drawn over the first and the second, and no fifth.
    assert min(inked(charts["GPU, %"], token) for token in ("--reused", "--queued")) > 50
    assert inked(charts["GPU, %"], "--failed") == 0
    page.get_by_role("link", name="Day").click()
    page.locator("metric-chart", has=page.get_by_role("heading", name="GPU memory, GiB")).wait_for()
    expect(page).to_have_url(re.compile("window=day"))
    expect(page.get_by_role("row").filter(has_text="NVIDIA H100 80GB HBM3")).to_have_count(4)
    assert ours(said) == []


def inked(chart: Any, token: str) -> int:
    """How many points of the picture have the colour of a token."""
    return int(chart.evaluate(INKED, token))
