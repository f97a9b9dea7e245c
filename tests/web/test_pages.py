"""Every page: who sees it, what it may not contain, what it costs."""

from __future__ import annotations

import html
import json
import re
from collections import Counter

import pytest
from django.test import Client
from django.urls import reverse

from compute.models import Host
from core.clock import now
from pipelines.models import PublishedPipeline
from runs.models import Run
from runs.services.submission.publish import publish_run
from tests.web.conftest import FOR_CONTRIBUTORS, FOR_OWNERS, Site, inline_parts


def test_every_page_opens_for_a_member_and_says_nothing_inline(full: Site) -> None:
    for name, path in full.pages.items():
        answer = full.see(path)
        assert answer.status_code == 200, name
        assert inline_parts(answer.content.decode()) == [], name
        assert "script-src 'self'" in answer["Content-Security-Policy"], name


def test_no_two_elements_of_a_page_have_one_id(full: Site) -> None:
    pages = {**full.pages, "new": "runs/?state=failed", "none": "experiments/?q=none"}
    found = {
        name: Counter(re.findall(r'<[^>]*\sid="([^"]*)"', full.see(path).content.decode()))
        for name, path in pages.items()
    }
    assert {
        name: [each for each, count in ids.items() if count > 1]
        for name, ids in found.items()
        if max(ids.values(), default=0) > 1
    } == {}


def test_to_a_stranger_no_page_exists_and_nobody_in_particular_is_sent_to_sign_in(full: Site) -> None:
    for name, path in full.pages.items():
        assert full.see(path, "stranger").status_code == 404, name
        assert Client().get(f"/w/lab/{path}")["Location"].startswith("/accounts/login/"), name


def test_a_reader_sees_every_page_without_a_button_that_writes(full: Site) -> None:
    for name, path in full.pages.items():
        if name in ("settings", "workspace", "notifications", "new rule of one's own"):
            continue  # everyone makes and revokes tokens and rules of their own, and leaves
        if name in FOR_CONTRIBUTORS | FOR_OWNERS:
            assert full.see(path, "reader").status_code == 403
            continue
        answer = full.see(path, "reader")
        assert answer.status_code == 200, name
        forms = re.findall(r'<form[^>]*method="post"[^>]*action="([^"]+)"', answer.content.decode())
        writing = [
            action
            for action in forms
            if not action.startswith(("/accounts/", "/language/")) and not action.endswith("/runs/selected/")
        ]
        assert writing == [], name
        assert 'hx-get="/w/lab/compute/create/"' not in answer.content.decode(), name
        assert 'hx-get="/w/lab/compute/add-host/"' not in answer.content.decode(), name


def test_what_a_reader_sends_is_refused_all_the_same(site: Site) -> None:
    run = site.failed()
    for path in (
        f"runs/{run.pk}/cancel/",
        f"runs/{run.pk}/resubmit/",
        f"runs/{run.pk}/resume/",
        f"runs/{run.pk}/delete/",
        "sample/",
        "compute/create/",
        "compute/hosts/alpha/drain/",
        "data/register/",
        "runs/selected/",
        "drafts/selected/",
    ):
        assert site.send(path, "reader").status_code == 403, path
    for path in ("compute/add-host/", "compute/hosts/alpha/detach/"):
        assert site.send(path, "contributor").status_code == 403, path
    assert site.send("settings/members/add/", "contributor", username="x", role="owner").status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "",
        "runs/",
        "experiments/",
        "pipelines/",
        "data/",
        "data/stores/",
        "compute/",
        "environments/",
        "models/",
        "settings/",
    ],
)
def test_an_empty_page_teaches(site: Site, path: str) -> None:
    answer = site.see(path)
    assert answer.status_code == 200
    assert inline_parts(answer.content.decode()) == []
    if path in ("runs/", "pipelines/", "data/", "models/"):
        assert 'class="command ' in answer.content.decode()


def test_a_young_workspace_offers_the_sample_to_those_who_may_run_it(site: Site) -> None:
    assert b"Run the sample pipeline" in site.see("").content
    assert b"Run the sample pipeline" not in site.see("", "reader").content
    first = site.send("sample/")
    assert "40 rounds" in site.see("").content.decode()
    assert "sample-menu" not in site.see("", "reader").content.decode()
    Run.objects.filter(archived_at__isnull=True).update(archived_at=now())
    assert "40 rounds" in site.see("").content.decode()  # the page of the first start, in a workspace that has run it
    assert first["Location"] in site.see("runs/", archived="1").content.decode()


def test_home_runs_the_sample_with_something_to_watch_afresh_or_as_it_was(site: Site) -> None:
    found = []
    for how in ("", "", "same", "force"):
        answer = site.send("sample/", how=how)
        run = Run.objects.filter(parent=None).latest("id")
        assert str(run.pk) in answer["Location"]
        found.append((run.parameters["rounds"], run.is_forced))
    assert found == [(20, False), (40, False), (20, False), (20, True)]


def test_home_counts_disabled_pipelines(site: Site) -> None:
    run = site.filled()
    names = [f"line {place}" for place in range(8)]
    made = [publish_run(site.context, run, name=name, version="1") for name in names]
    PublishedPipeline.objects.filter(pk__in=[each.pk for each in made[1:]]).update(status="Disabled")
    page = site.see("").content.decode()
    assert "8, 7 disabled" in page and "pipelines/?disabled=1" in page
    assert page.index("line 0") < page.index("line 7")
    PublishedPipeline.objects.update(status="Disabled")
    assert "Nothing is published yet" not in site.see("").content.decode()
    for query, words in (({}, "All pipelines are disabled"), ({"q": "line"}, "Only disabled pipelines have this")):
        page = site.see("pipelines/", **query).content.decode()
        assert words in page and "Nothing is published yet" not in page
        assert "line 7" in site.see("pipelines/", disabled="1", **query).content.decode()
    assert "No pipeline has this in its name" in site.see("pipelines/", q="none like it").content.decode()


def test_a_list_costs_no_more_with_sixty_rows_than_with_one(full: Site) -> None:
    paths = [
        "",
        "runs/",
        "experiments/",
        "experiments/Palmer experiment/",
        "pipelines/",
        "data/",
        "compute/",
        "environments/",
        "models/",
        "settings/",
        "settings/workspace/",
        "settings/people/",
        "settings/audit/",
    ]
    full.see("")  # the first visit writes to the session
    few = {path: full.queries(path) for path in paths}
    for number in range(60):
        Host.objects.create(name=f"h{number}", key_digest=f"d{number}", workspace=full.workspace)
        full.pipeline("a -> b", status=["Completed", "Running", "Failed"][number % 3])
        full.dataset(f"more-{number}") if number < 12 else None
    many = {path: full.queries(path) for path in paths}
    assert {path: count for path, count in many.items() if count > few[path]} == {}


def test_a_run_page_costs_the_same_with_two_steps_and_with_forty(site: Site) -> None:
    small = site.pipeline("a -> b")
    large = site.pipeline(" -> ".join(f"s{number}" for number in range(40)))
    for run in large.tree.exclude(pk=large.pk):
        site.attempt(run)
    for step in small.tree.exclude(pk=small.pk):
        site.attempt(step)
    site.see("")
    for query in ({}, {"view": "table"}, {"tab": "why"}, {"tab": "outputs"}):
        assert site.queries(f"runs/{large.pk}/", **query) == site.queries(f"runs/{small.pk}/", **query)


def test_the_table_of_a_long_run_comes_in_pages_and_shows_the_step_of_the_address(site: Site) -> None:
    run = site.pipeline(" -> ".join(f"s{number}" for number in range(310)))
    short = site.pipeline("a -> b")
    site.see(f"runs/{short.pk}/", view="table")
    site.see(f"runs/{run.pk}/", view="table")
    assert site.queries(f"runs/{run.pk}/", view="table") == site.queries(f"runs/{short.pk}/", view="table")
    first = site.see(f"runs/{run.pk}/", view="table").content.decode()
    assert "1 to 300 of 310" in first and 'data-step="s299"' in first and 'data-step="s300"' not in first
    for query in ({"rows": "300"}, {"step": "s305"}):
        page = site.see(f"runs/{run.pk}/", view="table", **query).content.decode()
        assert "301 to 310 of 310" in page and 'data-step="s300"' in page and 'data-step="s299"' not in page
    folded = site.see(f"runs/{run.pk}/").content.decode()
    assert "<run-timeline" in folded and '"folded": true' in folded and folded.count('"type": "step"') == 0


def test_a_fragment_is_the_part_of_the_page_that_it_renews(site: Site) -> None:
    run = site.failed()
    for path, parts in (
        (f"runs/{run.pk}/", ("head", "panel")),
        ("runs/", ("rows",)),
        ("compute/", ("rows",)),
        ("data/", ("rows",)),
    ):
        whole = _plain(site.see(path).content.decode())
        for part in parts:
            piece = _plain(site.see(path, part=part).content.decode())
            assert "<html" not in piece
            assert piece in whole, (path, part)


def _plain(html: str) -> str:
    """Without what differs by the moment: tokens, white space, times."""
    html = re.sub(r'value="[A-Za-z0-9]{64}"|name="once" value="[0-9a-f-]{36}"', "", html)
    html = re.sub(r"<(relative-time|run-duration)[^>]*>.*?</\1>", "", html, flags=re.S)
    return re.sub(r"\s+", "", html).strip()


def test_an_unknown_thing_is_told_inside_the_studio(site: Site) -> None:
    for path in (
        "runs/00000000-0000-7000-8000-000000000000/",
        "data/sets/none/",
        "compute/clusters/none/",
        "environments/named/none/",
        "models/named/none/",
        "experiments/none/",
    ):
        answer = site.see(path)
        assert answer.status_code == 404, path
        assert b'class="shell"' in answer.content, path


def test_a_step_run_leads_to_its_place_on_the_page_of_its_pipeline(site: Site) -> None:
    run = site.failed()
    answer = site.see(f"runs/{site.step(run, 'train').pk}/")
    assert answer.status_code == 302
    assert answer["Location"] == reverse("runs:run", args=["lab", run.pk]) + "?step=train"
    assert Run.objects.filter(pk=run.pk).exists()


def test_a_pipeline_shows_its_graph_with_the_data_and_its_other_versions(site: Site) -> None:
    version = site.dataset()
    inputs = [{"name": "rows", "mode": "mount", "from": {"parameter": "table"}}]
    table = {"name": "table", "type": "dataset", "default": str(version.pk)}
    run = site.pipeline(status="Completed", graph=site.graph(parameters=[table], inputs=inputs))
    old, new = (publish_run(site.context, run, name="nightly", version=number) for number in ("1.0", "2.0"))
    page = site.see(f"pipelines/{new.pk}/").content.decode()
    found = re.search(r'<script id="pipeline-graph" type="application/json">(.*?)</script>', page, re.S)
    assert found
    graph = json.loads(found[1])
    assert [(node["id"], node["label"]) for node in graph["nodes"]] == [
        ("data:rows", "penguins"), ("prepare", "prepare"), ("train", "train")
    ]  # fmt: skip
    assert {"from": "prepare", "to": "train"}.items() <= graph["edges"][-1].items()
    assert f"/w/lab/pipelines/{old.pk}/" in page and ">1.0</a>" in page and ">2.0</a>" in page


def test_a_count_of_nothing_is_empty_so_that_it_is_not_drawn(site: Site) -> None:
    reader = Client()  # sees the blanks of a page as well
    reader.force_login(site.owner, backend="django.contrib.auth.backends.ModelBackend")
    assert not Run.objects.exists()
    page = reader.get("/w/lab/").content.decode()
    assert re.search(r'id="count-runs"[^>]*></live-region>', page)


def test_the_lines_that_install_the_sdk_name_this_studio(site: Site) -> None:
    at = "http://testserver/simple/ --trusted-host testserver"
    for page in ("settings/", "runs/"):
        text = html.unescape(site.see(page).content.decode())
        assert f"pip install duto-azureml --extra-index-url {at}</code>" in text, page
        assert "duto login http://testserver</code>" in text, page
    assert f'pip install "duto-azureml[pandas]" --extra-index-url {at}</code>' in html.unescape(
        site.see("settings/").content.decode()
    )
