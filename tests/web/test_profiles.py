"""The page of a profile: asked for, followed while it is computed, read, sorted and searched."""

from __future__ import annotations

import io
import re
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from core.clock import now
from datasets.models import DatasetVersion, ProfileRun
from datasets.services import profiling
from datasets.services.datastores import put_file
from datasets.services.versions import save
from tests.web.chrome import open_page, ours
from tests.web.conftest import Site

pytestmark = pytest.mark.django_db
TEXT = "species,mass,when,note\nAdelie,3700,2007-11-11,\nGentoo,NA,2008-01-02,\"<b>bold</b>, 'x'\"\nAdelie,3800.5,2009-02-03,y\n"


def seen(site: Site, at: str, who: str = "owner") -> str:
    return str(site.people[who].get(f"/w/lab/{at}").content.decode())


def table(site: Site, name: str = "birds", text: str = TEXT) -> DatasetVersion:
    put_file(site.context, "workspaceblobstore", f"raw/{name}.csv", io.BytesIO(text.encode()), overwrite=True)
    definition = {"sources": [{"datastore": "workspaceblobstore", "path": f"raw/{name}.csv"}]}
    return save(site.context, name, "tabular", definition, create_new_version=True)


def test_it_is_asked_for_shown_and_asked_for_again(site: Site) -> None:
    table(site)
    assert "No profile yet" in seen(site, "data/profile/birds/")
    site.send("data/start-profile/birds/", version="1")
    run = ProfileRun.objects.get()
    shown = seen(site, "data/profile/birds/")
    assert "waits for a worker" in shown and "No profile yet" in shown
    ProfileRun.objects.filter(pk=run.pk).update(
        status="running", progress=40, lease_until=now() + timedelta(seconds=99)
    )
    assert "40 %" in seen(site, "data/profile/birds/?part=body")
    site.send("data/cancel-profile/birds/", version="1")
    assert "It was canceled" in seen(site, "data/profile/birds/")
    site.send("data/start-profile/birds/", version="1")
    profiling.carry(ProfileRun.objects.get(status="queued").pk)
    shown = seen(site, "data/profile/birds/")
    assert "It was canceled" not in shown and "3 rows" in shown and "4 columns" in shown
    assert shown.count('<svg class="histogram"') == 4
    assert "33.3 %" in shown and "3,750" in shown and "2007-11-11" in shown
    assert "&lt;b&gt;bold&lt;/b&gt;" in shown and "<b>bold</b>" not in shown


def test_a_failure_says_why_beside_the_profile_before(site: Site) -> None:
    version = table(site)
    site.profiled(version)
    put_file(site.context, "workspaceblobstore", "raw/birds.csv", io.BytesIO(b'a,b\n1,"2\n'), overwrite=True)
    site.profiled(version)
    shown = seen(site, "data/profile/birds/")
    assert "never closed" in shown and "species" in shown


def test_columns_are_sorted_searched_and_paged(site: Site) -> None:
    names = [f"c{number:03}" for number in range(250)]
    rows = [[str(number if row or number % 2 else "") for number in range(250)] for row in range(3)]
    version = table(site, "wide", "\n".join([",".join(names), *map(",".join, rows)]) + "\n")
    site.profiled(version)

    def columns(query: str) -> list[str]:
        return re.findall(r'<bdi class="truncate">(c\d+)</bdi>', seen(site, f"data/profile/wide/?{query}"))

    assert columns("") == names[:100] and columns("from=200") == names[200:]
    assert columns("sort=-name")[0] == "c249"
    assert columns("sort=-missing")[:2] == ["c000", "c002"]
    assert columns("q=C24") == names[240:]
    assert columns("q=C24&from=999999") == [names[249]]
    assert "No column fits" in seen(site, "data/profile/wide/?q=zzz")
    assert columns("sort=odd&from=-3") == names[:100]


def test_files_have_none_and_readers_do_not_start_one(site: Site) -> None:
    definition = {"sources": [{"datastore": "workspaceblobstore", "path": "raw/birds.csv"}]}
    table(site)
    save(site.context, "files", "file", definition)
    assert "Only tables have a profile" in seen(site, "data/profile/files/")
    assert "start-profile" not in seen(site, "data/profile/files/")
    assert "start-profile" in seen(site, "data/profile/birds/")
    assert "start-profile" not in seen(site, "data/profile/birds/", "reader")
    assert site.send("data/start-profile/birds/", "reader").status_code == 403


def test_versions_are_compared_and_shown_side_by_side(site: Site) -> None:
    table(site)
    assert "There is no other version" in seen(site, "data/differences/birds/")
    definition = {"sources": [{"datastore": "workspaceblobstore", "path": "raw/later.csv"}]}
    text = TEXT.replace("Gentoo,NA", "Gentoo,4000").replace("note", "remark")
    put_file(site.context, "workspaceblobstore", "raw/later.csv", io.BytesIO(text.encode()), overwrite=True)
    save(site.context, "birds", "tabular", definition, create_new_version=True)
    shown = seen(site, "data/differences/birds/")
    assert "Not compared yet" in shown and '<option value="when">' in shown
    site.send("data/start-differences/birds/", **{"version": "2", "with": "1", "key": "when"})
    assert "are being compared" in seen(site, "data/differences/birds/")
    profiling.carry(ProfileRun.objects.get().pk)
    shown = seen(site, "data/differences/birds/?version=2&with=1")
    assert "From version 1 to version 2" in shown and "33.3 % → 0 %" in shown
    assert "note" in shown and "remark" in shown and shown.count('<svg class="histogram"') == 6
    assert re.search(r"Rows changed</dt><dd class=\"v\">1</dd>", shown)
    site.send("data/start-differences/birds/", **{"version": "2", "with": "1", "key": "species"})
    profiling.carry(ProfileRun.objects.get(status="queued").pk)
    assert "2 rows share their key" in seen(site, "data/differences/birds/")
    assert "start-differences" not in seen(site, "data/differences/birds/", "reader")
    assert "Not compared yet" in seen(site, "data/differences/birds/?version=1&with=2")


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_row_opens_and_says_the_rest(site: Site, page: Any, live_server: Any) -> None:
    version = table(site)
    site.profiled(version)
    said = open_page(site, page, live_server)
    page.goto(f"{live_server.url}/w/lab/data/profile/birds/")
    more = page.locator("#more-1")
    expect(more).to_be_hidden()
    button = page.get_by_role("button", name="mass")
    button.focus()
    page.keyboard.press("Enter")
    expect(more).to_be_visible()
    expect(button).to_have_attribute("aria-expanded", "true")
    expect(more).to_contain_text("Not missing")
    expect(more).to_contain_text("99.9 %")
    page.locator("[data-search]").press_sequentially("spe")
    expect(page.locator("tbody tr:not(.more)")).to_have_count(1)
    assert ours(said) == []
