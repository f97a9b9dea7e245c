"""The acts of a new user in a real browser, from the one-time link to the published pipeline."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.live.browser import (
    PASSWORD,
    SLOW_MS,
    Person,
    download,
    has_ended,
    is_awake,
    mark,
    node,
    open_step,
    serious,
    was_not_reloaded,
)
from tests.live.studio import LiveRun, Studio

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(400)]

PARAMETERS = [
    {"name": "rounds", "type": "int", "default": 3},
    {"name": "rate", "type": "float", "default": 0.5},
    {"name": "scale", "type": "bool", "default": True},
    {"name": "note", "type": "string", "default": "nightly"},
]
ECHO = "import sys\nprint('got', sys.argv[1:])"


@pytest.fixture(scope="module")
def person(live_studio: Studio, browser: Browser) -> Person:
    made = Person(live_studio, browser)
    made.sign_in()
    return made


@pytest.fixture
def page(person: Person) -> Iterator[Page]:
    """A signed-in page; whatever its console has to say fails the test."""
    context = person.context()
    yield context.new_page()
    context.close()
    complaints, person.complaints = person.complaints, []
    assert complaints == []


def run_of(studio: Studio, page: Page) -> LiveRun:
    found = re.search(r"/runs/([0-9a-f-]{36})/", page.url)
    assert found, page.url
    return LiveRun(studio, found.group(1))


# --- act 2 ---


def press(page: Page) -> None:
    page.goto("/w/main/")
    page.get_by_role("button", name="Run the sample pipeline").click()
    expect(page.locator("run-graph")).to_be_visible()


def test_the_sample_is_watched_live_from_the_first_press_to_the_last_picture(
    live_studio: Studio, page: Page, tmp_path: Path
) -> None:
    press(page)
    mark(page)
    forest = node(page, "train forest")
    expect(forest).to_be_visible()
    expect(forest).to_have_attribute("data-state", re.compile("Running|Finalizing|Completed"), timeout=SLOW_MS)
    panel = open_step(page, "train forest")
    expect(page.locator("log-view .lines")).to_contain_text("round   1: accuracy", timeout=SLOW_MS)
    panel.get_by_role("link", name="Metrics").click()
    expect(page.locator("metric-chart")).to_have_count(2, timeout=SLOW_MS)
    expect(page.locator("metric-chart svg path, metric-chart canvas").first).to_be_visible()
    has_ended(page)
    for name in ("prepare", "train forest", "train logistic", "compare"):
        expect(node(page, name)).to_have_attribute("data-state", "Completed")
    panel = open_step(page, "compare")
    panel.get_by_role("link", name="Metrics").click()
    comparison = panel.locator("section", has=page.get_by_role("heading", name="comparison"))
    expect(comparison.locator("td", has_text="forest")).to_be_visible()
    expect(comparison.locator("td", has_text="logistic")).to_be_visible()
    panel.get_by_role("link", name="Images").click()
    picture = panel.locator("img").first
    expect(picture).to_be_visible()
    picture.evaluate("image => image.decode()")
    assert picture.evaluate("image => image.naturalWidth") > 100
    open_step(page, "prepare")
    panel.get_by_role("link", name="Outputs").click()
    expect(panel.get_by_role("heading", name="prepared")).to_be_visible()
    link = panel.get_by_role("link", name="Download penguins.csv")
    assert download(page, link, tmp_path / "penguins.csv").startswith(b"species,island,bill_length")
    assert was_not_reloaded(page)


def test_pressed_again_every_step_is_reused_and_says_why(live_studio: Studio, page: Page) -> None:
    press(page)
    has_ended(page, "Reused")
    run = run_of(live_studio, page)
    assert run.facts["steps_reused"] == 4, run.why()
    for name in ("prepare", "train forest", "train logistic", "compare"):
        expect(node(page, name)).to_have_attribute("data-state", "Reused")
    panel = open_step(page, "compare")
    expect(panel).to_contain_text("reused from #")
    panel.get_by_role("link", name="Why").click()
    expect(panel).to_contain_text("nothing that the step depends on has changed")
    # What a reused step shows is that of its source.
    panel.get_by_role("link", name="Images").click()
    expect(panel.locator("img").first).to_be_visible()
    panel.get_by_role("link", name="Logs").click()
    expect(page.locator("log-view .lines")).to_contain_text("The best model is")


def test_a_run_has_a_timeline_a_table_and_the_code_that_ran(live_studio: Studio, page: Page) -> None:
    newest = live_studio.get("runs/", experiment="Palmer penguins")["items"][0]
    page.goto(f"/w/main/runs/{newest['id']}/")
    page.get_by_role("link", name="Timeline").click()
    expect(page.locator("run-timeline")).to_contain_text("compare")
    page.locator("#run-stage").get_by_role("link", name="Table").click()
    expect(page.locator("#run-table tbody tr")).to_have_count(4)
    page.locator("#run-table a", has_text="compare").click()
    panel = page.locator("#run-panel")
    panel.get_by_role("link", name="Code").click()
    panel.get_by_role("link", name="compare.py").click()
    expect(panel.locator(".source")).to_contain_text("confusion_matrix")
    panel.get_by_role("link", name="Environment").click()
    expect(panel).to_contain_text("AzureML-Tutorial")
    panel.get_by_role("link", name="Inputs").click()
    expect(panel).to_contain_text("python compare.py")


# --- act 4 ---


def test_a_dataset_is_registered_by_dragging_a_file_and_by_picking_a_path(
    live_studio: Studio, page: Page, tmp_path: Path
) -> None:
    page.goto("/w/main/data/")
    page.get_by_role("link", name="Register").first.click()
    file = tmp_path / "birds.csv"
    file.write_text("name,mass,flies\nAdelie,3700,false\nSwift,40,true\n")
    page.locator('file-drop input[type="file"]').set_input_files(file)
    expect(page.locator("file-drop")).to_contain_text("birds.csv")
    page.get_by_role("textbox", name="Name", exact=True).fill("acts birds")
    page.get_by_role("button", name="Register").click()
    expect(page.get_by_role("heading", name="acts birds")).to_be_visible()
    preview = page.locator("#preview")
    expect(preview.locator("thead")).to_contain_text("mass")
    expect(preview.locator("thead")).to_contain_text("long")
    expect(preview.locator("tbody")).to_contain_text("Adelie")
    # The same name again, now from where it lies: a second version.
    page.goto("/w/main/data/register/?from=path")
    picker = page.locator("#picker")
    picker.get_by_role("link", name="uploads").click()
    picker.get_by_role("link", name="acts-birds").click()
    picker.get_by_role("row", name="birds.csv").get_by_role("link", name="Use").click()
    expect(page.get_by_label("Path", exact=True)).to_have_value("uploads/acts-birds/birds.csv")
    page.get_by_role("textbox", name="Name", exact=True).fill("acts birds")
    page.get_by_label("Kind").select_option("file")
    page.get_by_label("If the name is taken").check()
    page.get_by_role("button", name="Register").click()
    expect(page.locator("body")).to_contain_text(re.compile("kind|version 2", re.IGNORECASE))


def test_a_dataset_has_versions_and_comes_from_a_web_address(live_studio: Studio, page: Page, tmp_path: Path) -> None:
    for rows in ("a,b\n1,2\n", "a,b\n3,4\n5,6\n"):
        page.goto("/w/main/data/register/")
        page.locator('file-drop input[type="file"]').set_input_files(
            {"name": "t.csv", "mimeType": "text/csv", "buffer": rows.encode()}
        )
        page.get_by_role("textbox", name="Name", exact=True).fill("acts table")
        page.get_by_label("If the name is taken").check()
        page.get_by_role("button", name="Register").click()
        expect(page.get_by_role("heading", name="acts table")).to_be_visible()
    expect(page.get_by_role("heading", name="acts table v2")).to_be_visible()
    page.get_by_role("button", name="Version 2").click()
    page.get_by_role("link", name="Version 1").click()
    expect(page.get_by_role("heading", name="acts table v1")).to_be_visible()
    expect(page.locator("#preview tbody tr")).to_have_count(1)
    served = tmp_path / "site"
    served.mkdir()
    (served / "web.csv").write_text("w\n1\n")
    with subprocess.Popen(
        ["python3", "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(served)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        try:
            assert server.stdout
            port = re.search(r"port (\d+)", server.stdout.readline())
            assert port
            page.goto("/w/main/data/register/?from=web")
            page.get_by_label("Web address").fill(f"http://127.0.0.1:{port.group(1)}/web.csv")
            page.get_by_role("textbox", name="Name", exact=True).fill("acts web")
            page.get_by_role("button", name="Register").click()
            expect(page.locator("#preview thead")).to_contain_text("w")
        finally:
            server.terminate()


@pytest.fixture
def echo(live_studio: Studio) -> LiveRun:
    """A run of one step that tells its parameters."""
    graph = live_studio.graph({"echo": ECHO}, arguments=[{"parameter": each["name"]} for each in PARAMETERS])
    return live_studio.submit_graph({**graph, "parameters": PARAMETERS}, experiment="Acts").wait()


def test_a_run_is_published_and_triggered_by_form_and_by_the_curl_line(
    live_studio: Studio, page: Page, echo: LiveRun, tmp_path: Path
) -> None:
    page.goto(f"/w/main/runs/{echo.id}/")
    page.get_by_role("button", name="Publish…").click()
    dialog = page.locator("#run-dialog")
    dialog.get_by_label("Name").fill("acts echo")
    dialog.get_by_role("button", name="Publish").click()
    expect(page.get_by_role("heading", name="acts echo")).to_be_visible()
    address = page.url
    expect(page.get_by_label("rounds")).to_have_value("3")
    assert page.get_by_label("rounds").get_attribute("type") == "number"
    page.get_by_label("rounds").fill("8")
    page.get_by_label("rate").fill("0.25")
    page.get_by_label("scale").select_option("false")
    page.get_by_label("note").fill("by form")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("run-graph")).to_be_visible()
    has_ended(page)
    run = run_of(live_studio, page)
    assert run.facts["parameters"] == {"rounds": 8, "rate": 0.25, "scale": False, "note": "by form"}
    assert run.log("echo") == b"got ['8', '0.25', 'False', 'by form']\n"
    # The line that the page offers, as it stands there.
    page.goto(address)
    line = page.locator(".command button[data-copy]").first.get_attribute("data-copy")
    assert line and line.startswith("curl"), line
    env = {"PATH": os.environ["PATH"], "DUTO_TOKEN": live_studio.token()}
    done = subprocess.run(["bash", "-c", line], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    triggered = LiveRun(live_studio, json.loads(done.stdout)["Id"]).wait()
    assert triggered.facts["published_pipeline_id"]
    page.get_by_role("button", name="Disable").click()
    expect(page.locator("body")).to_contain_text("This pipeline is disabled")
    done = subprocess.run(["bash", "-c", line], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert "disabled" in done.stdout + done.stderr


def test_a_form_says_what_is_wrong_with_a_value(live_studio: Studio, page: Page, person: Person, echo: LiveRun) -> None:
    page.goto(f"/w/main/runs/{echo.id}/")
    page.get_by_role("button", name="Clone…").click()
    dialog = page.locator("#run-dialog")
    dialog.get_by_label("rounds").evaluate("field => { field.type = 'text'; field.form.noValidate = true; }")
    dialog.get_by_label("rounds").fill("many")
    dialog.get_by_role("button", name="Submit").click()
    expect(dialog.get_by_role("alert")).to_contain_text("whole number")
    # The browser's console tells of every answer that is a refusal.
    person.complaints = [each for each in person.complaints if "/clone/" not in each]


# --- deeds ---


def test_a_run_is_cloned_with_other_parameters_archived_restored_and_deleted(
    live_studio: Studio, page: Page, echo: LiveRun
) -> None:
    page.goto(f"/w/main/runs/{echo.id}/")
    page.get_by_role("button", name="Clone…").click()
    dialog = page.locator("#run-dialog")
    dialog.get_by_label("rounds").fill("21")
    dialog.get_by_role("button", name="Submit").click()
    expect(page.locator("#run-head")).to_contain_text(f"from #{echo.facts['number']}")
    has_ended(page)
    clone = run_of(live_studio, page)
    assert clone.id != echo.id and clone.facts["parameters"]["rounds"] == 21
    page.get_by_role("button", name="More", exact=True).click()
    page.get_by_role("button", name="Archive").click()
    expect(page.locator("#run-head")).to_contain_text("archived")
    assert clone.facts["archived_at"]
    page.get_by_role("button", name="More", exact=True).click()
    page.get_by_role("button", name="Restore").click()
    expect(page.locator("#run-head .chip", has_text="archived")).to_have_count(0)
    page.get_by_role("button", name="More", exact=True).click()
    page.get_by_role("button", name="Delete…").click()
    dialog = page.locator("#run-dialog")
    expect(dialog).to_contain_text("Frees")
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    assert live_studio.rest("GET", f"runs/{clone.id}/").status_code == 404
    assert live_studio.rest("GET", f"runs/{echo.id}/").status_code == 200


def test_a_run_is_canceled_from_its_page_and_the_page_turns_by_itself(live_studio: Studio, page: Page) -> None:
    run = live_studio.submit(
        {"slow": "import time\nprint('waiting', flush=True)\ntime.sleep(300)", "after": "1"}, {"after": ["slow"]}
    )
    page.goto(f"/w/main/runs/{run.id}/?step=slow")
    expect(page.locator("log-view .lines")).to_contain_text("waiting", timeout=SLOW_MS)
    mark(page)
    # The form is posted by the browser, so the page comes anew once: from there on it must turn by itself.
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Cancel the run").click()
    has_ended(page, "Canceled")
    run.wait("Canceled")
    expect(node(page, "slow")).to_have_attribute("data-state", "Canceled")
    assert run.log("slow") == b"waiting\n"


def test_what_a_script_prints_is_text_and_its_colours_are_colours(live_studio: Studio, page: Page) -> None:
    code = r"""
print("<script>window.owned = 1</script><img src=x onerror='window.owned = 1'>")
print("\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b[2Jend & <b>bold</b>")
"""
    run = live_studio.submit({"odd": code}).wait()
    page.goto(f"/w/main/runs/{run.id}/?step=odd&tab=logs")
    lines = page.locator("log-view .lines")
    expect(lines).to_contain_text("<script>window.owned = 1</script>")
    expect(lines).to_contain_text("<b>bold</b>")
    assert lines.locator("script, img, b").count() == 0
    assert page.evaluate("window.owned") is None
    assert "\x1b" not in (lines.text_content() or "")


def test_a_failed_run_opens_on_its_failure_and_leads_to_the_line(live_studio: Studio, page: Page) -> None:
    run = live_studio.submit({"good": "1", "bad": "print('x')\n\nraise ValueError('Input contains NaN.')"}).wait(
        "Failed"
    )
    page.goto(f"/w/main/runs/{run.id}/")
    banner = page.locator(".banner.error")
    expect(banner).to_contain_text("ValueError: Input contains NaN.")
    expect(page.locator("log-view .lines")).to_contain_text("Traceback")
    banner.get_by_role("link", name="Open line 3").click()
    expect(page.locator("#run-panel .source .hll")).to_contain_text("raise ValueError")


# --- the frame ---


def test_the_keyboard_leads_everywhere(live_studio: Studio, page: Page, echo: LiveRun) -> None:
    page.goto("/w/main/")
    is_awake(page)
    page.keyboard.press("g")
    page.keyboard.press("r")
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    is_awake(page)
    page.keyboard.press("/")
    expect(page.get_by_label("Search runs")).to_be_focused()
    page.keyboard.type("Acts")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("q=Acts"))
    is_awake(page)
    page.keyboard.press("?")
    keys = page.locator("dialog#keys")
    expect(keys).to_be_visible()
    page.keyboard.press("Escape")
    expect(keys).not_to_be_visible()
    page.keyboard.press("Control+k")
    palette = page.locator("dialog#palette")
    expect(palette).to_be_visible()
    page.keyboard.type("Acts")
    expect(palette.get_by_role("option").first).to_contain_text(re.compile("acts", re.IGNORECASE))
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


PAGES = (
    "", "runs/", "experiments/", "pipelines/", "data/", "data/stores/", "data/stores/workspaceblobstore/", "data/register/",
    "data/register/?from=path", "compute/", "compute/clusters/cpu-cluster/", "environments/", "environments/named/AzureML-Tutorial/", "models/", "settings/",
)  # fmt: skip


def every_page(studio: Studio) -> list[str]:
    """Each kind of page, with something on it."""
    run = studio.get("runs/", experiment="Palmer penguins")["items"][-1]["id"]
    tabs = [
        f"runs/{run}/?step=compare&tab={tab}"
        for tab in ("logs", "metrics", "images", "outputs", "inputs", "code", "environment", "why")
    ]
    views = [f"runs/{run}/?view={view}" for view in ("timeline", "table")]
    pipelines = [f"pipelines/{each['id']}/" for each in studio.get("pipelines/")["items"][:1]]
    datasets = [f"data/sets/{each['name']}/" for each in studio.get("datasets/")["items"][:1]]
    return [f"/w/main/{each}" for each in (*PAGES, *tabs, *views, *pipelines, *datasets)]


@pytest.fixture(scope="module")
def filled(live_studio: Studio) -> Studio:
    """The studio after the sample has run, whichever tests were chosen."""
    if not live_studio.get("runs/", experiment="Palmer penguins", status="Completed")["items"]:
        pytest.skip("the sample has not run: choose the test of act 2, too")
    return live_studio


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_keeps_people_out(filled: Studio, person: Person, scheme: str) -> None:
    context = person.context(color_scheme=scheme)
    page = context.new_page()
    found = {}
    for place in every_page(filled):
        page.goto(place)
        is_awake(page)
        if problems := serious(page):
            found[place] = problems
    context.close()
    # Axe tries to set and to load styles, which the policy forbids. The same walk on the phone hears what is ours.
    person.complaints = []
    assert not found, json.dumps(found, indent=1)


def test_on_a_phone_nothing_scrolls_sideways(filled: Studio, person: Person) -> None:
    context = person.context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    wide = {}
    for place in every_page(filled):
        page.goto(place)
        is_awake(page)
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > 390:
            wide[place] = width
    context.close()
    complaints, person.complaints = person.complaints, []
    assert wide == {}
    assert complaints == []


def test_who_signs_out_is_out(live_studio: Studio, person: Person) -> None:
    context = person.browser.new_context(base_url=live_studio.url)
    page = context.new_page()
    page.goto("/w/main/runs/")
    expect(page).to_have_url(re.compile("/accounts/login/"))
    name = live_studio.rest("GET", "/api/v1/me/").json()["username"]
    page.get_by_label(re.compile("name|login", re.IGNORECASE)).first.fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    page.locator('button[popovertarget="account"]').click()
    page.get_by_role("button", name="Sign out").click()
    page.goto("/w/main/")
    expect(page).to_have_url(re.compile("/accounts/login/"))
    context.close()
