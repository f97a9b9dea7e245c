"""A request with a key is carried out once, whatever becomes of its answers."""

from __future__ import annotations

import hashlib
import io
import json
import re
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.generators import SchemaGenerator

from core import once, slices
from core.clock import now
from core.models import IdempotencyKey
from core.storage import artifact_store, blob_key
from datasets.models import DatasetVersion
from datasets.stores import root_by_name
from environments.models import EnvironmentVersion
from pipelines.models import PipelineDraft, PublishedPipeline
from registry.models import ModelVersion
from runs.models import Artifact, Experiment, MetricPoint, Run
from runs.services.results import artifacts
from runs.services.submission import submit
from tests.runs.conftest import RunScenario
from workspaces.api.base import StudioView, WorkspaceView
from workspaces.models import ApiToken, Role

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
KEY = "Idempotency-Key"


def send(scenario: RunScenario, path: str, body: Any, key: str, client: Client | None = None) -> Any:
    return (client or scenario.client).post(
        scenario.base + path, json.dumps(body), content_type="application/json", headers={KEY: key}
    )


def run_body(scenario: RunScenario, **more: Any) -> dict[str, Any]:
    return {"experiment": "e", "kind": "pipeline", "graph": scenario.graph("train"), **more}


def blob(scenario: RunScenario, data: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    artifact_store(scenario.workspace.pk).write(blob_key(digest), io.BytesIO(data))
    return {"path": "m", "digest": digest}


def test_a_submit_that_comes_twice_is_one_run(scenario: RunScenario) -> None:
    body = run_body(scenario)
    first, second = send(scenario, "runs/", body, "k"), send(scenario, "runs/", body, "k")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] == second.json()["id"]
    assert "Idempotent-Replayed" not in first and second["Idempotent-Replayed"] == "true"
    assert Run.objects.filter(parent=None).count() == 1
    assert send(scenario, "runs/", body, "other").json()["id"] != first.json()["id"]


def test_a_key_is_of_one_request_and_of_one_caller(scenario: RunScenario) -> None:
    first = send(scenario, "runs/", run_body(scenario), "k")
    refused = send(scenario, "runs/", run_body(scenario, display_name="other"), "k")
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "idempotency_key_reused")
    bob = scenario.member("bob", Role.CONTRIBUTOR)
    theirs = send(scenario, "runs/", run_body(scenario), "k", bob)
    assert theirs.json()["id"] != first.json()["id"]
    step = scenario.step(Run.objects.get(pk=first.json()["id"]), "train")
    assert send(scenario, "runs/", run_body(scenario), "k", scenario.run_token(step)).status_code in (201, 403)
    assert IdempotencyKey.objects.filter(key="k").count() >= 2


def test_another_token_of_the_same_person_is_the_same_caller(scenario: RunScenario) -> None:
    from workspaces.services import tokens

    first = send(scenario, "runs/", run_body(scenario), "k")
    again = scenario.client_for(tokens.create(scenario.context, "another", Role.CONTRIBUTOR).text)
    assert send(scenario, "runs/", run_body(scenario), "k", again).json()["id"] == first.json()["id"]


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "é", '""', "a\tb"])
def test_a_key_that_is_none_is_refused(scenario: RunScenario, key: str) -> None:
    answer = send(scenario, "runs/", run_body(scenario), key)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_idempotency_key")
    assert not Run.objects.exists()


def test_a_quoted_key_is_the_same_key(scenario: RunScenario) -> None:
    assert (
        send(scenario, "runs/", run_body(scenario), '"k"').json()["id"]
        == send(scenario, "runs/", run_body(scenario), "k").json()["id"]
    )


def test_what_was_refused_may_be_sent_again_by_its_key(scenario: RunScenario) -> None:
    body = run_body(scenario)
    body["graph"]["steps"][0]["compute"] = "later"
    assert send(scenario, "runs/", body, "k").status_code == 422
    scenario.cluster.name = "later"
    scenario.cluster.save()
    assert send(scenario, "runs/", body, "k").status_code == 201


def test_an_action_that_breaks_off_leaves_no_key(scenario: RunScenario, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key is in the action's transaction: a studio that dies in between has done neither."""

    def dies(*_: Any) -> None:
        raise RuntimeError("the studio died")

    with monkeypatch.context() as patch:
        patch.setattr(submit, "_go", dies)
        with pytest.raises(RuntimeError):
            send(scenario, "runs/", run_body(scenario), "k")
    assert not Run.objects.exists() and not IdempotencyKey.objects.exists()
    assert send(scenario, "runs/", run_body(scenario), "k").status_code == 201


def test_a_large_submit_that_comes_twice_is_one_run(scenario: RunScenario, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "SLICE", 2)
    body = run_body(scenario, graph=scenario.graph("a -> b -> c -> d -> e"))
    first, second = send(scenario, "runs/", body, "k"), send(scenario, "runs/", body, "k")
    assert (first.status_code, first.json()["id"]) == (201, second.json()["id"])
    assert Run.objects.filter(parent=None).count() == 1 and Run.objects.filter(parent__isnull=False).count() == 5


def test_a_studio_that_dies_after_the_action_answers_the_next_time(
    scenario: RunScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    from runs.api.runs import RunsView

    def dies(*_: Any) -> None:
        raise RuntimeError("the studio died")

    with monkeypatch.context() as patch:
        patch.setattr(RunsView, "serialize", dies)
        with pytest.raises(RuntimeError):
            send(scenario, "runs/", run_body(scenario), "k")
    assert send(scenario, "runs/", run_body(scenario), "k").json()["id"] == str(Run.objects.get(parent=None).pk)


def test_every_request_that_makes_something_makes_it_once(scenario: RunScenario) -> None:
    run = scenario.pipeline("train", status="Failed")
    open_run = scenario.post("runs/", {"experiment": "e", "kind": "interactive"}).json()["id"]
    published = send(scenario, "pipelines/", {"name": "p", "run_id": str(run.pk)}, "publish").json()["id"]
    trigger = (
        "/api/v1/pipelines/v1.0/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/"
        f"workspaces/lab/PipelineRuns/PipelineSubmit/{published}"
    )
    from datasets.services.datastores import put_file

    put_file(scenario.context, "workspaceblobstore", "a.csv", io.BytesIO(b"a,b\n1,2\n"), overwrite=True)
    definition = {"sources": [{"datastore": "workspaceblobstore", "path": "a.csv"}]}
    python = {"python": {"version": "3.11", "packages": ["six"]}, "name": "env"}
    kinds: list[tuple[str, Any, Any]] = [
        ("drafts/", {"run_id": str(run.pk)}, PipelineDraft),
        ("models/", {"name": "m", "files": [blob(scenario, b"x")]}, ModelVersion),
        ("datasets/", {"name": "d", "kind": "file", "definition": definition, "create_new_version": True}, DatasetVersion),
        ("environments/", python, EnvironmentVersion),
        ("pipelines/", {"name": "p", "run_id": str(run.pk)}, PublishedPipeline),
        ("runs/", {"experiment": "e", "kind": "interactive"}, Run),
        ("runs/", {"experiment": "e", "kind": "interactive", "parent": open_run}, Run),
        (f"runs/{run.pk}/resubmit/", {}, Run),
        (f"runs/{run.pk}/resume/", {}, Run),
        (f"runs/{open_run}/metrics/", {"records": [{"seq": 1, "op": "metric", "name": "x", "kind": "scalar", "value": 1}]}, MetricPoint),
        (trigger, {"ExperimentName": "e"}, Run),
    ]  # fmt: skip
    for number, (path, body, kind) in enumerate(kinds):
        before = kind.objects.count()
        url = path if path.startswith("/") else scenario.base + path
        headers = {KEY: f"k{number}"}
        data = json.dumps(body)
        answers = [scenario.client.post(url, data, content_type="application/json", headers=headers) for _ in range(3)]
        assert {each.status_code for each in answers} <= {200, 201}, (path, answers[0].content)
        ids = {json.dumps({k: v for k, v in each.json().items() if k.lower() == "id"}) for each in answers}
        assert len(ids) == 1, path
        assert kind.objects.count() - before in (1, 2), path  # a run with its step
        assert [each.get("Idempotent-Replayed") for each in answers] == [None, "true", "true"], path


def test_an_upload_that_must_not_overwrite_is_no_conflict_with_itself(scenario: RunScenario) -> None:
    run = scenario.pipeline("train")

    def put(key: str, data: bytes = b"x") -> Any:
        return scenario.client.put(
            f"{scenario.base}runs/{run.pk}/artifacts/outputs/a.txt", data, content_type="application/octet-stream",
            headers={KEY: key},
        )  # fmt: skip

    assert put("k").status_code == 201
    again = put("k")
    assert (again.status_code, again.json()["path"]) == (201, "outputs/a.txt")
    assert put("other", b"z").status_code == 409 and put("the same bytes").status_code == 201
    assert reused(put("k", b"y")) and reused(put("k", b"xx"))
    assert Artifact.objects.get().digest == hashlib.sha256(b"x").hexdigest()
    stored = [each.path for each in artifact_store(scenario.workspace.pk).walk(f"artifacts/{run.pk}")]
    assert stored == [f"artifacts/{run.pk}/outputs/a.txt"]


def reused(answer: Any) -> bool:
    return bool(answer.status_code == 422 and answer.json()["error"]["code"] == "idempotency_key_reused")


def test_a_file_on_a_datastore_is_no_conflict_with_itself(scenario: RunScenario) -> None:
    def put(key: str, data: bytes, **query: Any) -> Any:
        url = f"{scenario.base}datastores/workspaceblobstore/files/raw/a.txt" + ("?overwrite=1" if query else "")
        return scenario.client.put(url, data, content_type="application/octet-stream", headers={KEY: key})

    first, again = put("k", b"one"), put("k", b"one")
    assert (first.status_code, again.status_code, again["Idempotent-Replayed"]) == (201, 201, "true")
    assert first.json() == again.json() == {"path": "raw/a.txt", "size": 3, "modified_at": None}
    assert reused(put("k", b"two")) and put("other", b"one").status_code == 409
    assert put("third", b"two", overwrite=1).status_code == 201
    # A late repetition of the first changes nothing of what came after it.
    assert put("k", b"one").status_code == 201
    files = root_by_name(scenario.workspace, "workspaceblobstore")
    assert files.read("raw/a.txt") == b"two" and [each.path for each in files.walk()] == ["raw/a.txt"]
    kept = {each.key: each.content for each in IdempotencyKey.objects.all()}
    assert kept == {key: hashlib.sha256(data).hexdigest() for key, data in (("k", b"one"), ("third", b"two"))}


def test_a_model_that_is_sent_as_a_form_is_told_from_another_of_the_same_length(scenario: RunScenario) -> None:
    def send_form(data: bytes, name: str = "m", file: str = "a") -> Any:
        fields = {"name": name, "file": SimpleUploadedFile(file, data)}
        return scenario.client.post(scenario.base + "models/", fields, headers={KEY: "k"})

    first, again = send_form(b"one"), send_form(b"one")
    assert (first.status_code, again.status_code, again["Idempotent-Replayed"]) == (201, 201, "true")
    assert first.json()["id"] == again.json()["id"]
    assert reused(send_form(b"two")) and reused(send_form(b"one", name="n")) and reused(send_form(b"one", file="b"))
    version = ModelVersion.objects.get()
    assert artifact_store(scenario.workspace.pk).read(f"{version.prefix}/a") == b"one"


def test_two_uploads_at_once_with_one_key_and_other_bytes_are_told_apart(
    scenario: RunScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both look for the key before either has settled it: who comes second is compared by what it has brought."""
    run, begin, answers = scenario.pipeline("train"), threading.Barrier(2), []
    write = artifacts.artifact_store(scenario.workspace.pk).write.__func__

    def together(*args: Any, **names: Any) -> Any:
        begin.wait(60)
        return write(*args, **names)

    monkeypatch.setattr("core.storage.Root.write", together)

    def put(data: bytes) -> None:
        try:
            address = f"{scenario.base}runs/{run.pk}/artifacts/outputs/a.txt?overwrite=1"
            headers = {KEY: "k"}
            answers.append(scenario.client.put(address, data, content_type="application/octet-stream", headers=headers))
        finally:
            connection.close()

    threads = [threading.Thread(target=put, args=(data,)) for data in (b"x", b"y")]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert sorted(each.status_code for each in answers) == [201, 422]


def test_a_workspace_is_made_once(scenario: RunScenario) -> None:
    person = Client()
    person.force_login(scenario.owner)
    body = json.dumps({"name": "another"})

    def make(key: str) -> Any:
        return person.post("/api/v1/workspaces/", body, content_type="application/json", headers={KEY: key})

    assert make("k").json() == make("k").json() != {}
    assert make("other").status_code == 409


def test_the_sample_is_submitted_once_by_each_form(scenario: RunScenario) -> None:
    person = Client()
    person.force_login(scenario.owner)
    for page in ("", "runs/", "experiments/"):
        Run.objects.all().delete()
        Experiment.objects.all().delete()
        IdempotencyKey.objects.all().delete()
        drawn = person.get(f"/w/lab/{page}").content.decode()
        key = re.search(r'name="once" value="([^"]+)"', drawn)
        assert key, page
        for _ in range(2):
            assert person.post("/w/lab/sample/", {"once": key[1]}).status_code == 302
        assert Run.objects.filter(parent=None).count() == 1, page


def test_a_cancel_comes_twice_and_nothing_of_the_run_is_kept_for_it(scenario: RunScenario) -> None:
    run = scenario.pipeline("train")
    answers = [send(scenario, f"runs/{run.pk}/cancel/", {}, "k") for _ in range(2)]
    assert [(each.status_code, each.json()["status"]) for each in answers] == [(200, "Canceled")] * 2
    assert not IdempotencyKey.objects.exists()


def test_a_token_is_made_once_and_its_text_is_kept_nowhere(scenario: RunScenario) -> None:
    first = send(scenario, "tokens/", {"name": "t", "role": "reader"}, "k").json()
    again = send(scenario, "tokens/", {"name": "t", "role": "reader"}, "k")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "shown_once")
    assert ApiToken.objects.filter(name="t").count() == 1
    kept = IdempotencyKey.objects.get()
    assert first["token"] not in json.dumps([kept.body, kept.location, kept.made_id])


def test_an_invitation_is_made_once_and_its_link_is_kept_nowhere(scenario: RunScenario) -> None:
    body = {"username": "zoe", "role": "reader"}
    first = send(scenario, "members/", body, "k").json()
    again = send(scenario, "members/", body, "k")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "shown_once")
    assert first["sign_in_link"] not in again.content.decode()
    secret = first["sign_in_link"].rstrip("/").rpartition("/")[2]
    kept = IdempotencyKey.objects.get()
    assert len(secret) > 30 and secret not in json.dumps([kept.body, kept.location, kept.made_id])


def test_no_answer_that_is_kept_as_it_is_has_a_secret() -> None:
    """What is shown once is settled by its row: kept answers lie in clear, and are told again to whoever has the key."""
    secrets = re.compile(r"token(?!_scope)|link|secret|command|password|key$")
    generator = SchemaGenerator()
    document = generator.get_schema(request=None, public=True)
    seen = 0
    for path, _regex, method, view in generator._get_paths_and_endpoints():
        is_kept = method == "POST" and getattr(view, "keeps_keys", False)
        if not is_kept or type(view).repeated is not WorkspaceView.repeated:
            continue
        answers = document["paths"][path]["post"]["responses"]
        names = {name for code, answer in answers.items() if code[0] == "2" for name in _fields(document, answer)}
        assert not {name for name in names if secrets.search(name)}, type(view).__qualname__
        seen += 1
    assert seen > 5


def _fields(document: dict[str, Any], answer: dict[str, Any]) -> set[str]:
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    return set(document["components"]["schemas"][name]["properties"]) if name else set()


def test_what_was_made_and_is_gone_is_not_made_again(scenario: RunScenario) -> None:
    body = {"name": "m", "files": [blob(scenario, b"x")]}
    send(scenario, "models/", body, "k")
    scenario.client.delete(scenario.base + "models/m/versions/1/")
    again = send(scenario, "models/", body, "k")
    assert (again.status_code, again.json()["error"]["code"]) == (404, "gone")


def test_two_at_once_make_one(scenario: RunScenario) -> None:
    body, answers = {"name": "m", "files": [blob(scenario, b"x")]}, []
    begin = threading.Barrier(4)

    def register() -> None:
        begin.wait(60)
        try:
            answers.append(send(scenario, "models/", body, "k").json()["id"])
        finally:
            connection.close()

    threads = [threading.Thread(target=register) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert answers == ["m:1"] * 4
    version = ModelVersion.objects.get()
    kept = {each.path.split("/")[1] for each in artifact_store(scenario.workspace.pk).walk("models")}
    assert kept == {str(version.pk)}, "what the others had copied is gone"


def test_keys_are_forgotten_after_two_days(scenario: RunScenario) -> None:
    send(scenario, "runs/", run_body(scenario), "k")
    once.prune()
    assert IdempotencyKey.objects.count() == 1
    IdempotencyKey.objects.update(created_at=now() - timedelta(days=2, minutes=1))
    once.prune()
    assert not IdempotencyKey.objects.exists()


def test_a_key_is_settled_inside_a_transaction_only(scenario: RunScenario) -> None:
    with once.asking("s", "k"):
        with pytest.raises(RuntimeError):
            once.settle(scenario.host)
        with transaction.atomic():
            once.settle(scenario.host)
            once.settle(scenario.cluster)
    assert IdempotencyKey.objects.get().made_id == str(scenario.host.pk)


def test_a_request_without_a_key_costs_nothing_for_it(scenario: RunScenario, django_assert_num_queries: Any) -> None:
    with once.asking("s", None), django_assert_num_queries(0):
        once.settle(scenario.host)
        once.led_to("/")


def test_every_post_of_the_api_keeps_keys_or_says_that_it_needs_none() -> None:
    """Of those that keep none, doing it again by itself does nothing more."""
    none_kept = {
        view.__qualname__
        for view in _views(get_resolver().url_patterns)
        if issubclass(view, StudioView) and hasattr(view, "post") and not getattr(view, "keeps_keys", False)
    }
    assert none_kept == {
        "MissingBlobsView", "SnapshotsView", "RetentionPreviewView", "RetentionApplyView", "VersionBuildView",
        "ArchiveView", "HandOverView", "LeaveView", "CancelView", "SecretsView", "SecretValuesView", "UpcomingView",
        "PlanView", "RunPlanView", "PipelinePlanView", "EndpointPlanView", "BackfillPlanView", "BackfillCancelView",
        "ChannelsView", "DatastoresView", "TestView", "KeyView", "AgainView", "DraftCheckView", "DraftPlanView",
        "MonitorBackfillView", "MonitorRunView",
    }  # fmt: skip


def _views(patterns: Any) -> Any:
    for each in patterns:
        if isinstance(each, URLResolver):
            yield from _views(each.url_patterns)
        elif isinstance(each, URLPattern) and hasattr(each.callback, "view_class"):
            yield each.callback.view_class
