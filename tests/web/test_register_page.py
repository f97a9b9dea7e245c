"""The form that registers a dataset, in a real browser: files that are sent, what is shown of them, and what comes of it."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
import pytest
from playwright.sync_api import expect

from datasets.models import Dataset, DatasetVersion
from datasets.services import registration
from datasets.services.files import files_of
from datasets.services.staging import STAGED, parts
from datasets.stores import root_by_name
from duto.tables import Source, read
from tests.live.axe import violations
from tests.web.chrome import NARROW, WIDE, fits, open_page, ours
from tests.web.conftest import Site

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
GERMAN = "Größe;Preis;Ort\r\n1,5;1.000,5;Köln\r\n2,25;7,0;München\r\n".encode("latin-1")


class Form:
    """The form on its page."""

    def __init__(self, site: Site, page: Any, live_server: Any, at: str = "data/register/") -> None:
        self.site, self.page, self.url = site, page, live_server.url
        # Whether pieces of files are cut off.
        self.cut = False
        self.said = open_page(site, page, live_server)
        self.go(at)

    def go(self, at: str) -> None:
        self.page.goto(f"{self.url}/w/lab/{at}")
        self.page.wait_for_load_state("networkidle")
        self.page.wait_for_function(
            "() => Boolean(customElements.get('file-drop')) || !document.querySelector('file-drop')"
        )

    def choose(self, *files: Path | dict[str, Any]) -> None:
        self.page.locator('file-drop input[type="file"]').first.set_input_files(list(files))

    def give(self, name: str, data: bytes) -> None:
        self.choose({"name": name, "mimeType": "application/octet-stream", "buffer": data})
        expect(self.page.locator("file-drop li.done", has_text=name)).to_be_visible()

    @property
    def rows(self) -> Any:
        return self.page.locator("#reading tbody tr")

    @property
    def name(self) -> Any:
        return self.page.get_by_role("textbox", name="Name", exact=True)

    def send(self) -> None:
        self.page.get_by_role("button", name="Register", exact=True).click()

    def is_registered(self, name: str) -> DatasetVersion:
        expect(self.page.locator("h1", has_text=name)).to_be_visible()
        assert ours(self.said) == []
        return DatasetVersion.objects.filter(dataset__name=name).order_by("-version")[0]


@pytest.fixture
def form(site: Site, page: Any, live_server: Any) -> Form:
    return Form(site, page, live_server)


def frame_of(version: DatasetVersion) -> list[tuple[Any, ...]]:
    """The rows as the SDK reads them."""
    root = root_by_name(version.workspace, "workspaceblobstore")
    sources = [Source(each.path, each.size, lambda key=each.key: root.open(key)) for each in files_of(version)]  # type: ignore[misc]
    return list(read(sources, version.definition).rows())


def types_of(version: DatasetVersion) -> dict[str, str]:
    return {each["name"]: each["type"] for each in (version.profile or {})["columns"]}


def test_five_files_are_sent_and_all_of_them_are_registered(form: Form, tmp_path: Path) -> None:
    paths = [tmp_path / f"part {n}.csv" for n in range(5)]
    for place, path in enumerate(paths):
        path.write_text(f"n\n{place}\n")
    form.choose(*paths)
    expect(form.page.locator("file-drop li.done")).to_have_count(5)
    expect(form.page.locator("file-drop .sum")).to_contain_text("5 files")
    expect(form.rows).to_have_count(5)
    expect(form.name).to_have_value("part 0")
    form.page.get_by_role("button", name="Leave out part 4.csv").click()
    expect(form.rows).to_have_count(4)
    form.name.fill("parts")
    form.send()
    version = form.is_registered("parts")
    assert [each.path for each in files_of(version)] == [f"part {n}.csv" for n in range(4)]
    assert frame_of(version) == [(n,) for n in range(4)]
    assert list(root_by_name(version.workspace, STAGED).walk()) == []


def test_a_folder_keeps_its_folders(form: Form, tmp_path: Path) -> None:
    for path in ("2021/may.txt", "2022/june.txt"):
        (tmp_path / "birds" / path).parent.mkdir(parents=True)
        (tmp_path / "birds" / path).write_text(path)
    form.page.locator("file-drop input[webkitdirectory]").set_input_files(tmp_path / "birds")
    expect(form.page.locator("file-drop li.done")).to_have_count(2)
    expect(form.name).to_have_value("birds")
    form.page.get_by_label("Kind").select_option("file")
    expect(form.page.locator("#reading")).to_be_empty()
    form.send()
    found = files_of(form.is_registered("birds"))
    assert [each.path for each in found] == ["birds/2021/may.txt", "birds/2022/june.txt"]


def test_dropped_folders_are_walked(form: Form) -> None:
    form.page.evaluate(
        """() => {
          const file = (name, text) => ({ isFile: true, fullPath: `/top/${name}`, file: (done) => done(new File([text], name)) });
          let reads = 0;
          const folder = { isFile: false, createReader: () => ({ readEntries: (done) => done(reads++ < 2 ? [file(`${reads}.txt`, "x")] : []) }) };
          const event = new Event("drop", { cancelable: true });
          event.dataTransfer = { files: [], items: [{ kind: "file", webkitGetAsEntry: () => folder }] };
          document.querySelector("file-drop").dispatchEvent(event);
        }"""
    )
    expect(form.page.locator("file-drop li.done")).to_have_text(["top/1.txt1 B", "top/2.txt1 B"])


def test_a_file_that_is_not_sent_is_told_by_its_name_and_holds_the_form(form: Form) -> None:
    def refuse(route: Any) -> None:
        if "two" not in route.request.url:
            route.continue_()
        elif proxy:
            route.fulfill(status=200, content_type="text/html", body=proxy.pop())
        else:
            route.abort()

    proxy = ["<p>Sign in to the proxy.</p>"]
    form.page.route("**/staged/**", refuse)
    form.choose(*({"name": f"{name}.csv", "mimeType": "text/csv", "buffer": b"a\n1\n"} for name in ("one", "two")))
    bad = form.page.locator("file-drop li.bad")
    expect(bad).to_contain_text("two.csv")
    expect(bad).to_contain_text("What answered was not the studio.")
    bad.get_by_role("button", name="Try again").click()
    expect(bad).to_contain_text("The connection was lost.")
    expect(form.page.locator("file-drop .sum")).to_contain_text("1 file was not sent")
    form.name.fill("held")
    form.send()
    expect(form.page.locator("file-drop .sum")).to_contain_text("Some files were not sent")
    assert not Dataset.objects.filter(name="held").exists()
    form.page.unroute("**/staged/**")
    bad.get_by_role("button", name="Try again").click()
    expect(form.page.locator("file-drop li.done")).to_have_count(2)
    form.said.clear()  # the browser says that a request failed
    form.send()
    assert len(files_of(form.is_registered("held"))) == 2


def test_a_form_that_is_sent_early_waits_for_its_files(form: Form) -> None:
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    form.page.route("**/staged/**", hold)
    form.choose({"name": "slow.csv", "mimeType": "text/csv", "buffer": b"a\n1\n"})
    expect(form.page.locator("file-drop .sum")).to_contain_text("0 of 1 file")
    form.name.fill("slow")
    form.send()
    expect(form.page.locator("file-drop[busy]")).to_be_visible()
    held[0].continue_()
    form.is_registered("slow")


def test_a_german_table_is_read_as_it_is_written(form: Form) -> None:
    form.give("Preise 2021.csv", GERMAN)
    page = form.page
    expect(page.get_by_label("Separator")).to_have_value(";")
    expect(page.get_by_label("Encoding")).to_have_value("windows1252")
    expect(page.get_by_label("Decimal mark")).to_have_value(",")
    expect(form.rows.first.locator("td")).to_have_text(["1.5", "1000.5", "Köln"])
    expect(form.name).to_have_value("Preise 2021")
    form.send()
    version = form.is_registered("Preise 2021")
    assert types_of(version) == {"Größe": "float", "Preis": "float", "Ort": "string"}
    assert frame_of(version) == [(1.5, 1000.5, "Köln"), (2.25, 7.0, "München")]


def test_types_are_chosen_and_what_does_not_fit_is_told(form: Form) -> None:
    form.give("ids.csv", b"id,day\n007,3/4/2021\n8,25/12/2021\nx,\n")
    form.page.get_by_label("Type of id").select_option("long")
    expect(form.page.locator("#reading th").first).to_contain_text("1 value becomes null")
    form.page.get_by_label("Type of id").select_option("string")
    form.page.get_by_label("Type of day").select_option("datetime")
    expect(form.rows.first.locator("td")).to_have_text(["007", "2021-04-03T00:00:00"])
    expect(form.page.locator("#reading th .bad")).to_have_count(0)
    form.send()
    version = form.is_registered("ids")
    assert version.definition["format"]["columns"] == {"id": "string", "day": "datetime"}
    assert [str(day)[:10] for _, day in frame_of(version)] == ["2021-04-03", "2021-12-25", "None"]


ODD = {
    "tabs.tsv": (b"a\tb\n1\tx,y\n", [(1, "x,y")]),
    "lines.jsonl": (b'{"a": 1, "z": "007"}\n{"b": [1, 2]}\n', [(1, "007", None), (None, None, "[1,2]")]),
    "breaks.csv": (b'a,b\n"x\ny",2\n', [("x\ny", 2)]),
    "mark.csv": (b"\xef\xbb\xbfa,b\n1,2\n", [(1, 2)]),
    "headless.csv": (b"1,2\n3,4\n", [(1, 2), (3, 4)]),
    "one.csv": (b"name\nAda, L.\nBob\n", [("Ada, L.",), ("Bob",)]),
    "wide utf-16.csv": ("ä;b\n1;2\n".encode("utf-16"), [(1, 2)]),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_files_are_registered_as_they_are_previewed(form: Form, name: str) -> None:
    data, rows = ODD[name]
    form.give(name, data)
    expect(form.rows).to_have_count(len(rows))
    shown = [["null" if each is None else str(each) for each in row] for row in rows]
    cells = [[each.strip() for each in row.locator("td").all_text_contents()] for row in form.rows.all()]
    assert cells == shown
    form.send()
    assert frame_of(form.is_registered(name.rsplit(".", 1)[0])) == rows


def test_parquet_with_zones_is_registered(form: Form) -> None:
    buffer = io.BytesIO()
    times = pd.to_datetime(["2021-03-04T12:00:00"]).tz_localize("Europe/Lisbon").tz_convert("Asia/Tokyo")
    pd.DataFrame({"at": times, "n": [2**53 + 1]}).to_parquet(buffer)
    form.give("zones.parquet", buffer.getvalue())
    expect(form.page.get_by_label("Format")).to_have_value("parquet")
    expect(form.page.get_by_label("Encoding")).to_have_count(0)
    expect(form.rows.first.locator("td")).to_have_text(["2021-03-04T12:00:00", "9007199254740993"])
    form.send()
    version = form.is_registered("zones")
    assert version.definition["format"] == {"type": "parquet"}
    assert frame_of(version)[0][1] == 2**53 + 1


def test_five_thousand_columns_are_registered(form: Form) -> None:
    names = [f"c{n}" for n in range(5000)]
    form.give("wide.csv", (",".join(names) + "\n" + ",".join("1" for _ in names) + "\n").encode())
    expect(form.page.locator("#reading")).to_contain_text("the first 100 of 5000 columns")
    form.send()
    assert len(frame_of(form.is_registered("wide"))[0]) == 5000


def test_what_cannot_be_read_is_told_with_its_line_and_nothing_typed_is_lost(form: Form) -> None:
    form.give("rows.csv", b"a,b\n1,2\n3,4,5\n")
    error = form.page.locator("#reading [role=alert]")
    expect(error).to_contain_text("line 3 has 3 values, but the table has 2 columns")
    form.name.fill("kept name")
    form.page.get_by_label("Description").fill("kept words")
    form.send()
    expect(form.page.get_by_text("Nothing was registered yet")).to_be_visible()
    expect(form.name).to_have_value("kept name")
    expect(form.page.get_by_label("Description")).to_have_value("kept words")
    expect(form.page.locator("file-drop li.done")).to_contain_text("rows.csv")
    form.give("rows.csv", b"a,b\n1,2\n3,4\n")
    expect(form.rows).to_have_count(2)
    form.send()
    version = form.is_registered("kept name")
    assert version.description == "kept words"
    assert frame_of(version) == [(1, 2), (3, 4)]


def test_an_empty_file_and_a_workbook_are_refused_in_words(form: Form) -> None:
    form.give("empty.csv", b"")
    expect(form.page.locator("#reading [role=alert]")).to_contain_text("is empty")
    form.page.get_by_role("button", name="Leave out empty.csv").click()
    form.give("book.xlsx", b"PK\x03\x04" + b"\0" * 60)
    expect(form.page.locator("#reading [role=alert]")).to_contain_text("save the sheet as CSV")
    form.give("list.json", b'[{"a": 1}]')
    expect(form.page.locator("#reading [role=alert]")).to_contain_text("save the sheet as CSV")
    form.page.get_by_role("button", name="Leave out book.xlsx").click()
    expect(form.page.locator("#reading [role=alert]")).not_to_contain_text("save the sheet as CSV")
    form.page.get_by_label("Format").select_option("json_lines")
    expect(form.page.locator("#reading [role=alert]")).to_contain_text("line 1 is JSON, but no object")


def test_a_name_that_is_taken_keeps_the_files(form: Form) -> None:
    form.site.dataset("taken")
    form.give("new.csv", b"a\n1\n")
    form.name.fill("taken")
    form.send()
    expect(form.page.get_by_role("alert").first).to_contain_text("There is a dataset 'taken'")
    expect(form.page.locator("file-drop li.done")).to_contain_text("new.csv")
    form.page.get_by_label("If the name is taken").check()
    form.send()
    assert form.is_registered("taken").version == 2


def test_a_new_version_is_read_as_the_last_one(form: Form) -> None:
    form.give("first.csv", GERMAN)
    form.page.get_by_label("Type of Ort").select_option("string")
    form.page.get_by_label("Description").fill("prices")
    form.send()
    first = form.is_registered("first")
    assert first.definition["format"].get("columns") == {"Ort": "string"}, first.definition
    form.page.get_by_role("link", name="New version").click()
    form.give("other.csv", b"Preis;Ort\n2,5;x\n")
    expect(form.page.get_by_label("Type of Ort")).to_have_value("string")
    expect(form.page.get_by_label("Description")).to_have_value("prices")
    form.page.get_by_label("Encoding").select_option("utf8")
    expect(form.rows.first.locator("td")).to_have_text(["2.5", "x"])
    form.send()
    second = form.is_registered("first")
    assert second.version == first.version + 1
    assert (
        second.definition["format"] == {**first.definition["format"], "encoding": "utf8"}
        or "encoding" not in second.definition["format"]
    )
    assert frame_of(second) == [(2.5, "x")]


def test_how_a_path_is_read_can_be_changed(form: Form) -> None:
    form.site.dataset("penguins")
    form.go("data/sets/penguins/")
    form.page.get_by_role("link", name="Change how they are read").click()
    expect(form.rows).to_have_count(2)
    form.page.get_by_label("Type of mass").select_option("string")
    expect(form.rows.first.locator("td")).to_have_text(["Adelie", "3700"])
    form.send()
    version = form.is_registered("penguins")
    assert version.version == 2
    assert version.definition["sources"] == [{"datastore": "workspaceblobstore", "path": "raw/p.csv"}]
    assert types_of(version)["mass"] == "string"


def test_description_and_tags_are_edited(form: Form) -> None:
    version = form.site.dataset("penguins")
    DatasetVersion.objects.filter(pk=version.pk).update(tags={"season": "2021", "n": 3})
    form.go("data/sets/penguins/")
    form.page.get_by_role("button", name="Edit…").click()
    dialog = form.page.locator("#dataset-dialog")
    expect(dialog.get_by_label("Tags")).to_have_value("season: 2021")
    dialog.get_by_label("Description").fill("birds of the south")
    dialog.get_by_label("Tags").fill("season: 2022\nchecked\n")
    dialog.get_by_role("button", name="Save").click()
    expect(form.page.get_by_text("birds of the south")).to_be_visible()
    assert DatasetVersion.objects.get(pk=version.pk).tags == {"season": "2022", "checked": "", "n": 3}
    form.go("data/")
    expect(form.page.locator("#datasets")).to_contain_text("birds of the south")


def test_the_notice_waits_for_who_looks_elsewhere_and_for_slow_answers(
    site: Site, own_page: Any, live_server: Any
) -> None:
    """Its time is the page's own: it runs only while the page is looked at."""
    form = Form(site, own_page, live_server)

    def slow(route: Any) -> None:
        form.page.wait_for_timeout(500)
        route.continue_()

    form.give("rain.csv", b"a,b\n1,2\n")
    expect(form.rows).to_have_count(1)
    form.page.clock.install()
    form.page.add_init_script(
        "Object.defineProperty(document, 'visibilityState', {get: () => window.seen ?? 'hidden'})"
    )
    form.page.route("**/*", slow)
    form.send()
    notice = form.page.locator("#toasts .toast", has_text="“rain” version 1 is registered.")
    expect(notice).to_be_visible()
    expect(form.page.locator("#toasts:popover-open")).to_be_visible()
    form.page.clock.fast_forward(60_000)
    expect(notice).to_be_visible()
    form.page.evaluate("window.seen = 'visible'; document.dispatchEvent(new Event('visibilitychange'))")
    form.page.clock.fast_forward(5_000)
    expect(notice).to_be_visible()
    notice.hover()
    form.page.clock.fast_forward(60_000)
    expect(notice).to_be_visible()
    form.page.mouse.move(0, 0)
    form.page.clock.fast_forward(3_000)
    expect(notice).to_have_count(0)
    form.page.unroute_all(behavior="ignoreErrors")  # what is on its way does not outlive the page


def test_an_address_is_not_celebrated_before_it_is_there(form: Form) -> None:
    form.go("data/register/?from=web")
    form.page.get_by_label("Web address").fill(f"https://{uuid4()}.example/birds.tsv")
    form.page.get_by_label("Web address").press("Tab")
    expect(form.page.get_by_label("Separator")).to_have_value("\t")
    expect(form.name).to_have_value("birds")
    form.send()
    expect(form.page.get_by_text("being fetched from the web")).to_be_visible()
    expect(form.page.get_by_text("Version 1 of “birds” is saved. Its data are read next.")).to_be_visible()
    expect(form.page.get_by_text("is registered")).to_have_count(0)
    version = DatasetVersion.objects.get(dataset__name="birds")
    assert version.definition["format"]["separator"] == "\t"
    version.move("failed", error={"code": "not_fetched", "message": "there is no such host"})
    form.page.reload()
    expect(form.page.get_by_role("alert")).to_contain_text("there is no such host")
    form.page.get_by_role("button", name="Try again").click()
    expect(form.page.get_by_text("being fetched from the web")).to_be_visible()


def test_a_large_file_goes_on_after_a_break_and_after_a_reload(form: Form, tmp_path: Path) -> None:
    place = tmp_path / "large.bin"
    place.write_bytes(os.urandom(20 << 20))
    form.page.get_by_label("Kind").select_option("file")
    seen: list[tuple[str, bool]] = []

    def break_off(route: Any) -> None:
        """The second piece is cut off once, and everything after it until the page is loaded anew."""
        at = route.request.headers.get("content-range", "").split("-")[0]
        cut = at not in ("", "bytes 0") and form.cut
        seen.append((at, cut))
        route.abort() if cut else route.continue_()

    form.page.route("**/staged/**", break_off)
    form.cut = True
    form.choose(place)
    expect(form.page.locator("file-drop li .what")).to_contain_text("It is tried again.")
    key = form.page.locator("input[name=staged]").input_value()
    assert [each.received for each in parts(form.site.context, key)] == [8 << 20]
    form.page.get_by_role("button", name="Stop large.bin").click()
    expect(form.page.locator("file-drop li")).to_have_count(0)
    assert parts(form.site.context, key) == [], "what is stopped would hold the form"
    form.choose(place)
    expect(form.page.locator("file-drop li .what")).to_contain_text("It is tried again.")
    form.page.on("dialog", lambda dialog: dialog.accept())
    form.page.reload()
    form.page.wait_for_function("() => Boolean(customElements.get('file-drop'))")
    part = form.page.locator("file-drop li.part")
    expect(part).to_contain_text("8 MiB of 20 MiB are here. Choose this file again to go on.")
    form.page.get_by_label("Kind").select_option("file")
    form.name.fill("large")
    form.send()
    expect(form.page.get_by_role("alert")).to_contain_text("Some files were not sent")
    assert violations(form.page, "light") == []
    form.cut = False
    form.choose(place)
    expect(form.page.locator("file-drop li.done")).to_contain_text("large.bin")
    expect(part).to_have_count(0)
    assert seen[-3:] == [("bytes 0", False), ("bytes 8388608", False), ("bytes 16777216", False)]
    form.said.clear()  # of the requests that were cut off
    form.send()
    (found,) = files_of(form.is_registered("large"))
    assert root_by_name(form.site.workspace, found.datastore).read(found.key) == place.read_bytes()


def test_a_column_of_times_is_chosen_and_kept_by_the_next_version(form: Form) -> None:
    form.give("times.csv", b"day,n\n2021-01-02,1\n2021-01-03,2\n")
    form.page.get_by_label("Time stamp", exact=True).select_option("day")
    expect(form.rows).to_have_count(2)
    expect(form.page.get_by_label("Time stamp", exact=True)).to_have_value('"day"')
    form.send()
    version = form.is_registered("times")
    assert version.definition["operations"] == [{"op": "timestamp_columns", "timestamp": "day"}]
    form.page.get_by_role("link", name="New version").click()
    form.give("later.csv", b"day,n\n2021-01-04,3\n")
    expect(form.page.get_by_label("Time stamp", exact=True)).to_have_value('"day"')
    form.page.get_by_label("Time stamp", exact=True).select_option("")
    expect(form.rows).to_have_count(1)
    form.send()
    assert form.is_registered("times").definition["operations"] == []


def test_a_query_is_asked_before_it_is_registered(form: Form, tmp_path: Path, settings: Any) -> None:
    form.go("data/register/?from=sql")
    expect(form.page.get_by_text("There is no database yet.")).to_be_visible()
    settings.DUTO = replace(settings.DUTO, database_folders=str(tmp_path))
    with sqlite3.connect(tmp_path / "base.db") as base:
        base.executescript(
            "create table birds (name text, mass int); insert into birds values ('Adelie', 3700), ('Gentoo', 5000)"
        )
    registration.register(form.site.context, "base", "sqlite", {"path": str(tmp_path / "base.db")}, {}, validate=False)
    form.go("data/register/?from=sql")
    query = form.page.get_by_label("Query")
    query.fill("select * from fish")
    query.press("Tab")
    expect(form.page.get_by_role("alert")).to_contain_text("fish")
    query.fill("select name, mass from birds where mass > 4000")
    query.press("Tab")
    expect(form.rows.locator("td")).to_have_text(["Gentoo", "5000"])
    expect(form.page.get_by_label("Type of name")).to_have_count(0)
    form.name.fill("heavy")
    assert violations(form.page, "light") == [] and fits(form.page)
    form.send()
    expect(form.page.get_by_text("Version 1 of “heavy” is saved.")).to_be_visible()
    version = DatasetVersion.objects.get(dataset__name="heavy")
    assert version.definition["sources"] == [
        {"datastore": "base", "query": "select name, mass from birds where mass > 4000", "seconds": 30}
    ]
    assert version.definition["format"] == {"type": "parquet"}
    form.go("data/register/?of=heavy")
    expect(form.page.get_by_label("Query")).to_have_value("select name, mass from birds where mass > 4000")
    expect(form.rows).to_have_count(1)


def test_what_is_at_an_address_is_shown_before_it_is_registered(form: Form, settings: Any, tmp_path: Path) -> None:
    settings.DUTO = replace(settings.DUTO, fetch_private=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    site = f"http://127.0.0.1:{server.server_port}"
    (tmp_path / "fish.csv").write_text("kind;n\ncod;1,5\n")
    form.go("data/register/?from=web")
    form.page.get_by_label("Web address").fill(f"{site}/none.csv")
    form.page.get_by_label("Web address").press("Tab")
    expect(form.page.locator("#reading .banner")).to_contain_text("404")
    form.page.get_by_label("Web address").fill(f"{site}/fish.csv")
    form.page.get_by_label("Web address").press("Tab")
    expect(form.rows.locator("td")).to_have_text(["cod", "1.5"])
    form.send()
    expect(form.page.get_by_text("Version 1 of “fish” is saved.")).to_be_visible()
    server.shutdown()
    server.server_close()


def test_the_form_and_its_pages_keep_nobody_out_and_fit_everywhere(form: Form) -> None:
    found = {}
    long = "a very long name of a column that nobody would write by hand, but programs do " * 3
    text = f"{long},b\n\u202eevil.exe,{'x' * 300}\n1,2\n"
    form.give(f"{'long name ' * 20}.csv", text.encode())
    expect(form.rows).to_have_count(2)
    for place in (
        "form",
        "data/sets/long/",
        "data/",
        "data/stores/workspaceblobstore/?path=uploads/long",
        "data/register/?from=path",
        "data/register/?from=web",
        "data/register/?from=sql",
    ):
        if place == "data/sets/long/":
            form.name.fill("long")
            form.send()
            form.is_registered("long")
            expect(form.page.locator("#preview tbody tr")).to_have_count(2)
        elif place != "form":
            form.go(place)
        for size in (WIDE, {"width": 1024, "height": 800}, {"width": 768, "height": 1024}, NARROW):
            form.page.set_viewport_size(size)
            assert fits(form.page), (place, size)
        form.page.set_viewport_size(WIDE)
        if problems := violations(form.page, "light"):
            found[place] = problems
    assert not found, json.dumps(found, indent=1)
