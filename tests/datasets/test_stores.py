"""Datastores: files in and out, and nothing outside of them."""

from __future__ import annotations

import os
from urllib.parse import urlencode

import pytest

from datasets.stores import root_by_name
from tests.workspace_scenario import WorkspaceScenario, code, content, stays_constant
from workspaces.models import Role

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]
FILES = "datastores/workspaceblobstore/files/"


def test_every_workspace_has_the_two_datastores(scenario: WorkspaceScenario) -> None:
    found = {each["name"]: each["is_default"] for each in scenario.api.get("datastores/").json()["items"]}
    assert found == {"workspaceblobstore": True, "workspacefilestore": False}
    assert code(scenario.api.get("datastores/nowhere/")) == (404, "unknown_datastore")


def test_a_file_goes_in_and_comes_out(scenario: WorkspaceScenario) -> None:
    assert scenario.api.put(f"{FILES}raw/a b.csv", b"x" * 100_000).status_code == 201
    answer = scenario.api.get(f"{FILES}raw/a b.csv")
    assert content(answer) == b"x" * 100_000
    assert answer["X-Content-Type-Options"] == "nosniff" and "sandbox" in answer["Content-Security-Policy"]


def test_a_file_is_not_replaced_unless_that_is_said(scenario: WorkspaceScenario) -> None:
    scenario.put("a.txt", "one")
    assert code(scenario.api.put(f"{FILES}a.txt", b"two")) == (409, "exists")
    assert scenario.api.put(f"{FILES}a.txt?overwrite=1", b"two").status_code == 201
    assert content(scenario.api.get(f"{FILES}a.txt")) == b"two"


def test_ranges_are_served(scenario: WorkspaceScenario) -> None:
    scenario.put("a.txt", "0123456789")
    part = scenario.api.get(f"{FILES}a.txt", Range="bytes=2-4")
    assert (part.status_code, content(part), part["Content-Range"]) == (206, b"234", "bytes 2-4/10")
    assert content(scenario.api.get(f"{FILES}a.txt", Range="bytes=-3")) == b"789"
    assert content(scenario.api.get(f"{FILES}a.txt", Range="bytes=8-")) == b"89"
    assert scenario.api.get(f"{FILES}a.txt", Range="bytes=99-").status_code == 416


@pytest.mark.parametrize(
    "path", ["../../secret", "raw/../../../secret", "..%2f..%2fsecret", "c:/secret", "%2fetc/passwd"]
)
def test_no_path_leaves_its_datastore(scenario: WorkspaceScenario, path: str) -> None:
    assert code(scenario.api.put(f"{FILES}{path}", b"x"))[0] in (400, 404)
    assert scenario.api.get(f"{FILES}{path}").status_code in (400, 404)
    assert scenario.api.get(f"{FILES}?prefix={path}").status_code in (400, 200)


def test_names_that_no_disk_takes_are_refused(scenario: WorkspaceScenario) -> None:
    assert code(scenario.api.put(f"{FILES}{'x' * 300}", b"x")) == (400, "long_path")
    scenario.put("folder/a.txt", "x")
    assert code(scenario.api.put(f"{FILES}folder?overwrite=1", b"x")) == (409, "exists")


def test_the_list_is_recursive_and_paged(scenario: WorkspaceScenario) -> None:
    for number in range(5):
        scenario.put(f"raw/{number}/a.csv", "x")
    scenario.put("other.csv", "x")
    page = scenario.api.get(f"{FILES}?prefix=raw&limit=3").json()
    rest = scenario.api.get(f"{FILES}?prefix=raw&limit=3&after={page['next']}").json()
    assert [each["path"] for each in page["items"] + rest["items"]] == [f"raw/{n}/a.csv" for n in range(5)]
    assert rest["next"] is None and page["items"][0]["modified_at"].endswith("Z")


def test_readers_read_and_contributors_write(scenario: WorkspaceScenario) -> None:
    scenario.put("a.txt", "x")
    reader = scenario.client_for(Role.READER)
    assert reader.get(f"{FILES}a.txt").status_code == 200
    assert code(reader.put(f"{FILES}b.txt", b"x")) == (403, "forbidden")
    assert code(reader.delete(f"{FILES}a.txt")) == (403, "forbidden")
    assert scenario.api.delete(f"{FILES}a.txt").status_code == 204
    assert code(scenario.api.delete(f"{FILES}a.txt"))[0] == 404


def test_the_same_bytes_again_leave_the_file_as_it_was(scenario: WorkspaceScenario) -> None:
    scenario.put("a.csv", "a,b\n1,2\n")
    folder = root_by_name(scenario.workspace, "workspaceblobstore").local
    assert folder is not None
    os.utime(folder / "a.csv", (1_000_000_000, 1_000_000_000))
    scenario.put("a.csv", "a,b\n1,2\n")
    assert (folder / "a.csv").stat().st_mtime == 1_000_000_000
    scenario.put("a.csv", "a,b\n1,3\n")
    assert (folder / "a.csv").stat().st_mtime != 1_000_000_000


def test_an_owner_chooses_the_default(scenario: WorkspaceScenario) -> None:
    assert scenario.api.patch("datastores/workspacefilestore/", {"is_default": True}).json()["is_default"]
    assert scenario.api.get("").json()["default_datastore"] == "workspacefilestore"
    contributor = scenario.client_for(Role.CONTRIBUTOR)
    assert code(contributor.patch("datastores/workspaceblobstore/", {"is_default": True})) == (403, "forbidden")


def test_what_the_studio_keeps_for_itself_is_no_datastore(scenario: WorkspaceScenario) -> None:
    assert code(scenario.api.get("datastores/_web/files/")) == (404, "unknown_datastore")
    assert code(scenario.api.put("datastores/_web/files/x", b"x")) == (404, "unknown_datastore")


def test_the_list_of_datastores_costs_the_same_however_long(scenario: WorkspaceScenario) -> None:
    from datasets.models import Datastore

    stays_constant(
        scenario.api, "datastores/", lambda n: Datastore.objects.create(workspace=scenario.workspace, name=f"store{n}")
    )


ODD = ["x/" + "a*" * 120 + "b", "x/" + "**/" * 300 + "b", "x/[z-a]", "x/[!]", "x/[^]", "x/[a--b]", "x/[", "x/[]"]


@pytest.mark.parametrize("path", ODD)
def test_any_pattern_gets_an_answer(scenario: WorkspaceScenario, path: str) -> None:
    scenario.put("x/" + "a" * 240, b"x")
    scenario.put("x/" + "a/" * 400 + "a", b"x")
    definition = {"sources": [{"datastore": "workspaceblobstore", "path": path}]}
    assert code(scenario.api.post("datasets/", {"kind": "file", "definition": definition})) == (422, "no_match")
    assert scenario.api.get(f"{FILES}?{urlencode({'prefix': path})}").json()["items"] == []
    if path.endswith(("]", "[")) and path != "x/[z-a]":
        scenario.put(path if path != "x/[a--b]" else "x/b", b"x")
        assert scenario.api.post("datasets/", {"kind": "file", "definition": definition}).status_code == 201
