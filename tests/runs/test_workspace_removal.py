"""A deleted workspace is removed to the last row and byte, in steps that may be repeated; limits of what runs."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest

from compute.models import ComputeTarget, Host
from compute.services import enrolments
from compute.services.hosts import authenticate
from core.clock import now
from core.errors import Conflict, Unauthenticated
from core.models import Beat
from core.storage import workspace_roots
from datasets.services.datastores import put_file
from runs.models import Attempt, Run
from runs.queries import workspaces as queries
from runs.services.maintenance import workspace_removal
from runs.services.scheduling import placing, waiting
from tests.runs.conftest import RunScenario
from workspaces.models import AuditEntry, Workspace
from workspaces.services import removal, workspaces
from workspaces.services.workspaces import create_workspace

pytestmark = pytest.mark.django_db


def waiting_for(scenario: RunScenario, run: Run, target: ComputeTarget) -> Attempt:
    """An attempt that waits for a place."""
    attempt = scenario.attempt(run, status="queued")
    Attempt.objects.filter(pk=attempt.pk).update(host=None, compute_target=target)
    return Attempt.objects.select_related("run__root").get(pk=attempt.pk)


def test_what_would_go_is_told_before(scenario: RunScenario) -> None:
    scenario.pipeline("a -> b", status="Running", display_name="nightly")
    put_file(scenario.context, "workspaceblobstore", "a.bin", io.BytesIO(b"x" * 50), overwrite=False)
    document = scenario.get("delete-preview/").json()
    assert (document["live_count"], document["live_runs"][0]["name"], document["counts"]["runs"]) == (1, "nightly", 1)
    assert document["datastore_bytes"] == 50 and document["store_bytes"] > 0 and document["can_go"]


def test_nothing_of_it_stays(scenario: RunScenario) -> None:
    for _ in range(3):
        root = scenario.pipeline("a -> b", status="Completed")
        scenario.attempt(scenario.step(root, "a"), status="completed")
    own = Host.objects.create(workspace=scenario.workspace, name="beta", key_digest="0" * 64, last_seen_at=now())
    enrolments.create(scenario.context, "gamma")
    other = create_workspace(scenario.owner, "other")
    roots = workspace_roots(scenario.workspace.pk)
    removal.delete(scenario.context, "lab")
    own.refresh_from_db()
    assert own.revoked_at is not None
    with pytest.raises(Unauthenticated):
        authenticate("anything")
    assert workspace_removal.finish(scenario.workspace.pk)
    assert not Run.objects.exists() and not any(root.exists("") for root in roots)
    assert list(Workspace.objects.values_list("name", flat=True)) == ["other"]
    assert not Beat.objects.filter(name__startswith="remove:").exists()
    assert AuditEntry.objects.filter(workspace=None, action="workspace.deleted").count() == 1
    assert workspace_removal.finish(scenario.workspace.pk) and other.workspace.pk


def test_what_runs_is_stopped_first_and_whoever_looks_next_goes_on(
    scenario: RunScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = scenario.pipeline("a", status="Running")
    attempt = scenario.attempt(scenario.step(root, "a"), status="running")
    removal.delete(scenario.context, "lab")
    assert not workspace_removal.finish(scenario.workspace.pk)
    attempt.refresh_from_db()
    assert attempt.cancel_requested_at is not None and Run.objects.filter(pk=root.pk).exists()
    Attempt.objects.update(status="canceled")
    Run.objects.update(status="Canceled")
    monkeypatch.setattr("socket.gethostname", lambda: "another")
    assert workspace_removal.finish(scenario.workspace.pk) and not Run.objects.exists()


def test_another_goes_on_where_one_died(scenario: RunScenario, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(4):
        scenario.pipeline("a", status="Completed")
    removal.delete(scenario.context, "lab")
    monkeypatch.setattr("core.slices.SLICE", 3)

    def dies() -> None:
        raise SystemExit

    monkeypatch.setattr("core.slices.pause", dies)
    with pytest.raises(SystemExit):
        workspace_removal.finish(scenario.workspace.pk)
    assert 0 < Run.objects.count() < 8
    monkeypatch.undo()
    # Nobody takes over from one who may be alive.
    Beat.objects.filter(name__startswith="remove:").update(owner="somebody else")
    assert not workspace_removal.finish(scenario.workspace.pk)
    Beat.objects.filter(name__startswith="remove:").update(at=now() - timedelta(minutes=6))
    assert workspace_removal.finish(scenario.workspace.pk) and not Workspace.objects.exists()


def test_a_workspace_with_live_runs_is_not_archived(scenario: RunScenario) -> None:
    root = scenario.pipeline("a", status="Running")
    with pytest.raises(Conflict, match="not over yet"):
        workspaces.set_archived(scenario.context, True)
    Run.objects.filter(root=root).update(status="Completed")
    assert workspaces.set_archived(scenario.context, True).is_archived


def test_so_many_steps_run_at_once_over_all_clusters(scenario: RunScenario) -> None:
    ComputeTarget.objects.create(
        workspace=scenario.workspace, name="more", vm_size="STANDARD_DS1_V2", cores=1, memory=1 << 30, max_nodes=4
    )
    targets = list(ComputeTarget.objects.order_by("id"))
    workspaces.set_limits(scenario.context, {"running_steps": 1})
    root = scenario.pipeline("a -> b -> c", status="Queued")
    waits = [waiting_for(scenario, scenario.step(root, node), targets[place % 2]) for place, node in enumerate("abc")]
    assert placing.place() == 1
    for attempt in waits:
        attempt.refresh_from_db()
    left = [each for each in waits if each.node_id is None]
    assert {reason.code for each in left for reason in waiting.reasons(each)} >= {"running_limit"}
    assert "may run 1 step at once" in waiting.reasons(left[0])[0].text
    assert placing.place() == 0
    workspaces.set_limits(scenario.context, {"running_steps": 3})
    assert placing.place() == 2


def test_nothing_is_placed_in_an_archived_workspace(scenario: RunScenario) -> None:
    root = scenario.pipeline("a", status="Queued")
    attempt = waiting_for(scenario, scenario.step(root, "a"), scenario.cluster)
    Workspace.objects.update(archived_at=now())
    assert placing.place() == 0
    assert waiting.reasons(attempt)[0].code == "archived"


def test_a_step_without_a_cluster_gets_the_default_one(scenario: RunScenario) -> None:
    workspaces.change(scenario.context, default_compute="cpu")
    answer = scenario.post("runs/", {"experiment": "e", "graph": scenario.graph("a", compute=None)})
    assert answer.status_code == 201, answer.content
    root = Run.objects.get(pk=answer.json()["id"])
    assert root.graph and root.graph["steps"][0]["compute"] == "cpu"


def test_a_list_of_workspaces_costs_the_same_with_two_and_with_ten(
    scenario: RunScenario, django_assert_num_queries: object
) -> None:
    for number in range(9):
        create_workspace(scenario.owner, f"w{number}")
    with django_assert_num_queries(5):  # type: ignore[operator]
        rows = queries.mine(scenario.owner)
    assert len(rows) == 10 and {row.people for row in rows} == {1}
