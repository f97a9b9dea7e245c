"""Letting people in and out."""

from __future__ import annotations

import pytest

from core.errors import Conflict, Forbidden, NotFound
from tests.house import House, code
from workspaces.access import enter
from workspaces.models import ApiToken, Member, Role
from workspaces.services import accounts, members
from workspaces.services.workspaces import create_workspace

pytestmark = pytest.mark.django_db


def test_a_workspace_keeps_its_last_owner(house: House) -> None:
    ana = Member.objects.get(user=house.owner)
    assert code(house.api.delete(f"members/{ana.pk}/")) == (409, "last_owner")
    assert code(house.api.patch(f"members/{ana.pk}/", {"role": "reader"})) == (409, "last_owner")
    house.person("bo", Role.OWNER)
    assert house.api.patch(f"members/{ana.pk}/", {"role": "reader"}).json()["role"] == "reader"


def test_a_new_name_becomes_an_account_with_a_link_that_works_once(house: House) -> None:
    answer = house.api.post("members/", {"username": "bo", "role": "contributor"})
    assert answer.status_code == 201
    secret = answer.json()["sign_in_link"].rstrip("/").rsplit("/", 1)[-1]
    assert accounts.holder_of(secret).username == "bo"
    assert accounts.redeem(secret).username == "bo"
    with pytest.raises(NotFound):
        accounts.redeem(secret)


def test_somebody_who_is_known_gets_no_link(house: House) -> None:
    house.person("bo", None)
    assert house.api.post("members/", {"username": "bo"}).json()["sign_in_link"] is None
    assert code(house.api.post("members/", {"username": "bo"})) == (409, "exists")
    assert code(house.api.post("members/", {"username": "b o"})) == (400, "bad_name")


def test_who_leaves_takes_their_tokens_along(house: House) -> None:
    bo = house.person("bo", Role.CONTRIBUTOR)
    house.token(bo)
    member = Member.objects.get(user=bo)
    assert house.api.delete(f"members/{member.pk}/").status_code == 204
    assert not ApiToken.objects.filter(user=bo).exists()


def test_a_link_is_not_renewed_for_somebody_who_belongs_to_foreign_rooms(house: House) -> None:
    eve = house.person("eve", None)
    theirs = create_workspace(eve, "theirs")
    pending = members.add(theirs, "bo", "reader").member.user
    mine = Member.objects.create(workspace=house.workspace, user=pending, role=Role.READER)
    with pytest.raises(Forbidden):
        members.renew_link(house.room, mine.pk)
    house.owner.set_password("a long sentence 7")
    house.owner.save()
    with pytest.raises(Conflict):
        members.renew_link(house.room, Member.objects.get(user=house.owner, workspace=house.workspace).pk)


def test_members_of_one_workspace_cannot_be_changed_from_another(house: House) -> None:
    eve = house.person("eve", None)
    theirs = create_workspace(eve, "theirs")
    with pytest.raises(NotFound):
        members.remove(enter(eve, "theirs"), Member.objects.get(user=house.owner).pk)
    assert theirs.role == Role.OWNER
