"""The acts of a new user in a real browser, from the one-time link to the published pipeline."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.core.test_loglines import BEGINS, LOG
from tests.live.browser import (
    SLOW_MS,
    download,
    has_ended,
    mark,
    node,
    open_step,
    run_the_sample,
    was_not_reloaded,
)
from tests.live.studio import LiveRun, Studio

pytestmark = [pytest.mark.slow, pytest.mark.browser]


def run_of(studio: Studio, page: Page) -> LiveRun:
    found = re.search(r"/runs/([0-9a-f-]{36})/", page.url)
    assert found, page.url
    return LiveRun(studio, found.group(1))


# --- act 2 ---


def test_the_sample_is_watched_live_from_the_first_press_to_the_last_picture(
    stage: Studio, page: Page, tmp_path: Path
) -> None:
    run_the_sample(page)
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


def test_run_as_it_was_every_step_is_reused_and_says_why(stage: Studio, page: Page) -> None:
    run_the_sample(page, "As it was")
    has_ended(page, "Reused")
    run = run_of(stage, page)
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


def test_a_run_has_a_timeline_a_table_and_the_code_that_ran(stage: Studio, page: Page) -> None:
    newest = stage.get("runs/", experiment="Palmer penguins")["items"][0]
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
    stage: Studio, page: Page, tmp_path: Path
) -> None:
    page.goto("/w/main/data/")
    page.get_by_role("link", name="Register").first.click()
    file = tmp_path / "birds.csv"
    file.write_text("name,mass,flies\nAdelie,3700,false\nSwift,40,true\n")
    page.locator('file-drop input[name="file"]').set_input_files(file)
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


def test_a_dataset_has_versions_and_comes_from_a_web_address(stage: Studio, page: Page, tmp_path: Path) -> None:
    for rows in ("a,b\n1,2\n", "a,b\n3,4\n5,6\n"):
        page.goto("/w/main/data/register/")
        page.locator('file-drop input[name="file"]').set_input_files(
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


def test_a_run_is_published_and_triggered_by_form_and_by_the_curl_line(
    stage: Studio, page: Page, echo: LiveRun, tmp_path: Path
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
    page.get_by_label("scale").uncheck()
    page.get_by_label("note").fill("by form")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("run-graph")).to_be_visible()
    has_ended(page)
    run = run_of(stage, page)
    assert run.facts["parameters"] == {"rounds": 8, "rate": 0.25, "scale": False, "note": "by form"}
    assert run.log("echo") == b"got ['8', '0.25', 'False', 'by form']\n"
    # The line that the page offers, as it stands there.
    page.goto(address)
    line = page.locator(".command button[data-copy]").first.get_attribute("data-copy")
    assert line and line.startswith("curl"), line
    env = {"PATH": os.environ["PATH"], "DUTO_TOKEN": stage.token()}
    done = subprocess.run(["bash", "-c", line], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    triggered = LiveRun(stage, json.loads(done.stdout)["Id"]).wait()
    assert triggered.facts["published_pipeline_id"]
    page.get_by_role("button", name="Disable").click()
    expect(page.locator("body")).to_contain_text("This pipeline is disabled")
    done = subprocess.run(["bash", "-c", line], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=180)
    assert "disabled" in done.stdout + done.stderr


def test_a_form_says_what_is_wrong_with_a_value(page: Page, echo: LiveRun) -> None:
    page.goto(f"/w/main/runs/{echo.id}/")
    page.get_by_role("button", name="Clone").click()
    rounds = page.get_by_label("rounds").first
    rounds.evaluate("field => { field.type = 'text'; }")
    rounds.fill("many")
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_role("alert")).to_contain_text("whole number")


# --- actions ---


def test_a_run_is_cloned_with_other_parameters_archived_restored_and_deleted(
    stage: Studio, page: Page, echo: LiveRun
) -> None:
    page.goto(f"/w/main/runs/{echo.id}/")
    page.get_by_role("button", name="Clone").click()
    page.get_by_label("rounds").first.fill("21")
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("#run-head")).to_contain_text(f"from #{echo.facts['number']}")
    has_ended(page)
    clone = run_of(stage, page)
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
    assert stage.rest("GET", f"runs/{clone.id}/").status_code == 404
    assert stage.rest("GET", f"runs/{echo.id}/").status_code == 200


def test_a_run_is_canceled_from_its_page_and_the_page_turns_by_itself(stage: Studio, page: Page) -> None:
    run = stage.submit(
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


TRIAL = """
import sys, time
from azureml.core import Run
print("waiting", flush=True)
if sys.argv[-1] != "3":
    time.sleep(300)
Run.get_context().log("loss", 0.5)
"""


def test_a_trial_is_canceled_and_cloned_in_the_table_and_on_its_page(stage: Studio, page: Page) -> None:
    graph = stage.graph({"tune": TRIAL})
    space = [{"name": "x", "expression": "choice", "values": [1, 2, 3]}]
    bounds = {"max_total": 3, "max_concurrent": 1, "max_minutes": 60, "policy": {"kind": "none"}}
    settings = {"sampling": "grid", "space": space, "metric": "loss", "goal": "minimize", **bounds}
    graph["steps"][0] |= {"kind": "sweep", "settings": settings}
    run = stage.submit_graph(graph, kind="sweep")
    page.goto(f"/w/main/runs/{run.id}/")
    table = page.get_by_role("table", name="Trials")
    row = table.locator("tr", has=page.get_by_role("link", name=re.compile("#")))
    row.nth(0).get_by_role("button", name="Cancel").click(timeout=SLOW_MS)
    has_ended(page, "Canceled")
    page.goto(f"/w/main/runs/{run.id}/")
    row.filter(has_text="#2").get_by_role("link", name="#2").click(timeout=SLOW_MS)
    expect(page.locator("log-view .lines")).to_contain_text("waiting", timeout=SLOW_MS)
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Cancel the run").click()
    has_ended(page, "Canceled")
    run.wait()
    page.goto(f"/w/main/runs/{run.id}/")
    row.filter(has_text="#3").get_by_role("button", name="Clone").click()
    expect(page.locator("#run-head")).to_contain_text("from")
    has_ended(page)
    clone = run_of(stage, page)
    assert clone.facts["kind"] == "script" and clone.id != run.id
    page.goto(f"/w/main/runs/{clone.facts['cloned_from']}/")
    page.get_by_role("button", name="Clone").click()
    page.get_by_role("button", name="Submit").click()
    expect(page).to_have_url(re.compile("/runs/"))
    has_ended(page)
    assert run_of(stage, page).facts["cloned_from"] == clone.facts["cloned_from"]


def test_lines_are_counted_from_the_first_though_the_log_was_opened_empty(stage: Studio, page: Page) -> None:
    run = stage.submit({"late": "import time\ntime.sleep(8)\nprint('one', flush=True)\nprint('two', end='')"})
    page.goto(f"/w/main/runs/{run.id}/?step=late&tab=logs")
    expect(page.locator("log-view .note")).to_have_text("Nothing printed yet.")
    lines = page.locator("log-view .lines")
    expect(lines.locator(".line", has_text="one").locator(".no")).to_have_attribute("data-no", "1", timeout=SLOW_MS)
    expect(lines.locator(".line", has_text="two").locator(".no")).to_have_attribute("data-no", "2")
    has_ended(page)
    expect(page.locator("log-view .total")).to_have_text("2 lines · 7 B")


def test_what_a_script_prints_is_text_and_its_colours_are_colours(stage: Studio, page: Page) -> None:
    code = r"""
print("<script>window.owned = 1</script><img src=x onerror='window.owned = 1'>")
print("\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b[2Jend & <b>bold</b>")
"""
    run = stage.submit({"odd": code}).wait()
    page.goto(f"/w/main/runs/{run.id}/?step=odd&tab=logs")
    lines = page.locator("log-view .lines")
    expect(lines).to_contain_text("<script>window.owned = 1</script>")
    expect(lines).to_contain_text("<b>bold</b>")
    assert lines.locator("script, img, b").count() == 0
    assert page.evaluate("window.owned") is None
    assert "\x1b" not in (lines.text_content() or "")


def test_a_failed_run_opens_on_its_failure_and_leads_to_the_line(stage: Studio, page: Page) -> None:
    run = stage.submit({"good": "1", "bad": "print('x')\n\nraise ValueError('Input contains NaN.')"}).wait("Failed")
    page.goto(f"/w/main/runs/{run.id}/")
    banner = page.locator(".banner.error")
    expect(banner).to_contain_text("ValueError: Input contains NaN.")
    expect(page.locator("log-view .lines")).to_contain_text("Traceback")
    banner.get_by_role("link", name="Open line 3").click()
    expect(page.locator("#run-panel .source .hll")).to_contain_text("raise ValueError")


def test_the_line_of_a_failure_comes_into_view_and_is_marked(stage: Studio, page: Page) -> None:
    code = "pass\n" * 300 + "raise ValueError('far below')\n" + "pass\n" * 300
    run = stage.submit({"bad": code}).wait("Failed")
    marked = page.locator("#run-panel .source .hll")

    def stands(line: int, text: str) -> None:
        expect(marked).to_have_count(1)
        expect(marked).to_contain_text(text)
        expect(marked.locator(".linenos")).to_have_text(str(line))
        expect(marked).to_be_in_viewport()

    page.goto(f"/w/main/runs/{run.id}/")
    expect(page.locator("log-view .lines")).to_contain_text("Traceback")
    page.get_by_role("link", name="Open line 301").click()
    stands(301, "far below")
    # A reader who has scrolled away presses it once more.
    page.locator("#run-panel .source").evaluate("(source) => { source.scrollTop = 0; }")
    expect(marked).not_to_be_in_viewport()
    page.get_by_role("link", name="Open line 301").click()
    stands(301, "far below")
    page.reload()
    stands(301, "far below")
    # A line's number is its address.
    page.locator("#run-panel .source").get_by_text("303", exact=True).click()
    stands(303, "pass")
    page.go_back()
    stands(301, "far below")


def test_a_long_log_is_searched_as_one_types_and_has_a_start_and_an_end(stage: Studio, page: Page) -> None:
    run = stage.submit({"long": f"for number in range(8000): print('row', number, '{'-' * 100}')"}).wait("Completed")
    page.goto(f"/w/main/runs/{run.id}/?step=long&tab=logs")
    view = page.locator("log-view")
    lines = view.locator(".line")
    expect(lines.first).to_contain_text("row 0 ")
    view.get_by_role("button", name="End of the log").click()
    expect(lines.last).to_contain_text("row 7999 ")
    expect(lines.last).to_be_in_viewport()
    view.get_by_role("button", name="Start of the log").click()
    expect(lines.first).to_contain_text("row 0 ")
    expect(lines.first).to_be_in_viewport()
    view.get_by_role("searchbox").press_sequentially("row 4321 ")
    expect(view.locator(".found")).to_have_text("1 of 1")
    expect(view.locator(".target")).to_contain_text("row 4321 ")
    expect(view.locator(".target")).to_be_in_viewport()


LONG_LINES = """
import sys
write = sys.stdout.buffer.write
write(b"before\\n" + b"\\xc3\\xa4" * 300_000 + b"needle" + b"y" * 2_000_000 + b"\\nafter\\n")
write(b"".join(b"\\r%7d of many" % at for at in range(50_000)) + b"\\nlast\\n")
"""


def test_lines_longer_than_what_is_loaded_are_gone_through_and_keep_their_numbers(stage: Studio, page: Page) -> None:
    run = stage.submit({"long": LONG_LINES}).wait("Completed")
    page.goto(f"/w/main/runs/{run.id}/?step=long&tab=logs")
    view, lines = page.locator("log-view"), page.locator("log-view .line")
    expect(lines.first).to_have_text("before")
    assert "\ufffd" not in (lines.nth(1).text_content() or ""), "no letter is cut"
    expect(lines.nth(2).locator(".no")).to_have_attribute("data-no", "")
    view.get_by_role("button", name="End of the log").click()
    expect(lines.last).to_have_text("last")
    expect(view.locator(".line", has_text="49999 of many")).to_have_count(1)
    expect(view.locator(".total")).to_contain_text("5 lines")
    view.get_by_role("searchbox").fill("needle")
    expect(view.locator(".target")).to_contain_text("needle")
    view.get_by_role("searchbox").fill("after")
    expect(view.locator(".target")).to_have_text("after")
    expect(view.locator(".target .no")).to_have_attribute("data-no", "3")


ERRORS_FAR_APART = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(print("ERROR at the end")))
print("ERROR at the start")
for number in range(8000): print("row", number, "-" * 100)
print("over")
time.sleep(600)
"""


def test_errors_are_counted_over_the_whole_log_and_found_wherever_they_are(stage: Studio, page: Page) -> None:
    run = stage.submit({"long": ERRORS_FAR_APART})
    run.until("long", b"over")
    page.goto(f"/w/main/runs/{run.id}/?step=long&tab=logs")
    view = page.locator("log-view")
    expect(view.locator(".line").last).to_contain_text("over")
    expect(view.locator(".errors")).to_have_text("1 error")
    expect(view.locator(".first")).to_have_count(0)  # nothing of it is loaded

    def leads_to(text: str) -> None:
        view.locator(".errors").click()
        expect(view.locator(".target")).to_contain_text(text)
        expect(view.locator(".target")).to_be_in_viewport()

    leads_to("ERROR at the start")
    stage.post(f"runs/{run.id}/cancel/")
    expect(view.locator(".errors")).to_have_text("2 errors")
    leads_to("ERROR at the end")
    leads_to("ERROR at the start")


def test_the_page_and_the_studio_call_the_same_lines_errors(stage: Studio, page: Page) -> None:
    run = stage.submit({"odd": f"import sys\nsys.stdout.buffer.write({LOG!r})"}).wait("Completed")
    page.goto(f"/w/main/runs/{run.id}/?step=odd&tab=logs")
    expect(page.locator("log-view .errors")).to_have_text(f"{len(BEGINS)} errors")
    expect(page.locator("log-view .line.first")).to_have_count(len(BEGINS))


ADDRESSES = r'''
print("https://example.org/Größe_(x), \u00abhttps://example.org/q\u00bb\u3001\u300chttps://example.org/\u65e5\u672c\u300d\u3002")
print("see https://example.org/a_(b).html. Or (http://example.org/x?y=1&z=<2), <https://example.org/in>!")
print("\x1b[32mhttps://example.org/green\x1b[0m", "long " * 200)
print("javascript:alert(1) data:text/html,x ftp://example.org/ https://name:word@example.org/ https:// http://[")
print("""<a href="https://example.org/'onclick='window.owned=1">https://example.org/"onmouseover="window.owned=1</a>""")
'''


def test_addresses_in_a_log_are_links_and_its_lines_are_wrapped_as_last_time(stage: Studio, page: Page) -> None:
    run = stage.submit({"links": ADDRESSES}).wait("Completed")
    address = f"/w/main/runs/{run.id}/?step=links&tab=logs"
    page.goto(address)
    view = page.locator("log-view")
    links = view.locator(".text a")
    expect(links).to_have_count(9)
    assert links.evaluate_all("(all) => all.map((link) => [link.getAttribute('href'), link.textContent])") == [
        [each, each]
        for each in (
            "https://example.org/Größe_(x)", "https://example.org/q", "https://example.org/日本",
            "https://example.org/a_(b).html", "http://example.org/x?y=1&z=", "https://example.org/in", "https://example.org/green",
            "https://example.org/", "https://example.org/",
        )
    ]  # fmt: skip
    attributes = "(all) => all.map((link) => [...link.attributes].map(({ name, value }) => name === 'href' || `${name}=${value}`))"
    for each in links.evaluate_all(attributes):
        assert each == [True, "target=_blank", "rel=noopener noreferrer"]
    wrap, scroll = view.get_by_role("button", name="Wrap lines"), view.locator(".scroll")
    is_wide = "(scroll) => scroll.scrollWidth > scroll.clientWidth"
    assert scroll.evaluate(is_wide)
    wrap.click()
    expect(wrap).to_have_attribute("aria-pressed", "true")
    page.goto(address)
    expect(links).to_have_count(9)
    expect(wrap).to_have_attribute("aria-pressed", "true")
    assert not scroll.evaluate(is_wide)
