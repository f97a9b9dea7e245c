"""Who gets in, and how far."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core.clock import now
from core.errors import Forbidden, NotFound
from core.ids import uuid7
from tests.workspace_scenario import RestClient, WorkspaceScenario, code, stays_constant
from workspaces import access
from workspaces.models import ApiToken, AuditEntry, Member, Role
from workspaces.services import tokens, usage
from workspaces.services.workspaces import create_workspace

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def test_to_a_stranger_the_workspace_does_not_exist(scenario: WorkspaceScenario) -> None:
    mallory = scenario.person("mallory", None)
    client = Client()
    client.force_login(mallory)
    assert code(client.get(scenario.api.base)) == (404, "not_found")
    assert code(client.get("/api/v1/workspaces/no-such/")) == (404, "not_found")


def test_nobody_is_told_to_sign_in(scenario: WorkspaceScenario) -> None:
    answer = RestClient().get("members/")
    assert code(answer) == (401, "unauthenticated")
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_a_reader_looks_but_does_not_change(scenario: WorkspaceScenario) -> None:
    reader = scenario.client_for(Role.READER)
    assert reader.get("members/").status_code == 200
    assert code(reader.post("members/", {"username": "bo"})) == (403, "forbidden")
    assert code(reader.patch("", {"description": "mine"})) == (403, "forbidden")


def test_every_view_below_a_workspace_says_who_may_call_it() -> None:
    with pytest.raises(TypeError, match="does not say"):

        class Forgetful(access_view()):  # type: ignore[misc]
            def get(self) -> None: ...


def access_view() -> type:
    from workspaces.api.base import WorkspaceView

    return WorkspaceView


def test_a_token_never_carries_more_than_its_owner_may_now(scenario: WorkspaceScenario) -> None:
    bo = scenario.person("bo", Role.OWNER)
    rest = RestClient(scenario.token(bo, Role.OWNER))
    Member.objects.filter(user=bo).update(role=Role.READER)
    assert code(rest.post("members/", {"username": "eve"})) == (403, "forbidden")
    Member.objects.filter(user=bo).delete()
    assert code(rest.get("members/")) == (404, "not_found")


def test_a_token_opens_its_own_workspace_only(scenario: WorkspaceScenario) -> None:
    create_workspace(scenario.owner, "other")
    rest = RestClient(scenario.token(scenario.owner), workspace="other")
    assert code(rest.get("")) == (404, "not_found")


def test_a_revoked_token_is_refused_and_says_so(scenario: WorkspaceScenario) -> None:
    made = scenario.api.post("tokens/", {"name": "laptop"}).json()
    rest = RestClient(made["token"])
    assert rest.get("").status_code == 200
    assert scenario.api.delete(f"tokens/{made['id']}/").status_code == 204
    assert code(rest.get("")) == (401, "token_revoked")


def test_an_expired_token_and_an_unknown_one_are_refused(scenario: WorkspaceScenario) -> None:
    made = tokens.mint(scenario.owner, scenario.workspace, Role.OWNER, "old", expires_at=now() - timedelta(seconds=1))
    assert code(RestClient(made.text).get("")) == (401, "token_expired")
    assert code(RestClient("duto_made_up").get("")) == (401, "bad_token")


def test_a_token_is_shown_once_and_only_its_digest_is_kept(scenario: WorkspaceScenario) -> None:
    made = scenario.api.post("tokens/", {"name": "laptop", "role": "reader", "expires_in_days": 30}).json()
    row = ApiToken.objects.get(pk=made["id"])
    assert row.digest != made["token"] and made["token"] not in str(row.__dict__)
    assert "token" not in scenario.api.get("tokens/").json()["items"][0]
    assert AuditEntry.objects.filter(action="token.created", target=row.prefix).exists()


def test_a_token_cannot_be_larger_than_its_maker(scenario: WorkspaceScenario) -> None:
    reader = scenario.client_for(Role.READER)
    assert code(reader.post("tokens/", {"name": "big", "role": "owner"})) == (403, "role_too_large")
    assert code(reader.post("tokens/", {"name": "odd", "role": "king"})) == (400, "unknown_role")
    assert reader.post("tokens/", {"name": "small", "role": "reader"}).status_code == 201


def test_a_read_with_a_token_writes_nothing(scenario: WorkspaceScenario) -> None:
    with CaptureQueriesContext(connection) as seen:
        assert RestClient(scenario.token(scenario.owner)).get("runs/").status_code == 200
    tokens_made = [q for q in seen if q["sql"].startswith("INSERT")]
    assert len(tokens_made) == 1  # the one that the test itself has made
    assert not [q for q in seen if q["sql"].startswith(("UPDATE", "DELETE"))]


def test_use_is_written_down_later_and_at_most_once_a_minute(scenario: WorkspaceScenario) -> None:
    usage.write_down()
    text = scenario.token(scenario.owner)
    rows = ApiToken.objects.filter(digest=tokens.digest_of(text))
    tokens.verify(text)
    assert rows.get().last_used_at is None
    assert usage.write_down() == 1
    first = rows.get().last_used_at
    tokens.verify(text)
    assert (usage.write_down(), rows.get().last_used_at) == (0, first)
    rows.update(last_used_at=now() - timedelta(minutes=2))
    tokens.verify(text)
    assert usage.write_down() == 1
    assert first is not None and rows.get().last_used_at > first - timedelta(seconds=1)


def test_a_run_token_reads_its_workspace_and_writes_to_its_own_tree(scenario: WorkspaceScenario) -> None:
    run, root = uuid7(), uuid7()
    text = tokens.mint_run_token(scenario.workspace, run, root, user=scenario.owner)
    rest = RestClient(text)
    assert rest.get("").status_code == 200
    assert code(rest.post("tokens/", {"name": "more"})) == (403, "run_scope")
    context = access.authorize(SimpleNamespace(user=None, auth=tokens.verify(text)), "lab")
    assert context.is_run and context.actor == f"run {run}"
    assert access.may_touch_run(context, SimpleNamespace(root_id=root))
    with pytest.raises(Forbidden):
        access.require_run(context, SimpleNamespace(root_id=uuid7()))
    assert tokens.revoke_run_tokens(run) == 1
    assert code(rest.get("")) == (401, "bad_token")


def test_a_closed_account_gets_nowhere(scenario: WorkspaceScenario) -> None:
    text = scenario.token(scenario.owner)
    scenario.owner.is_active = False
    scenario.owner.save()
    assert code(RestClient(text).get("")) == (401, "account_closed")


def test_a_session_needs_its_csrf_token_to_change_something(scenario: WorkspaceScenario) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(scenario.owner)
    assert client.get(scenario.api.base).status_code == 200
    refused = client.post(f"{scenario.api.base}tokens/", {"name": "x"}, content_type="application/json")
    assert code(refused) == (403, "forbidden")


def test_me_lists_the_workspaces_with_roles(scenario: WorkspaceScenario) -> None:
    create_workspace(scenario.owner, "other")
    client = Client()
    client.force_login(scenario.owner)
    me = client.get("/api/v1/me/").json()
    assert me["username"] == "ana"
    assert {each["name"]: each["role"] for each in me["workspaces"]} == {"lab": "owner", "other": "owner"}
    assert [each["name"] for each in scenario.api.get("/api/v1/me/").json()["workspaces"]] == ["lab"]


def test_the_root_answers_everybody() -> None:
    answer = Client().get("/api/v1/").json()
    assert answer["name"] == "duto" and answer["api"] == 1


def test_lists_of_members_and_tokens_cost_the_same_however_long(scenario: WorkspaceScenario) -> None:
    stays_constant(scenario.api, "members/", lambda n: scenario.person(f"p{n}", Role.READER))
    stays_constant(scenario.api, "tokens/", lambda n: scenario.token(scenario.owner))


def test_lists_are_paged_by_cursor(scenario: WorkspaceScenario) -> None:
    for number in range(5):
        scenario.token(scenario.owner, Role.READER)
        assert number >= 0
    seen, after = [], ""
    while True:
        page = scenario.api.get(f"tokens/?limit=2&after={after}").json()
        seen += [each["id"] for each in page["items"]]
        after = page["next"]
        if not after:
            break
    assert len(seen) == len(set(seen)) == 6
    assert code(scenario.api.get("tokens/?limit=0")) == (400, "invalid")
    assert code(scenario.api.get("tokens/?after=nonsense")) == (400, "invalid")


def test_a_body_that_is_no_json_is_a_clear_error(scenario: WorkspaceScenario) -> None:
    answer = scenario.api.client.post(f"{scenario.api.base}tokens/", "{", content_type="application/json")
    assert code(answer) == (400, "invalid")
    assert code(scenario.api.post("tokens/", {"role": "reader"})) == (400, "invalid")


def test_only_who_owns_a_workspace_may_make_another(scenario: WorkspaceScenario) -> None:
    client, reader = Client(), scenario.person("bo", Role.READER)
    client.force_login(reader)
    asked = {"name": "mine"}
    assert code(client.post("/api/v1/workspaces/", asked, content_type="application/json")) == (403, "forbidden")
    client.force_login(scenario.owner)
    assert client.post("/api/v1/workspaces/", asked, content_type="application/json").status_code == 201
    assert code(client.post("/api/v1/workspaces/", asked, content_type="application/json")) == (409, "exists")
    bad = client.post("/api/v1/workspaces/", {"name": "../x"}, content_type="application/json")
    assert code(bad) == (400, "bad_name")


def test_enter_tells_a_stranger_nothing(scenario: WorkspaceScenario) -> None:
    with pytest.raises(NotFound):
        access.authorize(scenario.person("mallory", None), "lab")
