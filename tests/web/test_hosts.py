"""Hosts on the compute page: the command that is shown once, and what may be done to a host."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from django.test import override_settings

from compute.models import ComputeTarget, Enrolment, Host, Node
from core.clock import now
from tests.web.conftest import Site, inline_parts
from workspaces.models import User
from workspaces.services.workspaces import create_workspace

pytestmark = pytest.mark.django_db
CARDS = [{"uuid": f"GPU-{number}", "index": number, "name": "NVIDIA H100", "memory": 80 << 30} for number in range(2)]


def test_the_command_is_shown_once_with_a_token_that_nobody_keeps(site: Site) -> None:
    assert site.see("compute/add-host/").status_code == 200
    answer = site.send("compute/add-host/", name="gpu-box", hours="24")
    text = answer.content.decode()
    found = re.search(r"duto_enrol_[\w-]+", text)
    assert found and "curl -fsSL http://testserver/agent/v1/install | python3 - --token duto_enrol_" in text
    assert "no-store" in answer["Cache-Control"] and inline_parts(text) == []
    row = Enrolment.objects.get()
    assert row.name == "gpu-box" and found.group() not in str(vars(row))
    assert found.group() not in site.see("compute/").content.decode()


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost"])
def test_an_address_that_only_this_machine_knows_is_told(site: Site, host: str) -> None:
    page = site.people["owner"]
    with override_settings(ALLOWED_HOSTS=["*"]):
        text = page.post(
            "/w/lab/compute/add-host/", {"name": "", "hours": "1"}, headers={"Host": host}
        ).content.decode()
    assert "DUTO_PUBLIC_URL" in text


def test_a_name_that_cannot_be_is_told_at_its_field(site: Site) -> None:
    assert "cannot name a host" in site.send("compute/add-host/", name="no way", hours="1").content.decode()
    assert "There is a host" in site.send("compute/add-host/", name="alpha", hours="1").content.decode()
    assert not Enrolment.objects.exists()


def test_a_host_is_drained_taken_back_and_detached_on_the_page(site: Site) -> None:
    Host.objects.filter(name="alpha").update(workspace=site.workspace)
    assert "drained<" not in site.see("compute/").content.decode()
    assert site.send("compute/hosts/alpha/drain/", "contributor")["Location"] == "/w/lab/compute/"
    assert "drained<" in site.see("compute/").content.decode()
    site.send("compute/hosts/alpha/undrain/", "contributor")
    assert "drained<" not in site.see("compute/").content.decode()
    site.send("compute/hosts/alpha/detach/")
    assert "alpha" not in site.see("compute/", part="rows").content.decode()


def test_who_may_not_is_offered_nothing(site: Site) -> None:
    shared = site.see("compute/", "contributor").content.decode()
    assert "/hosts/alpha/drain/" not in shared  # every workspace has it: an owner's affair
    Host.objects.filter(name="alpha").update(workspace=site.workspace)
    own = site.see("compute/", "contributor").content.decode()
    assert "/hosts/alpha/drain/" in own and "/hosts/alpha/detach/" not in own
    reader = site.see("compute/", "reader").content.decode()
    assert re.findall(r"/hosts/\w+/\w+/", reader) == [] and "add-host" not in reader
    assert "/hosts/alpha/detach/" in site.see("compute/").content.decode()


def test_what_a_host_has_is_told(site: Site) -> None:
    card = {"uuid": "GPU-1", "name": "NVIDIA H100", "memory": 80 << 30}
    facts = {"engine": {"name": "box", "version": "20.10.24", "runtimes": ["nvidia", "runc"]}}
    values = {"gpus": [card, {**card, "uuid": "GPU-2"}], "facts": facts, "launcher": "docker", "last_seen_at": now()}
    Host.objects.create(name="gpu-box", key_digest="g", workspace=site.workspace, **values)
    words = re.sub(r"<[^>]+>|\s+", " ", site.see("compute/").content.decode())
    words = re.sub(r" +", " ", words)
    for text in ("2 × NVIDIA H100 80 GiB", "containers, engine 20.10.24", "runtimes: nvidia, runc"):
        assert text in words, text


@pytest.mark.parametrize("odd", [None, [], "x", 7, {"engine": [1], "isolation": "x"}, {"engine": {"runtimes": 5}}])
@pytest.mark.parametrize("launcher", ["docker", "process"])
def test_what_an_agent_told_oddly_does_not_break_the_page(site: Site, odd: object, launcher: str) -> None:
    facts = {"facts": odd if odd is not None else {}, "gpus": odd if odd is not None else [None, {"memory": "much"}]}
    Host.objects.create(
        name="odd", key_digest="o", workspace=site.workspace, last_seen_at=now(), launcher=launcher, **facts
    )
    assert site.see("compute/").status_code == 200
    assert site.see("compute/hosts/odd/").status_code == 200
    assert site.client.get("/api/v1/workspaces/lab/hosts/odd/usage/").status_code == 200


def test_hosts_of_another_workspace_are_not_shown(site: Site) -> None:
    other = create_workspace(User.objects.create_user("zoe"), "elsewhere").workspace
    Host.objects.create(name="foreign", key_digest="f", workspace=other)
    assert "foreign" not in site.see("compute/").content.decode()
    assert site.send("compute/hosts/foreign/drain/").status_code == 404
    assert site.see("compute/hosts/foreign/").status_code == 404


# --- the page of one host ---


def words_of(site: Site, name: str = "alpha", who: str = "owner") -> str:
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", site.see(f"compute/hosts/{name}/", who).content.decode()))
    return re.sub(r" ([,:.])", r"\1", text)


def test_the_page_of_a_host_tells_what_it_has_and_what_is_held(site: Site) -> None:
    values = {
        "engine": {"name": "Docker", "version": "20.10.24", "api": "1.41", "runtimes": ["nvidia", "runc"], "cdi": True}
    }
    reading = {"uuid": CARDS[0]["uuid"], "utilization": 0.87, "memory": 42 << 30, "temperature": 61}
    stored = {"environments": [{"key": "e", "bytes": 5 << 30}, {"key": "f", "bytes": 1 << 30}]}
    facts = {**values, "disk_total": 1 << 40, "sample": {"gpus": [reading]}, "storage": stored}
    host = Host.objects.create(
        name="gpu-box", key_digest="g", workspace=site.workspace, launcher="docker", cores=32, memory=100 << 30, gpus=CARDS,
        disk_free=400 << 30, facts=facts, agent_version="0.1.0", pythons=["3.11.7"], last_seen_at=now(),
    )  # fmt: skip
    Node.objects.create(
        compute_target=site.cluster, host=host, name="cpu-7", status="running", cores=8, memory=10 << 30, gpus=[CARDS[0]["uuid"]]
    )  # fmt: skip
    words = words_of(site, "gpu-box")
    for text in (
        "alive", "Docker 20.10.24", "API 1.41", "CDI", "runtimes: nvidia, runc", "0.1.0", "3.11.7", "environments: 2 6 GiB",
        "24 of 32 free", "90 GiB of 100 GiB free", "1 of 2 free", "400 GiB of 1 TiB free", "NVIDIA H100", "87 %", "61 °C",
        "42 GiB", "cpu-7", "this workspace",
    ):  # fmt: skip
        assert text in words, text


@pytest.mark.parametrize(
    ("field", "minutes", "text"),
    [
        ("last_seen_at", None, "Its agent has not spoken yet"),
        ("last_seen_at", 7, "It was last heard 7 min ago"),
        ("drained_at", 7, "Drained 7 min ago: it gets no new steps"),
        ("revoked_at", 7, "Detached 7 min ago: its key is refused"),
    ],
)
def test_a_host_that_takes_nothing_says_why(site: Site, field: str, minutes: int | None, text: str) -> None:
    moment = None if minutes is None else now() - timedelta(minutes=minutes)
    Host.objects.filter(name="alpha").update(workspace=site.workspace, **{field: moment})
    assert text in words_of(site)
    assert site.client.get("/api/v1/workspaces/lab/hosts/alpha/usage/").status_code == 200


def test_the_page_says_who_drained_the_host_and_comes_back_to_itself(site: Site) -> None:
    Host.objects.filter(name="alpha").update(workspace=site.workspace)
    page = site.people["contributor"]
    answer = page.post(
        "/w/lab/compute/hosts/alpha/drain/", headers={"Referer": "http://testserver/w/lab/compute/hosts/alpha/"}
    )
    assert answer["Location"] == "http://testserver/w/lab/compute/hosts/alpha/"
    assert "by a-contributor: it gets no new steps" in words_of(site)


def test_what_another_workspace_runs_on_a_shared_host_is_told_as_a_sum_alone(site: Site) -> None:
    theirs = create_workspace(User.objects.create_user("zoe"), "elsewhere").workspace
    secret = ComputeTarget.objects.create(workspace=theirs, name="secret", vm_size="x", cores=3, memory=1, max_nodes=1)
    for number in range(2):
        status = ("running", "idle")[number]
        Node.objects.create(
            compute_target=secret, host=site.host, name=f"hush-{number}", status=status, cores=3, memory=1
        )
    words = words_of(site)
    assert "1 of 4 free, others hold 3" in words
    assert "secret" not in words and "hush" not in words
    document = site.client.get("/api/v1/workspaces/lab/hosts/alpha/").json()
    assert document["held"] == {
        "workspace": {"cores": 0, "memory": 0, "gpus": 0},
        "others": {"cores": 3, "memory": 1, "gpus": 0},
    }
    assert (document["state"], document["drained_by"], document["nodes"]) == ("alive", "", [])


def test_the_steps_on_a_host_are_those_of_this_workspace(site: Site) -> None:
    step = site.step(site.pipeline("train"), "train")
    node = Node.objects.create(
        compute_target=site.cluster, host=site.host, name="n", cores=1, memory=1, status="running"
    )
    site.attempt(step, node=node, node_name="n")
    assert "train" in site.see("runs/of/host/", name="alpha").content.decode()
    assert "Nothing runs" in site.see("runs/of/host/", name="beta").content.decode()
    few = site.queries("runs/of/host/", name="alpha")
    for number in range(8):
        root = site.pipeline("train")
        node = Node.objects.create(compute_target=site.cluster, host=site.host, name=f"n{number}", cores=1, memory=1)
        site.attempt(site.step(root, "train"), node=node)
    assert site.queries("runs/of/host/", name="alpha") == few


def test_a_host_page_costs_the_same_with_one_node_and_with_twenty(site: Site) -> None:
    Node.objects.create(compute_target=site.cluster, host=site.host, name="n", cores=1, memory=1)
    site.see("")
    few = site.queries("compute/hosts/alpha/")
    for number in range(20):
        Node.objects.create(compute_target=site.cluster, host=site.host, name=f"n{number}", cores=1, memory=1)
    assert site.queries("compute/hosts/alpha/") == few


def test_a_host_of_slurm_tells_its_partitions_and_nodes(site: Site) -> None:
    held = {
        "cores": 64,
        "cores_held": 40,
        "cores_ours": 16,
        "memory": 256 << 30,
        "memory_held": 1 << 30,
        "memory_ours": 1 << 30,
    }
    group = {"partition": "batch", "state": "mixed", "nodes": 5000, **held}
    answer = {
        "at": "2026-01-31T12:00:00Z", "count": 5000, "total": held, "groups": [group], "groups_left": 1,
        "named": [{"name": "n1", "state": "mixed", "partitions": ["batch"], **held}],
    }  # fmt: skip
    facts = {"slurm": answer, "isolation": {"bwrap": False, "root": False}}
    host = Host.objects.create(
        name="login", key_digest="l", workspace=site.workspace, launcher="slurm", cores=4, memory=1, last_seen_at=now(), facts=facts,
    )  # fmt: skip
    words = unescape(words_of(site, "login"))
    for text in (
        "24 of 64 free, others hold 24", "Slurm's partitions 5,000 nodes", "batch mixed 5,000 64 studio 16, others 24",
        "1 more line", "Nodes by name: 1 of 5,000", "n1 mixed 64 studio 16, others 24 256 GiB studio 1 GiB, others 0 B",
    ):  # fmt: skip
        assert text in words, (text, words[words.index("Slurm's") :])
    assert site.get("hosts/login/").json()["facts"]["slurm"] == answer
    answer["groups"] = "x"  # type: ignore[assignment]
    host.facts = {"slurm": {**answer, "total": 7}}
    host.save()
    assert "Slurm" not in words_of(site, "login").split("What it has")[0].replace("jobs of Slurm", "")
