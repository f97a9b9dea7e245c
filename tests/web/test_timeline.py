"""The timeline: what stands in it, where, and how long it says that it took."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db.models import QuerySet

from core.clock import now
from environments.models import Environment, EnvironmentBuild, EnvironmentVersion
from runs.models import Run, StepRun
from runs.queries.graph import graph_document
from tests.web.chrome import open_page, ours
from tests.web.conftest import Site

ROWS = """() => [...document.querySelectorAll("run-timeline .line")].map((line) => [
  line.querySelector(".name").textContent, line.querySelector(".took").textContent,
  [...line.querySelectorAll(".seg")].map((bar) => bar.title),
])"""
# Where a bar begins and ends, in hundredths of the width of its track.
BARS = """() => Object.fromEntries([...document.querySelectorAll("run-timeline .track .seg")].map((bar) => {
  const all = bar.parentElement.getBoundingClientRect(), own = bar.getBoundingClientRect();
  const name = bar.closest(".line").querySelector(".name").textContent;
  return [`${name}: ${bar.title}`, [own.left, own.right].map((place) => Math.round(100 * (place - all.left) / all.width))];
}))"""


def rows(run: Run, node: str) -> QuerySet[Run]:
    return Run.objects.filter(root=run, step__node_id=node)


def build(site: Site, run: Run, nodes: list[str], name: str = "forest", **fields: Any) -> EnvironmentBuild:
    made = EnvironmentBuild.objects.create(recipe_digest=name, recipe={}, **fields)
    environment = Environment.objects.create(workspace=site.workspace, name=name)
    version = EnvironmentVersion.objects.create(
        workspace=site.workspace,
        environment=environment,
        version=3,
        definition={},
        digest=name,
        recipe_digest=name,
        build=made,
    )
    StepRun.objects.filter(run__root=run, node_id__in=nodes).update(environment_version_id=version.pk)
    return made


def after(graph: dict[str, Any], **parents: str) -> dict[str, Any]:
    """The same graph with these steps after one each."""
    for step in graph["steps"]:
        step["run_after"] = [parents[step["id"]]] if step["id"] in parents else []
    return graph


def lay_out(site: Site) -> tuple[Run, datetime]:
    """A run of 100 s: read was reused at its beginning, fit waited 40 s for its environment, report was skipped."""
    run = site.pipeline(
        graph=after(site.graph("read -> fit -> score -> report"), fit="read", score="fit", report="fit"),
        status="Failed",
    )
    start = now().replace(microsecond=0) - timedelta(hours=1)

    def at(seconds: float) -> datetime:
        return start + timedelta(seconds=seconds)

    Run.objects.filter(pk=run.pk).update(created_at=start, started_at=start, finished_at=at(100))
    source = site.step(site.pipeline("read", status="Completed"), "read")
    StepRun.objects.filter(run__root=run, node_id="read").update(reused_from=source)
    rows(run, "read").update(status="Completed", finished_at=at(0))
    rows(run, "fit").update(
        status="Completed",
        queued_at=at(40),
        preparing_at=at(42),
        started_at=at(50),
        finalizing_at=at(78),
        finished_at=at(80),
    )
    rows(run, "score").update(
        status="Failed",
        queued_at=at(80),
        preparing_at=at(80),
        started_at=at(80),
        finished_at=at(81.97),
        error={"message": "no"},
    )
    rows(run, "report").update(status="Skipped", finished_at=at(100))
    # It was begun for somebody else, a minute before this run was asked for.
    made = build(site, run, ["fit", "score"], status="ready", started_at=at(-60), finished_at=at(40))
    EnvironmentBuild.objects.filter(pk=made.pk).update(created_at=at(-60))
    return run, start


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_builds_reused_and_skipped_steps_stand_at_their_time_and_durations_are_those_of_the_page(
    site: Site, page: Any, live_server: Any
) -> None:
    run, _start = lay_out(site)
    said = open_page(site, page, live_server)
    page.goto(f"{live_server.url}/w/lab/runs/{run.pk}/?view=timeline")
    page.locator("run-timeline .track .seg").first.wait_for()
    assert page.evaluate(ROWS) == [
        ["forest:3", "40 s", ["environment build 40 s"]],
        ["read", "reused", ["reused"]],
        [
            "fit",
            "30 s",
            ["queued 2.0 s", "preparing 8.0 s", "running 28 s", "finalizing 2.0 s", "on the critical path"],
        ],
        ["score", "1.9 s", ["queued 0.0 s", "preparing 0.0 s", "running 1.9 s", "on the critical path"]],
        ["report", "skipped", ["skipped"]],
    ]
    bars = page.evaluate(BARS)
    assert bars["forest:3: environment build 40 s"] == [0, 40]
    assert bars["fit: running 28 s"] == [50, 78]
    assert bars["read: reused"][0] <= 1 and bars["report: skipped"][1] in (99, 100)
    # The same words as in the table and on the graph.
    page.goto(f"{live_server.url}/w/lab/runs/{run.pk}/?view=table")
    assert page.locator("tr[data-step=score] run-duration").inner_text() == "1.9 s"
    nodes = {node["id"]: node["detail"] for node in graph_document(run)["nodes"]}
    assert (nodes["score"], nodes["fit"]) == ("1.9 s", "30 s")
    # The row of a build leads to its log.
    page.goto(f"{live_server.url}/w/lab/runs/{run.pk}/?view=timeline")
    page.locator("run-timeline .line[data-build]").click()
    page.locator(".panel[data-tab=environment]").wait_for()
    assert "step=fit" in page.url
    assert ours(said) == []


def test_a_run_tells_only_of_the_builds_that_it_waited_for(site: Site) -> None:
    run, start = lay_out(site)
    found = graph_document(Run.objects.get(pk=run.pk))["builds"]
    assert [(each["label"], each["step"], each["status"]) for each in found] == [("forest:3", "fit", "Completed")]
    EnvironmentBuild.objects.update(finished_at=start)
    assert graph_document(Run.objects.get(pk=run.pk))["builds"] == []
    EnvironmentBuild.objects.update(created_at=start + timedelta(hours=2), finished_at=None, status="building")
    assert graph_document(Run.objects.get(pk=run.pk))["builds"] == []
    EnvironmentBuild.objects.update(created_at=start, status="failed", finished_at=start + timedelta(seconds=3))
    assert [each["status"] for each in graph_document(Run.objects.get(pk=run.pk))["builds"]] == ["Failed"]


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_run_of_which_nothing_ran_has_marks_in_the_order_of_its_graph(
    site: Site, page: Any, live_server: Any
) -> None:
    graph = after(site.graph("a -> b -> c -> d"), b="c", a="b", d="c")
    run = site.pipeline(graph=graph, status="Completed")
    source = site.step(site.pipeline("z", status="Completed"), "z")
    StepRun.objects.filter(run__root=run).update(reused_from=source)
    Run.objects.filter(root=run).update(finished_at=now())
    open_page(site, page, live_server)
    page.goto(f"{live_server.url}/w/lab/runs/{run.pk}/?view=timeline")
    page.locator("run-timeline .seg.mark").nth(3).wait_for()
    assert [name for name, _took, _bars in page.evaluate(ROWS)] == ["c", "b", "d", "a"]


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_build_grows_while_the_run_waits_and_is_none_of_an_ended_run(site: Site, page: Any, live_server: Any) -> None:
    run = site.pipeline("fit", status="Running")
    start = now() - timedelta(seconds=30)
    Run.objects.filter(pk=run.pk).update(created_at=start)
    rows(run, "fit").update(status="Preparing", preparing_at=start)
    build(site, run, ["fit"], status="building", started_at=start)
    EnvironmentBuild.objects.update(created_at=start)
    open_page(site, page, live_server)
    page.goto(f"{live_server.url}/w/lab/runs/{run.pk}/?view=timeline")
    took = page.locator("run-timeline .line[data-build] .took")
    took.wait_for()
    first = took.inner_text()
    page.wait_for_function(
        "(first) => document.querySelector('run-timeline .line[data-build] .took').textContent !== first", arg=first
    )
    Run.objects.filter(root=run).update(status="Canceled", finished_at=start + timedelta(seconds=20))
    page.reload()
    took.wait_for()
    assert took.inner_text() == "20 s"


@pytest.mark.django_db
def test_only_completed_steps_fill_the_bar_of_a_run(site: Site) -> None:
    canceled = site.pipeline("a -> b -> c", status="Canceled")
    rows(canceled, "a").update(status="Completed")
    rows(canceled, "b").update(status="Skipped")
    page = site.see("runs/").content.decode()
    assert "1\u2009/\u20093" in page.replace("&thinsp;", "\u2009")
    assert 'data-state="Completed" x="0.00" y="0" width="33.33" height="6"' in page
    for state in ("Canceled", "Skipped"):
        assert f'data-state="{state}"' in page and 'y="2" width="33.33" height="2"' in page
    bars = site.see("runs/").content.decode().count('height="6"/>')
    assert bars == 1
