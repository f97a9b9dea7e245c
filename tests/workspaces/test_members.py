"""Letting people in and out."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

from core.errors import NotFound
from tests.house import House, code
from workspaces.access import authorize
from workspaces.models import ApiToken, AuditEntry, Member, Role, User
from workspaces.services import members
from workspaces.services.workspaces import create_workspace

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

PASSWORD = "a long sentence 7"


def test_a_workspace_keeps_its_last_owner(house: House) -> None:
    ana = Member.objects.get(user=house.owner)
    assert code(house.api.delete(f"members/{ana.pk}/")) == (409, "last_owner")
    assert code(house.api.patch(f"members/{ana.pk}/", {"role": "reader"})) == (409, "last_owner")
    house.person("bo", Role.OWNER)
    assert house.api.patch(f"members/{ana.pk}/", {"role": "reader"}).json()["role"] == "reader"


def followed(link: str, client: Client | None = None, **fields: str) -> Any:
    """The answer to the form of a sign-in link, and who is signed in then."""
    visitor = client or Client()
    visitor.raise_request_exception = False
    path = urlsplit(link).path
    return visitor.post(path, fields or {"password": PASSWORD, "again": PASSWORD}), visitor


def test_a_new_name_is_invited_by_a_link_that_works_once(house: House) -> None:
    made = house.api.post("members/", {"username": "bo", "role": "contributor"})
    assert made.status_code == 201
    assert not User.objects.filter(username="bo").exists()
    assert [each["username"] for each in house.api.get("invitations/").json()["items"]] == ["bo"]
    link = made.json()["sign_in_link"]
    looked = Client().get(urlsplit(link).path)
    assert looked.status_code == 200 and b"ana invites you" in looked.content
    answer, visitor = followed(link)
    assert answer.status_code == 302 and answer["Location"] == "/w/lab/"
    member = Member.objects.get(user__username="bo")
    assert (str(member.pk), member.role) == (made.json()["id"], "contributor")
    assert visitor.get("/w/lab/").status_code == 200
    assert followed(link)[0].status_code == 404
    assert house.api.get("invitations/").json()["items"] == []


def test_an_invitation_does_not_tell_whether_there_is_an_account(house: House) -> None:
    house.person("bo", None)
    known, new = (house.api.post("members/", {"username": name}).json() for name in ("bo", "nobody-yet"))
    assert known.keys() == new.keys() and known["sign_in_link"] and new["sign_in_link"]
    pages = [Client().get(urlsplit(each["sign_in_link"]).path).content.decode() for each in (known, new)]
    bare = [
        re.sub(r'(value|content)="[^"]{20,}"|bo|nobody-yet|/start/[^"]+|%2Fstart%2F[^"]+', "", page) for page in pages
    ]
    assert bare[0] == bare[1]
    for username in ("bo", "nobody-yet"):
        again = house.api.post("members/", {"username": username})
        assert again.status_code == 201, "an invitation that is open is replaced by a fresh one"
    assert followed(known["sign_in_link"])[0].status_code == 404
    assert code(house.api.post("members/", {"username": "b o"})) == (400, "bad_name")


def test_only_the_account_itself_takes_up_an_invitation_of_its_name(house: House) -> None:
    bo, eve = house.person("bo", None), house.person("eve", None)
    link = house.api.post("members/", {"username": "bo"}).json()["sign_in_link"]
    assert b"There is an account" in followed(link)[0].content
    stranger, mine = Client(), Client()
    stranger.force_login(eve)
    assert followed(link, stranger)[0].status_code == 200
    assert not Member.objects.filter(user__in=[bo, eve]).exists()
    mine.force_login(bo)
    assert b"Join the workspace" in mine.get(urlsplit(link).path).content
    assert followed(link, mine, join="1")[0]["Location"] == "/w/lab/"
    assert Member.objects.get(user=bo).role == Role.READER


def test_a_colleague_of_another_workspace_comes_in_at_once(house: House) -> None:
    bo, page = house.person("bo", Role.READER), Client()
    create_workspace(house.owner, "second")
    page.force_login(house.owner)
    asked = page.post("/api/v1/workspaces/second/members/", {"username": "bo"}, content_type="application/json")
    assert asked.status_code == 201 and asked.json()["sign_in_link"] is None
    assert Member.objects.filter(user=bo, workspace__name="second").exists()
    assert code(house.api.post("members/", {"username": "bo"})) == (409, "exists")


def test_an_old_invitation_opens_no_other_workspace(house: House) -> None:
    theirs = create_workspace(house.person("eve", None), "theirs")
    old = members.add(theirs, "bo", "reader").link
    fresh = house.api.post("members/", {"username": "bo", "role": "owner"}).json()["sign_in_link"]
    answer, visitor = followed(str(old))
    assert answer["Location"] == "/w/theirs/"
    assert visitor.get("/w/lab/").status_code == 404
    # The name is taken now, by whom this workspace never meant: its own invitation is over, and its owners are told.
    assert followed(fresh)[0].status_code == 404
    assert not Member.objects.filter(user__username="bo", workspace=house.workspace).exists()
    assert AuditEntry.objects.filter(workspace=house.workspace, action="invitation.ended", target="bo").exists()


@pytest.mark.parametrize("deed", ["withdrawn", "its maker left", "its maker is no owner", "its maker's account closed"])
def test_an_invitation_ends_with_what_it_leans_on(house: House, deed: str) -> None:
    eve = house.person("eve", Role.OWNER)
    made = members.add(authorize(eve, "lab"), "bo", "owner")
    place = Member.objects.get(user=eve).pk
    if deed == "withdrawn":
        assert house.api.delete(f"members/{made.member.pk}/").status_code == 204
    elif deed == "its maker left":
        Member.objects.filter(user=eve).delete()  # also without a word to anybody
    elif deed == "its maker is no owner":
        assert house.api.patch(f"members/{place}/", {"role": "contributor"}).status_code == 200
    else:
        members.close_account("eve")
    assert followed(str(made.link))[0].status_code == 404
    assert not User.objects.filter(username="bo").exists()


def test_an_invitation_gets_another_role_before_it_is_taken_up(house: House) -> None:
    made = house.api.post("members/", {"username": "bo", "role": "owner"}).json()
    assert house.api.patch(f"members/{made['id']}/", {"role": "reader"}).json()["role"] == "reader"
    followed(made["sign_in_link"])
    assert Member.objects.get(user__username="bo").role == Role.READER


def test_a_weak_password_does_not_spend_the_invitation(house: House) -> None:
    link = house.api.post("members/", {"username": "bo"}).json()["sign_in_link"]
    assert followed(link, None, password="abc", again="abc")[0].status_code == 200
    assert followed(link)[0].status_code == 302


def test_who_leaves_takes_their_tokens_along(house: House) -> None:
    bo = house.person("bo", Role.CONTRIBUTOR)
    house.token(bo)
    member = Member.objects.get(user=bo)
    assert house.api.delete(f"members/{member.pk}/").status_code == 204
    assert not ApiToken.objects.filter(user=bo).exists()


def test_members_of_one_workspace_cannot_be_changed_from_another(house: House) -> None:
    eve = house.person("eve", None)
    theirs = create_workspace(eve, "theirs")
    with pytest.raises(NotFound):
        members.remove(authorize(eve, "theirs"), Member.objects.get(user=house.owner).pk)
    assert theirs.role == Role.OWNER
