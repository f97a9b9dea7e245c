"""Secrets are given to who may have them, told to nobody else, and open under no key but the studio's."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from core import encryption
from core.models import IdempotencyKey
from tests.workspace_scenario import RestClient, WorkspaceScenario, code
from workspaces.models import AuditEntry, Role, Secret
from workspaces.services import tokens
from workspaces.services.workspaces import create_workspace

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]
VALUE = "  hunter2 – ü\n"


def put(rest: RestClient, **values: str) -> Any:
    return rest.post("secrets/", {"secrets": {name.replace("_", "-"): value for name, value in values.items()}})


def read(rest: RestClient, *names: str) -> Any:
    return rest.post("secrets/values/", {"names": list(names)})


def actions() -> list[tuple[str, str, str, str]]:
    rows = AuditEntry.objects.filter(action__startswith="secret.").order_by("id")
    return list(rows.values_list("action", "target", "person", "via"))


def test_a_secret_comes_back_as_it_was_set_and_names_are_one_large_or_small(scenario: WorkspaceScenario) -> None:
    assert put(scenario.api, db_password=VALUE, other="x").status_code == 204
    answer = read(scenario.api, "DB-Password", "missing")
    assert answer.json() == {"secrets": {"DB-Password": VALUE, "missing": None}}
    assert answer["Cache-Control"] == "no-store"
    assert put(scenario.api, DB_PASSWORD="second").status_code == 204
    assert read(scenario.api, "db-password").json()["secrets"] == {"db-password": "second"}
    assert [each["name"] for each in scenario.api.get("secrets/").json()["items"]] == ["db-password", "other"]
    assert scenario.api.delete("secrets/DB-password/").status_code == 204
    assert code(scenario.api.delete("secrets/db-password/")) == (404, "not_found")
    assert read(scenario.api, "db-password").json()["secrets"] == {"db-password": None}


def test_readers_see_names_and_get_no_value(scenario: WorkspaceScenario) -> None:
    put(scenario.api, key=VALUE)
    reader, contributor = scenario.client_for(Role.READER), scenario.client_for(Role.CONTRIBUTOR)
    assert VALUE.strip() not in reader.get("secrets/").content.decode()
    for answer in (read(reader, "key"), put(reader, key="x"), reader.delete("secrets/key/")):
        assert code(answer) == (403, "forbidden")
    assert read(contributor, "key").json()["secrets"] == {"key": VALUE}


def test_a_step_reads_and_does_not_set(scenario: WorkspaceScenario) -> None:
    put(scenario.api, key=VALUE)
    run = uuid4()
    step = RestClient(tokens.mint_run_token(scenario.workspace, run, run, user=scenario.owner))
    assert read(step, "key").json()["secrets"] == {"key": VALUE}
    assert code(put(step, key="x")) == (403, "run_scope")
    assert code(step.delete("secrets/key/")) == (403, "run_scope")
    entry = AuditEntry.objects.get(action="secret.read")
    assert (entry.via, entry.through, entry.person, entry.target) == ("run", str(run), "ana", "key")


def test_the_audit_tells_who_set_read_and_deleted_what_and_no_value(scenario: WorkspaceScenario) -> None:
    put(scenario.api, key=VALUE)
    read(scenario.api, "key", "missing")
    scenario.api.delete("secrets/key/")
    assert actions() == [(f"secret.{what}", "key", "ana", "token") for what in ("set", "read", "deleted")]
    assert "hunter2" not in json.dumps(list(AuditEntry.objects.values("target", "facts")))


def test_no_table_holds_a_value_in_clear(scenario: WorkspaceScenario) -> None:
    answer = scenario.api.client.post(
        f"{scenario.api.base}secrets/", {"secrets": {"key": "a-value-that-is-nowhere"}},
        content_type="application/json", headers={"Idempotency-Key": "k" * 20},
    )  # fmt: skip
    assert answer.status_code == 204 and not IdempotencyKey.objects.exists()
    scenario.api.client.post(
        f"{scenario.api.base}secrets/values/", {"names": ["key"]},
        content_type="application/json", headers={"Idempotency-Key": "l" * 20},
    )  # fmt: skip
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            for row in cursor.fetchall():
                assert not any(b"a-value-that" in _bytes(cell) for cell in row), table


def _bytes(cell: object) -> bytes:
    return bytes(cell) if isinstance(cell, bytes | memoryview) else str(cell).encode()


@pytest.mark.parametrize(
    ("secrets", "wanted"),
    [
        ({"under_score": "x"}, "bad_name"),
        ({"n" * 128: "x"}, "bad_name"),
        ({"a/b": "x"}, "bad_name"),
        ({"": "x"}, "bad_name"),
        ({"a": "x", "A": "y"}, "bad_name"),
        ({"a": "ü" * 12_801}, "bad_value"),
        ({"a": "told\0y"}, "invalid"),
        ({"a": "told\ud800"}, "invalid"),
        ({f"a{i}": "x" for i in range(101)}, "too_many"),
    ],
)
def test_what_cannot_be_a_secret_is_refused_whole(
    scenario: WorkspaceScenario, secrets: dict[str, str], wanted: str
) -> None:
    refusal = scenario.api.post("secrets/", {"secrets": {"good": "x", **secrets}})
    assert code(refusal)[1] == wanted and "told" not in refusal.content.decode()
    assert not Secret.objects.exists()


def test_a_content_type_is_told_with_the_name(scenario: WorkspaceScenario) -> None:
    body = {"secrets": {"cert": "x", "plain": "y"}, "content_types": {"cert": "application/x-pem-file"}}
    assert scenario.api.post("secrets/", body).status_code == 204
    items = scenario.api.get("secrets/").json()["items"]
    assert {each["name"]: each["content_type"] for each in items} == {"cert": "application/x-pem-file", "plain": ""}
    put(scenario.api, cert="z")
    assert scenario.api.get("secrets/").json()["items"][0]["content_type"] == ""
    assert code(scenario.api.post("secrets/", {**body, "content_types": {"other": "x"}})) == (400, "invalid")


def test_none_is_a_number_of_secrets_too(scenario: WorkspaceScenario) -> None:
    assert put(scenario.api).status_code == 204 and not Secret.objects.exists()
    assert read(scenario.api).json() == {"secrets": {}}


@pytest.mark.parametrize("body", [{}, {"secrets": {"a": ""}}, {"secrets": {"a": None}}, {"secrets": 5}])
def test_a_body_that_says_nothing_is_refused(scenario: WorkspaceScenario, body: dict[str, Any]) -> None:
    assert scenario.api.post("secrets/", body).status_code == 400


def test_a_value_does_not_open_in_anothers_place(scenario: WorkspaceScenario) -> None:
    put(scenario.api, mine="one", other="two")
    second = create_workspace(scenario.owner, "second").workspace
    mine = Secret.objects.get(name="mine")
    Secret.objects.filter(name="other").update(sealed=mine.sealed)
    assert code(read(scenario.api, "other")) == (409, "undecipherable")
    Secret.objects.filter(name="mine").update(workspace=second)
    rest = RestClient(tokens.mint(scenario.owner, second, Role.OWNER, "t").text, "second")
    assert code(read(rest, "mine")) == (409, "undecipherable")


def test_a_key_that_was_changed_reads_with_the_old_one_named_and_rotates(
    scenario: WorkspaceScenario, settings: Any
) -> None:
    put(scenario.api, key=VALUE)
    old = settings.SECRET_KEY
    settings.SECRET_KEY = "another-key-of-this-studio-" + "0" * 20
    refused = read(scenario.api, "key")
    assert code(refused) == (409, "undecipherable") and "DUTO_OLD_SECRET_KEYS" in refused.content.decode()
    assert not AuditEntry.objects.filter(action="secret.read").exists()
    with pytest.raises(CommandError, match="DUTO_OLD_SECRET_KEYS"):
        call_command("keyvault-rotate")
    settings.SECRET_KEY_FALLBACKS = [old]
    assert read(scenario.api, "key").json()["secrets"] == {"key": VALUE}
    call_command("keyvault-rotate", stdout=(said := StringIO()))
    assert said.getvalue().startswith("1 ")
    settings.SECRET_KEY_FALLBACKS = []
    assert read(scenario.api, "key").json()["secrets"] == {"key": VALUE}


def test_the_same_value_is_another_ciphertext_each_time() -> None:
    assert encryption.encrypt(b"x", b"a") != encryption.encrypt(b"x", b"a")


def test_secrets_end_with_their_workspace(scenario: WorkspaceScenario) -> None:
    put(scenario.api, key=VALUE)
    assert scenario.api.client.delete(f"{scenario.api.base}?confirm=lab").status_code == 204
    assert not Secret.objects.exists()
