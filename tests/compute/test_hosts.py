"""Hosts: invited with a token that works once, enrolled, drained, detached."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from compute.models import Enrolment, Host
from compute.services import agent_package, enrolments, hosts
from core.clock import now
from core.errors import Conflict
from tests.workspace_scenario import WorkspaceScenario, code, stays_constant
from workspaces.models import AuditEntry, Role, User
from workspaces.services.workspaces import create_workspace

pytestmark = pytest.mark.django_db(transaction=True)


def invite(scenario: WorkspaceScenario, **asked: Any) -> str:
    answer = scenario.api.post("host-enrolments/", asked)
    assert answer.status_code == 201, answer.content
    return str(answer.json()["token"])


def enrol(token: object, name: object = "beta", **more: Any) -> Any:
    body = {"token": token, "name": name, "agent": "0.1.0", **more}
    return Client().post("/agent/v1/enrol", body, content_type="application/json")


def speak(key: str) -> Any:
    headers = {"Authorization": f"Bearer {key}"}
    return Client().post("/agent/v1/exchange", {"host": {"cores": 2}}, content_type="application/json", headers=headers)


def test_a_token_is_exchanged_once_for_a_key_that_speaks(scenario: WorkspaceScenario) -> None:
    answer = scenario.api.post("host-enrolments/", {"expires_in_hours": 2}).json()
    assert answer["command"].startswith("curl -fsSL http://testserver/agent/v1/install | python3 - --token duto_enrol_")
    assert answer["token"] in answer["command"]
    given = enrol(answer["token"]).json()
    assert set(given) == {"name", "key", "studio", "redis_url", "installation"}
    assert (given["name"], given["studio"], given["redis_url"]) == ("beta", "http://testserver", None)
    assert speak(given["key"]).status_code == 200
    host = Host.objects.get(name="beta")
    assert host.workspace == scenario.workspace and host.last_seen_at and host.cores == 2
    assert code(enrol(answer["token"], "gamma")) == (401, "token_used")
    assert Host.objects.count() == 1
    assert list(
        AuditEntry.objects.filter(action__startswith="host.").values_list("actor", "action").order_by("id")
    ) == [
        ("ana", "host.invited"),
        ("ana", "host.enrolled"),
    ]


def test_the_page_hears_of_the_first_word_and_of_the_one_after_a_silence(
    scenario: WorkspaceScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = enrol(invite(scenario)).json()["key"]
    calls: list[str] = []
    monkeypatch.setattr("core.outbox.hint", calls.append)
    speak(key)
    assert calls == ["list:lab:compute"]
    Host.objects.update(last_seen_at=now() - timedelta(seconds=20))
    speak(key)
    assert calls == ["list:lab:compute"]
    Host.objects.update(last_seen_at=now() - timedelta(seconds=90), workspace=None)
    speak(key)
    assert calls == ["list:lab:compute", "list:lab:compute"]


def test_neither_token_nor_key_is_kept(scenario: WorkspaceScenario) -> None:
    token = invite(scenario)
    key = enrol(token).json()["key"]
    rows = (
        str(list(Enrolment.objects.values()))
        + str(list(Host.objects.values()))
        + str(list(AuditEntry.objects.values()))
    )
    assert token not in rows and key not in rows


@pytest.mark.parametrize(
    ("token", "name", "expected"),
    [
        ("duto_enrol_guess", "beta", (401, "bad_token")),
        ("", "beta", (401, "unauthenticated")),
        (7, "beta", (401, "unauthenticated")),
        (None, "Beta Box", (400, "bad_name")),
        (None, "-beta", (400, "bad_name")),
        (None, "", (400, "bad_name")),
        (None, ["beta"], (400, "invalid")),
        (None, "b\0x", (400, "bad_name")),
        (None, "b" * 64, (400, "bad_name")),
    ],
)
def test_a_bad_token_or_name_is_told_and_the_token_stays_good(
    scenario: WorkspaceScenario, token: Any, name: Any, expected: tuple[int, str]
) -> None:
    good = invite(scenario)
    assert code(enrol(good if token is None else token, name)) == expected
    assert enrol(good).status_code == 200


@pytest.mark.parametrize("body", [b"{", b"[]", b"[" * 60000, b"\xff"])
def test_a_body_that_is_no_object_is_refused(scenario: WorkspaceScenario, body: bytes) -> None:
    answer = Client().post("/agent/v1/enrol", body, content_type="application/json")
    assert code(answer) == (400, "invalid")


def test_an_expired_token_is_refused(scenario: WorkspaceScenario) -> None:
    token = invite(scenario)
    Enrolment.objects.update(expires_at=now() - timedelta(seconds=1))
    assert code(enrol(token)) == (401, "token_expired")
    assert not Host.objects.exists()


def test_a_name_given_with_the_token_is_the_hosts(scenario: WorkspaceScenario) -> None:
    assert enrol(invite(scenario, name="gpu-box"), "other").json()["name"] == "gpu-box"
    assert code(scenario.api.post("host-enrolments/", {"expires_in_hours": 0})) == (400, "invalid")
    assert code(scenario.api.post("host-enrolments/", {"expires_in_hours": 169})) == (400, "invalid")
    assert code(scenario.api.post("host-enrolments/", {"name": "no way"})) == (400, "bad_name")


def test_no_machine_takes_the_name_of_a_host_that_serves(scenario: WorkspaceScenario) -> None:
    speak(enrol(invite(scenario)).json()["key"])
    assert code(enrol(invite(scenario))) == (409, "exists")
    assert code(scenario.api.post("host-enrolments/", {"name": "beta"})) == (409, "exists")


KEY = "duto_host_" + "k" * 43


def test_a_lost_answer_is_given_again_for_the_key_that_the_agent_proposed(scenario: WorkspaceScenario) -> None:
    token = invite(scenario)
    first, again = enrol(token, key=KEY), enrol(token, key=KEY)
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json() and first.json()["key"] == KEY
    assert speak(KEY).status_code == 200 and Host.objects.count() == 1
    assert AuditEntry.objects.filter(action="host.enrolled").count() == 1
    assert KEY not in str(list(Host.objects.values())) + str(list(Enrolment.objects.values()))
    assert code(enrol(token, key=KEY[:-1] + "x")) == code(enrol(token)) == (401, "token_used")
    assert code(enrol("duto_enrol_guess", key=KEY)) == (401, "bad_token")


def test_a_lost_answer_is_given_for_some_minutes_and_while_the_key_is_good(scenario: WorkspaceScenario) -> None:
    token = invite(scenario)
    assert enrol(token, key=KEY).status_code == 200
    Host.objects.update(revoked_at=now())
    assert code(enrol(token, key=KEY)) == (401, "token_used")
    Host.objects.update(revoked_at=None)
    Enrolment.objects.update(used_at=now() - enrolments.REPEATED)
    assert code(enrol(token, key=KEY)) == (401, "token_used")


@pytest.mark.parametrize("key", ["k", "duto_host_" + "k" * 42, "duto_host_" + "k" * 129, "duto_host_" + "é" * 43])
def test_a_key_that_could_be_guessed_is_refused_and_the_token_stays_good(scenario: WorkspaceScenario, key: str) -> None:
    token = invite(scenario)
    assert code(enrol(token, key=key)) == (400, "bad_key") and code(enrol(token, key=["k"])) == (400, "invalid")
    assert enrol(token).status_code == 200


def test_no_two_hosts_have_one_key(scenario: WorkspaceScenario) -> None:
    assert enrol(invite(scenario), key=KEY).status_code == 200
    assert code(enrol(invite(scenario), "gamma", key=KEY)) == (400, "bad_key")
    assert Host.objects.count() == 1


def test_a_lost_answer_does_not_keep_the_name(scenario: WorkspaceScenario) -> None:
    lost = enrol(invite(scenario)).json()["key"]
    assert enrol(invite(scenario)).status_code == 200
    assert code(speak(lost)) == (401, "bad_host_key")


def test_a_detached_host_is_refused_and_may_come_back_under_its_name(scenario: WorkspaceScenario) -> None:
    key = enrol(invite(scenario)).json()["key"]
    speak(key)
    first = Host.objects.get()
    assert scenario.api.delete("hosts/beta/").status_code == 204
    assert code(speak(key)) == (401, "bad_host_key")
    assert scenario.api.get("hosts/").json()["items"] == []
    assert code(scenario.api.delete("hosts/beta/")) == (404, "unknown_host")
    again = enrol(invite(scenario)).json()["key"]
    assert Host.objects.get().pk == first.pk and speak(again).status_code == 200
    assert code(speak(key)) == (401, "bad_host_key")


def test_another_workspace_sees_no_foreign_host_and_hears_of_none_by_its_name(scenario: WorkspaceScenario) -> None:
    mine = enrol(invite(scenario)).json()["key"]
    speak(mine)
    other = create_workspace(User.objects.create_user("bob"), "elsewhere")
    assert not hosts.hosts_of(other.workspace).exists()
    theirs = enrol(enrolments.create(other, "beta").text, "").json()["key"]
    assert speak(theirs).status_code == speak(mine).status_code == 200
    assert code(enrol(enrolments.create(other, "").text)) == (409, "exists")
    assert [host.workspace for host in Host.objects.filter(name="beta").order_by("id")] == [
        scenario.workspace,
        other.workspace,
    ]
    assert scenario.api.delete("hosts/beta/").status_code == 204
    assert code(speak(mine)) == (401, "bad_host_key") and speak(theirs).status_code == 200


def test_no_workspace_takes_the_name_of_a_host_that_all_share(scenario: WorkspaceScenario) -> None:
    Host.objects.create(name="own", key_digest="d", is_local=True)
    with pytest.raises(Conflict):
        enrolments.create(scenario.context, "own")
    assert code(enrol(invite(scenario), "own")) == (409, "exists")


def test_a_host_is_drained_and_takes_steps_again(scenario: WorkspaceScenario) -> None:
    enrol(invite(scenario))
    contributor = scenario.client_for(Role.CONTRIBUTOR)
    since = contributor.post("hosts/beta/drain/").json()["drained_at"]
    assert since and contributor.post("hosts/beta/drain/").json()["drained_at"] == since
    assert contributor.post("hosts/beta/undrain/").json()["drained_at"] is None
    actions = AuditEntry.objects.filter(action__contains="drain").order_by("id").values_list("action", flat=True)
    assert list(actions) == ["host.drained", "host.undrained"]


def test_the_studios_own_machine_is_drained_by_owners_and_never_detached(scenario: WorkspaceScenario) -> None:
    Host.objects.create(name="own", key_digest="d", is_local=True)
    assert code(scenario.client_for(Role.CONTRIBUTOR).post("hosts/own/drain/")) == (403, "forbidden")
    assert scenario.api.post("hosts/own/drain/").status_code == 200
    assert code(scenario.api.delete("hosts/own/")) == (409, "own_machine")
    assert scenario.api.get("hosts/own/").json()["shared"] is True


def test_only_owners_invite_and_detach(scenario: WorkspaceScenario) -> None:
    enrol(invite(scenario))
    for role in (Role.READER, Role.CONTRIBUTOR):
        rest = scenario.client_for(role)
        assert code(rest.post("host-enrolments/")) == (403, "forbidden")
        assert code(rest.delete("hosts/beta/")) == (403, "forbidden")
        assert rest.get("hosts/beta/").status_code == 200


def test_the_list_of_hosts_costs_the_same_however_long(scenario: WorkspaceScenario) -> None:
    def add(number: int) -> None:
        Host.objects.create(name=f"h{number}", key_digest=f"d{number}", workspace=scenario.workspace)

    stays_constant(scenario.api, "hosts/", add)


def test_the_package_is_the_same_each_time_and_holds_our_sources_alone(db: None) -> None:
    answer = Client().get("/agent/v1/package")
    first = agent_package.package()
    agent_package.package.cache_clear()
    assert agent_package.package() == first
    assert answer.content == first.data and answer["X-Duto-Digest"] == first.digest
    import io
    import tarfile

    with tarfile.open(fileobj=io.BytesIO(first.data)) as tar:
        names = tar.getnames()
        listed = tar.extractfile("requirements.txt").read().decode()  # type: ignore[union-attr]
    assert {name.split("/")[1] for name in names if "/" in name} == {"duto_agent", "duto_protocol", "duto", "azureml"}
    assert not any("__pycache__" in name or "test" in name for name in names)
    lines = listed.splitlines()
    assert any(line.startswith("httpx==") for line in lines) and any(line.startswith("redis==") for line in lines)
    assert not any(line.startswith(("django", "duto", "pandas")) for line in lines)


def test_conditions_of_the_lock_are_kept_and_joined() -> None:
    lock = {
        "package": [
            {"name": "duto-agent", "source": {"editable": "agent"}, "dependencies": [{"name": "a"}, {"name": "b", "marker": "m1"}]},
            {"name": "a", "version": "1", "source": {"registry": "r"}, "dependencies": [{"name": "b", "marker": "m2"}, {"name": "c", "extra": ["x"]}]},
            {"name": "b", "version": "2", "source": {"registry": "r"}, "dependencies": [{"name": "d", "marker": "m3"}]},
            {"name": "c", "version": "3", "source": {"registry": "r"}, "optional-dependencies": {"x": [{"name": "a"}]}},
            {"name": "d", "version": "4", "source": {"registry": "r"}},
            {"name": "e", "version": "5", "source": {"registry": "r"}},
        ]
    }  # fmt: skip
    assert agent_package.requirements(lock) == (
        "a==1\nb==2 ; (m1) or (m2)\nc==3\nd==4 ; ((m1) and (m3)) or ((m2) and (m3))\n"
    )


def test_the_installer_carries_the_studios_address(db: None) -> None:
    text = Client().get("/agent/v1/install").content.decode()
    assert "STUDIO = 'http://testserver'" in text
    compile(text, "install", "exec")


def test_the_local_host_knows_its_installation(db: None, tmp_path: Any) -> None:
    import json

    hosts.enrol_local_host(tmp_path, "http://127.0.0.1:8000", "redis://x")
    document = json.loads((tmp_path / "agent" / "host.json").read_text())
    assert document["installation"] == (tmp_path / "store-marker").read_text().strip()
