"""Who uses what: of any age, and by index."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable
from html import unescape
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.db.models import QuerySet

from compute.models import ComputeTarget, Host
from core.clock import now
from core.ids import uuid7
from registry.models import ModelVersion, RegisteredModel
from runs.models import Attempt, DataUse, ModelUse, Run, StepRun
from runs.queries import uses
from runs.services.maintenance import delete_run
from runs.services.submission.publish import publish_run
from runs.services.submission.run_metadata import change
from runs.services.submission.submit import resubmit, submit_run
from tests.web.conftest import Site
from workspaces.services.workspaces import create_workspace

pytestmark = pytest.mark.sqlite


def graph_of(site: Site, *sources: dict[str, Any], parameters: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    graph = site.graph("prepare -> train", parameters=parameters or [])
    for step, source in zip(graph["steps"], sources, strict=False):
        step["inputs"] = [*step.get("inputs", []), {"name": "data", "from": source, "mode": "direct"}]
    return graph


def seen(site: Site, version: Any) -> str:
    return str(site.see("runs/of/dataset/", of=str(version.pk)).content.decode())


def test_a_run_of_any_age_that_reads_a_dataset_is_found(site: Site) -> None:
    version, other = site.dataset(), site.dataset("other")
    old = submit_run(site.context, experiment="old", graph=graph_of(site, {"dataset": str(version.pk)}))
    for _ in range(30):
        site.pipeline()
    again = resubmit(site.context, old)
    page = seen(site, version)
    assert [str(run.pk) in page for run in (old, again)] == [True, True]
    assert "No run uses it yet" in seen(site, other)
    assert "No run uses it yet" in site.see("runs/of/dataset/", of="x").content.decode()


def test_one_that_a_parameter_names_is_a_use_and_each_run_is_told_once(site: Site) -> None:
    version = site.dataset()
    parameters = [{"name": "which", "type": "dataset", "default": str(version.pk)}]
    graph = graph_of(site, {"parameter": "which"}, {"dataset": str(version.pk)}, parameters=parameters)
    run = submit_run(site.context, experiment="named", graph=graph)
    use = DataUse.objects.get(root=run)
    assert (use.dataset_version_id, use.run) == (version.pk, site.step(run, "prepare"))


def test_what_the_script_of_a_step_names_is_a_use(site: Site) -> None:
    named, read, graphs = site.dataset(), site.dataset("read"), site.dataset("graphs")
    run = submit_run(site.context, experiment="said", graph=graph_of(site, {"dataset": str(graphs.pk)}))
    step, first = site.step(run, "train"), site.step(run, "prepare")
    for version in (read, graphs):  # and twice the same, as another process of the step would
        for number in (1, 2):
            change(site.context, step, properties={f"duto.read.{version.pk}:{number}": str(version.pk)})
    change(
        site.context,
        step,
        properties={"duto.input.x": str(named.pk), "duto.input.y": "none", "duto.input.z": str(run.pk)},
    )
    found = dict(DataUse.objects.filter(root=run).values_list("dataset_version_id", "run"))
    assert found == {named.pk: step.pk, read.pk: step.pk, graphs.pk: first.pk}
    assert str(run.pk) in seen(site, named)


def test_the_list_is_asked_by_index_and_hides_what_is_being_laid_out(site: Site) -> None:
    version = site.dataset()
    run = submit_run(site.context, experiment="hidden", graph=graph_of(site, {"dataset": str(version.pk)}))
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
        submit_run(site.context, experiment="before", graph=graph)
    site.pipeline()
    wanted = set(DataUse.objects.values_list("root_id", "run_id", "dataset_version_id"))
    DataUse.objects.all().delete()
    importlib.import_module("runs.migrations.0006_uses").note_uses(apps, None)
    assert set(DataUse.objects.values_list("root_id", "run_id", "dataset_version_id")) == wanted
    assert len(wanted) == 2


def test_what_scripts_named_before_is_noted_by_the_migration(site: Site) -> None:
    versions = [site.dataset(name) for name in ("a", "b", "c")]
    root = site.pipeline()
    step = site.step(root, "train")
    child = Run.objects.create(
        workspace=site.workspace, experiment=site.experiment, kind="child", parent=step, root=root, status="Running"
    )
    for run, version in zip((root, step, child), versions, strict=True):
        run.properties = {"duto.input.x": str(version.pk), "duto.read.y:1": "no id", "k": str(step.pk)}
        run.save(update_fields=["properties"])
    importlib.import_module("runs.migrations.0009_model_uses").note_named(apps, None)
    found = dict(DataUse.objects.filter(root=root).values_list("dataset_version_id", "run"))
    assert found == {versions[0].pk: root.pk, versions[1].pk: step.pk, versions[2].pk: step.pk}


def model_version(site: Site, name: str = "forest", version: int = 1, run: Run | None = None) -> ModelVersion:
    model, _ = RegisteredModel.objects.get_or_create(workspace=site.workspace, name=name)
    return ModelVersion.objects.create(
        model=model, version=version, run_id=run.pk if run else None, size=2, file_count=1
    )


def test_a_model_that_a_script_copies_is_a_use_of_its_step_and_of_what_a_program_keeps_open(site: Site) -> None:
    made_in = site.step(site.pipeline(), "train")
    one, two = model_version(site, "a:b", 1, made_in), model_version(site, "a:b", 2)
    root = site.pipeline(display_name="nightly")
    step, first = site.step(root, "train"), site.step(root, "prepare")
    child = Run.objects.create(
        workspace=site.workspace, experiment=site.experiment, kind="child", parent=step, root=root, status="Running"
    )
    for run, said in ((step, "a:b:1"), (first, "a:b:1"), (child, "a:b:2"), (step, "a:b:9"), (step, "x:1")):
        change(site.context, run, properties={f"duto.model.{said}": said})
    change(site.context, step, properties={"duto.model.again": "a:b:1"})
    site.post("runs/", {"experiment": "notebook", "kind": "interactive", "properties": {"duto.model.x": "a:b:1"}})
    opened = Run.objects.get(kind="interactive")
    change(site.context, opened, properties={"duto.model.y": "a:b:1"})
    assert set(ModelUse.objects.values_list("run", "model_version_id")) == {
        (step.pk, one.pk), (first.pk, one.pk), (step.pk, two.pk), (opened.pk, one.pk),
    }  # fmt: skip
    text = site.see("runs/of/model/", of=str(one.pk)).content.decode()
    assert re.findall(r'data-href="([^"]+)"', text) == [
        f"/w/lab/runs/{opened.pk}/",
        f"/w/lab/runs/{root.pk}/?step=train",
        f"/w/lab/runs/{root.pk}/?step=prepare",
    ]
    page = site.see("models/named/a:b/", version="1").content.decode()
    assert f"of={one.pk}" in page and f"/w/lab/runs/{made_in.pk}/" in page
    outputs = site.see(f"runs/{made_in.root_id}/", step="train", tab="outputs").content.decode()
    assert "/w/lab/models/named/a:b/?version=1" in outputs
    rows = site.client.get(f"{site.base}models/a:b/versions/1/uses/").json()["items"]
    assert [(each["run"], each["root"], each["step"], each["name"]) for each in rows] == [
        (str(opened.pk), str(opened.pk), None, ""),
        (str(step.pk), str(root.pk), "train", "train"),
        (str(first.pk), str(root.pk), "prepare", "prepare"),
    ]
    read = site.client.get(f"{site.base}runs/{root.pk}/inputs/").json()["items"]
    assert [(each["kind"], each["id"], each["run"]) for each in read] == [
        ("model", "a:b:1", str(step.pk)), ("model", "a:b:1", str(first.pk)), ("model", "a:b:2", str(step.pk)),
    ]  # fmt: skip


def test_the_inputs_of_a_step_tell_what_its_script_read_and_those_of_a_reused_one_its_sources(site: Site) -> None:
    declared, read, named = site.dataset("declared"), site.dataset("read"), site.dataset("named")
    model = model_version(site)
    root = submit_run(site.context, experiment="said", graph=graph_of(site, {"dataset": str(declared.pk)}))
    step, gone = site.step(root, "prepare"), str(uuid7())
    said = {
        f"duto.read.{read.pk}": str(read.pk), "duto.read.named:1": str(named.pk), "duto.input.held-out": str(named.pk),
        "duto.read.gone:1": gone, "duto.model.forest:1": "forest:1", "duto.model.lost:4": "lost:4",
    }  # fmt: skip
    site.see(f"runs/{root.pk}/", step="prepare", tab="inputs")  # what a first look asks once
    few = site.queries(f"runs/{root.pk}/", step="prepare", tab="inputs")
    change(site.context, step, properties=said)
    assert site.queries(f"runs/{root.pk}/", step="prepare", tab="inputs") == few + 2
    again = site.pipeline()
    StepRun.objects.filter(run=site.step(again, "prepare")).update(reused_from=step)
    for run in (root, again):
        text = site.see(f"runs/{run.pk}/", step="prepare", tab="inputs").content.decode()
        card = text[text.index("Read by the script") :]
        links = re.findall(r'href="(/w/lab/(?:data|models)/[^"]+)"', card)
        assert sorted(links) == [
            "/w/lab/data/sets/named/?version=1", "/w/lab/data/sets/read/?version=1", "/w/lab/models/named/forest/?version=1",
        ]  # fmt: skip
        assert "held-out" in card and gone in card and "lost:4" in card
    assert "Read by the script" not in site.see(f"runs/{root.pk}/", step="train", tab="inputs").content.decode()
    listed = site.client.get(f"{site.base}runs/{step.pk}/inputs/").json()["items"]
    assert [(each["kind"], each["name"], each["input"], each["is_there"]) for each in listed] == [
        ("dataset", "declared", "data", True), ("dataset", "read", None, True), ("dataset", None, None, False),
        ("dataset", "named", "held-out", True), ("model", "forest", None, True), ("model", None, None, False),
    ]  # fmt: skip
    whole = site.client.get(f"{site.base}runs/{root.pk}/inputs/?limit=3").json()
    assert {each["name"] for each in whole["items"]} == {"declared", "read", "named"} and whole["next"]
    model.delete()
    assert site.client.get(f"{site.base}runs/{root.pk}/inputs/").json()["items"][-1]["is_there"] is False


def test_what_ran_on_a_host_is_told_of_any_age_and_of_this_workspace_alone(site: Site) -> None:
    runs = [site.pipeline() for _ in range(45)]
    for run in runs:
        site.attempt(site.step(run, "train"), 1, "lost")
        site.attempt(site.step(run, "train"), 2, "completed", started_at=now(), finished_at=now())
    links, asked = chain(site, "runs/of/host/steps/", "uses", of="alpha")
    wanted = [f"/w/lab/runs/{run.pk}/?step=train&amp;attempt={n}" for run in reversed(runs) for n in (2, 1)]
    assert links == wanted and len(asked) == 5 and max(asked) <= asked[0]
    other = create_workspace(site.person("mallory"), "other")
    site.people["stranger"].get("/w/other/")
    answer = site.people["stranger"].get("/w/other/runs/of/host/steps/", {"of": "alpha"}).content.decode()
    assert "No step ran here yet" in answer and other.workspace.name == "other"
    assert "No step ran here yet" in site.see("runs/of/host/steps/", of="beta").content.decode()
    document = site.client.get(f"{site.base}hosts/alpha/uses/?limit=2").json()
    assert [(each["attempt"], each["attempt_status"]) for each in document["items"]] == [(2, "completed"), (1, "lost")]


@pytest.mark.django_db(transaction=True)
def test_a_deleted_run_uses_nothing(site: Site) -> None:
    version = site.dataset()
    run = submit_run(site.context, experiment="gone", graph=graph_of(site, {"dataset": str(version.pk)}))
    ModelUse.objects.create(run=site.step(run, "train"), model_version_id=model_version(site).pk)
    Run.objects.filter(root=run).update(status="Canceled")
    delete_run.delete(site.context, Run.objects.get(pk=run.pk))
    delete_run.remove_hidden()
    assert not DataUse.objects.exists() and not ModelUse.objects.exists()


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
    version, environment, cluster, model = site.dataset(), uuid7(), site.cluster, model_version(site).pk
    graph = graph_of(site, {"dataset": str(version.pk)})
    runs = [submit_run(site.context, experiment="many", graph=graph) for _ in range(45)]
    StepRun.objects.update(compute_target_id=None)
    steps = StepRun.objects.filter(run__root__in=runs, name="train")
    steps.update(environment_version_id=environment, compute_target_id=cluster.pk)
    ModelUse.objects.bulk_create(ModelUse(run_id=step.pk, model_version_id=model) for step in steps)
    newest = [f"/w/lab/runs/{run.pk}/" for run in reversed(runs)]
    for at, of, step in (
        ("runs/of/dataset/", str(version.pk), "prepare"),
        ("runs/of/model/", str(model), "train"),
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
    for at in ("runs/of/dataset/", "runs/of/model/", "runs/of/environment/", "runs/of/cluster/steps/"):
        for of in ("", "x", str(uuid7())):
            assert "No run uses it yet" in site.see(at, of=of).content.decode()


def test_every_run_of_a_published_pipeline_is_reached_by_pages(site: Site) -> None:
    pipeline = publish_run(site.context, site.pipeline(status="Completed"), name="nightly")
    runs = [site.pipeline() for _ in range(45)]
    Run.objects.filter(pk__in=[run.pk for run in runs]).update(published_pipeline_id=pipeline.pk)
    links, asked = chain(site, f"pipelines/{pipeline.pk}/", "after", part="runs")
    assert links == [f"/w/lab/runs/{run.pk}/" for run in reversed(runs)]
    assert len(asked) == 3 and max(asked) <= asked[0] + 1


def test_pages_of_uses_are_read_in_the_order_of_an_index(site: Site) -> None:
    with transaction.atomic():
        if connection.vendor == "postgresql":
            _rows_to_choose_by(site)
        steps = StepRun.objects.filter(compute_target_id=uuid7(), reused_from__isnull=True).order_by("-run_id")
        runs = Run.objects.filter(published_pipeline_id=uuid7(), parent__isnull=True).order_by("-id")
        for rows, index in ((steps, "step_cluster"), (runs, "run_of_pipeline")):
            plan = rows[:20].explain()
            assert index in plan and "TEMP B-TREE" not in plan
        transaction.set_rollback(True)


def _rows_to_choose_by(site: Site) -> None:
    """Of a table without any each index costs PostgreSQL the same."""
    home = site.pipeline().experiment
    made = Run.objects.bulk_create(
        Run(workspace=site.workspace, experiment=home, kind="pipeline", number=number, published_pipeline_id=uuid7())
        for number in range(100, 2100)
    )
    StepRun.objects.bulk_create(
        StepRun(run=run, workspace=site.workspace, node_id="n", name="n", compute_target_id=uuid7()) for run in made
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


@pytest.mark.slow
def test_uses_among_ten_thousand_cost_what_twenty_five_alone_do(site: Site) -> None:
    """The same statements, and none of them reads more than its page by its index."""
    version, model, environment = site.dataset(), model_version(site).pk, uuid7()
    lists: dict[str, tuple[str, str, Callable[[], QuerySet[Any]]]] = {
        "runs/of/dataset/": (str(version.pk), "data_use", lambda: uses.data_uses(site.workspace, version.pk)),
        "runs/of/model/": (str(model), "model_use", lambda: uses.model_uses(site.workspace, model)),
        "runs/of/environment/": (
            str(environment), "step_environment",
            lambda: uses.steps_with(site.workspace, environment_version_id=environment),
        ),
        "runs/of/cluster/steps/": (
            "cpu", "step_cluster",
            lambda: uses.steps_with(site.workspace, compute_target_id=site.cluster.pk, reused_from__isnull=True),
        ),
        "runs/of/host/steps/": ("alpha", "attempt_on_host", lambda: uses.attempts_on(site.workspace, site.host.pk)),
    }  # fmt: skip
    used(site, 25, version.pk, model, environment)
    site.see("")  # what a first look asks once
    few = {at: site.queries(at, of=of) for at, (of, _, _) in lists.items()}
    used(site, 975, version.pk, model, environment)
    elsewhere = ComputeTarget.objects.create(
        workspace=site.workspace, name="other", vm_size="STANDARD_DS1_V2", cores=1, memory=1
    )
    host = Host.objects.create(name="beta", key_digest="beta")
    used_otherwise(site, 9_000, elsewhere, host)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    order = {"runs/of/dataset/": "-root_id", "runs/of/host/steps/": "-id"}
    for at, (of, index, rows) in lists.items():
        assert site.queries(at, of=of) == few[at]
        page = rows().order_by(order.get(at, "-run_id"))[:21]
        assert index in page.explain(), page.explain()
        if connection.vendor == "postgresql":
            (plan,) = json.loads(page.explain(format="JSON", analyze=True))
            assert most_read(plan["Plan"]) <= 100, plan
        else:
            assert "TEMP B-TREE" not in page.explain()


def most_read(plan: dict[str, Any]) -> float:
    """The rows that the busiest part of a plan has looked at."""
    mine: float = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    return max([mine, *(most_read(each) for each in plan.get("Plans", []))])


def used(site: Site, count: int, version: UUID, model: UUID, environment: UUID) -> None:
    """So many runs of one step, each with a use of everything."""
    common = {"workspace": site.workspace, "experiment": site.experiment, "status": "Completed"}
    start = Run.objects.filter(parent=None).count()
    roots = [Run(kind="pipeline", number=start + n, **common) for n in range(1, count + 1)]
    for root in roots:
        root.root = root
    steps = [Run(kind="step", parent=root, root=root, **common) for root in roots]
    Run.objects.bulk_create([*roots, *steps])
    details(site, steps, site.cluster, environment)
    DataUse.objects.bulk_create(DataUse(root=run.root, run=run, dataset_version_id=version) for run in steps)
    ModelUse.objects.bulk_create(ModelUse(run=run, model_version_id=model) for run in steps)
    Attempt.objects.bulk_create(attempt(site, run, 1, site.cluster, site.host) for run in steps)


def used_otherwise(site: Site, count: int, cluster: ComputeTarget, host: Host) -> None:
    """One newer run of so many steps, with as many uses of other things each once."""
    root = site.pipeline()
    step = site.step(root, "train")
    common = {"workspace": site.workspace, "experiment": site.experiment, "status": "Completed"}
    steps = [Run(kind="step", parent=root, root=root, **common) for _ in range(count)]
    Run.objects.bulk_create(steps)
    details(site, steps, cluster, uuid7())
    DataUse.objects.bulk_create(DataUse(root=root, run=step, dataset_version_id=uuid7()) for _ in steps)
    ModelUse.objects.bulk_create(ModelUse(run=step, model_version_id=uuid7()) for _ in steps)
    Attempt.objects.bulk_create(attempt(site, step, n, cluster, host) for n, _ in enumerate(steps, 1))


def details(site: Site, steps: list[Run], cluster: ComputeTarget, environment: UUID) -> None:
    common = {"workspace": site.workspace, "compute_target_id": cluster.pk, "environment_version_id": environment}
    StepRun.objects.bulk_create(StepRun(run=run, node_id="train", name="train", **common) for run in steps)


def attempt(site: Site, run: Run, number: int, cluster: ComputeTarget, host: Host) -> Attempt:
    return Attempt(
        run=run, workspace=site.workspace, number=number, status="completed", host=host, compute_target=cluster
    )
