"""Pages of drafts: a copy of a run is changed by its forms, checked at each step, submitted; nobody's change is lost."""

from __future__ import annotations

import html
import re
import time
from datetime import timedelta
from typing import Any

import pytest

from core.clock import now
from pipelines.models import PipelineDraft
from pipelines.services import drafts as services
from runs.models import Run
from runs.web import argument_lines
from tests.web.chrome import NARROW, fits, open_page, ours
from tests.web.conftest import PARAMETERS, Site
from workspaces.models import AuditEntry

pytestmark = [pytest.mark.django_db(transaction=True)]
ARGUMENTS = [
    "--trees",
    {"parameter": "trees"},
    5,
    "5",
    "",
    "two words",
    "a\r\nb",
    '{"x"',
    '"',
    0.5,
    True,
    " end ",
    "\u2028x",
]


def drafted(site: Site, run: Run | None = None) -> tuple[PipelineDraft, str]:
    """A draft of a run by its button, and its path."""
    answer = site.send("drafts/new/", run_id=str((run or site.failed()).pk))
    return PipelineDraft.objects.latest("id"), answer["Location"].removeprefix("/w/lab/")


def sent(draft: PipelineDraft, **values: Any) -> dict[str, Any]:
    """What the form of the page sends where nobody has touched it, but for these."""
    form = {"version": draft.version, "name": draft.name, "experiment": draft.experiment, "priority": draft.priority}
    form |= {"description": draft.description, "tags": ""}
    for prefix in ("p_", "d_"):
        for each in draft.graph["parameters"]:
            value = each["default"] if prefix == "d_" else draft.parameters.get(each["name"], each["default"])
            form[prefix + each["name"]] = str(value).lower() if isinstance(value, bool) else value
    return {**form, **values}


def test_a_graph_without_steps_empties_no_draft(site: Site) -> None:
    draft, _place = drafted(site)
    for graph in ({}, {"schema": 1, "steps": []}):
        answer = site.patch(f"drafts/{draft.pk}/", {"graph": graph})
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "no_steps"), graph
    assert PipelineDraft.objects.get() == draft and PipelineDraft.objects.get().graph == draft.graph


def test_drafts_that_nobody_has_changed_are_listed_alone_and_deleted_together(site: Site) -> None:
    """Nothing else removes one: it is somebody's work."""
    run = site.failed()
    made = [drafted(site, run)[0] for _ in range(3)]
    for draft, days in zip(made, (400, 31, 29), strict=True):
        PipelineDraft.objects.filter(pk=draft.pk).update(name=f"d{days}", changed_at=now() - timedelta(days=days))
    names = {
        days: re.findall(r">(d\d+)</a>", site.see(f"drafts/?unchanged={days}").content.decode())
        for days in ("", "30", "365", "x", "-1")
    }
    assert names == {
        "": ["d29", "d31", "d400"],
        "30": ["d31", "d400"],
        "365": ["d400"],
        "x": names[""],
        "-1": names[""],
    }
    assert "No draft fits this" in site.see("drafts/?unchanged=365&q=nope").content.decode()
    page = site.see("drafts/").content.decode()
    assert page.count('name="draft"') == 3 and "drafts/selected/" in page
    assert 'name="draft"' not in site.see("drafts/", "reader").content.decode()
    picked = [str(made[0].pk), str(made[1].pk), "nonsense", str(run.pk)]
    site.send("drafts/selected/", draft=picked)
    assert (
        list(PipelineDraft.objects.values_list("name", flat=True)) == ["d29"] and Run.objects.filter(pk=run.pk).exists()
    )
    assert AuditEntry.objects.filter(action="draft.deleted").count() == 2


def test_a_clone_is_a_draft_whose_form_takes_typed_values(site: Site) -> None:
    run = site.failed()
    draft, place = drafted(site, run)
    assert draft.parameters == {"trees": 300} and draft.of_run_id == run.pk
    page = site.see(place).content.decode()
    assert re.search(r'type="number"[^>]*name="p_trees"[^>]*value="300"', page) and f"from run #{run.number}" in page
    site.send(place, **sent(draft, do="save"))
    assert PipelineDraft.objects.get().version == 1, "what nobody has touched is no change"
    wrong = site.send(place, **sent(draft, do="submit", p_trees="many")).content.decode()
    assert "is a whole number, but the value is" in wrong and not Run.objects.filter(cloned_from=run).exists()
    values = {
        "p_trees": "7",
        "p_rate": "0.5",
        "p_scale": "false",
        "p_note": "two words",
        "d_note": "later",
        "tags": "team: a\nx",
    }
    answer = site.send(
        place, **sent(draft, do="submit", force="on", continue_on_step_failure="on", priority="3", **values)
    )
    made = Run.objects.get(cloned_from=run)
    assert answer["Location"] == f"/w/lab/runs/{made.pk}/" and made.is_forced and made.priority == 3
    assert made.parameters == {"trees": 7, "rate": 0.5, "scale": False, "note": "two words"}
    assert made.tags == {"team": "a", "x": ""} and made.continue_on_step_failure
    assert [each["default"] for each in made.graph["parameters"]] == [200, 0.1, True, "later"]
    found = site.get("palette/", q="nightly").json()["items"]
    assert [each["url"] for each in found if each["kind"] == "draft"] == [f"/w/lab/{place}"]
    assert f"#{made.number}" in site.see(place, part="runs").content.decode()
    assert "draft “nightly”" in html.unescape(site.see(f"runs/{made.pk}/").content.decode())
    assert (
        "nightly" in site.see("drafts/").content.decode()
        and "No draft fits this" in site.see("drafts/", q="zz").content.decode()
    )


def test_a_step_is_changed_by_its_form_and_keeps_what_is_not_touched(site: Site) -> None:
    graph = site.graph("prepare -> train -> score", parameters=PARAMETERS)
    graph["steps"][1]["arguments"] = ARGUMENTS
    draft, place = drafted(site, site.pipeline(graph=graph, status="Completed"))
    before = draft.graph["steps"]
    form = site.see(f"{place}steps/1/").content.decode()
    assert '{"parameter": "trees"}' in html.unescape(form) and form.count('type="checkbox"') == 3
    lines = argument_lines.said(ARGUMENTS).replace("\n", "\r\n")
    step = {"node": "train", "step-arguments": lines, "step-compute": "cpu", "step-environment": "-"}
    step |= {"step-allow_reuse": "on", "step-run_after": ["prepare"]}
    site.send(f"{place}steps/1/", version=1, **step)
    assert PipelineDraft.objects.get().graph == draft.graph, "what nobody has touched"
    more = lines + '\r\n--out\r\n{"parameter": "note"}\r\n"{quoted"'
    page = sent(draft, p_trees="11")
    site.post("environments/", {"name": "slim", "python": {"version": "3.11", "packages": ["pandas"]}})
    changed = {**step, "step-arguments": more, "step-environment": "slim:1", "step-run_after": ["score"]}
    answer = site.send(f"{place}steps/1/", **{**page, **changed, "step-allow_reuse": ""})
    assert answer["Location"] == f"/w/lab/{place}"
    kept = PipelineDraft.objects.get()
    after = kept.graph["steps"]
    assert after[1] == {
        **before[1], "arguments": [*ARGUMENTS, "--out", {"parameter": "note"}, "{quoted"], "run_after": ["score"],
        "environment": {"name": "slim", "version": "1"}, "allow_reuse": False,
    }  # fmt: skip
    assert after[::2] == before[::2] and kept.parameters == {"trees": 11}, "and what was typed on the page is kept"
    text = html.unescape(site.see(place).content.decode())
    assert "These steps wait for each other in a circle" in text and "slim:1" in text and "always runs" in text
    refused = site.send(place, **sent(kept, do="submit")).content.decode()
    assert 'class="wrap error"' in refused
    assert not Run.objects.filter(trigger__kind="draft").exists()
    bad = html.unescape(
        site.send(f"{place}steps/1/", version=2, **{**step, "step-arguments": "--a\n{oops"}).content.decode()
    )
    assert "Line 2 begins as JSON and is none." in bad
    other = html.unescape(site.send(f"{place}steps/0/", version=2, **step).content.decode())
    assert "The steps of the draft are others now" in other
    assert site.see(f"{place}steps/9/").status_code == 404


def test_problems_stand_at_their_steps(site: Site) -> None:
    draft, place = drafted(site)
    site.patch(
        f"drafts/{draft.pk}/", {"steps": {"train": {"compute": "far", "environment": {"name": "none", "version": "1"}}}}
    )
    page = html.unescape(site.see(place).content.decode())
    assert page.index("Change train") < page.index("wants compute target 'far'")
    site.patch(f"drafts/{draft.pk}/", {"steps": {"train": {"compute": "cpu"}}})
    draft.refresh_from_db()
    page = html.unescape(site.send(place, **sent(draft, do="save", name="kept")).content.decode())
    assert page.index("Change train") < page.index("'none'") and PipelineDraft.objects.get().name == "kept"


def test_two_who_change_one_draft_hear_of_each_other(site: Site) -> None:
    draft, place = drafted(site)
    site.send(place, who="contributor", **sent(draft, do="save", name="theirs"))
    answer = html.unescape(site.send(place, **sent(draft, do="submit", name="mine")).content.decode())
    assert "a-contributor has changed the draft 'theirs' meanwhile" in answer and 'value="mine"' in answer
    assert PipelineDraft.objects.get().name == "theirs" and not Run.objects.filter(trigger__kind="draft").exists()
    assert "is at version 2, and this page shows version 1" in site.see(place, part="head", seen="1").content.decode()
    step = {"node": "train", "step-arguments": "x", "step-compute": "cpu", "step-environment": "-", "version": "1"}
    answer = html.unescape(site.send(f"{place}steps/1/", **step).content.decode())
    assert "has changed the draft" in answer and 'name="over" value="2"' in answer
    site.send(f"{place}steps/1/", **step, over="2")
    assert PipelineDraft.objects.get().graph["steps"][1]["arguments"] == ["x"]
    assert site.send(place, **sent(draft, do="save", name="mine", over="2")).status_code == 200, "again another has"
    site.send(place, **sent(draft, do="save", name="mine", over="3"))
    assert PipelineDraft.objects.get().name == "mine"


def test_a_draft_is_copied_published_opened_from_a_pipeline_and_deleted(site: Site) -> None:
    draft, place = drafted(site)
    form = html.unescape(site.see(f"{place}publish/").content.decode())
    assert "version 1 of the draft" in form
    made = site.send(f"{place}publish/", name="of a draft", version="1.0")["Location"].removeprefix("/w/lab/")
    page = site.see(made).content.decode()
    assert "of a draft" in page and "Open as a draft" in page and 'value="300"' in page
    pipeline = re.search(r'name="pipeline_id" value="([^"]+)"', page)
    assert pipeline
    opened = site.send("drafts/new/", pipeline_id=pipeline[1])["Location"].removeprefix("/w/lab/")
    assert "from of a draft 1.0" in site.see(opened).content.decode()
    site.send("drafts/new/", draft_id=str(draft.pk))
    assert PipelineDraft.objects.count() == 3
    assert site.send(f"{place}delete/")["Location"] == "/w/lab/drafts/" and site.see(place).status_code == 404
    assert site.see(place, who="stranger").status_code == 404
    reader = site.see(opened, who="reader").content.decode()
    assert 'name="do"' not in reader and "Contributors may change and run it." in reader
    assert site.send(opened, who="reader", do="submit").status_code == 403


def test_a_page_of_many_steps_shows_a_hundred_and_asks_as_often(site: Site) -> None:
    run = site.pipeline(graph=site.graph("a -> b"), status="Completed")
    _small, little = drafted(site, run)
    few = site.queries(little)
    graph = site.graph(" -> ".join(f"s{n}" for n in range(250)))
    made = site.post("drafts/", {"graph": graph}).json()["id"]
    assert site.queries(f"drafts/{made}/") <= few
    page = site.see(f"drafts/{made}/", rows="200").content.decode()
    assert "201 to 250 of 250" in page and "Change s249" in page and "Change s1<" not in page
    assert len(site.see(f"drafts/{made}/steps/249/").content) < 200_000


@pytest.mark.browser
@pytest.mark.slow
def test_a_draft_is_changed_and_run_by_mouse_and_keyboard(site: Site, page: Any, live_server: Any) -> None:
    graph = site.graph("prepare -> train", parameters=PARAMETERS)
    run = site.pipeline(graph=graph, status="Completed", display_name="nightly")
    said = open_page(site, page, live_server)
    page.goto(f"{live_server.url}/w/lab/runs/{run.pk}/")
    page.get_by_role("button", name="Clone").click()
    page.get_by_label("trees").first.fill("21")
    page.locator("run-graph [data-id='train'], run-graph [data-node='train']").first.click()
    dialog = page.locator("#draft-dialog")
    dialog.get_by_label("Arguments").fill('--trees\n{"parameter": "trees"}')
    dialog.get_by_label("Reuse earlier results").uncheck()
    dialog.get_by_role("button", name="Save").click()
    page.get_by_text("always runs").wait_for()
    assert page.get_by_label("trees").first.input_value() == "21"
    page.set_viewport_size(NARROW)
    assert fits(page)
    page.get_by_role("button", name="Submit").press("Enter")
    page.wait_for_url("**/runs/*/")
    made = Run.objects.get(trigger__kind="draft")
    assert made.parameters["trees"] == 21 and not made.graph["steps"][1]["allow_reuse"]
    assert made.graph["steps"][1]["arguments"] == ["--trees", {"parameter": "trees"}]
    assert ours(said) == []


def test_the_form_of_a_step_among_thousands_has_a_box_for_each_other(site: Site) -> None:
    graph = site.graph(" -> ".join(f"s{number}" for number in range(3)))
    first = graph["steps"][0]
    graph["steps"] += [{**first, "id": f"o{number}", "name": f'other <{number}> "q"'} for number in range(2997)]
    draft = services.create(site.context, {"graph": graph})
    began = time.process_time()
    page = site.see(f"drafts/{draft.pk}/steps/1/").content.decode()
    seconds = time.process_time() - began
    assert page.count('type="checkbox" name="step-run_after"') == 2999
    assert re.search(r'name="step-run_after" value="s0" id="[-\w]+_0" checked> ?s0 ?</label>', page)
    assert "other &lt;2996&gt; &quot;q&quot;" in page and seconds < 1.5, seconds
