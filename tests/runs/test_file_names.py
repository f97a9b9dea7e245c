"""Files of any name from a host to the page: kept, listed, served; and none of them costs another."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from django.urls import reverse

from core.storage import Root, data_dir, safe
from datasets import stores
from duto.spec.filenames import spelled
from duto.spec.graph import Input
from registry.models import ModelVersion
from runs.models import Artifact, Attempt
from runs.services.agent_reports.launch_spec import SpecOf
from runs.services.results import artifacts, outputs
from tests.runs.protocol_messages import verdict_of
from tests.runs.test_outputs import attempt_with
from tests.sdk.test_filenames import ODD

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
TEXTS = sorted(spelled(os.fsdecode(name)) for name in ODD)


def left(attempt: Attempt) -> dict[str, Any]:
    """Files of all odd names, as an agent on the studio's disk leaves and reports them."""
    at = f"agent/attempts/{attempt.pk}-1"
    files = []
    for name in ODD:
        for folder in ("work/outputs", "outputs/model"):
            place = Path(os.fsdecode(os.fsencode(data_dir() / at / folder) + b"/" + name))
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(name)
        digest = hashlib.sha256(name).hexdigest()
        files.append({"path": spelled(os.fsdecode(name)), "size": len(name), "digest": digest})
    found = [{**each, "path": f"outputs/{each['path']}"} for each in files]
    return {
        "left_at": at, "artifacts": found,
        "outputs": [{"name": "model", "is_directory": True, "files": files, "missing": False}],
    }  # fmt: skip


@pytest.fixture
def kept(scenario: Any) -> Attempt:
    attempt: Attempt = attempt_with(scenario)
    report = left(attempt)
    outputs.promote(attempt, verdict_of(report))
    assert artifacts.adopt(attempt, verdict_of(report)) == []
    return attempt


def test_every_name_is_listed_and_served_by_rest(scenario: Any, kept: Attempt) -> None:
    listed = scenario.get(f"runs/{kept.run_id}/artifacts/?limit=100").json()["items"]
    assert [each["path"].removeprefix("outputs/") for each in listed if each["path"].startswith("outputs/")] == TEXTS
    names = [each["path"] for each in scenario.get(f"runs/{kept.run_id}/outputs/model/files/").json()["items"]]
    assert names == TEXTS
    stored = scenario.get(f"datastores/workspaceblobstore/files/?prefix=azureml/{kept.run_id}/model").json()["items"]
    assert len(stored) == len(ODD)
    for name in ODD:
        path = quote(spelled(os.fsdecode(name)))
        assert scenario.get(f"runs/{kept.run_id}/artifacts/outputs/{path}").getvalue() == name
        assert scenario.get(f"runs/{kept.run_id}/outputs/model/files/{path}").getvalue() == name
        key = f"azureml/{kept.run_id}/model/{path}"
        assert scenario.get(f"datastores/workspaceblobstore/files/{key}").getvalue() == name


def test_every_name_stands_on_the_page_and_is_downloaded_from_it(scenario: Any, kept: Attempt) -> None:
    person = Client()
    person.force_login(scenario.owner)
    root = kept.run.root_id
    query = "?step=train&tab=outputs"
    page = person.get(reverse("runs:run", args=["lab", root]) + query)
    assert page.status_code == 200
    for view, more in (("runs:artifact", ["outputs/"]), ("runs:framed", ["outputs/"])):
        for name in ODD:
            path = more[0] + spelled(os.fsdecode(name))
            got = person.get(reverse(view, args=["lab", kept.run_id, path]))
            assert got.status_code == 200 and got.getvalue() == name
    for name in ODD:
        got = person.get(reverse("runs:output-file", args=["lab", kept.run_id, "model", spelled(os.fsdecode(name))]))
        assert got.status_code == 200 and got.getvalue() == name


def test_every_name_may_be_part_of_a_model(scenario: Any, kept: Attempt) -> None:
    body = {"name": "odd", "run_id": str(kept.run_id), "path": "outputs"}
    assert scenario.post("models/", body).status_code == 201
    listed = [each["path"] for each in scenario.get("models/odd/versions/1/files/").json()["items"]]
    assert sorted(each.rpartition("outputs/")[2] for each in listed) == TEXTS
    person = Client()
    person.force_login(scenario.owner)
    assert person.get(reverse("models:model", args=["lab", "odd"])).status_code == 200
    version = ModelVersion.objects.get()
    for path in listed:
        got = person.get(reverse("models:file", args=["lab", version.pk, path]))
        assert spelled(os.fsdecode(got.getvalue())) == path.rpartition("outputs/")[2]
        assert scenario.get(f"models/odd/versions/1/content/?path={quote(path)}").status_code == 200


def test_the_next_step_is_told_all_of_them(scenario: Any, kept: Attempt) -> None:
    scenario.step(kept.run.root, "train")
    step = kept.run.step
    step.output_digests = {"model": {"datastore": "workspaceblobstore", "path": f"azureml/{kept.run_id}/model"}}
    step.save()
    found = SpecOf(kept)._input(Input(name="raw", step="train", output="model"))
    assert [each.path for each in found.files] == TEXTS
    for each in found.files:
        got = scenario.agent.get(quote(each.get or ""))
        assert got.status_code == 200 and spelled(os.fsdecode(got.getvalue())) == each.path


def test_names_travel_over_http_where_the_disk_is_not_shared(scenario: Any) -> None:
    attempt = attempt_with(scenario)
    report = left(attempt)
    del report["left_at"]
    for name in ODD:
        path = quote(spelled(os.fsdecode(name)))
        for kind in ("output/model", "artifact/outputs"):
            assert scenario.bring(attempt, f"files/{kind}/{path}", name).status_code == 200
    (row,) = outputs.promote(attempt, verdict_of(report))
    artifacts.adopt(attempt, verdict_of(report))
    root = stores.root_by_name(scenario.workspace, "workspaceblobstore")
    there = root.place(row.path)
    assert there is not None and sorted(os.listdir(os.fsencode(there))) == sorted(ODD)  # noqa: PTH208
    assert Artifact.objects.filter(path__startswith="outputs/").count() == len(ODD)


def test_a_file_that_cannot_be_kept_costs_no_other_and_is_named(scenario: Any) -> None:
    attempt = attempt_with(scenario)
    report = left(attempt)
    entry = {"size": 1, "digest": ""}
    bad = ["outputs/gone", "user_logs/mine", "../up", "outputs/" + "x/" * 600]
    report["artifacts"] = [*({"path": path, **entry} for path in bad), *report["artifacts"]]
    (data_dir() / report["left_at"] / "work/outputs/folder").mkdir()
    report["artifacts"].append({"path": "outputs/-dash/below", **entry})
    (warning,) = artifacts.adopt(attempt, verdict_of(report))
    assert Artifact.objects.filter(run=attempt.run_id, path__startswith="outputs/").count() == len(ODD)
    assert warning["text"].startswith("Files that the step left could not be kept:")
    assert all(f"'{path[:200]}'" in warning["text"] for path in [*bad, "outputs/-dash/below"])


def test_a_program_uploads_and_reads_any_text(scenario: Any, kept: Attempt) -> None:
    for name in ("back\\slash", "line\nbreak", "12:30.txt", "-dash", ".part-00000.crc", "blank "):
        path = f"runs/{kept.run_id}/artifacts/mine/{quote(name)}"
        assert scenario.put(path, name.encode()).status_code == 201
        assert scenario.get(path).getvalue() == name.encode()
        path = f"datastores/workspaceblobstore/files/mine/{quote(name)}"
        assert scenario.put(path, name.encode()).status_code == 201
        assert scenario.get(path).getvalue() == name.encode()
    listed = scenario.get("datastores/workspaceblobstore/files/?prefix=mine").json()["items"]
    assert len(listed) == 6
    assert scenario.put(f"runs/{kept.run_id}/artifacts/mine/-dash/below", b"x").json()["error"]["code"] == "exists"


def test_a_store_is_walked_and_cleared_however_deep_it_is(scenario: Any, tmp_path: Path) -> None:
    from tests.sdk.test_filenames import deep

    root = Root(str(tmp_path / "store"))
    deep(tmp_path / "store" / "deep", 1500)
    (tmp_path / "store" / os.fsdecode(b"raw\xff")).write_text("x")
    found = [each.path for each in root.walk()]
    assert found[-1] == "raw%FF" and found[0].count("/") == 1501
    assert root.read("raw%FF") == b"x" and [name for name, *_ in root.list()] == ["deep", "raw%FF"]
    root.remove("deep")
    root.remove("raw%FF")
    assert list((tmp_path / "store").iterdir()) == []


@pytest.mark.parametrize("path", ["a\\b", "a:b", "\\part.csv", "...", "a/..b", "~", "%2e%2e/x"])
def test_what_is_only_a_name_is_safe(path: str) -> None:
    assert safe(path) == path


def test_many_files_are_taken_in_slices_and_listed_in_pages(
    scenario: Any, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Any
) -> None:
    attempt = attempt_with(scenario)
    at = f"agent/attempts/{attempt.pk}-1"
    calls = []
    for number in range(2500):
        path = f"outputs/{number // 1000}/{number}.txt"
        place = data_dir() / at / "work" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("x")
        calls.append({"path": path, "size": 1, "digest": ""})
    made: list[int] = []
    whole = Artifact.objects.bulk_create

    def counting(rows: Any, **more: Any) -> Any:
        made.append(len(rows))
        return whole(rows, **more)

    monkeypatch.setattr(type(Artifact.objects), "bulk_create", lambda self, rows, **more: counting(rows, **more))
    with django_assert_max_num_queries(40):
        assert artifacts.adopt(attempt, verdict_of({"left_at": at, "artifacts": calls})) == []
    assert made == [1000, 1000, 500]
    assert Artifact.objects.filter(path__startswith="outputs/").count() == 2500
    assert len(scenario.get(f"runs/{attempt.run_id}/artifacts/?limit=50").json()["items"]) == 50
    person = Client()
    person.force_login(scenario.owner)
    page = person.get(reverse("runs:run", args=["lab", attempt.run.root_id]) + "?step=train&tab=outputs")
    assert page.status_code == 200 and len(page.content) < 1_000_000


@pytest.mark.parametrize("path", ["%41%FF", "A%ff", "./A%FF", "%41%fF"])
def test_all_texts_of_one_file_are_one_path(scenario: Any, path: str) -> None:
    """Who may write, and what lies there already, is asked by the path: an alias would be a way around."""
    assert safe(path) == "A%FF"
    assert all(safe(safe(each)) == safe(each) for each in (path, *TEXTS, "a%2F..%2Fb%FF", "%252E%25FF", "%2E%2E%FF"))
    run = scenario.pipeline()

    def put(at: str, name: str, data: bytes = b"x") -> Any:
        return scenario.client.put(f"{scenario.base}{at}/{quote(name)}", data, content_type="application/octet-stream")

    for at in (f"runs/{run.pk}/artifacts/outputs", "datastores/workspaceblobstore/files"):
        assert put(at, "A%FF").status_code == 201
        assert put(at, path, b"y").status_code == 409
    assert Artifact.objects.filter(run=run).count() == 1


def test_names_that_are_texts_stay_as_they_are() -> None:
    assert [safe(each) for each in TEXTS] == TEXTS
