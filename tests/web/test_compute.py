"""Clusters on pages: their terms, who holds them, who waits and why, and how they go."""

from __future__ import annotations

from datetime import timedelta
from html import unescape
from typing import Any

import pytest

from compute.models import ComputeTarget, Host, Node
from core.clock import now
from runs.models import Attempt, Run
from runs.services.scheduling import placing
from tests.runs.conftest import GIB
from tests.web.conftest import Site
from workspaces.models import User

pytestmark = pytest.mark.django_db
TERMS = {
    "min_nodes": "0",
    "max_nodes": "2",
    "idle_seconds": "60",
    "terms": "1",
    "launcher": "",
    "network": "open",
    "policy": "elastic",
}


def waiting(site: Site, count: int, **fields: object) -> list[Attempt]:
    """So many steps of one run that wait for the cluster."""
    root = site.pipeline(" -> ".join(f"s{number}" for number in range(count)))
    found = []
    for number in range(count):
        step = site.step(root, f"s{number}")
        Run.objects.filter(pk=step.pk).update(status="Queued")
        values = {"user": site.owner, "queued_at": now() - timedelta(minutes=3), **fields}
        found.append(
            Attempt.objects.create(run=step, workspace=site.workspace, number=1, compute_target=site.cluster, **values)
        )
    return found


def test_the_terms_of_a_cluster_are_set_and_changed_by_form(site: Site) -> None:
    Host.objects.create(name="beta", key_digest="b", cores=2, memory=8 * GIB, last_seen_at=now())
    form = site.see("compute/create/").content.decode()
    assert 'value="alpha"' in form
    assert 'value="beta"' in form
    values: dict[str, Any] = {**TERMS, "name": "gpu", "vm_size": "STANDARD_NC6", "hosts": ["beta"]}
    site.send("compute/create/", **{**values, "launcher": "docker", "network": "studio", "policy": "strict"})
    made = ComputeTarget.objects.get(name="gpu")
    assert (made.launcher, made.network, made.policy, [h.name for h in made.hosts.all()]) == (
        "docker",
        "studio",
        "strict",
        ["beta"],
    )
    shown = site.see("compute/clusters/gpu/resize/").content.decode()
    assert shown.count("checked") == 1
    assert 'value="docker" selected' in shown
    site.send("compute/clusters/gpu/resize/", **TERMS)
    made.refresh_from_db()
    assert (made.launcher, made.network, made.policy, made.hosts.count()) == ("", "open", "elastic", 0)
    master = {**TERMS, "spark_master": "spark://m:7077"}
    assert site.send("compute/clusters/gpu/resize/", **master).status_code == 302
    assert 'value="spark://m:7077"' in site.see("compute/clusters/gpu/resize/").content.decode()
    refused = site.send("compute/clusters/gpu/resize/", **{**master, "spark_master": "yarn"}).content.decode()
    assert "is no master of Spark" in refused
    made.refresh_from_db()
    assert made.spark_master == "spark://m:7077"
    page = site.see("compute/clusters/gpu/").content.decode()
    assert "spark://m:7077" in page
    assert "all hosts of the workspace:<span" in page
    assert "GPU (it has none)" in page


def test_options_of_slurm_are_set_by_form_and_checked(site: Site) -> None:
    values = {**TERMS, "launcher": "slurm", "slurm": "partition=gpu qos=long"}
    site.send("compute/create/", **values, name="jobs", vm_size="STANDARD_DS3_V2")
    made = ComputeTarget.objects.get(name="jobs")
    assert made.container_options == {"slurm": "partition=gpu qos=long"}
    made.container_options |= {"pids_limit": 4096}
    made.save()
    assert 'value="partition=gpu qos=long"' in site.see("compute/clusters/jobs/resize/").content.decode()
    for wrong, word in (("qos=long output=/etc/passwd", "output=/etc/passwd"), ("'", "'")):
        refused = unescape(site.send("compute/clusters/jobs/resize/", **{**values, "slurm": wrong}).content.decode())
        assert f"“{word}” is no option that may be set here" in refused and "partition, prefer" in refused
    # Who is no owner does not see them, and changes the rest.
    assert 'name="slurm"' not in site.see("compute/clusters/jobs/resize/", "contributor").content.decode()
    given = {**TERMS, "launcher": "slurm", "max_nodes": "3", "slurm": "qos=mine"}
    assert site.send("compute/clusters/jobs/resize/", "contributor", **given).status_code == 302
    made.refresh_from_db()
    assert (made.max_nodes, made.container_options) == (3, {"slurm": "partition=gpu qos=long", "pids_limit": 4096})
    site.send("compute/clusters/jobs/resize/", **{**values, "slurm": ""})
    made.refresh_from_db()
    assert made.container_options == {"pids_limit": 4096}


def test_the_form_of_a_cluster_with_hosts_never_widens_it_by_itself(site: Site) -> None:
    site.cluster.hosts.set([site.host])
    # The only host there is, then a host that is gone: both are shown, ticked, and stay what the cluster is on.
    for label in ("alpha", "alpha (revoked)"):
        shown = site.see("compute/clusters/cpu/resize/").content.decode()
        assert f"<span>{label}</span>" in shown
        assert shown.count("checked") == 1
        assert site.send("compute/clusters/cpu/resize/", **TERMS, hosts=["alpha"]).status_code == 302
        assert [host.name for host in site.cluster.hosts.all()] == ["alpha"]
        Host.objects.update(revoked_at=now())
    page = site.see("compute/clusters/cpu/").content.decode()
    assert "none that is left" in page
    assert "all hosts of the workspace" not in page
    site.send("compute/clusters/cpu/resize/", **TERMS)
    assert not site.cluster.hosts.exists()


def test_a_form_that_names_an_unknown_host_is_told(site: Site) -> None:
    answer = site.send("compute/clusters/cpu/resize/", **TERMS, hosts=["nowhere"])
    assert answer.status_code == 200
    assert "nowhere is not one of the available choices" in answer.content.decode()


def test_a_cluster_in_use_asks_for_its_name_with_the_numbers(site: Site) -> None:
    attempts = waiting(site, 3)
    placing.place()
    asked = site.see("compute/clusters/cpu/delete/").content.decode()
    assert "2 steps run on it." in asked
    assert "1 step waits for it." in asked
    refused = site.send("compute/clusters/cpu/delete/", confirm="cup").content.decode()
    assert "Type the name of the cluster, cpu." in refused
    assert ComputeTarget.objects.get().max_nodes == 2
    # Placed, but no agent has come for them yet: they end at once, and so nothing keeps the cluster.
    site.send("compute/clusters/cpu/delete/", confirm="cpu")
    assert ComputeTarget.objects.get().is_leaving
    page = site.see("compute/clusters/cpu/").content.decode()
    assert "It is being deleted" in page
    assert "Change…" not in page
    assert len(attempts) == 3


def test_who_holds_it_and_who_waits_stand_in_the_order_in_which_they_are_served(site: Site) -> None:
    zoe = User.objects.create_user("zoe")
    waiting(site, 3)
    placing.place()
    urgent = waiting(site, 1, priority=9, user=zoe)
    text = site.see("runs/of/cluster/", name="cpu").content.decode()
    assert text.index("s0") < text.index("s1") < text.index("zoe") < text.index("s2")
    assert "1. in line" in text
    assert "on alpha" in text
    assert urgent
    few = site.queries("runs/of/cluster/", name="cpu")
    waiting(site, 15)
    assert site.queries("runs/of/cluster/", name="cpu") == few


def test_a_node_is_removed_by_its_button(site: Site) -> None:
    waiting(site, 1)
    placing.place()
    node = Node.objects.get()
    page = site.see("compute/clusters/cpu/").content.decode()
    assert f"/w/lab/runs/of/cluster/cpu/nodes/{node.pk}/remove/" in page
    assert "nodes/" not in site.see("compute/clusters/cpu/", "reader").content.decode().split("Nodes</h2>")[1]
    assert site.send(f"runs/of/cluster/cpu/nodes/{node.pk}/remove/", "reader").status_code == 403
    site.send(f"runs/of/cluster/cpu/nodes/{node.pk}/remove/")
    assert not Node.objects.filter(pk=node.pk).exists()


def test_a_cluster_page_costs_the_same_with_one_node_and_with_twenty(site: Site) -> None:
    Node.objects.create(compute_target=site.cluster, host=site.host, name="n", cores=1, memory=1)
    site.see("")
    few = site.queries("compute/clusters/cpu/")
    for number in range(20):
        Node.objects.create(compute_target=site.cluster, host=site.host, name=f"n{number}", cores=1, memory=1)
    assert site.queries("compute/clusters/cpu/") == few


def test_the_panel_says_why_a_step_waits_with_numbers_and_since_when(site: Site) -> None:
    attempts = waiting(site, 4)
    placing.place()
    last = attempts[3]
    root = last.run.root
    assert root is not None
    page = site.see(f"runs/{root.pk}/", step="s3", tab="why").content.decode()
    assert "All 2 nodes of cpu are busy: ana on cpu (2 nodes: 2 cores, 2 GiB)." in page
    assert "It is number 2 of 2 in the queue of cpu; 1 step is ahead of it." in page
    assert f'src="/w/lab/runs/{last.run_id}/waiting/"' in page
    assert "Waiting for" in page
    fragment = site.see(f"runs/{last.run_id}/waiting/").content.decode()
    assert 'data-reason="cluster_full"' in fragment
    document = site.client.get(f"/api/v1/workspaces/lab/runs/{last.run_id}/").json()["step"]["waiting"]
    assert [each["code"] for each in document] == ["cluster_full", "queue"]
    assert document[1]["facts"]["since"]
    site.cluster.max_nodes = 9
    site.cluster.save()
    assert "Nothing keeps it" in site.see(f"runs/{last.run_id}/waiting/").content.decode()
    placing.place()
    assert "does not wait any more" in site.see(f"runs/{last.run_id}/waiting/").content.decode()


def test_a_step_that_waits_for_others_names_them(site: Site) -> None:
    root = site.pipeline("prepare -> train")
    Run.objects.filter(root=root, step__node_id="train").update(status="NotStarted")
    page = site.see(f"runs/{root.pk}/", step="train", tab="why").content.decode()
    assert "It waits for 1 step before it: prepare (running)." in page
    assert "It waits for 1 step" in site.see(f"runs/{root.pk}/", step="train", tab="logs").content.decode()
