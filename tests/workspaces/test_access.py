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
from tests.house import Door, House, code, stays_constant
from workspaces import access
from workspaces.models import ApiToken, AuditEntry, Member, Role
from workspaces.services import tokens, usage
from workspaces.services.workspaces import create_workspace

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def test_to_a_stranger_the_workspace_does_not_exist(house: House) -> None:
    mallory = house.person("mallory", None)
    client = Client()
    client.force_login(mallory)
    assert code(client.get(house.api.base)) == (404, "not_found")
    assert code(client.get("/api/v1/workspaces/no-such/")) == (404, "not_found")


def test_nobody_is_told_to_sign_in(house: House) -> None:
    answer = Door().get("members/")
    assert code(answer) == (401, "unauthenticated")
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_a_reader_looks_but_does_not_change(house: House) -> None:
    reader = house.door(Role.READER)
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


def test_a_token_never_carries_more_than_its_owner_may_now(house: House) -> None:
    bo = house.person("bo", Role.OWNER)
    door = Door(house.token(bo, Role.OWNER))
    Member.objects.filter(user=bo).update(role=Role.READER)
    assert code(door.post("members/", {"username": "eve"})) == (403, "forbidden")
    Member.objects.filter(user=bo).delete()
    assert code(door.get("members/")) == (404, "not_found")


def test_a_token_opens_its_own_workspace_only(house: House) -> None:
    create_workspace(house.owner, "other")
    door = Door(house.token(house.owner), workspace="other")
    assert code(door.get("")) == (404, "not_found")


def test_a_revoked_token_is_refused_and_says_so(house: House) -> None:
    made = house.api.post("tokens/", {"name": "laptop"}).json()
    door = Door(made["token"])
    assert door.get("").status_code == 200
    assert house.api.delete(f"tokens/{made['id']}/").status_code == 204
    assert code(door.get("")) == (401, "token_revoked")


def test_an_expired_token_and_an_unknown_one_are_refused(house: House) -> None:
    made = tokens.mint(house.owner, house.workspace, Role.OWNER, "old", expires_at=now() - timedelta(seconds=1))
    assert code(Door(made.text).get("")) == (401, "token_expired")
    assert code(Door("duto_made_up").get("")) == (401, "bad_token")


def test_a_token_is_shown_once_and_only_its_digest_is_kept(house: House) -> None:
    made = house.api.post("tokens/", {"name": "laptop", "role": "reader", "expires_in_days": 30}).json()
    row = ApiToken.objects.get(pk=made["id"])
    assert row.digest != made["token"] and made["token"] not in str(row.__dict__)
    assert "token" not in house.api.get("tokens/").json()["items"][0]
    assert AuditEntry.objects.filter(action="token.created", target=row.prefix).exists()


def test_a_token_cannot_be_larger_than_its_maker(house: House) -> None:
    reader = house.door(Role.READER)
    assert code(reader.post("tokens/", {"name": "big", "role": "owner"})) == (403, "role_too_large")
    assert code(reader.post("tokens/", {"name": "odd", "role": "king"})) == (400, "unknown_role")
    assert reader.post("tokens/", {"name": "small", "role": "reader"}).status_code == 201


def test_a_read_with_a_token_writes_nothing(house: House) -> None:
    with CaptureQueriesContext(connection) as seen:
        assert Door(house.token(house.owner)).get("runs/").status_code == 200
    tokens_made = [q for q in seen if q["sql"].startswith("INSERT")]
    assert len(tokens_made) == 1  # the one that the test itself has made
    assert not [q for q in seen if q["sql"].startswith(("UPDATE", "DELETE"))]


def test_use_is_written_down_later_and_at_most_once_a_minute(house: House) -> None:
    usage.write_down()
    text = house.token(house.owner)
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


def test_a_run_token_reads_its_workspace_and_writes_to_its_own_tree(house: House) -> None:
    run, root = uuid7(), uuid7()
    text = tokens.mint_run_token(house.workspace, run, root, user=house.owner)
    door = Door(text)
    assert door.get("").status_code == 200
    assert code(door.post("tokens/", {"name": "more"})) == (403, "run_scope")
    context = access.authorize(SimpleNamespace(user=None, auth=tokens.verify(text)), "lab")
    assert context.is_run and context.actor == f"run {run}"
    assert access.may_touch_run(context, SimpleNamespace(root_id=root))
    with pytest.raises(Forbidden):
        access.require_run(context, SimpleNamespace(root_id=uuid7()))
    assert tokens.revoke_run_tokens(run) == 1
    assert code(door.get("")) == (401, "bad_token")


def test_a_closed_account_gets_nowhere(house: House) -> None:
    text = house.token(house.owner)
    house.owner.is_active = False
    house.owner.save()
    assert code(Door(text).get("")) == (401, "account_closed")


def test_a_session_needs_its_csrf_token_to_change_something(house: House) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(house.owner)
    assert client.get(house.api.base).status_code == 200
    refused = client.post(f"{house.api.base}tokens/", {"name": "x"}, content_type="application/json")
    assert code(refused) == (403, "forbidden")


def test_me_lists_the_workspaces_with_roles(house: House) -> None:
    create_workspace(house.owner, "other")
    client = Client()
    client.force_login(house.owner)
    me = client.get("/api/v1/me/").json()
    assert me["username"] == "ana"
    assert {each["name"]: each["role"] for each in me["workspaces"]} == {"lab": "owner", "other": "owner"}
    assert [each["name"] for each in house.api.get("/api/v1/me/").json()["workspaces"]] == ["lab"]


def test_the_root_answers_everybody() -> None:
    answer = Client().get("/api/v1/").json()
    assert answer["name"] == "duto" and answer["api"] == 1


def test_lists_of_members_and_tokens_cost_the_same_however_long(house: House) -> None:
    stays_constant(house.api, "members/", lambda n: house.person(f"p{n}", Role.READER))
    stays_constant(house.api, "tokens/", lambda n: house.token(house.owner))


def test_lists_are_paged_by_cursor(house: House) -> None:
    for number in range(5):
        house.token(house.owner, Role.READER)
        assert number >= 0
    seen, after = [], ""
    while True:
        page = house.api.get(f"tokens/?limit=2&after={after}").json()
        seen += [each["id"] for each in page["items"]]
        after = page["next"]
        if not after:
            break
    assert len(seen) == len(set(seen)) == 6
    assert code(house.api.get("tokens/?limit=0")) == (400, "invalid")
    assert code(house.api.get("tokens/?after=nonsense")) == (400, "invalid")


def test_a_body_that_is_no_json_is_a_clear_error(house: House) -> None:
    answer = house.api.client.post(f"{house.api.base}tokens/", "{", content_type="application/json")
    assert code(answer) == (400, "invalid")
    assert code(house.api.post("tokens/", {"role": "reader"})) == (400, "invalid")


def test_only_who_owns_a_workspace_may_make_another(house: House) -> None:
    client, reader = Client(), house.person("bo", Role.READER)
    client.force_login(reader)
    asked = {"name": "mine"}
    assert code(client.post("/api/v1/workspaces/", asked, content_type="application/json")) == (403, "forbidden")
    client.force_login(house.owner)
    assert client.post("/api/v1/workspaces/", asked, content_type="application/json").status_code == 201
    assert code(client.post("/api/v1/workspaces/", asked, content_type="application/json")) == (409, "exists")
    bad = client.post("/api/v1/workspaces/", {"name": "../x"}, content_type="application/json")
    assert code(bad) == (400, "bad_name")


def test_enter_tells_a_stranger_nothing(house: House) -> None:
    with pytest.raises(NotFound):
        access.authorize(house.person("mallory", None), "lab")
