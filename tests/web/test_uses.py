"""Who uses what: of any age, and by index."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from runs.models import DataUse, Run
from runs.services import retire
from runs.services.edit import change
from runs.services.submit import resubmit, submit_run
from tests.web.conftest import Site


def graph_of(site: Site, *sources: dict[str, Any], parameters: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    graph = site.graph("prepare -> train", parameters=parameters or [])
    for step, source in zip(graph["steps"], sources, strict=False):
        step["inputs"] = [*step.get("inputs", []), {"name": "data", "from": source, "mode": "direct"}]
    return graph


def seen(site: Site, version: Any) -> str:
    return str(site.see("runs/of/dataset/", version=str(version.pk)).content.decode())


def test_a_run_of_any_age_that_reads_a_dataset_is_found(site: Site) -> None:
    version, other = site.dataset(), site.dataset("other")
    old = submit_run(site.room, experiment="old", graph=graph_of(site, {"dataset": str(version.pk)}))
    for _ in range(30):
        site.pipeline()
    again = resubmit(site.room, old)
    page = seen(site, version)
    assert [str(run.pk) in page for run in (old, again)] == [True, True]
    assert "No run uses it yet" in seen(site, other)
    assert "No run uses it yet" in site.see("runs/of/dataset/", version="x").content.decode()


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
