"""Who is removed, demoted or whose account is closed takes along all that leans on them, and what that started."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from compute.services import enrolments
from core.errors import Conflict, Unauthenticated
from runs.models import Run
from runs.services.maintenance import revoked_submitters, ticker
from tests.runs.conftest import RunScenario
from workspaces.access import WorkspaceContext, authorize
from workspaces.models import ApiToken, AuditEntry, Invitation, Member, Role, User
from workspaces.services import members, tokens
from workspaces.services.workspaces import create_workspace

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


class Person:
    """Bo, an owner or contributor of the lab and of a workspace of their own, with all that leans on them."""

    def __init__(self, scenario: RunScenario, role: Role) -> None:
        self.scenario, self.role = scenario, role
        self.user = User.objects.create_user("bo", password="long enough 1")
        self.member = Member.objects.create(workspace=scenario.workspace, user=self.user, role=role)
        create_workspace(self.user, "elsewhere")
        self.context = WorkspaceContext(scenario.workspace, role, user=self.user)
        first = tokens.create(self.context, "first", role)
        self.token = scenario.client_for(first.text)
        child = self.ask(self.token, "post", "tokens/", {"name": "child", "role": "reader"})
        self.child = scenario.client_for(child.json()["token"])
        self.page = Client()
        self.page.force_login(self.user)
        submitted = self.ask(self.token, "post", "runs/", {"experiment": "e", "graph": scenario.graph()})
        self.run = Run.objects.get(pk=submitted.json()["id"])
        self.step = self.token_of(self.run)
        grand = self.ask(self.step, "post", "runs/", {"experiment": "e", "graph": scenario.graph()})
        self.grandchild = Run.objects.get(pk=grand.json()["id"])
        self.step_of_grandchild = self.token_of(self.grandchild)
        self.elsewhere = scenario.client_for(tokens.create(authorize(self.user, "elsewhere"), "t", Role.OWNER).text)

    def token_of(self, run: Run) -> Client:
        return self.scenario.client_for(
            tokens.mint_run_token(self.scenario.workspace, run.pk, run.root_id, user=self.user)
        )

    def ask(self, client: Client, method: str, path: str, body: Any = None) -> Any:
        if method == "get":
            return client.get(self.scenario.base + path)
        return getattr(client, method)(
            self.scenario.base + path, json.dumps(body or {}), content_type="application/json"
        )

    def reads(self) -> dict[str, int]:
        return {name: self.ask(client, "get", "runs/").status_code for name, client in self.clients().items()}

    def writes(self) -> dict[str, int]:
        body = {"experiment": "again", "graph": self.scenario.graph()}
        return {name: self.ask(client, "post", "runs/", body).status_code for name, client in self.clients().items()}

    def clients(self) -> dict[str, Client]:
        return {
            "token": self.token, "child": self.child, "session": self.page, "step": self.step,
            "step of grandchild": self.step_of_grandchild,
        }  # fmt: skip

    def states(self) -> set[str]:
        return set(Run.objects.filter(pk__in=[self.run.pk, self.grandchild.pk]).values_list("status", flat=True))


def remove(who: Person) -> None:
    assert who.scenario.client.delete(f"{who.scenario.base}members/{who.member.pk}/").status_code == 204


def close(who: Person) -> None:
    # Its own workspace needs another owner first.
    with pytest.raises(CommandError, match="last owner"):
        call_command("account", "close", "--user", "bo")
    theirs = authorize(who.user, "elsewhere").workspace
    Member.objects.create(workspace=theirs, user=who.scenario.owner, role=Role.OWNER)
    call_command("account", "close", "--user", "bo", stdout=StringIO())


def vanish(who: Person) -> None:
    """Without a word to anybody: what counts is asked at each call."""
    Member.objects.filter(pk=who.member.pk).delete()


@pytest.mark.parametrize("leave", [remove, vanish, close])
def test_who_leaves_keeps_nothing(scenario: RunScenario, leave: Any) -> None:
    bo = Person(scenario, Role.CONTRIBUTOR)
    assert set(bo.reads().values()) == {200}
    leave(bo)
    assert all(status in (401, 404) for status in bo.reads().values()), bo.reads()
    assert all(status in (401, 404) for status in bo.writes().values()), bo.writes()
    # A step that begins meanwhile gets a token that is worth nothing.
    assert bo.ask(bo.token_of(bo.run), "get", "runs/").status_code in (401, 404)
    assert revoked_submitters.stop_unentitled() == 2
    assert bo.states() == {"Canceled"}
    assert "bo may not submit runs any more" in Run.objects.get(pk=bo.run.pk).cancel_requested_by
    if leave is not close:
        assert bo.elsewhere.get("/api/v1/workspaces/elsewhere/").status_code == 200, "other workspaces are not touched"


def test_what_others_run_goes_on(scenario: RunScenario) -> None:
    bo = Person(scenario, Role.CONTRIBUTOR)
    others = scenario.pipeline()
    remove(bo)
    revoked_submitters.stop_unentitled()
    assert Run.objects.get(pk=others.pk).status == "Running"
    assert revoked_submitters.stop_unentitled() == 0


def test_the_wakeup_and_the_ticker_both_look(scenario: RunScenario, monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[str] = []
    monkeypatch.setattr("core.work.send", lambda task, **_: woken.append(task))
    bo = Person(scenario, Role.CONTRIBUTOR)
    with pytest.MonkeyPatch.context() as at_once:
        at_once.setattr("core.work.after_commit", lambda action: action())
        remove(bo)
    assert "runs.stop_unentitled" in woken
    ticker.tick(5)
    assert bo.states() == {"Canceled"}


def test_a_contributor_who_becomes_a_reader_reads_and_no_more(scenario: RunScenario) -> None:
    bo = Person(scenario, Role.CONTRIBUTOR)
    assert scenario.patch(f"members/{bo.member.pk}/", {"role": "reader"}).status_code == 200
    assert set(bo.reads().values()) == {200}
    assert set(bo.writes().values()) == {403}
    assert revoked_submitters.stop_unentitled() == 2
    assert bo.token.get("/api/v1/me/").json()["workspaces"][0]["role"] == "reader"


def test_an_owner_who_becomes_a_contributor_lets_nobody_in(scenario: RunScenario) -> None:
    bo = Person(scenario, Role.OWNER)
    command = enrolments.create(bo.context, "beta").text
    members.add(bo.context, "eve", "owner")
    assert scenario.patch(f"members/{bo.member.pk}/", {"role": "contributor"}).status_code == 200
    assert set(bo.writes().values()) == {201, 403}, "a reader's token stays one"
    assert revoked_submitters.stop_unentitled() == 0, "what they run goes on"
    assert not Invitation.objects.exists()
    with pytest.raises(Unauthenticated, match="no owner"):
        enrolments.enrol(command, "", "1", "http://studio")
    assert bo.ask(bo.token, "post", "members/", {"username": "eve"}).status_code == 403
    assert bo.ask(bo.token, "patch", "", {"run_token_scope": "permissive"}).status_code == 403


@pytest.mark.parametrize("leave", [remove, vanish])
def test_an_enrolment_token_ends_with_its_maker(scenario: RunScenario, leave: Any) -> None:
    bo = Person(scenario, Role.OWNER)
    command = enrolments.create(bo.context, "beta").text
    leave(bo)
    with pytest.raises(Unauthenticated, match="no owner"):
        enrolments.enrol(command, "", "1", "http://studio")


def test_a_closed_account_comes_back_without_its_tokens(scenario: RunScenario) -> None:
    bo = Person(scenario, Role.CONTRIBUTOR)
    close(bo)
    assert not ApiToken.objects.filter(user=bo.user).exists()
    assert not Client().login(username="bo", password="long enough 1")
    call_command("account", "open", "--user", "bo", stdout=StringIO())
    assert Client().login(username="bo", password="long enough 1")
    assert authorize(User.objects.get(username="bo"), "lab").role == Role.CONTRIBUTOR
    assert AuditEntry.objects.filter(action__in=["account.closed", "account.opened"], target="bo").count() == 2
    with pytest.raises(CommandError, match="no account"):
        call_command("account", "close", "--user", "nobody")
    with pytest.raises(Conflict):
        members.close_account("ana")
