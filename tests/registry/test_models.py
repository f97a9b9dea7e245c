"""Models: bytes copied, versions numbered, files read back."""

from __future__ import annotations

import hashlib
import io
import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from core.ids import uuid7
from core.storage import Root, artifact_store, blob_key
from registry import queries
from registry.models import ModelVersion
from registry.services import models
from tests.workspace_scenario import WorkspaceScenario, code, content, stays_constant
from workspaces.models import Role

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def blob(scenario: WorkspaceScenario, data: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    artifact_store(scenario.workspace.pk).write(blob_key(digest), io.BytesIO(data))
    return {"digest": digest, "size": len(data)}


def test_uploaded_files_become_a_version(scenario: WorkspaceScenario) -> None:
    upload = {"name": "penguins", "file": [SimpleUploadedFile("m.pkl", b"model")], "description": "d"}
    made = scenario.api.client.post(f"{scenario.api.base}models/", upload).json()
    assert (made["id"], made["is_file"], made["size"]) == ("penguins:1", True, 5)
    assert content(scenario.api.get("models/penguins/versions/1/content/?path=m.pkl")) == b"model"


def test_blobs_become_a_version_and_the_next_gets_the_next_number(scenario: WorkspaceScenario) -> None:
    files = [{"path": "m/a.txt", **blob(scenario, b"a")}, {"path": "m/deep/b.txt", **blob(scenario, b"b")}]
    body = {"name": "Evaluate Model ", "files": files, "tags": {"k": "v"}, "framework": None}
    first = scenario.api.post("models/", body)
    assert first.status_code == 201 and not first.json()["is_file"]
    assert scenario.api.post("models/", body).json()["version"] == 2
    place = "models/Evaluate%20Model%20/versions/latest/"
    assert scenario.api.get(place).json()["version"] == 2
    assert [each["path"] for each in scenario.api.get(f"{place}files/").json()["items"]] == ["m/a.txt", "m/deep/b.txt"]
    assert [each["version"] for each in scenario.api.get("models/?latest=1").json()["items"]] == [2]


def test_properties_are_added_and_never_changed(scenario: WorkspaceScenario) -> None:
    body = {"name": "m", "files": [{"path": "a", **blob(scenario, b"a")}], "properties": {"acc": "0.9"}}
    assert scenario.api.post("models/", body).status_code == 201
    place = "models/m/versions/1/"
    both = {"acc": "0.9", "rows": "7"}
    assert scenario.api.patch(place, {"properties": {"rows": "7"}}).json()["properties"] == both
    answer = scenario.api.patch(place, {"properties": {"rows": "8"}, "tags": {"k": "v"}})
    assert code(answer) == (409, "property_is_set") and "'rows' is set already" in answer.json()["error"]["message"]
    now = scenario.api.get(place).json()
    assert (now["properties"], now["tags"]) == (both, {}), "nothing of it was done"


@pytest.mark.parametrize(
    ("files", "status", "why"),
    [
        ([], 422, "no_files"),
        ([{"path": "a", "digest": "0" * 64}], 422, "missing_blob"),
        ([{"path": "a", "digest": "../../secret"}], 422, "missing_blob"),
    ],
)
def test_a_model_without_its_bytes_is_a_clear_error(
    scenario: WorkspaceScenario, files: Any, status: int, why: str
) -> None:
    assert code(scenario.api.post("models/", {"name": "m", "files": files})) == (status, why)


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "..\\x"])
def test_no_name_of_a_file_leaves_the_model(scenario: WorkspaceScenario, path: str) -> None:
    answer = scenario.api.post("models/", {"name": "m", "files": [{"path": path, **blob(scenario, b"x")}]})
    assert code(answer) == (400, "unsafe_path")
    assert not ModelVersion.objects.exists()


def test_a_reading_that_breaks_leaves_nothing_behind(scenario: WorkspaceScenario) -> None:
    def broken() -> io.BytesIO:
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        models.register(scenario.context, "m", [("a", lambda: io.BytesIO(b"x")), ("b", broken)], models.Facts())
    assert not ModelVersion.objects.exists()
    assert list(artifact_store(scenario.workspace.pk).walk("models")) == []


def test_an_unknown_run_is_a_clear_error(scenario: WorkspaceScenario) -> None:
    body = {"name": "m", "run_id": str(uuid7()), "path": "outputs/m.pkl"}
    assert code(scenario.api.post("models/", body)) == (404, "not_found")


def test_what_is_said_may_change_and_a_version_may_go(scenario: WorkspaceScenario) -> None:
    scenario.api.post("models/", {"name": "m", "files": [{"path": "a", **blob(scenario, b"x")}]})
    place = "models/m/versions/1/"
    assert scenario.api.patch(place, {"tags": {"best": "1"}}).json()["tags"] == {"best": "1"}
    reader = scenario.client_for(Role.READER)
    assert code(reader.patch(place, {"tags": {}})) == (403, "forbidden")
    assert code(reader.delete(place)) == (403, "forbidden")
    assert scenario.api.delete(place).status_code == 204
    assert code(scenario.api.get(place)) == (404, "unknown_model")
    again = scenario.api.post("models/", {"name": "m", "files": [{"path": "a", **blob(scenario, b"x")}]}).json()
    assert again["version"] == 2


def test_the_newest_version_is_the_one_registered_last_of_those_that_are_there(scenario: WorkspaceScenario) -> None:
    for data in (b"a", b"b", b"a"):
        scenario.api.post("models/", {"name": "m", "files": [{"path": "f", **blob(scenario, data)}]})
    place = "models/m/versions/latest/"
    assert scenario.api.get(place).json()["version"] == 3
    assert content(scenario.api.get(f"{place}content/?path=f")) == b"a"
    scenario.api.delete("models/m/versions/3/")
    assert scenario.api.get(place).json()["version"] == 2
    assert [each["version"] for each in scenario.api.get("models/?latest=1").json()["items"]] == [2]


def test_a_model_whose_files_are_not_those_that_were_registered_is_refused(scenario: WorkspaceScenario) -> None:
    files = [{"path": name, **blob(scenario, name.encode())} for name in ("kept", "gone", "other", "same", "size")]
    scenario.api.post("models/", {"name": "m", "files": files})
    version, store = ModelVersion.objects.get(), artifact_store(scenario.workspace.pk)
    store.remove(f"{version.prefix}/gone")
    for name, data in (("other", b"OTHER"), ("same", b"same"), ("size", b"longer")):
        store.write(f"{version.prefix}/{name}", io.BytesIO(data))
    listed = {each["path"]: each for each in scenario.api.get("models/m/versions/1/files/").json()["items"]}
    assert {name: each["state"] for name, each in listed.items()} == {
        "kept": "kept", "gone": "gone", "other": "changed", "same": "kept", "size": "changed",
    }  # fmt: skip
    assert listed["other"]["digest"] == hashlib.sha256(b"other").hexdigest()

    def get(name: str) -> Any:
        return scenario.api.get(f"models/m/versions/1/content/?path={name}")

    assert content(get("kept")) == b"kept" and content(get("same")) == b"same"
    assert code(get("gone")) == (404, "model_gone")
    assert code(get("other")) == (409, "model_changed")
    assert code(get("size")) == (409, "model_changed")


def test_what_became_of_a_version_is_told_by_its_document_and_its_page(
    scenario: WorkspaceScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cheaply: nothing is read of files that look as they did, and little of those that do not."""
    files = [{"path": name, **blob(scenario, name.encode() * 10)} for name in ("a", "b", "c")]
    scenario.api.post("models/", {"name": "m", "files": files})
    version, store = ModelVersion.objects.get(), artifact_store(scenario.workspace.pk)
    person, opened = Client(), []
    person.force_login(scenario.owner)
    read = Root.open

    def counted(root: Root, key: str) -> Any:
        opened.append(key.rpartition("/")[2])
        return read(root, key)

    monkeypatch.setattr(Root, "open", counted)

    def state_and_banner() -> tuple[str, str]:
        opened.clear()
        page = person.get("/w/lab/models/named/m/").content.decode()
        found = re.search(r'<div class="banner [^>]*>.*?<span>(.*?)</span>', page, re.DOTALL)
        state = scenario.api.get("models/m/versions/1/").json()["state"]
        assert scenario.api.patch("models/m/versions/1/", {"tags": {}}).json()["state"] == state
        return state, found[1].strip() if found else ""

    assert state_and_banner() == ("kept", "") and opened == []
    store.write(f"{version.prefix}/a", io.BytesIO(b"a" * 10))
    assert state_and_banner() == ("kept", "") and set(opened) == {"a"}
    store.write(f"{version.prefix}/b", io.BytesIO(b"B" * 10))
    state, text = state_and_banner()
    assert state == "changed" and "overwritten" in text
    monkeypatch.setattr(queries, "MOST_BYTES", 9)
    state, text = state_and_banner()
    assert state == "touched" and "written anew" in text and opened == []
    store.write(f"{version.prefix}/c", io.BytesIO(b"c"))
    assert state_and_banner()[0] == "changed"
    store.remove(f"{version.prefix}/c")
    state, text = state_and_banner()
    assert state == "gone" and "deleted" in text
    assert "state" not in scenario.api.get("models/").json()["items"][0], "a list looks at no file"


def test_the_list_of_models_costs_the_same_however_long(scenario: WorkspaceScenario) -> None:
    stays_constant(
        scenario.api,
        "models/",
        lambda n: models.register(scenario.context, f"m{n}", [("a", lambda: io.BytesIO(b"x"))], models.Facts()),
    )
