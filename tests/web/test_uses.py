"""Who uses what: of any age, and by index."""

from __future__ import annotations

import importlib
import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.apps import apps
from django.db import connection

from core.ids import uuid7
from runs.models import DataUse, Run, StepRun
from runs.services import retire
from runs.services.edit import change
from runs.services.publish import publish_run
from runs.services.submit import resubmit, submit_run
from tests.web.conftest import Site


def graph_of(site: Site, *sources: dict[str, Any], parameters: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    graph = site.graph("prepare -> train", parameters=parameters or [])
    for step, source in zip(graph["steps"], sources, strict=False):
        step["inputs"] = [*step.get("inputs", []), {"name": "data", "from": source, "mode": "direct"}]
    return graph


def seen(site: Site, version: Any) -> str:
    return str(site.see("runs/of/dataset/", of=str(version.pk)).content.decode())


def test_a_run_of_any_age_that_reads_a_dataset_is_found(site: Site) -> None:
    version, other = site.dataset(), site.dataset("other")
    old = submit_run(site.room, experiment="old", graph=graph_of(site, {"dataset": str(version.pk)}))
    for _ in range(30):
        site.pipeline()
    again = resubmit(site.room, old)
    page = seen(site, version)
    assert [str(run.pk) in page for run in (old, again)] == [True, True]
    assert "No run uses it yet" in seen(site, other)
    assert "No run uses it yet" in site.see("runs/of/dataset/", of="x").content.decode()


def test_one_that_a_parameter_names_is_a_use_and_each_run_is_told_once(site: Site) -> None:
    version = site.dataset()
    parameters = [{"name": "which", "type": "dataset", "default": str(version.pk)}]
    graph = graph_of(site, {"parameter": "which"}, {"dataset": str(version.pk)}, parameters=parameters)
    run = submit_run(site.room, experiment="named", graph=graph)
    use = DataUse.objects.get(root=run)
    assert (use.dataset_version_id, use.run) == (version.pk, site.step(run, "prepare"))


def test_what_the_script_of_a_step_names_is_a_use(site: Site) -> None:
    named, read, graphs = site.dataset(), site.dataset("read"), site.dataset("graphs")
    run = submit_run(site.room, experiment="said", graph=graph_of(site, {"dataset": str(graphs.pk)}))
    step, first = site.step(run, "train"), site.step(run, "prepare")
    for version in (read, graphs):  # and twice the same, as another process of the step would
        for number in (1, 2):
            change(site.room, step, properties={f"duto.read.{version.pk}:{number}": str(version.pk)})
    change(
        site.room, step, properties={"duto.input.x": str(named.pk), "duto.input.y": "none", "duto.input.z": str(run.pk)}
    )
    found = dict(DataUse.objects.filter(root=run).values_list("dataset_version_id", "run"))
    assert found == {named.pk: step.pk, read.pk: step.pk, graphs.pk: first.pk}
    assert str(run.pk) in seen(site, named)


def test_the_list_is_asked_by_index_and_hides_what_is_being_laid_out(site: Site) -> None:
    version = site.dataset()
    run = submit_run(site.room, experiment="hidden", graph=graph_of(site, {"dataset": str(version.pk)}))
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
        plan = DataUse.objects.filter(dataset_version_id=version.pk).order_by("-root_id")[:20].explain()
        assert "data_use" in plan
    Run.objects.filter(pk=run.pk).update(parent=run)
    assert "No run uses it yet" in seen(site, version)


def test_what_was_run_before_is_noted_by_the_migration(site: Site) -> None:
    version = site.dataset()
    parameters = [{"name": "which", "type": "dataset", "default": str(version.pk)}]
    graphs = [
        graph_of(site, {"dataset": str(version.pk)}),
        graph_of(site, {"parameter": "which"}, parameters=parameters),
    ]
    for graph in graphs:
        submit_run(site.room, experiment="before", graph=graph)
    site.pipeline()
    wanted = set(DataUse.objects.values_list("root_id", "run_id", "dataset_version_id"))
    DataUse.objects.all().delete()
    importlib.import_module("runs.migrations.0006_uses").note_uses(apps, None)
    assert set(DataUse.objects.values_list("root_id", "run_id", "dataset_version_id")) == wanted
    assert len(wanted) == 2


@pytest.mark.django_db(transaction=True)
def test_a_deleted_run_uses_nothing(site: Site) -> None:
    version = site.dataset()
    run = submit_run(site.room, experiment="gone", graph=graph_of(site, {"dataset": str(version.pk)}))
    Run.objects.filter(root=run).update(status="Canceled")
    retire.delete(site.room, Run.objects.get(pk=run.pk))
    retire.remove_hidden()
    assert not DataUse.objects.exists()


def chain(site: Site, at: str, key: str, **query: str) -> tuple[list[str], list[int]]:
    """The steps or runs that the pages of a list link to, page after page, and what each page asked the database."""
    links: list[str] = []
    asked: list[int] = []
    cursor: str | None = None
    while cursor is not None or not asked:
        given = {**query, **({key: cursor} if cursor else {})}
        text = site.see(at, **given).content.decode()
        links += re.findall(r'data-href="(/w/lab/runs/[^"]+)"', text)
        asked.append(site.queries(at, **given))
        older = re.search(r'rel="next" href="\?([^"#]*)', text)
        following = parse_qs(unescape(older[1])) if older else {}
        assert "of" not in following
        cursor = following[key][0] if following else None
    return links, asked


def test_every_use_of_a_dataset_an_environment_and_a_cluster_is_reached_by_pages(site: Site) -> None:
    version, environment, cluster = site.dataset(), uuid7(), site.cluster
    graph = graph_of(site, {"dataset": str(version.pk)})
    runs = [submit_run(site.room, experiment="many", graph=graph) for _ in range(45)]
    StepRun.objects.update(compute_target_id=None)
    steps = StepRun.objects.filter(run__root__in=runs, name="train")
    steps.update(environment_version_id=environment, compute_target_id=cluster.pk)
    newest = [f"/w/lab/runs/{run.pk}/" for run in reversed(runs)]
    for at, of, step in (
        ("runs/of/dataset/", str(version.pk), "prepare"),
        ("runs/of/environment/", str(environment), "train"),
        ("runs/of/cluster/steps/", cluster.name, "train"),
    ):
        links, asked = chain(site, at, "uses", of=of)
        assert links == [f"{each}?step={step}" for each in newest]
        assert len(asked) == 3 and max(asked) <= asked[0]
    steps.filter(run__root=runs[0]).update(reused_from=site.step(runs[1], "train"))
    assert len(chain(site, "runs/of/cluster/steps/", "uses", of=cluster.name)[0]) == 44


def test_nothing_named_is_used_by_none(site: Site) -> None:
    site.pipeline()
    StepRun.objects.update(environment_version_id=None, compute_target_id=None)
    for at in ("runs/of/dataset/", "runs/of/environment/", "runs/of/cluster/steps/"):
        for of in ("", "x", str(uuid7())):
            assert "No run uses it yet" in site.see(at, of=of).content.decode()


def test_every_run_of_a_published_pipeline_is_reached_by_pages(site: Site) -> None:
    pipeline = publish_run(site.room, site.pipeline(status="Completed"), name="nightly")
    runs = [site.pipeline() for _ in range(45)]
    Run.objects.filter(pk__in=[run.pk for run in runs]).update(published_pipeline_id=pipeline.pk)
    links, asked = chain(site, f"pipelines/{pipeline.pk}/", "after", part="runs")
    assert links == [f"/w/lab/runs/{run.pk}/" for run in reversed(runs)]
    assert len(asked) == 3 and max(asked) <= asked[0] + 1


def test_pages_of_uses_are_read_in_the_order_of_an_index(site: Site) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_sort = off")
    steps = StepRun.objects.filter(compute_target_id=uuid7(), reused_from__isnull=True).order_by("-run_id")
    runs = Run.objects.filter(published_pipeline_id=uuid7(), parent__isnull=True).order_by("-id")
    for rows, index in ((steps, "step_cluster"), (runs, "run_of_pipeline")):
        plan = rows[:20].explain()
        assert index in plan and "TEMP B-TREE" not in plan
