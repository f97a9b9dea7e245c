"""Rounds of placement on real rows: devices, order, delays, and rounds of several processes at once."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import translation

from compute.models import ComputeTarget, Host, Node
from core.clock import iso, now
from environments.models import EnvironmentBuild, EnvironmentVersion, Image
from runs import stored_messages
from runs.models import Attempt, Run, StepRun
from runs.queries.graphs import KEPT
from runs.services.scheduling import autoscaler, cluster_state, placing
from runs.services.scheduling.cluster_state import ClusterState
from runs.services.scheduling.waiting import reasons
from tests.runs.conftest import GIB, RunScenario
from tests.runs.placing import cluster, codes, end, placed, queue, record
from tests.workspace_scenario import content
from workspaces.models import User
from workspaces.services.workspaces import create_workspace

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


# --- devices ---


def test_each_step_gets_devices_of_its_own_and_none_that_others_compute_on(scenario: RunScenario) -> None:
    record(scenario, "dgx", "workstation", "plain")
    attempts = queue(scenario, cluster(scenario), 6)
    assert placing.place() == 4
    given = [gpu for attempt in placed(attempts) for gpu in attempt.node.gpus]  # type: ignore[union-attr]
    assert len(given) == len(set(given)) == 4
    assert "GPU-8a2d7b91-5c44-4f0b-8f7e-90d1c3b5e221" not in given
    assert Counter(attempt.host.name for attempt in placed(attempts)) == {"dgx": 3, "workstation": 1}  # type: ignore[union-attr]
    assert {(each.host.name, each.launcher) for each in placed(attempts)} == {  # type: ignore[union-attr]
        ("dgx", "docker"),
        ("workstation", "process"),
    }
    last = reasons(Attempt.objects.get(pk=attempts[5].pk))
    assert [each.code for each in last] == ["too_large", "no_gpu", "no_gpu", "host_full", "queue"]
    assert "0 of 4 GPUs of dgx are free; a node of gpu takes 1." in last[1].text
    assert "16 GiB of 80 GiB are free: something outside the studio uses it" in last[1].text
    assert last[4].facts["position"] == 2


def test_what_a_device_was_sampled_with_before_its_step_ended_is_the_steps_own(scenario: RunScenario) -> None:
    host = record(scenario, "workstation")["workstation"]
    first, second = queue(scenario, cluster(scenario), 2)
    assert placing.place() == 1
    sample = host.facts["sample"]
    sample["gpus"][0]["memory"] = 20 * GIB
    sample["at"] = iso(now())
    host.save()
    first = placed([first])[0]
    end(first)
    assert placing.place() == 1
    assert placed([second])[0].node == first.node
    second = placed([second])[0]
    end(second)
    (third,) = queue(scenario, ComputeTarget.objects.get(name="gpu"), 1)
    sample["at"] = iso(now() + timedelta(seconds=1))
    host.save()
    assert placing.place() == 0
    assert codes(third)[:1] == ["no_gpu"]


def test_an_elastic_cluster_runs_without_a_device_where_there_is_none_and_says_so(scenario: RunScenario) -> None:
    record(scenario, "plain")
    (attempt,) = queue(scenario, cluster(scenario, policy="elastic"), 1)
    assert placing.place() == 1
    got = placed([attempt])[0]
    assert got.node is not None
    assert got.node.gpus == []
    assert "1 GPU (it has none)" in got.warnings[0]["text"]
    with translation.override("pt-pt"):
        text = stored_messages.warning(got.warnings[0])
        assert "1 GPU (não tem nenhuma)" in text
    browser = Client(headers={"accept-language": "pt-PT"})
    browser.force_login(scenario.owner)
    for place, name in (("cluster", got.node.compute_target.name), ("host", "plain")):
        assert text in content(browser.get(reverse(f"compute:{place}", args=["lab", name]))).decode()


def test_two_devices_for_one_step_are_two(scenario: RunScenario) -> None:
    record(scenario, "dgx", "workstation")
    one, two = queue(scenario, cluster(scenario, vm_size="STANDARD_NC12", gpus=2), 2)
    assert placing.place() == 1
    assert len(set(placed([one])[0].node.gpus)) == 2  # type: ignore[union-attr]
    assert "no_gpu" in codes(two)


def test_a_resting_node_of_a_gpu_cluster_serves_a_step(scenario: RunScenario) -> None:
    record(scenario, "workstation")
    target = cluster(scenario, min_nodes=1)
    assert autoscaler.reconcile_all() == 1
    (attempt,) = queue(scenario, target, 1)
    assert placing.place() == 1
    assert Node.objects.count() == 1
    assert placed([attempt])[0].node == Node.objects.get()


# --- order ---


def test_priority_then_fair_share_then_age(scenario: RunScenario) -> None:
    bea = User.objects.create_user("bea")
    ComputeTarget.objects.update(max_nodes=1)
    anas = queue(scenario, scenario.cluster, 3)
    beas = queue(scenario, scenario.cluster, 1, user=bea)
    urgent = queue(scenario, scenario.cluster, 1, priority=5)
    got = []
    for _ in range(5):
        assert placing.place() == 1
        (running,) = Attempt.objects.filter(status="queued", node__isnull=False)
        got.append(running.pk)
        end(running)
    assert got == [each.pk for each in [*urgent, anas[0], anas[1], anas[2], *beas]]


def test_who_holds_less_goes_first_and_the_other_is_told(scenario: RunScenario) -> None:
    bea = User.objects.create_user("bea")
    anas = queue(scenario, scenario.cluster, 4)
    assert placing.place() == 2
    beas = queue(scenario, scenario.cluster, 1, user=bea)
    ended = placed(anas)[0]
    assert codes(anas[2]) == ["cluster_full", "fair_share", "queue"]
    found = reasons(anas[2])
    assert "ana's running steps hold 2 cores, 2 GiB, bea's 0 cores" in found[1].text
    assert found[2].facts["position"] == 2
    end(ended)
    assert placing.place() == 1
    assert placed(beas)


def test_a_delayed_retry_is_placed_when_its_time_has_come(scenario: RunScenario) -> None:
    (late,) = queue(scenario, scenario.cluster, 1, not_before=now() + timedelta(hours=1))
    assert placing.place() == 0
    assert codes(late) == ["retry_delay", "queue"]
    Attempt.objects.update(not_before=now())
    assert placing.place() == 1


def test_a_step_that_will_be_placed_has_no_reason_to_wait(scenario: RunScenario) -> None:
    (attempt,) = queue(scenario, scenario.cluster, 1)
    assert reasons(attempt) == []


def test_a_step_that_waits_for_a_whole_host_is_not_overtaken_by_another_cluster(scenario: RunScenario) -> None:
    whole = cluster(scenario, "whole", cores=4, memory=GIB, gpus=0)
    small = queue(scenario, scenario.cluster, 2)
    assert placing.place() == 2
    (large,) = queue(scenario, whole, 1)
    ComputeTarget.objects.filter(pk=scenario.cluster.pk).update(max_nodes=9)
    (more,) = queue(scenario, scenario.cluster, 1)
    assert placing.place() == 0
    assert "for the next step of whole" in reasons(more)[0].text
    for each in placed(small):
        end(each)
    assert placing.place() == 1
    assert placed([large])


# --- where ---


def test_hosts_of_the_cluster_and_of_the_workspace_only(scenario: RunScenario) -> None:
    elsewhere = create_workspace(User.objects.create_user("bob"), "elsewhere").workspace
    scenario.host.workspace = elsewhere
    scenario.host.save()
    (attempt,) = queue(scenario, scenario.cluster, 1)
    assert placing.place() == 0
    assert codes(attempt) == ["no_host", "queue"]
    own = Host.objects.create(
        name="own", key_digest="o", cores=2, memory=8 * GIB, last_seen_at=now(), workspace=scenario.workspace
    )
    other = Host.objects.create(name="other", key_digest="p", cores=8, memory=8 * GIB, last_seen_at=now())
    scenario.cluster.hosts.set([own])
    assert placing.place() == 1
    assert placed([attempt])[0].host == own
    assert other.nodes.count() == 0


def test_a_drained_or_silent_host_takes_nothing_and_a_kind_is_kept(scenario: RunScenario) -> None:
    (attempt,) = queue(scenario, scenario.cluster, 1)
    for change, expected in (
        ({"drained_at": now()}, "drained"),
        ({"drained_at": None, "last_seen_at": now() - timedelta(hours=1)}, "silent"),
        ({"last_seen_at": now(), "revoked_at": now()}, "no_host"),
    ):
        Host.objects.update(**change)
        assert placing.place() == 0
        assert codes(attempt)[0] == expected
    Host.objects.update(revoked_at=None)
    ComputeTarget.objects.update(launcher="docker")
    assert placing.place() == 0
    assert codes(attempt)[0] == "host_kind"


def test_a_step_goes_where_its_environment_stands_or_where_its_inputs_were_written(scenario: RunScenario) -> None:
    beta = Host.objects.create(name="beta", key_digest="b", cores=2, memory=8 * GIB, last_seen_at=now())
    root = scenario.pipeline("prepare -> train")
    scenario.attempt(scenario.step(root, "prepare"), status="completed")
    Attempt.objects.update(host=beta)
    train = scenario.step(root, "train")
    attempt = Attempt.objects.create(
        run=train, workspace=scenario.workspace, number=1, compute_target=scenario.cluster, user=scenario.owner
    )
    assert placing.place() == 1
    assert placed([attempt])[0].host == beta

    build = EnvironmentBuild.objects.create(recipe_digest="r", recipe={}, lock_digest="f" * 64, status="ready")
    version = EnvironmentVersion.objects.create(
        workspace=scenario.workspace, definition={}, digest="d", recipe_digest="r", build=build
    )
    StepRun.objects.filter(run=train).update(environment_version_id=version.pk)
    docker = Host.objects.create(
        name="gamma", key_digest="g", cores=1, memory=8 * GIB, last_seen_at=now(), launcher="docker"
    )
    Image.objects.create(host_id=docker.pk, host_name="gamma", tag="t", lock_digest="f" * 64, status="ready")
    again = Attempt.objects.create(
        run=train, workspace=scenario.workspace, number=2, compute_target=scenario.cluster, user=scenario.owner
    )
    assert placing.place() == 1
    assert placed([again])[0].host == docker


# --- what is read and written ---


@transaction.atomic
def state_of() -> ClusterState:
    return cluster_state.read(cluster_state.targets_waited_for(), lock=True)


def test_a_round_reads_no_more_of_a_longer_queue_and_asks_as_often(scenario: RunScenario) -> None:
    queue(scenario, scenario.cluster, 3)
    assert len(placing.heads(state_of(), now())) == 2
    with CaptureQueriesContext(connection) as few:
        assert placing.place() == 2
    Attempt.objects.all().delete()
    Node.objects.all().delete()
    queue(scenario, scenario.cluster, 30)
    assert len(placing.heads(state_of(), now())) == 2
    with CaptureQueriesContext(connection) as many:
        assert placing.place() == 2
    assert len(many) == len(few)
    (waiting, *_) = Attempt.objects.filter(node__isnull=True)
    with CaptureQueriesContext(connection) as asked:
        reasons(waiting)
    queue(scenario, scenario.cluster, 30)
    with CaptureQueriesContext(connection) as again:
        reasons(waiting)
    assert len(again) == len(asked) <= 8


def test_a_round_asks_as_often_over_more_runs_than_a_process_keeps_parsed(scenario: RunScenario) -> None:
    Host.objects.create(name="beta", key_digest="b", cores=999, memory=999 * GIB, last_seen_at=now())
    asked = []
    for count in (2, KEPT + 6):
        ComputeTarget.objects.update(max_nodes=count)
        for _ in range(count):
            root = scenario.pipeline("prepare -> train")
            scenario.attempt(scenario.step(root, "prepare"), status="completed")
            Attempt.objects.create(
                run=scenario.step(root, "train"),
                workspace=scenario.workspace,
                number=1,
                compute_target=scenario.cluster,
                user=scenario.owner,
            )
        # Places are written a hundred at a time, so both rounds write as often.
        with CaptureQueriesContext(connection) as seen:
            assert placing.place() == count
        asked.append(len(seen))
        Attempt.objects.all().delete()
        Node.objects.all().delete()
    assert asked[0] == asked[1]


def test_preferences_of_one_cluster_are_not_forgotten_for_the_line_of_a_full_one(scenario: RunScenario) -> None:
    beta = Host.objects.create(name="beta", key_digest="b", cores=1, memory=8 * GIB, last_seen_at=now())
    queue(scenario, cluster(scenario, "huge", cores=64, gpus=0, max_nodes=3), 5, priority=9)
    wishing = []
    for host in (beta, scenario.host):
        root = scenario.pipeline("prepare -> train")
        first = scenario.attempt(scenario.step(root, "prepare"), status="completed")
        Attempt.objects.filter(pk=first.pk).update(host=host)
        run = scenario.step(root, "train")
        wishing.append(
            Attempt.objects.create(
                run=run, workspace=scenario.workspace, number=1, compute_target=scenario.cluster, user=scenario.owner
            )
        )
    assert placing.place() == 2
    assert [attempt.host for attempt in placed(wishing)] == [beta, scenario.host]


def test_all_that_follows_from_a_node_is_written_with_it(scenario: RunScenario) -> None:
    Host.objects.create(name="beta", key_digest="b", cores=2, memory=8 * GIB, last_seen_at=now(), launcher="docker")
    elastic = cluster(scenario, cores=3, gpus=1, policy="elastic", memory=GIB)
    attempts = queue(scenario, elastic, 1) + queue(scenario, scenario.cluster, 2)
    attempts[0].warnings = ["Said before."]
    attempts[0].save()
    assert placing.place() == 3
    for attempt in placed(attempts):
        node, host = attempt.node, attempt.host
        assert node is not None
        assert host is not None
        assert (host.pk, attempt.node_name, attempt.launcher) == (node.host_id, node.name, host.launcher)
        assert attempt.warnings == ([attempts[0].warnings[0], node.kept_warning] if attempt == attempts[0] else [])
    assert {attempt.launcher for attempt in placed(attempts)} == {"process", "docker"}


def test_a_step_that_was_canceled_while_the_round_went_on_leaves_its_node_idle(scenario: RunScenario) -> None:
    attempts = queue(scenario, scenario.cluster, 2)
    found = state_of()
    heads = placing.heads(found, now())
    answer = placing.placement.place(placing.needs_of(heads, found), found.clusters, found.slots, found.host_states)
    Attempt.objects.filter(pk=attempts[0].pk).update(status="canceled")
    assert placing._give(answer.given, {each.pk: each for each in heads}, found) == 1
    assert placed(attempts)[0].pk == attempts[1].pk
    assert Counter(Node.objects.values_list("status", flat=True)) == {"running": 1, "idle": 1}


def test_a_node_given_while_its_attempt_was_being_canceled_is_found_and_freed(scenario: RunScenario) -> None:
    (attempt,) = queue(scenario, scenario.cluster, 1)
    seen_before = Attempt.objects.get(pk=attempt.pk)
    assert placing.place() == 1
    end(seen_before, "canceled")
    assert Node.objects.get().status == "idle"


# --- nodes at rest ---


def test_resting_nodes_follow_their_hosts(scenario: RunScenario) -> None:
    (attempt,) = queue(scenario, scenario.cluster, 1)
    placing.place()
    attempt = placed([attempt])[0]
    Host.objects.update(drained_at=now())
    assert autoscaler.reconcile_all() == 0  # it works: it finishes first
    end(attempt)
    Host.objects.update(drained_at=None, last_seen_at=now() - timedelta(hours=1))
    assert autoscaler.reconcile_all() == 1
    assert Node.objects.get().status == "unusable"
    Host.objects.update(last_seen_at=now())
    assert autoscaler.reconcile_all() == 1
    assert Node.objects.get().status == "idle"
    Host.objects.update(drained_at=now())
    assert autoscaler.reconcile_all() == 1
    assert not Node.objects.exists()


def test_nodes_that_are_too_many_leave_at_rest_and_busy_ones_after_their_step(scenario: RunScenario) -> None:
    attempts = queue(scenario, scenario.cluster, 2)
    placing.place()
    ComputeTarget.objects.update(max_nodes=1)
    assert autoscaler.reconcile_all() == 0
    ended = placed(attempts)[0]
    end(ended)
    (waiting,) = queue(scenario, scenario.cluster, 1)
    assert placing.place() == 0
    assert "since its resize" not in reasons(waiting)[0].text
    assert autoscaler.reconcile_all() == 1
    assert Node.objects.get().status == "running"


def test_a_run_hands_its_priority_and_user_to_its_attempts_and_their_retries(scenario: RunScenario) -> None:
    body = {"experiment": "e", "kind": "pipeline", "graph": scenario.graph("a"), "priority": 7}
    assert scenario.post("runs/", {**body, "priority": 101}).status_code == 400
    answer = scenario.post("runs/", body)
    assert answer.status_code == 201, answer.content
    root = Run.objects.get(pk=answer.json()["id"])
    assert root.priority == 7 and answer.json()["priority"] == 7
    from runs.services.orchestration import progress

    progress.advance(root.pk)
    attempt = Attempt.objects.get(run__root=root)
    assert (attempt.priority, attempt.user) == (7, scenario.owner)
