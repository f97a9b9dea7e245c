"""A token makes and ends only what is narrower and shorter than itself, and what it made ends with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from compute.services import enrolments
from core.clock import now
from core.errors import Forbidden, NotFound, Unauthenticated
from tests.workspace_scenario import RestClient, WorkspaceScenario, code
from workspaces.access import authorize
from workspaces.models import ApiToken, AuditEntry, Invitation, Member, Role
from workspaces.services import invitations, members
from workspaces.services.tokens import create, mint, verify

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def make(rest: RestClient, role: str = "reader", days: int | None = None) -> Any:
    return rest.post("tokens/", {"name": "t", "role": role, "expires_in_days": days})


def made(rest: RestClient, role: str = "reader", days: int | None = None) -> tuple[RestClient, str]:
    answer = make(rest, role, days)
    assert answer.status_code == 201, answer.content
    return RestClient(answer.json()["token"]), answer.json()["id"]


def test_what_a_token_makes_lasts_no_longer(scenario: WorkspaceScenario) -> None:
    week, _ = made(scenario.api, "owner", 7)
    assert code(make(week)) == (403, "outlives_parent")
    assert code(make(week, days=8)) == (403, "outlives_parent")
    day, key = made(week, "owner", 1)
    row = ApiToken.objects.get(pk=key)
    assert row.parent is not None and row.parent.expires_at is not None and row.expires_at is not None
    assert row.expires_at < row.parent.expires_at
    assert day.get("").status_code == 200
    # A token without an end makes others without one, and in a session anybody does.
    assert make(scenario.api).status_code == 201


def test_what_a_token_makes_is_no_wider(scenario: WorkspaceScenario) -> None:
    contributor, _ = made(scenario.api, "contributor")
    assert code(make(contributor, "owner")) == (403, "role_too_large")
    assert make(contributor, "contributor").status_code == 201


def test_what_a_token_made_ends_with_it_at_whatever_distance(scenario: WorkspaceScenario) -> None:
    first, key = made(scenario.api, "owner")
    second, _ = made(first, "contributor")
    third, _ = made(second, "reader")
    aside, _ = made(scenario.api, "reader")
    assert scenario.api.delete(f"tokens/{key}/").status_code == 204
    for rest in (first, second, third):
        assert code(rest.get("")) == (401, "token_revoked")
    assert aside.get("").status_code == 200
    assert AuditEntry.objects.get(action="token.revoked").facts["made_with_it"] == 2


def test_a_token_revokes_what_carries_and_lasts_no_more(scenario: WorkspaceScenario) -> None:
    reader, own = made(scenario.api, "reader", 7)
    _, owners = made(scenario.api, "owner", 1)
    _, longer = made(scenario.api, "reader")
    _, shorter = made(scenario.api, "reader", 1)
    assert code(reader.delete(f"tokens/{owners}/")) == (403, "role_too_large")
    assert code(reader.delete(f"tokens/{longer}/")) == (403, "role_too_large")
    assert reader.delete(f"tokens/{shorter}/").status_code == 204
    assert reader.delete(f"tokens/{own}/").status_code == 204, "it may always end itself"
    assert code(reader.get("")) == (401, "token_revoked")
    page = Client()
    page.force_login(scenario.owner)
    for key in (owners, longer):
        assert page.delete(f"{scenario.api.base}tokens/{key}/").status_code == 204


def test_who_was_demoted_still_ends_their_tokens(scenario: WorkspaceScenario) -> None:
    bo = scenario.person("bo", Role.OWNER)
    token = mint(bo, scenario.workspace, Role.OWNER, "t")
    Member.objects.filter(user=bo).update(role=Role.READER)
    rest = RestClient(token.text)
    assert rest.get("/api/v1/me/").json()["workspaces"][0]["role"] == "reader"
    assert rest.delete(f"tokens/{token.token.pk}/").status_code == 204


def test_a_token_is_told_what_it_carries_itself(scenario: WorkspaceScenario) -> None:
    reader, _ = made(scenario.api, "reader")
    for rest, role in ((scenario.api, "owner"), (reader, "reader")):
        assert [each["role"] for each in rest.get("/api/v1/me/").json()["workspaces"]] == [role]
        assert [each["role"] for each in rest.get("/api/v1/workspaces/").json()["items"]] == [role]
        assert rest.get("").json()["role"] == role
    Member.objects.all().delete()
    assert reader.get("/api/v1/me/").json()["workspaces"] == []


def test_other_keys_that_a_token_makes_end_with_it_too(scenario: WorkspaceScenario) -> None:
    day, key = made(scenario.api, "owner", 1)
    assert code(day.post("host-enrolments/", {"expires_in_hours": 168})) == (403, "outlives_parent")
    command = day.post("host-enrolments/", {"name": "beta"}).json()["token"]
    link = day.post("members/", {"username": "bo", "role": "owner"}).json()["sign_in_link"]
    secret = link.rstrip("/").rsplit("/", 1)[-1]
    assert invitations.of_link(secret) is not None
    assert scenario.api.delete(f"tokens/{key}/").status_code == 204
    assert invitations.of_link(secret) is None
    with pytest.raises(Unauthenticated, match="has ended"):
        enrolments.enrol(command, "", "1", "http://studio")


def test_an_invitation_of_a_token_lasts_no_longer_than_that(scenario: WorkspaceScenario) -> None:
    end = now() + timedelta(hours=2)
    rest = RestClient(mint(scenario.owner, scenario.workspace, Role.OWNER, "short", expires_at=end).text)
    assert rest.post("members/", {"username": "bo"}).status_code == 201
    assert Invitation.objects.get().expires_at == end
    members.add(scenario.context, "eve", "reader")
    assert Invitation.objects.get(username="eve").expires_at > end


def test_who_waited_acts_with_the_rights_that_they_have_by_then(scenario: WorkspaceScenario) -> None:
    """A request that was let in and then waited for another that ended its rights."""
    bo = scenario.person("bo", Role.OWNER)
    stale = authorize(bo, "lab")
    text = scenario.token(bo, Role.OWNER)
    spoken = replace(stale, token=verify(text))
    mine = Member.objects.get(user=bo)
    members.change_role(scenario.context, mine.pk, "reader")
    for context in (stale, spoken):
        with pytest.raises(Forbidden):
            members.change_role(context, mine.pk, "owner")
        with pytest.raises(Forbidden):
            members.add(context, "friend", "owner")
        with pytest.raises(Forbidden):
            create(context, "t", "contributor")
    assert Member.objects.get(user=bo).role == Role.READER
    ApiToken.objects.filter(user=bo).update(revoked_at=now())
    with pytest.raises(Unauthenticated):
        create(spoken, "t", "reader")
    members.remove(scenario.context, mine.pk)
    for context in (stale, spoken):
        with pytest.raises((NotFound, Unauthenticated)):
            create(context, "t", "reader")
    assert not ApiToken.objects.filter(user=bo).exists()
