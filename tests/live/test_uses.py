"""The list of who uses a thing moves on with what it shows, and leaves the studio alone for the rest."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.live.studio import Studio

pytestmark = [pytest.mark.slow, pytest.mark.browser]

COUNTED = """
const real = fetch;
window.asked = [];
window.fetch = (...args) => { asked.push(String(args[0])); return real(...args); };
"""


def test_a_list_of_uses_asks_again_when_what_it_shows_may_have_changed_and_else_never(
    stage: Studio, page: Page
) -> None:
    stage.rest("PUT", "datastores/workspaceblobstore/files/used/a.csv?overwrite=1", content=b"a\n1\n")
    definition = {"sources": [{"datastore": "workspaceblobstore", "path": "used/a.csv"}]}
    version = stage.post("datasets/", {"name": "used", "kind": "file", "definition": definition})["id"]
    page.add_init_script(COUNTED)
    page.goto("/w/main/data/sets/used/")
    uses = page.locator("#dataset-uses")
    expect(uses).to_contain_text("No run uses it yet.")

    def asked(part: str) -> int:
        return int(page.evaluate("part => asked.filter((url) => url.includes(part)).length", part))

    stage.submit({"other": "pass"}).wait()
    # The number in the navigation hears of every run: when it has asked, the list would have, too.
    page.wait_for_function("() => asked.some((url) => url.includes('part=count'))")
    assert asked("of/dataset/") == 1
    graph = stage.graph({"reads": "pass", "after": "pass"}, {"after": ["reads"]})
    graph["steps"][0]["inputs"] = [{"name": "data", "from": {"dataset": version}, "mode": "direct"}]
    run = stage.submit_graph(graph).wait()
    expect(uses.locator("tbody tr")).to_have_count(1)
    expect(uses.locator("tbody tr")).to_contain_text("reads")
    expect(uses.locator('[data-state="Completed"]')).to_be_visible()
    stage.rest("PATCH", f"runs/{run.id}/", json={"display_name": "Renamed"})
    expect(uses).to_contain_text("Renamed")
    stage.rest("DELETE", f"runs/{run.id}/")
    expect(uses).to_contain_text("No run uses it yet.")
