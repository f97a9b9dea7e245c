"""Workspaces as wholes: settings, archive, limits, who comes by a link, who leaves, what the audit tells of it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from core.clock import now
from core.errors import Conflict, Invalid, NotFound
from tests.workspace_scenario import RestClient, WorkspaceScenario, code, content
from workspaces.access import authorize, owns_studio
from workspaces.models import ApiToken, AuditEntry, Invitation, Member, Role, User, Workspace
from workspaces.services import auditing, invitations, members, removal, storage, usage, workspaces
from workspaces.services.workspaces import create_workspace

pytestmark = pytest.mark.django_db
PASSWORD = "long enough 1"


def test_settings_change_all_together_or_not_at_all(scenario: WorkspaceScenario) -> None:
    answer = scenario.api.patch(
        "", {"description": "Soil", "tags": {"team": "north"}, "limits": {"members": 4}, "audit_days": 30}
    )
    document = answer.json()
    assert answer.status_code == 200
    assert (document["description"], document["tags"], document["audit_days"]) == ("Soil", {"team": "north"}, 30)
    assert document["limits"] == {"storage_bytes": None, "running_steps": None, "members": 4}
    assert code(scenario.api.patch("", {"limits": {"members": 9}, "default_datastore": "none"})) == (
        404,
        "unknown_datastore",
    )
    assert scenario.api.get("").json()["limits"]["members"] == 4
    assert scenario.api.patch("", {"limits": {"storage_bytes": 10}}).json()["limits"]["members"] == 4
    assert code(scenario.api.patch("", {"default_compute": "none"}))[0] == 404
    assert scenario.client_for(Role.CONTRIBUTOR).patch("", {"description": "x"}).status_code == 403


WHOLE = {
    "name": "north", "description": "Soil", "tags": {"team": "north"}, "limits": {"running_steps": 4, "members": 3},
    "people": [{"username": "bea"}, {"username": "eve", "role": "reader"}],
    "cluster": {"name": "cpu-cluster", "vm_size": "STANDARD_DS3_V2", "max_nodes": 3},
}  # fmt: skip


def make(scenario: WorkspaceScenario, key: str = "", **asked: Any) -> Any:
    """A person asks REST for a workspace."""
    person = Client(headers={"Idempotency-Key": key} if key else {})
    person.force_login(scenario.owner)
    return person.post("/api/v1/workspaces/", {**WHOLE, **asked}, content_type="application/json")


def test_a_workspace_is_made_with_all_that_its_form_takes(scenario: WorkspaceScenario) -> None:
    neighbour = scenario.person("bea", Role.CONTRIBUTOR)
    answer = make(scenario)
    document = answer.json()
    assert answer.status_code == 201
    assert (document["name"], document["description"], document["role"], document["tags"]) == (
        "north",
        "Soil",
        "owner",
        WHOLE["tags"],
    )
    assert document["limits"] == {"storage_bytes": None, "running_steps": 4, "members": 3}
    assert document["default_compute"] == "cpu-cluster"
    bea, eve = document["invited"]
    assert bea == {"username": "bea", "sign_in_link": None}
    assert eve["username"] == "eve" and "/start/" in eve["sign_in_link"]
    made = Workspace.objects.get(name="north")
    assert Member.objects.get(workspace=made, user=neighbour).role == Role.CONTRIBUTOR
    assert Invitation.objects.get(workspace=made).role == Role.READER
    cluster = made.compute_targets.get()
    assert (cluster.name, cluster.vm_size, cluster.max_nodes) == ("cpu-cluster", "STANDARD_DS3_V2", 3)


@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        ({"name": "a b"}, (400, "bad_name")),
        ({"limits": {"members": 2}}, (409, "member_limit")),
        ({"limits": {"members": 0}}, (400, "invalid")),
        ({"cluster": {"name": "cpu-cluster", "vm_size": "HUGE"}}, (400, "unknown_vm_size")),
        ({"cluster": {"name": "cpu-cluster", "max_nodes": 101}}, (400, "bad_scale")),
        ({"people": [{"username": "eve", "role": "king"}]}, (400, "unknown_role")),
        ({"tags": {"": "x"}}, (400, "bad_tags")),
    ],
)
def test_a_workspace_is_made_whole_or_not_at_all(
    scenario: WorkspaceScenario, asked: dict[str, Any], refused: tuple[int, str]
) -> None:
    assert code(make(scenario, **asked)) == refused
    assert not Workspace.objects.exclude(name="lab").exists() and not Invitation.objects.exists()


def test_a_workspace_that_was_made_by_this_request_before_is_told_again_without_its_links(
    scenario: WorkspaceScenario,
) -> None:
    scenario.person("bea", Role.CONTRIBUTOR)
    first = make(scenario, "k", people=[{"username": "bea"}])
    assert make(scenario, "k", people=[{"username": "bea"}]).json() == first.json()
    assert make(scenario, "l", name="south").status_code == 201
    assert code(make(scenario, "l", name="south")) == (409, "shown_once")


def test_an_archived_workspace_is_read_and_nothing_in_it_changes(scenario: WorkspaceScenario) -> None:
    scenario.put("a.txt", b"a")
    contributor = scenario.client_for(Role.CONTRIBUTOR)
    assert code(contributor.post("archive/", {"archived": True}))[0] == 403
    assert scenario.api.post("archive/", {"archived": True}).json()["archived_at"]
    assert contributor.get("datastores/workspaceblobstore/files/").status_code == 200
    assert code(scenario.api.put("datastores/workspaceblobstore/files/b.txt", b"b")) == (409, "archived")
    assert code(scenario.api.patch("", {"description": "x"})) == (409, "archived")
    assert code(scenario.api.post("tokens/", {"name": "x"})) == (409, "archived")
    assert code(scenario.api.post("members/", {"username": "eve"})) == (409, "archived")
    # What ends rights works all the same.
    member = Member.objects.get(user__username="a-contributor")
    assert scenario.api.delete(f"members/{member.pk}/").status_code == 204
    assert scenario.api.post("archive/", {"archived": False}).json()["archived_at"] is None
    assert scenario.api.put("datastores/workspaceblobstore/files/b.txt", b"b").status_code in (200, 201)


def test_storage_is_limited_where_files_come_in_and_counted_anew_before_that_is_said(
    scenario: WorkspaceScenario,
) -> None:
    scenario.put("a.bin", b"x" * 600)
    workspaces.set_limits(scenario.context, {"storage_bytes": 1000})
    assert storage.measure(scenario.workspace.pk) == 600
    refused = scenario.api.put("datastores/workspaceblobstore/files/b.bin", b"y" * 401)
    assert code(refused) == (409, "storage_limit") and refused.json()["error"]["facts"]["left"] == 400
    assert scenario.api.put("datastores/workspaceblobstore/files/b.bin", b"y" * 300).status_code in (200, 201)
    Workspace.objects.update(storage_at=now() - timedelta(minutes=1))
    assert scenario.api.delete("datastores/workspaceblobstore/files/a.bin").status_code == 204
    # The row still says 900; the disk says 300.
    assert scenario.api.put("datastores/workspaceblobstore/files/c.bin", b"z" * 700).status_code in (200, 201)
    assert code(scenario.api.put("datastores/workspaceblobstore/files/d.bin", b"!")) == (409, "storage_limit")
    use = {each["name"]: each for each in scenario.api.get("use/").json()["limits"]}
    assert use["storage_bytes"] == {"name": "storage_bytes", "used": 1000, "most": 1000}


def test_so_many_people_and_no_more_are_invited(scenario: WorkspaceScenario) -> None:
    workspaces.set_limits(scenario.context, {"members": 3})
    scenario.person("bea", Role.READER)
    assert scenario.api.post("invitations/", {"role": "reader", "uses": 2}).status_code == 409
    assert scenario.api.post("invitations/", {"role": "reader", "uses": 1}).status_code == 201
    assert code(scenario.api.post("members/", {"username": "eve"})) == (409, "member_limit")
    Invitation.objects.all().delete()
    assert scenario.api.post("members/", {"username": "eve"}).status_code == 201
    # Invited again she takes the same place.
    assert scenario.api.post("members/", {"username": "eve"}).status_code == 201


def test_a_link_lets_in_whoever_holds_it_as_often_as_it_says(scenario: WorkspaceScenario) -> None:
    answer = scenario.api.post("invitations/", {"role": "contributor", "uses": 2, "days": 3})
    path = "/" + answer.json()["link"].split("/", 3)[3]
    page = Client().get(path)
    assert page.status_code == 200 and b'name="username"' in page.content
    weak = Client().post(path, {"username": "bea", "password": "short", "again": "short"})
    assert weak.status_code == 200 and not User.objects.filter(username="bea").exists()
    first = Client()
    assert first.post(path, {"username": "bea", "password": PASSWORD, "again": PASSWORD})["Location"] == "/w/lab/"
    assert Member.objects.get(user__username="bea").role == Role.CONTRIBUTOR
    assert first.get("/w/lab/").status_code == 200
    taken = Client().post(path, {"username": "ana", "password": PASSWORD, "again": PASSWORD})
    assert taken.status_code == 200 and b"already" in taken.content
    # Who has an account signs in with it; who is there already uses nothing up.
    first.post(path)
    assert Invitation.objects.get().uses_left == 1
    other = Client()
    other.force_login(User.objects.create_user("cy"), backend="django.contrib.auth.backends.ModelBackend")
    assert other.post(path)["Location"] == "/w/lab/"
    assert not Invitation.objects.exists()
    assert Client().get(path).status_code == 404
    assert code(scenario.api.post("invitations/", {"role": "owner"}))[0] == 400
    assert code(scenario.api.post("invitations/", {"role": "reader", "days": 99}))[0] == 400


def test_what_an_owner_changes_while_somebody_joins_holds(
    scenario: WorkspaceScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, link = invitations.invite_open(scenario.context, "contributor", uses=3)
    secret, look_up = link.split("/")[2], invitations.of_link

    def meanwhile(change: Callable[[], object]) -> None:
        def looked_up(expected: str) -> Invitation | None:
            found = look_up(expected)
            change()
            return found

        monkeypatch.setattr(invitations, "of_link", looked_up)

    bea, cy, dan, eve = (User.objects.create_user(name) for name in ("bea", "cy", "dan", "eve"))
    meanwhile(lambda: Invitation.objects.update(role=Role.READER))
    assert invitations.accept(secret, bea).role == Role.READER
    meanwhile(lambda: Workspace.objects.update(settings={"limits": {"members": 1}}))
    with pytest.raises(Conflict, match="may have 1 people"):
        invitations.accept(secret, cy)
    Workspace.objects.update(settings={})
    meanwhile(lambda: Workspace.objects.update(archived_at=now()))
    with pytest.raises(Conflict, match="archived"):
        invitations.accept(secret, dan)
    meanwhile(lambda: Invitation.objects.filter(pk=made.pk).delete())
    with pytest.raises(NotFound):
        invitations.accept(secret, eve)
    assert Member.objects.filter(user__in=(cy, dan, eve)).count() == 0


def test_what_ends_with_somebody_is_told_before(scenario: WorkspaceScenario) -> None:
    bea = scenario.person("bea", Role.OWNER)
    scenario.token(bea)
    context = authorize(bea, "lab")
    invitations.invite(context, "eve", Role.READER)
    member = Member.objects.get(user=bea)
    assert scenario.api.get(f"members/{member.pk}/ends/").json() == {
        "tokens": 1,
        "open_runs": 0,
        "invitations": 1,
        "enrolments": 0,
    }
    assert scenario.api.get(f"members/{member.pk}/ends/?role=contributor").json() == {"invitations": 1, "enrolments": 0}
    items = scenario.api.get(f"members/{member.pk}/tokens/").json()["items"]
    assert [each["name"] for each in items] == ["tests"] and "token" not in items[0]
    assert scenario.client_for(Role.CONTRIBUTOR).get(f"members/{member.pk}/tokens/").status_code == 403


def test_a_workspace_is_left_and_handed_over_but_never_without_an_owner(scenario: WorkspaceScenario) -> None:
    bea = scenario.person("bea", Role.READER)
    with pytest.raises(Conflict, match="last owner"):
        members.leave(scenario.context)
    assert code(scenario.api.post("leave/", {})) == (409, "needs_session")
    members.transfer(scenario.context, Member.objects.get(user=bea).pk)
    assert authorize(bea, "lab").role == Role.OWNER and authorize(scenario.owner, "lab").role == Role.CONTRIBUTOR
    members.leave(authorize(scenario.owner, "lab"))
    with pytest.raises(NotFound):
        authorize(scenario.owner, "lab")
    assert scenario.api.get("").status_code == 401  # his token went with him


def test_a_deleted_workspace_is_nobodys_at_once_and_its_name_is_free(scenario: WorkspaceScenario) -> None:
    with pytest.raises(Invalid, match="Type the name"):
        removal.delete(scenario.context, "Lab")
    assert code(scenario.api.client.delete(scenario.api.base + "?confirm=no")) == (
        400,
        "not_confirmed",
    )
    reader = scenario.person("bea", Role.READER)
    removal.delete(scenario.context, "lab")
    assert scenario.api.get("").status_code == 401  # its tokens are gone
    for user in (scenario.owner, reader):
        with pytest.raises(NotFound):
            authorize(user, "lab")
    assert not ApiToken.objects.exists() and Workspace.objects.get().deleted_at
    last = AuditEntry.objects.filter(action="workspace.deleted").get()
    assert (last.workspace, last.target, last.person, last.via) == (None, "lab", "ana", "page")
    create_workspace(scenario.owner, "lab")


def test_the_first_workspace_stays_and_its_first_owner_looks_after_the_studio(scenario: WorkspaceScenario) -> None:
    first = create_workspace(scenario.owner, "main")
    second = User.objects.create_user("bea")
    Member.objects.create(workspace=first.workspace, user=second, role=Role.OWNER)
    assert owns_studio(scenario.owner) and not owns_studio(second)
    with pytest.raises(Conflict, match="begins with"):
        removal.delete(first, "main")
    members.leave(first)
    assert owns_studio(second) and not owns_studio(scenario.owner)


def test_the_audit_tells_who_and_from_where_and_goes_out_as_files(scenario: WorkspaceScenario) -> None:
    scenario.api.post("members/", {"username": "eve"})
    workspaces.change(scenario.context, description="=cmd()")
    AuditEntry.objects.filter(action="workspace.created").update(created_at=now() - timedelta(days=40))
    items = scenario.api.get("audit/").json()["items"]
    assert [each["action"] for each in items] == ["workspace.changed", "member.invited", "workspace.created"]
    assert [each["via"] for each in items] == ["page", "token", "page"]
    assert items[1]["through"].endswith(" tests") and items[1]["person"] == "ana"
    assert [each["action"] for each in scenario.api.get("audit/?action=member.").json()["items"]] == ["member.invited"]
    assert scenario.api.get("audit/?person=nobody").json()["items"] == []
    day = (now() - timedelta(days=7)).date().isoformat()
    assert len(scenario.api.get(f"audit/?since={day}").json()["items"]) == 2
    assert code(scenario.api.get("audit/?since=yesterday"))[0] == 400
    lines = content(scenario.api.get("audit/file/?kind=jsonl")).decode().splitlines()
    assert [json.loads(line)["action"] for line in lines] == [each["action"] for each in items]
    rows: list[dict[str, Any]] = list(
        csv.DictReader(io.StringIO(content(scenario.api.get("audit/file/?kind=csv")).decode()))
    )
    assert json.loads(rows[0]["facts"]) == {"description": "=cmd()"}
    assert code(scenario.api.get("audit/file/?kind=xml"))[0] == 400
    assert scenario.client_for(Role.CONTRIBUTOR).get("audit/").status_code == 403
    assert auditing.prune() == 0
    workspaces.set_audit_days(scenario.context, 30)
    assert auditing.prune() == 1 and not AuditEntry.objects.filter(action="workspace.created").exists()


def test_a_table_program_takes_no_target_for_a_formula(scenario: WorkspaceScenario) -> None:
    AuditEntry.objects.create(workspace=scenario.workspace, actor="ana", action="x", target="=1+1")
    text = content(scenario.api.get("audit/file/")).decode()
    assert "'=1+1" in text


def test_members_are_seen_by_page_and_token(scenario: WorkspaceScenario) -> None:
    member = Member.objects.get(user=scenario.owner)
    assert member.last_seen_at is None
    scenario.api.get("")
    usage.write_down()
    member.refresh_from_db()
    assert member.last_seen_at is not None
    RestClient(scenario.token(scenario.owner)).get("")
