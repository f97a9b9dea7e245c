"""Modules: made, published, changed and looked at, by REST and on their pages."""

from __future__ import annotations

import html
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from core.clock import now
from core.ids import uuid7
from pipelines.models import Module, ModuleVersion
from runs.models import Snapshot
from runs.services.maintenance import snapshot_gc
from tests.workspace_scenario import WorkspaceScenario, code, stays_constant
from workspaces.models import AuditEntry, Role

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]
DIGEST = "a" * 64


def definition(**changes: Any) -> dict[str, Any]:
    return {
        "kind": "module",
        "script": "add.py",
        "snapshot": DIGEST,
        "inputs": [{"name": "before", "mode": "mount", "is_optional": True}],
        "outputs": [{"name": "total"}],
        "params": {"more": 3},
        "arguments": ["--before", {"input": "before"}, {"output": "total"}],
        **changes,
    }


@pytest.fixture
def place(scenario: WorkspaceScenario) -> str:
    """The address of a new module, whose code has been uploaded."""
    files = [{"path": "add.py", "digest": "b" * 64, "size": 1, "executable": False}]
    Snapshot.objects.create(workspace=scenario.workspace, digest=DIGEST, files=files, file_count=1, size=1)
    made = scenario.api.post("modules/", {"name": " add ", "description": "Adds <numbers>"})
    assert made.status_code == 201 and made.json()["name"] == "add", made.content
    return f"modules/{made.json()['id']}/"


def publish(scenario: WorkspaceScenario, place: str, **body: Any) -> Any:
    return scenario.api.post(f"{place}versions/", {"definition": definition(), **body})


def test_versions_are_counted_named_and_chosen(scenario: WorkspaceScenario, place: str) -> None:
    first = publish(scenario, place, description="One").json()
    assert (first["version"], first["name"], first["status"]) == ("1", "add", "Active")
    assert first["definition"]["inputs"] == [{"name": "before", "mode": "mount", "is_optional": True}]
    assert first["definition"]["arguments"] == definition()["arguments"] and first["definition"]["environment"] is None
    assert publish(scenario, place, version="1").json()["error"]["code"] == "exists"
    assert publish(scenario, place, version="new", is_default=True).json()["version"] == "new"
    assert publish(scenario, place).json()["version"] == "2"
    assert scenario.api.get(place).json()["default_version"] == "new"
    listed = scenario.api.get(f"{place}versions/").json()["items"]
    assert [each["version"] for each in listed] == ["2", "new", "1"]
    changed = scenario.api.patch(place, {"default_version": "1", "status": "Deprecated"}).json()
    assert (changed["default_version"], changed["status"], changed["description"]) == ("1", "Deprecated", "Adds <numbers>")  # fmt: skip
    assert code(scenario.api.patch(place, {"default_version": "9"})) == (404, "not_found")
    version = f"module-versions/{first['id']}/"
    assert scenario.api.patch(version, {"status": "Disabled"}).json()["status"] == "Disabled"
    assert scenario.api.get(version).json()["description"] == "One"
    assert AuditEntry.objects.filter(action__startswith="module.").count() == 6


def test_what_cannot_be_a_module_says_why(scenario: WorkspaceScenario, place: str) -> None:
    def refused(**changes: Any) -> str:
        answer = scenario.api.post(f"{place}versions/", {"definition": definition(**changes)})
        assert answer.status_code == 422
        return str(answer.json()["error"]["code"])

    assert refused(kind="python_script") == "unknown_kind"
    assert refused(snapshot="c" * 64) == refused(snapshot=None) == "missing_snapshot"
    assert refused(script="other.py") == "missing_script"
    assert refused(arguments=[{"input": "other"}]) == "unknown_input"
    assert refused(inputs=[{"name": "not one"}], arguments=[]) == "bad_name"
    assert refused(kind="program") == "bad_settings"
    assert code(scenario.api.post("modules/", {"name": "add"})) == (409, "exists")
    assert code(scenario.api.post("modules/", {"name": "  "}))[0] == 400
    assert code(scenario.api.get(f"modules/{uuid7()}/")) == (404, "not_found")
    assert code(scenario.api.get(f"module-versions/{uuid7()}/")) == (404, "not_found")
    reader = scenario.client_for(Role.READER)
    assert code(reader.post("modules/", {"name": "mine"})) == code(reader.patch(place, {})) == (403, "forbidden")
    assert not ModuleVersion.objects.exists()


def test_its_code_is_kept(scenario: WorkspaceScenario, place: str) -> None:
    publish(scenario, place)
    Snapshot.objects.create(workspace=scenario.workspace, digest="d" * 64, files=[], file_count=0, size=0)
    snapshot_gc.sweep(scenario.workspace, now() + timedelta(days=3))
    assert [each.digest for each in Snapshot.objects.all()] == [DIGEST]


def test_its_pages(scenario: WorkspaceScenario, place: str, client: Client) -> None:
    client.force_login(scenario.owner)
    page = f"/w/lab/{place}"
    assert "no version yet" in client.get(page).content.decode()
    publish(scenario, place)
    publish(scenario, place, version="a b", is_default=True, definition=definition(arguments=["<x>"]))
    found = html.unescape(client.get("/w/lab/modules/").content.decode())
    assert page in found and "Adds <numbers>" in found and ">a b</td>" in found
    assert "add" in client.get("/w/lab/modules/?q=ad&part=rows").content.decode()
    assert "No module has this" in client.get("/w/lab/modules/?q=zzz").content.decode()
    found = html.unescape(client.get(page).content.decode())
    assert "python add.py <x>" in found and "version='a b'" in found and "inputs_map={'before': ...}" in found
    assert "‹input before›" in client.get(f"{page}?version=1").content.decode()
    assert client.get(f"{page}?version=9").status_code == 404
    Module.objects.all().delete()
    assert "No modules yet" in client.get("/w/lab/modules/").content.decode()


def test_the_list_of_modules_costs_the_same_however_long(scenario: WorkspaceScenario) -> None:
    stays_constant(scenario.api, "modules/", lambda n: scenario.api.post("modules/", {"name": f"m{n}"}))
