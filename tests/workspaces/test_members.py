"""Letting people in and out."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

from core.errors import NotFound
from tests.workspace_scenario import WorkspaceScenario, code
from workspaces.access import authorize
from workspaces.models import ApiToken, AuditEntry, Member, Role, User
from workspaces.services import members
from workspaces.services.workspaces import create_workspace

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

PASSWORD = "a long sentence 7"


def test_a_workspace_keeps_its_last_owner(scenario: WorkspaceScenario) -> None:
    ana = Member.objects.get(user=scenario.owner)
    assert code(scenario.api.delete(f"members/{ana.pk}/")) == (409, "last_owner")
    assert code(scenario.api.patch(f"members/{ana.pk}/", {"role": "reader"})) == (409, "last_owner")
    scenario.person("bo", Role.OWNER)
    assert scenario.api.patch(f"members/{ana.pk}/", {"role": "reader"}).json()["role"] == "reader"


def followed(link: str, client: Client | None = None, **fields: str) -> Any:
    """The answer to the form of a sign-in link, and who is signed in then."""
    visitor = client or Client()
    visitor.raise_request_exception = False
    path = urlsplit(link).path
    return visitor.post(path, fields or {"password": PASSWORD, "again": PASSWORD}), visitor


def test_a_new_name_is_invited_by_a_link_that_works_once(scenario: WorkspaceScenario) -> None:
    made = scenario.api.post("members/", {"username": "bo", "role": "contributor"})
    assert made.status_code == 201
    assert not User.objects.filter(username="bo").exists()
    assert [each["username"] for each in scenario.api.get("invitations/").json()["items"]] == ["bo"]
    link = made.json()["sign_in_link"]
    looked = Client().get(urlsplit(link).path)
    assert looked.status_code == 200 and b"ana invites you" in looked.content
    answer, visitor = followed(link)
    assert answer.status_code == 302 and answer["Location"] == "/w/lab/"
    member = Member.objects.get(user__username="bo")
    assert (str(member.pk), member.role) == (made.json()["id"], "contributor")
    assert visitor.get("/w/lab/").status_code == 200
    assert followed(link)[0].status_code == 404
    assert scenario.api.get("invitations/").json()["items"] == []


def test_an_invitation_does_not_tell_whether_there_is_an_account(scenario: WorkspaceScenario) -> None:
    scenario.person("bo", None)
    known, new = (scenario.api.post("members/", {"username": name}).json() for name in ("bo", "nobody-yet"))
    assert known.keys() == new.keys() and known["sign_in_link"] and new["sign_in_link"]
    pages = [Client().get(urlsplit(each["sign_in_link"]).path).content.decode() for each in (known, new)]
    bare = [
        re.sub(r'(value|content)="[^"]{20,}"|bo|nobody-yet|/start/[^"]+|%2Fstart%2F[^"]+', "", page) for page in pages
    ]
    assert bare[0] == bare[1]
    for username in ("bo", "nobody-yet"):
        again = scenario.api.post("members/", {"username": username})
        assert again.status_code == 201, "an invitation that is open is replaced by a fresh one"
    assert followed(known["sign_in_link"])[0].status_code == 404
    assert code(scenario.api.post("members/", {"username": "b o"})) == (400, "bad_name")


def test_only_the_account_itself_takes_up_an_invitation_of_its_name(scenario: WorkspaceScenario) -> None:
    bo, eve = scenario.person("bo", None), scenario.person("eve", None)
    link = scenario.api.post("members/", {"username": "bo"}).json()["sign_in_link"]
    assert b"There is an account" in followed(link)[0].content
    stranger, mine = Client(), Client()
    stranger.force_login(eve)
    assert followed(link, stranger)[0].status_code == 200
    assert not Member.objects.filter(user__in=[bo, eve]).exists()
    mine.force_login(bo)
    assert b"Join the workspace" in mine.get(urlsplit(link).path).content
    assert followed(link, mine, join="1")[0]["Location"] == "/w/lab/"
    assert Member.objects.get(user=bo).role == Role.READER


def test_a_colleague_of_another_workspace_comes_in_at_once(scenario: WorkspaceScenario) -> None:
    bo, page = scenario.person("bo", Role.READER), Client()
    create_workspace(scenario.owner, "second")
    page.force_login(scenario.owner)
    asked = page.post("/api/v1/workspaces/second/members/", {"username": "bo"}, content_type="application/json")
    assert asked.status_code == 201 and asked.json()["sign_in_link"] is None
    assert Member.objects.filter(user=bo, workspace__name="second").exists()
    assert code(scenario.api.post("members/", {"username": "bo"})) == (409, "exists")


def test_an_old_invitation_opens_no_other_workspace(scenario: WorkspaceScenario) -> None:
    theirs = create_workspace(scenario.person("eve", None), "theirs")
    old = members.add(theirs, "bo", "reader").link
    fresh = scenario.api.post("members/", {"username": "bo", "role": "owner"}).json()["sign_in_link"]
    answer, visitor = followed(str(old))
    assert answer["Location"] == "/w/theirs/"
    assert visitor.get("/w/lab/").status_code == 404
    # The name is taken now, by whom this workspace never meant: its own invitation is over, and its owners are told.
    assert followed(fresh)[0].status_code == 404
    assert not Member.objects.filter(user__username="bo", workspace=scenario.workspace).exists()
    assert AuditEntry.objects.filter(workspace=scenario.workspace, action="invitation.ended", target="bo").exists()


@pytest.mark.parametrize(
    "action", ["withdrawn", "its maker left", "its maker is no owner", "its maker's account closed"]
)
def test_an_invitation_ends_with_what_it_leans_on(scenario: WorkspaceScenario, action: str) -> None:
    eve = scenario.person("eve", Role.OWNER)
    made = members.add(authorize(eve, "lab"), "bo", "owner")
    place = Member.objects.get(user=eve).pk
    if action == "withdrawn":
        assert scenario.api.delete(f"members/{made.member.pk}/").status_code == 204
    elif action == "its maker left":
        Member.objects.filter(user=eve).delete()  # also without a word to anybody
    elif action == "its maker is no owner":
        assert scenario.api.patch(f"members/{place}/", {"role": "contributor"}).status_code == 200
    else:
        members.close_account("eve")
    assert followed(str(made.link))[0].status_code == 404
    assert not User.objects.filter(username="bo").exists()


def test_an_invitation_gets_another_role_before_it_is_taken_up(scenario: WorkspaceScenario) -> None:
    made = scenario.api.post("members/", {"username": "bo", "role": "owner"}).json()
    assert scenario.api.patch(f"members/{made['id']}/", {"role": "reader"}).json()["role"] == "reader"
    followed(made["sign_in_link"])
    assert Member.objects.get(user__username="bo").role == Role.READER


def test_a_weak_password_does_not_spend_the_invitation(scenario: WorkspaceScenario) -> None:
    link = scenario.api.post("members/", {"username": "bo"}).json()["sign_in_link"]
    assert followed(link, None, password="abc", again="abc")[0].status_code == 200
    assert followed(link)[0].status_code == 302


def test_who_leaves_takes_their_tokens_along(scenario: WorkspaceScenario) -> None:
    bo = scenario.person("bo", Role.CONTRIBUTOR)
    scenario.token(bo)
    member = Member.objects.get(user=bo)
    assert scenario.api.delete(f"members/{member.pk}/").status_code == 204
    assert not ApiToken.objects.filter(user=bo).exists()


def test_members_of_one_workspace_cannot_be_changed_from_another(scenario: WorkspaceScenario) -> None:
    eve = scenario.person("eve", None)
    theirs = create_workspace(eve, "theirs")
    with pytest.raises(NotFound):
        members.remove(authorize(eve, "theirs"), Member.objects.get(user=scenario.owner).pk)
    assert theirs.role == Role.OWNER
