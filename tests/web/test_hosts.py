"""Hosts on the compute page: the command that is shown once, and what may be done to a host."""

from __future__ import annotations

import re

import pytest
from django.test import override_settings

from compute.models import Enrolment, Host
from core.clock import now
from tests.web.conftest import Site, inline_parts

pytestmark = pytest.mark.django_db


def test_the_command_is_shown_once_with_a_token_that_nobody_keeps(site: Site) -> None:
    assert site.see("compute/hosts/add/").status_code == 200
    answer = site.send("compute/hosts/add/", name="gpu-box", hours="24")
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
            "/w/lab/compute/hosts/add/", {"name": "", "hours": "1"}, headers={"Host": host}
        ).content.decode()
    assert "DUTO_PUBLIC_URL" in text


def test_a_name_that_cannot_be_is_told_at_its_field(site: Site) -> None:
    assert "cannot name a host" in site.send("compute/hosts/add/", name="no way", hours="1").content.decode()
    assert "There is a host" in site.send("compute/hosts/add/", name="alpha", hours="1").content.decode()
    assert not Enrolment.objects.exists()


def test_a_host_is_drained_taken_back_and_detached_on_the_page(site: Site) -> None:
    Host.objects.filter(name="alpha").update(workspace=site.workspace)
    assert "drained <" not in site.see("compute/").content.decode()
    assert site.send("compute/hosts/alpha/drain/", "contributor")["Location"] == "/w/lab/compute/"
    assert "drained <" in site.see("compute/").content.decode()
    site.send("compute/hosts/alpha/undrain/", "contributor")
    assert "drained <" not in site.see("compute/").content.decode()
    site.send("compute/hosts/alpha/detach/")
    assert "alpha" not in site.see("compute/", part="rows").content.decode()


def test_who_may_not_is_offered_nothing(site: Site) -> None:
    shared = site.see("compute/", "contributor").content.decode()
    assert "/hosts/alpha/" not in shared  # every workspace has it: an owner's affair
    Host.objects.filter(name="alpha").update(workspace=site.workspace)
    own = site.see("compute/", "contributor").content.decode()
    assert "/hosts/alpha/drain/" in own and "/hosts/alpha/detach/" not in own
    assert "/hosts/" not in re.sub(r"[^\"]*/agent/.*", "", site.see("compute/", "reader").content.decode())
    assert "/hosts/alpha/detach/" in site.see("compute/").content.decode()


def test_what_a_host_has_is_told(site: Site) -> None:
    card = {"uuid": "GPU-1", "name": "NVIDIA H100", "memory": 80 * 10**9}
    facts = {"engine": {"name": "box", "version": "20.10.24", "runtimes": ["nvidia", "runc"]}}
    told = {"gpus": [card, {**card, "uuid": "GPU-2"}], "facts": facts, "launcher": "docker", "last_seen_at": now()}
    Host.objects.create(name="gpu-box", key_digest="g", workspace=site.workspace, **told)
    words = re.sub(r"<[^>]+>|\s+", " ", site.see("compute/").content.decode())
    words = re.sub(r" +", " ", words)
    for text in ("2 × NVIDIA H100 80.0 GB", "containers, engine 20.10.24", "runtimes: nvidia, runc"):
        assert text in words, text


@pytest.mark.parametrize("odd", [None, [], "x", 7, {"engine": [1], "isolation": "x"}, {"engine": {"runtimes": 5}}])
@pytest.mark.parametrize("launcher", ["docker", "process"])
def test_what_an_agent_told_oddly_does_not_break_the_page(site: Site, odd: object, launcher: str) -> None:
    told = {"facts": odd if odd is not None else {}, "gpus": odd if odd is not None else [None, {"memory": "much"}]}
    Host.objects.create(
        name="odd", key_digest="o", workspace=site.workspace, last_seen_at=now(), launcher=launcher, **told
    )
    assert site.see("compute/").status_code == 200


def test_hosts_of_another_workspace_are_not_shown(site: Site) -> None:
    from workspaces.models import User
    from workspaces.services.workspaces import create_workspace

    other = create_workspace(User.objects.create_user("zoe"), "elsewhere").workspace
    Host.objects.create(name="foreign", key_digest="f", workspace=other)
    assert "foreign" not in site.see("compute/").content.decode()
    assert site.send("compute/hosts/foreign/drain/").status_code == 404
