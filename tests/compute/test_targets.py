"""Clusters: sizes, scale, status, and when they may go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from compute import hooks
from compute.models import ComputeTarget, Host, Node
from compute.services import hosts, targets
from compute.sizes import size_of
from core.clock import now
from core.errors import Invalid, Unauthenticated
from duto.spec.sizes import CATALOGUE, GIB
from tests.runs.protocol_messages import facts_of
from tests.workspace_scenario import WorkspaceScenario, code, stays_constant
from workspaces.models import Role

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]
KEYS = [
    "currentNodeCount", "targetNodeCount", "nodeStateCounts", "allocationState", "allocationStateTransitionTime",
    "errors", "creationTime", "modifiedTime", "provisioningState", "provisioningStateTransitionTime",
    "scaleSettings", "vmPriority", "vmSize",
]  # fmt: skip


def machine(cores: float = 2, memory: int = 8 * GIB) -> Host:
    return Host.objects.create(name="alpha", key_digest="d", cores=cores, memory=memory, last_seen_at=now())


def test_sizes_are_found_in_any_case_and_unknown_ones_name_their_neighbours() -> None:
    assert size_of("standard_d2_v2") == size_of("STANDARD_D2_V2") == size_of("D2_v2") == CATALOGUE["STANDARD_D2_V2"]
    assert (size_of("STANDARD_NC6").cores, size_of("STANDARD_NC6").gpus) == (6, 1)
    with pytest.raises(Invalid, match="Standard_D2_v2") as refused:
        size_of("STANDARD_D2_V22")
    assert refused.value.code == "unknown_vm_size"


def test_a_cluster_is_made_and_has_the_thirteen_keys(scenario: WorkspaceScenario) -> None:
    machine()
    answer = scenario.api.post("compute/", {"name": "cpu-cluster", "vm_size": "standard_d2_v2", "max_nodes": 3})
    assert answer.status_code == 201
    made = answer.json()
    assert list(made["status"]) == KEYS
    assert made["status"]["scaleSettings"] == {
        "minNodeCount": 0, "maxNodeCount": 3, "nodeIdleTimeBeforeScaleDown": "PT1800S",
    }  # fmt: skip
    assert made["status"]["vmSize"] == "STANDARD_D2_V2" and made["warnings"] == []


def test_a_size_that_asks_for_too_much_is_told(scenario: WorkspaceScenario) -> None:
    machine()
    made = scenario.api.post("compute/", {"name": "gpu", "vm_size": "STANDARD_NC6"}).json()
    assert [each["code"] for each in made["warnings"]] == ["shrunk"]
    assert "1 GPU" in made["warnings"][0]["text"] and "alpha" in made["warnings"][0]["text"]
    ComputeTarget.objects.update(policy="strict")
    assert scenario.api.get("compute/gpu/").json()["warnings"][0]["code"] == "too_large"
    Host.objects.all().delete()
    assert scenario.api.get("compute/gpu/").json()["warnings"][0]["code"] == "no_host"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"name": "c", "vm_size": "STANDARD_D2_V2"}, "bad_name"),
        ({"name": "1cluster", "vm_size": "STANDARD_D2_V2"}, "bad_name"),
        ({"name": "x" * 25, "vm_size": "STANDARD_D2_V2"}, "bad_name"),
        ({"name": "cpu", "vm_size": "HUGE"}, "unknown_vm_size"),
        ({"name": "cpu", "vm_size": ""}, "unknown_vm_size"),
        ({"name": "cpu", "vm_size": "STANDARD_D2_V2", "min_nodes": 3, "max_nodes": 2}, "bad_scale"),
        ({"name": "cpu", "vm_size": "STANDARD_D2_V2", "max_nodes": 0}, "bad_scale"),
        ({"name": "cpu", "vm_size": "STANDARD_D2_V2", "idle_seconds": -1}, "bad_scale"),
        ({"name": "cpu", "vm_size": "STANDARD_D2_V2", "vm_priority": "cheap"}, "invalid"),
        ({"name": "cpu"}, "invalid"),
    ],
)
def test_a_cluster_that_cannot_be_is_a_clear_error(
    scenario: WorkspaceScenario, body: dict[str, object], why: str
) -> None:
    assert code(scenario.api.post("compute/", body)) == (400, why)


def test_creating_again_changes_the_scale_but_not_the_size(scenario: WorkspaceScenario) -> None:
    first = scenario.api.post("compute/", {"name": "cpu", "vm_size": "STANDARD_D2_V2", "max_nodes": 1}).json()
    again = scenario.api.post("compute/", {"name": "CPU", "vm_size": "standard_d2_v2", "max_nodes": 5}).json()
    assert again["id"] == first["id"] and again["max_nodes"] == 5
    other = scenario.api.post("compute/", {"name": "cpu", "vm_size": "STANDARD_NC6"})
    assert code(other) == (409, "exists")


def test_an_unknown_cluster_is_named_with_its_alternatives(scenario: WorkspaceScenario) -> None:
    scenario.api.post("compute/", {"name": "cpu", "vm_size": "STANDARD_D2_V2"})
    answer = scenario.api.get("compute/gpu/")
    assert code(answer) == (404, "unknown_compute") and "cpu" in answer.json()["error"]["message"]


def test_nodes_are_counted_by_state_and_a_busy_cluster_stays(scenario: WorkspaceScenario) -> None:
    scenario.api.post("compute/", {"name": "cpu", "vm_size": "STANDARD_D2_V2"})
    target, alpha = ComputeTarget.objects.get(), machine()
    for status in ("running", "idle", "idle", "leaving"):
        Node.objects.create(compute_target=target, host=alpha, name=status, cores=1, memory=1, status=status)
    status = scenario.api.get("compute/cpu/").json()["status"]
    assert status["currentNodeCount"] == 3 and status["allocationState"] == "Resizing"
    assert status["nodeStateCounts"] == {
        "preparingNodeCount": 0, "runningNodeCount": 1, "idleNodeCount": 2, "unusableNodeCount": 0,
        "leavingNodeCount": 1, "preemptedNodeCount": 0,
    }  # fmt: skip
    assert code(scenario.api.delete("compute/cpu/")) == (409, "in_use")
    Node.objects.filter(status="running").delete()
    assert scenario.api.delete("compute/cpu/").status_code == 204


def test_apps_above_may_keep_a_cluster(scenario: WorkspaceScenario, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario.api.post("compute/", {"name": "cpu", "vm_size": "STANDARD_D2_V2"})
    monkeypatch.setattr(hooks, "cluster_use", lambda target: hooks.ClusterUse(1, 3))
    refused = scenario.api.delete("compute/cpu/")
    assert code(refused) == (409, "in_use")
    assert "1 step runs on it and 3 wait for it" in refused.json()["error"]["message"]
    assert refused.json()["error"]["facts"] == {"running": 1, "waiting": 3}


def test_a_cluster_that_is_made_smaller_says_what_it_is_on_its_way_to(scenario: WorkspaceScenario) -> None:
    scenario.api.post("compute/", {"name": "cpu", "vm_size": "STANDARD_D2_V2", "max_nodes": 3})
    target, alpha = ComputeTarget.objects.get(), machine()
    for name in ("a", "b", "c"):
        Node.objects.create(compute_target=target, host=alpha, name=name, cores=1, memory=1, status="running")
    document = scenario.api.patch("compute/cpu/", {"max_nodes": 1}).json()["status"]
    assert (document["currentNodeCount"], document["targetNodeCount"], document["allocationState"]) == (
        3,
        1,
        "Resizing",
    )
    document = scenario.api.patch("compute/cpu/", {"max_nodes": 5, "min_nodes": 4}).json()["status"]
    assert (document["currentNodeCount"], document["targetNodeCount"], document["allocationState"]) == (
        3,
        4,
        "Resizing",
    )
    document = scenario.api.patch("compute/cpu/", {"min_nodes": 0}).json()["status"]
    assert (document["targetNodeCount"], document["allocationState"]) == (3, "Steady")


def test_a_target_of_slurm_keeps_its_options(scenario: WorkspaceScenario) -> None:
    options = {"slurm": "partition=gpu qos=long"}
    terms = {"type": "Slurm", "launcher": "slurm", "policy": "strict", "container_options": options}
    made = scenario.api.post("compute/", {"name": "jobs", "vm_size": "STANDARD_D2_V2", **terms}).json()
    assert {name: made[name] for name in terms} == terms


def test_terms_are_kept_told_and_changed_one_by_one(scenario: WorkspaceScenario) -> None:
    machine()
    terms = {"hosts": ["alpha"], "launcher": "docker", "network": "studio", "container_options": {"pids_limit": 4096}}
    terms |= {"spark_master": "spark://m:7077"}
    made = scenario.api.post("compute/", {"name": "cpu", "vm_size": "STANDARD_D2_V2", **terms}).json()
    assert {name: made[name] for name in terms} == terms
    assert made["warnings"][0]["code"] == "no_host"
    changed = scenario.api.patch("compute/cpu/", {"launcher": "", "policy": "strict"}).json()
    assert (changed["launcher"], changed["policy"], changed["hosts"]) == ("", "strict", ["alpha"])
    assert scenario.api.patch("compute/cpu/", {"hosts": []}).json()["hosts"] == []
    again = scenario.api.post("compute/", {"name": "cpu", "vm_size": "STANDARD_D2_V2"}).json()
    assert (again["policy"], again["network"]) == ("strict", "studio")


@pytest.mark.parametrize(
    ("terms", "why", "words"),
    [
        ({"launcher": "podman"}, "bad_launcher", "'process', 'docker', 'slurm', or empty for any"),
        ({"network": "wide"}, "bad_network", "'none', 'studio', 'open'"),
        ({"policy": "loose"}, "bad_policy", "'elastic', 'strict'"),
        ({"spark_master": "yarn"}, "bad_spark_master", "spark://host:port"),
        ({"hosts": ["beta"]}, "unknown_host", "There are: alpha"),
        ({"container_options": {"privileged": True}}, "unknown_option", "There are: user, read_only"),
        ({"container_options": {"pids_limit": 1}}, "bad_option", "from 16 to 65536"),
        ({"container_options": {"capabilities": ["SYS_ADMIN"]}}, "bad_option", "a list of AUDIT_WRITE"),
        ({"container_options": {"user": "root"}}, "bad_option", "a user id"),
        ({"container_options": {"slurm": "output=/etc/passwd"}}, "bad_option", "options of sbatch"),
        ({"container_options": {"user": "1234567890"}}, "bad_option", "a user id"),
    ],
)
def test_terms_that_cannot_be_are_refused_in_words(
    scenario: WorkspaceScenario, terms: Any, why: str, words: str
) -> None:
    machine()
    answer = scenario.api.post("compute/", {"name": "cpu", "vm_size": "STANDARD_D2_V2", **terms})
    assert code(answer) == (400, why)
    assert words in answer.json()["error"]["message"]
    assert not ComputeTarget.objects.exists()


def test_only_an_owner_relaxes_container_options(scenario: WorkspaceScenario) -> None:
    scenario.api.post("compute/", {"name": "cpu", "vm_size": "STANDARD_D2_V2"})
    contributor = scenario.client_for(Role.CONTRIBUTOR)
    assert contributor.patch("compute/cpu/", {"network": "none"}).status_code == 200
    relaxed = {"container_options": {"read_only": False}}
    assert code(contributor.patch("compute/cpu/", relaxed)) == (403, "forbidden")
    assert scenario.api.patch("compute/cpu/", relaxed).json()["container_options"] == {"read_only": False}
    assert contributor.patch("compute/cpu/", {"max_nodes": 3, **relaxed}).status_code == 200


def test_a_host_of_another_workspace_is_no_host_of_this_one(scenario: WorkspaceScenario) -> None:
    from workspaces.models import User
    from workspaces.services.workspaces import create_workspace

    Host.objects.create(
        name="theirs", key_digest="t", workspace=create_workspace(User.objects.create_user("bob"), "theirs").workspace
    )
    answer = scenario.api.post("compute/", {"name": "cpu", "vm_size": "STANDARD_D2_V2", "hosts": ["theirs"]})
    assert code(answer) == (400, "unknown_host")
    assert "theirs" not in answer.json()["error"]["message"].split("There is none yet")[1]


def test_a_cluster_is_resized_and_readers_only_look(scenario: WorkspaceScenario) -> None:
    scenario.api.post("compute/", {"name": "cpu", "vm_size": "STANDARD_D2_V2"})
    changed = scenario.api.patch("compute/cpu/", {"min_nodes": 1, "max_nodes": 2, "idle_seconds": 60}).json()
    assert changed["status"]["scaleSettings"]["nodeIdleTimeBeforeScaleDown"] == "PT60S"
    reader = scenario.client_for(Role.READER)
    assert reader.get("compute/cpu/").status_code == 200
    assert code(reader.patch("compute/cpu/", {"max_nodes": 9})) == (403, "forbidden")
    assert code(reader.delete("compute/cpu/")) == (403, "forbidden")


def test_the_list_of_clusters_costs_the_same_however_long(scenario: WorkspaceScenario) -> None:
    alpha = machine()

    def add(number: int) -> None:
        made = targets.create_target(scenario.context, f"cpu{number}x", "STANDARD_D2_V2")
        Node.objects.create(compute_target=made, host=alpha, name=f"n{number}", cores=1, memory=1)

    stays_constant(scenario.api, "compute/", add)


def test_the_local_host_keeps_its_key_and_speaks_with_it(db: None, tmp_path: Path) -> None:
    first = hosts.enrol_local_host(tmp_path, "http://127.0.0.1:8000", "redis://x")
    file = tmp_path / "agent" / "host.json"
    document = json.loads(file.read_text())
    assert file.stat().st_mode & 0o777 == 0o600
    assert document["store_marker"] == (tmp_path / "store-marker").read_text()
    assert hosts.enrol_local_host(tmp_path, "http://127.0.0.1:9000").pk == first.pk
    again = json.loads(file.read_text())
    assert again["key"] == document["key"] and again["studio"] == "http://127.0.0.1:9000"
    assert hosts.authenticate(document["key"]).pk == first.pk
    with pytest.raises(Unauthenticated):
        hosts.authenticate("duto_host_guess")
    file.unlink()
    hosts.enrol_local_host(tmp_path)
    with pytest.raises(Unauthenticated):
        hosts.authenticate(document["key"])
    assert Host.objects.count() == 1


def test_a_host_tells_what_it_has(db: None) -> None:
    alpha = machine()
    hosts.seen(
        alpha,
        facts_of({"cores": 8, "memory": 3, "gpus": [], "pythons": ["3.11.7"], "agent": "0.1.0", "store_marker": None}),
    )
    alpha.refresh_from_db()
    assert (alpha.cores, alpha.pythons, alpha.agent_version, alpha.store_marker) == (8, ["3.11.7"], "0.1.0", "")
    hosts.seen(alpha, facts_of({}))
    alpha.refresh_from_db()
    assert alpha.cores == 8
