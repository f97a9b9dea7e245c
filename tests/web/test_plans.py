"""The plan on each form that submits: asked for by its button, shown on the page, and nothing comes of it."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest

from pipelines.models import PublishedPipeline
from pipelines.services import endpoints
from runs.models import Run
from runs.services.submission import publish
from runs.services.submission.sample import submit_sample
from runs.web import plans
from tests.runs.test_plans import Planner, rows
from tests.web.conftest import Site

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
PORTUGUESE = "pt-PT"


@pytest.fixture
def crew(site: Site) -> Planner:
    return Planner(site)


def kept() -> dict[str, str]:
    """All rows, but for what a browser's session remembers: where its person was last."""
    return {table: digest for table, digest in rows().items() if table != "django_session"}


def test_each_form_that_submits_shows_its_plan(site: Site, crew: Planner) -> None:
    run, failed = crew.run(), crew.failed(parameters={"lr": 9})
    pipeline = publish.publish_run(site.context, run, name="nightly")
    endpoint = endpoints.create(site.context, "scoring", pipeline)
    draft = site.post("drafts/", {"run_id": str(run.pk)}).json()["id"]
    forms: dict[str, dict[str, Any]] = {
        f"pipelines/{pipeline.pk}/": {"experiment": "exp"},
        f"endpoints/{endpoint.pk}/": {"experiment": "exp"},
        f"endpoints/{endpoint.pk}/?version=0": {"experiment": "exp"},
        f"drafts/{draft}/": {"version": 1, "name": "x", "priority": 0, "d_lr": "0.1"},
    }
    for at in forms:
        page = site.see(at).content.decode()
        assert f'hx-post="/w/lab/{at}"' in page and "Plan" in page, at
    site.see("", "reader")  # signs in
    before = kept()
    for at, values in forms.items():
        changed = site.send(at, part="plan", p_lr="0.2", **values)
        text = unescape(changed.content.decode())
        assert changed.status_code == 200 and "<html" not in text
        assert all(
            each in text for each in ("reused: 1", "runs: 1", "not known yet: 1", "cpu · alpha", "cpu · later")
        ), text
        assert "?step=train" in text and "Compared with #1" in text
        forced = site.send(at, part="plan", p_lr="0.1", force="on", **values).content.decode()
        assert "runs: 3" in forced
        wrong = unescape(site.send(at, part="plan", p_lr="many", **values).content.decode())
        assert "Parameter 'lr' is a number, but the value is 'many'." in wrong and "<table" not in wrong
        assert site.send(at, "reader", part="plan", p_lr="0.1", **values).status_code == 403
    opened = site.see(f"runs/{run.pk}/plan/").content.decode()
    assert "reused: 3" in opened and "<table" in opened
    resumed = unescape(site.send(f"runs/{failed.pk}/resume/", part="plan", p_lr="9").content.decode())
    assert "reused: 1" in resumed and "Adopted from #2" in resumed
    assert kept() == before and Run.objects.filter(parent=None).count() == 2
    # In Portuguese, what differs is told beside the sentence that says that something does.
    found = site.page.post(
        f"/w/lab/drafts/{draft}/",
        {**forms[f"drafts/{draft}/"], "part": "plan", "p_lr": "0.2"},
        headers={"Accept-Language": PORTUGUESE},
    ).content.decode()
    assert ("ainda não se sabe" in found and "0,2" in found) or "0.2" in found
    PublishedPipeline.objects.update(status="Disabled")
    refused = unescape(site.send(f"pipelines/{pipeline.pk}/", part="plan", p_lr="0.1", experiment="e").content.decode())
    assert "The pipeline 'nightly' is disabled" in refused


def test_of_many_steps_those_that_run_are_shown(site: Site, crew: Planner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "SHOWN", 2)
    run = crew.run()
    draft = site.post("drafts/", {"run_id": str(run.pk)}).json()["id"]
    values = {"version": 1, "name": "x", "priority": 0, "d_lr": "0.1"}
    text = unescape(site.send(f"drafts/{draft}/", part="plan", p_lr="0.2", **values).content.decode())
    assert (
        "and 1 more step" in text
        and "<b>train</b>" in text
        and "<b>compare</b>" in text
        and "<b>prepare</b>" not in text
    )


def test_odd_names_are_shown_as_they_are(site: Site, crew: Planner) -> None:
    odd = "<b>x</b> & `y` %(z)s"
    graph = crew.graph()
    graph["steps"][1]["name"] = odd
    pipeline = publish.publish_graph(site.context, graph, name=odd)
    found = site.send(f"pipelines/{pipeline.pk}/", part="plan", p_lr="0.1", experiment="e").content.decode()
    assert odd in unescape(found) and "<b>x</b>" not in found


def test_the_sample_says_what_it_would_do_before_it_runs(site: Site) -> None:
    submit_sample(site.context)
    page = site.see("").content.decode()
    assert 'id="sample-dialog"' in page and "Plan: see first what would run" in page
    key = re.search(r'name="once" value="([^"]+)"', page)
    assert key is not None
    before = Run.objects.count()
    planned = site.send("sample/", once=key[1], part="plan").content.decode()
    assert "What the sample with 40 rounds would do" in planned and "train forest" in planned
    assert Run.objects.count() == before
    site.send("sample/", once=key[1])
    assert Run.objects.filter(parent=None).count() == 2, "a plan has not used up the form's key"
    assert site.send("sample/", "reader", part="plan").status_code == 403
