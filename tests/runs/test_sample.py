"""The sample that a young workspace offers: made of what it finds, and the same each time."""

from __future__ import annotations

import pytest

from compute.models import ComputeTarget
from core.errors import Conflict, NotFound
from datasets.models import Dataset, DatasetVersion
from runs.models import Run, Snapshot
from runs.services.planning.plan_run import plan_run
from runs.services.submission.sample import planned_sample, rounds_to_watch, submit_sample
from workspaces.services import storage, workspaces

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]


def test_the_sample_needs_nothing_and_is_the_same_each_time(scenario):
    first, second = submit_sample(scenario.context), submit_sample(scenario.context)
    assert (first.number, second.number) == (1, 2)
    assert first.graph_digest == second.graph_digest
    dataset = Dataset.objects.get(name="penguins-raw")
    assert (dataset.latest_version, Snapshot.objects.count()) == (1, 1)
    assert ComputeTarget.objects.get(name="cpu-cluster").max_nodes == 2
    paths = [each["path"] for each in Snapshot.objects.get().files]
    assert paths == [".amlignore", "compare.py", "prepare.py", "train.py"]
    steps = Run.objects.filter(parent=first).values_list("step__name", flat=True)
    assert set(steps) == {"prepare", "train forest", "train logistic", "compare"}


def test_the_second_sample_has_the_fingerprint_of_the_first(scenario):
    from runs.services.orchestration import fingerprints
    from runs.services.orchestration.run_state import RunState

    documents = []
    for run in (submit_sample(scenario.context), submit_sample(scenario.context)):
        run_state = RunState(Run.objects.select_related("workspace").get(pk=run.pk))
        run_state.need(["prepare"])
        documents.append(fingerprints.document_of(run_state, "prepare", environment=None, compute=None))
    assert documents[0] == documents[1]


def test_the_graph_of_the_sample_has_two_models_side_by_side(scenario):
    page = scenario.get(f"runs/{submit_sample(scenario.context).pk}/graph/").json()
    edges = {(edge["from"], edge["to"]) for edge in page["edges"]}
    assert {
        ("prepare", "train forest"),
        ("prepare", "train logistic"),
        ("train forest", "compare"),
        ("train logistic", "compare"),
    } <= edges
    assert ("data:raw", "prepare") in edges
    assert next(node for node in page["nodes"] if node["id"] == "data:raw")["label"] == "penguins-raw"


def test_its_data_count_against_the_storage_limit(scenario):
    workspaces.set_limits(scenario.context, {"storage_bytes": 1000})
    with pytest.raises(Conflict) as refused:
        submit_sample(scenario.context)
    assert refused.value.code == "storage_limit"
    assert not Run.objects.exists()
    assert storage.measure(scenario.workspace.pk) == 0


def test_what_is_offered_to_watch_has_not_run_yet(scenario):
    assert rounds_to_watch(scenario.workspace) == 20
    first = submit_sample(scenario.context)
    assert rounds_to_watch(scenario.workspace) == 40
    submit_sample(scenario.context, rounds=40)
    submit_sample(scenario.context, rounds=80)
    assert rounds_to_watch(scenario.workspace) == 60
    Run.objects.filter(root=first.pk).update(status="Failed")
    assert rounds_to_watch(scenario.workspace) == 20


def test_other_rounds_leave_the_preparation_as_it_was(scenario):
    from runs.services.orchestration import fingerprints
    from runs.services.orchestration.run_state import RunState

    documents = {}
    for rounds in (20, 40):
        run = submit_sample(scenario.context, rounds=rounds)
        run_state = RunState(Run.objects.select_related("workspace").get(pk=run.pk))
        for step in ("prepare", "train forest"):
            run_state.need([step])
            documents[step, rounds] = fingerprints.document_of(run_state, step, environment=None, compute=None)
    assert documents["prepare", 20] == documents["prepare", 40]
    assert documents["train forest", 20] != documents["train forest", 40]


def test_its_plan_makes_nothing_and_says_what_would_run(scenario):
    with pytest.raises(NotFound):
        planned_sample(scenario.context)
    submit_sample(scenario.context)
    before = [model.objects.count() for model in (Run, Snapshot, DatasetVersion, ComputeTarget)]
    plan = plan_run(scenario.context, **planned_sample(scenario.context, rounds=40))
    assert [step.name for step in plan.steps] == ["prepare", "train forest", "train logistic", "compare"]
    assert before == [model.objects.count() for model in (Run, Snapshot, DatasetVersion, ComputeTarget)]
