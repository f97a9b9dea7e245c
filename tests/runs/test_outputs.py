"""What an attempt leaves behind: promoted once, verified, kept apart, and never led astray."""

from __future__ import annotations

import hashlib
import io
import json
from typing import Any

import pytest
from django.utils import translation

from core.errors import StudioError
from core.storage import data_dir
from datasets import references, stores
from datasets.models import DatasetVersion
from datasets.services import fetching
from datasets.services import files as dataset_files
from datasets.services.datastores import put_file
from duto.spec.graph import Graph
from runs import stored_messages
from runs.models import Artifact, Attempt, Output, Run
from runs.services.orchestration import attempt_end
from runs.services.orchestration.attempt_end import finish
from runs.services.results import artifacts, logs, outputs
from runs.services.results.transfers import staging
from tests.runs.protocol_messages import verdict_of
from workspaces.services import storage, workspaces

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]


def attempt_with(scenario, **output: Any):
    graph = scenario.graph("train", outputs=[{"name": "model", "kind": "pipeline_data", **output}])
    return scenario.attempt(scenario.step(scenario.pipeline(graph=graph), "train"))


def leave(attempt, number: int = 1, **files: str) -> dict[str, Any]:
    """Write files into the agent's directory of the attempt, and the report of them."""
    at = f"agent/attempts/{attempt.pk}-1"
    facts: dict[str, Any] = {"left_at": at, "outputs": [], "artifacts": []}
    listed: dict[str, list[Any]] = {}
    for name, text in files.items():
        path = name.replace("__", "/")
        place = data_dir() / at / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        entry = {"size": len(text), "digest": hashlib.sha256(text.encode()).hexdigest()}
        kind, _, rest = path.partition("/")
        if kind == "work":
            facts["artifacts"].append({"path": rest, **entry})
        else:
            output, _, inner = rest.partition("/")
            listed.setdefault(output, []).append({"path": inner or output, **entry})
            facts["outputs"] = [
                {"name": key, "is_directory": bool(inner), "files": value, "missing": False}
                for key, value in listed.items()
            ]
    return facts


def test_an_output_moves_to_the_place_that_programs_build_by_hand(scenario):
    attempt = attempt_with(scenario)
    report = leave(attempt, outputs__model__a="alpha", outputs__model__sub__b="beta")
    (row,) = outputs.promote(attempt, verdict_of(report))
    assert (row.datastore, row.path) == ("workspaceblobstore", f"azureml/{attempt.run_id}/model")
    assert (row.file_count, row.size, row.is_directory) == (2, 9, True)
    root = stores.root_by_name(scenario.workspace, "workspaceblobstore")
    assert root.read(f"{row.path}/sub/b") == b"beta"
    assert not (data_dir() / report["left_at"] / "outputs/model").exists()
    listed = scenario.get(f"runs/{attempt.run_id}/outputs/model/files/").json()["items"]
    assert [each["path"] for each in listed] == ["a", "sub/b"]
    assert scenario.get(f"runs/{attempt.run_id}/outputs/model/files/sub/b").content == b"beta"
    assert scenario.get(f"runs/{attempt.run_id}/outputs/model/files/sub/../a").status_code == 400
    assert scenario.get(f"runs/{attempt.run_id}/outputs/other/files/").status_code == 404


def test_promoting_twice_changes_nothing_and_the_digest_is_of_the_content_alone(scenario):
    first, second = attempt_with(scenario), attempt_with(scenario)
    report = leave(first, outputs__model__a="alpha")
    one = outputs.promote(first, verdict_of(report))[0]
    again = outputs.promote(first, verdict_of(report))[0]
    assert (one.pk, Output.objects.filter(run=first.run).count()) == (again.pk, 1)
    other = outputs.promote(second, verdict_of(leave(second, outputs__model__a="alpha")))[0]
    assert one.digest == other.digest


def test_a_crash_between_the_move_and_the_rows_is_finished_by_the_next_report(scenario):
    attempt = attempt_with(scenario)
    report = leave(attempt, outputs__model__a="alpha")
    outputs.promote(attempt, verdict_of(report))
    Output.objects.all().delete()
    (row,) = outputs.promote(attempt, verdict_of(report))
    assert row.file_count == 1


def test_a_step_may_write_a_single_file_at_the_very_path(scenario):
    attempt = attempt_with(scenario)
    (row,) = outputs.promote(attempt, verdict_of(leave(attempt, outputs__model="all in one")))
    assert (row.is_directory, row.file_count) == (False, 1)
    assert scenario.get(f"runs/{attempt.run_id}/outputs/model/files/model").content == b"all in one"


def test_files_that_are_not_those_of_the_report_are_refused(scenario):
    attempt = attempt_with(scenario)
    report = leave(attempt, outputs__model__a="alpha")
    report["outputs"][0]["files"][0]["size"] = 999
    with pytest.raises(StudioError, match="is not the one that was reported"):
        outputs.promote(attempt, verdict_of(report))
    assert not Output.objects.exists()


def test_links_that_lead_out_of_an_output_are_cut(scenario):
    attempt = attempt_with(scenario)
    report = leave(attempt, outputs__model__a="alpha")
    folder = data_dir() / report["left_at"] / "outputs/model"
    (folder / "passwd").symlink_to("/etc/passwd")
    (folder / "root").symlink_to("/")
    (folder / "near").symlink_to("a")
    outputs.promote(attempt, verdict_of(report))
    root = stores.root_by_name(scenario.workspace, "workspaceblobstore")
    assert {each.path.rsplit("/", 1)[-1] for each in root.walk(f"azureml/{attempt.run_id}/model")} == {"a", "near"}


def test_a_report_may_not_name_a_folder_that_is_not_the_attempts(scenario):
    attempt = attempt_with(scenario)
    for at in ("../../etc", "/etc", "store", f"agent/../../{attempt.pk}-1", "agent/attempts/another-1"):
        with pytest.raises(StudioError):
            outputs.promote(
                attempt, verdict_of({"left_at": at, "outputs": [{"name": "model", "files": [], "is_directory": True}]})
            )


def test_a_destination_that_a_program_chose_keeps_what_others_put_there(scenario):
    one = attempt_with(scenario, kind="file_dataset", destination="tables/out", overwrite=True)
    outputs.promote(one, verdict_of(leave(one, outputs__model__a="1", outputs__model__b="1")))
    two = attempt_with(scenario, kind="file_dataset", destination="tables/out", overwrite=True)
    outputs.promote(two, verdict_of(leave(two, outputs__model__b="22")))
    root = stores.root_by_name(scenario.workspace, "workspaceblobstore")
    assert (root.read("tables/out/a"), root.read("tables/out/b")) == (b"1", b"22")


def test_an_upload_that_may_not_overwrite_leaves_all_that_is_there(scenario):
    root = stores.root_by_name(scenario.workspace, "workspaceblobstore")
    wanted = {"kind": "file_dataset", "destination": "tables/out", "mode": "upload", "overwrite": False}
    one = attempt_with(scenario, **wanted)
    outputs.promote(one, verdict_of(leave(one, outputs__model__a="1")))
    two = attempt_with(scenario, **wanted)
    report = leave(two, outputs__model__a="22", outputs__model__b="22")
    finish(two, verdict_of({**report, "exit_code": 0}))
    two.refresh_from_db()
    assert two.status == Attempt.Status.FAILED and "'tables/out/a'" in two.message and "overwrite=False" in two.message
    assert root.read("tables/out/a") == b"1" and not root.exists("tables/out/b")
    three = attempt_with(scenario, **wanted)
    outputs.promote(three, verdict_of(leave(three, outputs__model__c="3")))
    assert (root.read("tables/out/a"), root.read("tables/out/c")) == (b"1", b"3")


def test_a_destination_may_name_run_and_output(scenario):
    attempt = attempt_with(scenario, kind="file_dataset", destination="d/{run-id}/{output-name}")
    (row,) = outputs.promote(attempt, verdict_of(leave(attempt, outputs__model__a="1")))
    assert row.path == f"d/{attempt.run_id}/model"


def test_an_output_may_become_a_dataset(scenario):
    attempt = attempt_with(scenario, kind="file_dataset", register={"name": "predictions", "tags": {"a": "b"}})
    (row,) = outputs.promote(attempt, verdict_of(leave(attempt, outputs__model__a="1")))
    version = DatasetVersion.objects.get(pk=row.dataset_version_id)
    assert (version.dataset.name, version.version, version.tags) == ("predictions", 1, {"a": "b"})
    assert [each.path for each in dataset_files.files_of(version)] == ["a"]


def test_an_output_that_asks_for_no_new_version_takes_no_name_from_another_dataset(scenario):
    wanted = {"name": "predictions", "create_new_version": False}
    first, second = (attempt_with(scenario, kind="file_dataset", register=wanted) for _ in range(2))
    outputs.promote(first, verdict_of(leave(first, outputs__model__a="1")))
    finish(second, verdict_of({**leave(second, outputs__model__a="2"), "exit_code": 0}))
    second.refresh_from_db()
    assert second.status == Attempt.Status.FAILED and second.said["code"] == "registered"
    assert "'predictions'" in second.message and "create_new_version=True" in second.message
    with translation.override("pt-pt"):
        text = stored_messages.error_text({"message": second.message, "said": second.said})
    assert "'predictions'" in text and text != second.message
    assert DatasetVersion.objects.filter(dataset__name="predictions").count() == 1
    third = attempt_with(scenario, kind="file_dataset", register={**wanted, "create_new_version": True})
    (row,) = outputs.promote(third, verdict_of(leave(third, outputs__model__a="3")))
    assert DatasetVersion.objects.get(pk=row.dataset_version_id).version == 2


def test_an_output_that_becomes_a_table_keeps_how_it_is_read_and_is_looked_through_later(scenario):
    wanted = {"name": "rows", "kind": "tabular", "format": {"separator": ";", "infer": False}, "operations": []}
    attempt = attempt_with(scenario, kind="file_dataset", register=wanted)
    report = leave(attempt, outputs__model__a="zip;n\n007;1\n")
    (row,) = outputs.promote(attempt, verdict_of(report))
    version = DatasetVersion.objects.get(pk=row.dataset_version_id)
    assert (version.status, version.is_usable, version.file_count, version.profile) == ("fetching", True, 1, None)
    fetching.fetch(version.pk)
    version.refresh_from_db()
    assert version.status == "ready"
    assert [(each["name"], each["type"]) for each in version.profile["columns"]] == [("zip", "string"), ("n", "string")]
    assert scenario.get(f"dataset-versions/{version.pk}/preview/").json()["rows"] == [["007", "1"]]


@pytest.mark.parametrize(
    "wrong",
    [{"kind": "rows"}, {"kind": "tabular", "format": {"separator": 7}}, {"operations": ["take"]}, {"name": "a/b"}],
)
def test_an_output_that_cannot_become_a_dataset_is_refused_before_it_runs(scenario, wrong):
    graph = scenario.graph("train", outputs=[{"name": "model", "register": {"name": "made", **wrong}}])
    step = Graph.from_document(graph).step("train")
    ((code, text),) = references.problems_of(scenario.workspace, step.inputs, step.outputs)
    assert code == "bad_definition" and "'model' cannot be registered" in text


def test_a_declared_output_that_was_not_written_is_named_in_plain_words(scenario):
    document = scenario.graph("train", outputs=[{"name": "model"}, {"name": "table"}])
    step = Graph.from_document(document).step("train")
    error = outputs.missing_outputs(verdict_of({"outputs": [{"name": "model", "missing": True}]}), step)
    assert "outputs 'model', 'table'" in error["message"] and "argument" in error["message"]
    assert stored_messages.error_text(error) == error["message"]
    with translation.override("pt-pt"):
        assert "sem escrever as saídas declaradas 'model', 'table'" in stored_messages.error_text(error)
    assert outputs.missing_outputs(verdict_of({"outputs": [{"name": "model"}, {"name": "table"}]}), step) == {}


# --- artifacts ---


def test_artifacts_are_kept_listed_and_served_without_rights(scenario):
    attempt = attempt_with(scenario)
    artifacts.adopt(
        attempt, verdict_of(leave(attempt, work__outputs__report="<script>alert(1)</script>", work__logs__x="log"))
    )
    listed = scenario.get(f"runs/{attempt.run_id}/artifacts/").json()["items"]
    assert [each["path"] for each in listed] == ["logs/x", "outputs/report"]
    assert [
        each["path"] for each in scenario.get(f"runs/{attempt.run_id}/artifacts/", prefix="logs/").json()["items"]
    ] == ["logs/x"]
    answer = scenario.get(f"runs/{attempt.run_id}/artifacts/outputs/report")
    assert answer["Content-Security-Policy"].startswith("sandbox")
    part = scenario.client.get(
        f"{scenario.base}runs/{attempt.run_id}/artifacts/outputs/report", headers={"Range": "bytes=1-6"}
    )
    assert (part.status_code, part.content) == (206, b"script")


def test_a_retry_keeps_the_artifacts_of_the_attempt_before(scenario):
    first = attempt_with(scenario)
    artifacts.adopt(first, verdict_of(leave(first, work__outputs__m="one")))
    second = scenario.attempt(first.run, number=2)
    artifacts.adopt(second, verdict_of(leave(second, work__outputs__m="two")))
    assert scenario.get(f"runs/{first.run_id}/artifacts/outputs/m").content == b"two"
    assert scenario.get(f"runs/{first.run_id}/artifacts/attempt-1/outputs/m").content == b"one"


def test_a_program_uploads_a_file_once_unless_it_says_overwrite(scenario):
    run = scenario.step(scenario.pipeline(), "train")
    path = f"runs/{run.pk}/artifacts/images/plot.png"
    assert scenario.put(path, b"png").status_code == 201
    assert scenario.put(path, b"png2").status_code == 409
    assert scenario.put(path, b"png3", overwrite=1).status_code == 201
    answer = scenario.get(path)
    assert (answer.content, answer["Content-Type"]) == (b"png3", "image/png")
    assert scenario.put(f"runs/{run.pk}/artifacts/../../x", b"").status_code in (400, 404)
    assert scenario.put(f"runs/{run.pk}/artifacts/a/%2e%2e/%2e%2e/x", b"").status_code in (400, 404)
    assert scenario.put(f"runs/{run.pk}/artifacts/user_logs/std_log.txt", b"").status_code == 400
    assert Artifact.objects.count() == 1


# --- an agent without the studio's disk ---


def test_files_travel_over_http_where_the_disk_is_not_shared(scenario):
    attempt = attempt_with(scenario)
    digest = hashlib.sha256(b"alpha").hexdigest()
    assert scenario.bring(attempt, f"files/output/model/sub/a?digest={digest}", b"alpha").json() == {"size": 5}
    assert scenario.bring(attempt, "files/artifact/outputs/m.json", b"{}").status_code == 200
    assert (
        scenario.bring(attempt, f"files/output/model/b?digest={digest}", b"other").json()["error"]["code"]
        == "digest_mismatch"
    )
    entry = {"path": "sub/a", "size": 5, "digest": digest}
    report = {
        "outputs": [{"name": "model", "is_directory": True, "files": [entry]}],
        "artifacts": [{"path": "outputs/m.json", "size": 2, "digest": ""}],
    }
    (row,) = outputs.promote(attempt, verdict_of(report))
    artifacts.adopt(attempt, verdict_of(report))
    assert row.file_count == 1
    assert scenario.get(f"runs/{attempt.run_id}/artifacts/outputs/m.json").content == b"{}"
    assert not staging(attempt).exists("")
    got = scenario.agent.get(f"/agent/v1/attempts/{attempt.pk}/1/files/data/workspaceblobstore/{row.path}/sub/a")
    assert got.content == b"alpha"


@pytest.mark.parametrize(
    "what",
    [
        "files/output/../../../x",
        "files/output/%2e%2e/%2e%2e/x",
        "files/artifact/..",
        "files/artifact/",
        "files/nonsense/x",
    ],
)
def test_a_transfer_stays_in_its_folder(scenario, what):
    attempt = attempt_with(scenario)
    assert scenario.bring(attempt, what, b"x").status_code in (400, 404)
    assert not list(data_dir().glob("staging/**/x"))


@pytest.mark.parametrize(
    "what", ["blob/" + "0" * 64, "data/workspaceblobstore/../../db", "data/nowhere/x", "blob/..%2f..", "x"]
)
def test_a_transfer_reads_only_what_is_there_to_be_read(scenario, what):
    attempt = attempt_with(scenario)
    answer = scenario.agent.get(f"/agent/v1/attempts/{attempt.pk}/1/files/{what}")
    assert answer.status_code in (400, 404)
    assert "error" in json.loads(answer.content) or answer.status_code == 404


def test_outputs_and_artifacts_that_are_more_than_the_workspace_may_keep_are_refused(scenario):
    attempt = attempt_with(scenario)
    used = storage.measure(scenario.workspace.pk)
    workspaces.set_limits(scenario.context, {"storage_bytes": used + 10})
    attempt.run.workspace.refresh_from_db()
    report = leave(attempt, outputs__model__a="x" * 11, work__outputs__b="y" * 11)
    with pytest.raises(StudioError, match="this is more") as refused:
        outputs.promote(attempt, verdict_of(report))
    assert refused.value.code == "storage_limit" and not Output.objects.exists()
    assert "this is more" in artifacts.adopt(attempt, verdict_of(report))[0]["text"] and not Artifact.objects.exists()
    small = attempt_with(scenario)
    small.run.workspace.refresh_from_db()
    assert len(outputs.promote(small, verdict_of(leave(small, outputs__model__a="x" * 6)))) == 1


def test_outputs_that_were_moved_before_a_crash_are_not_counted_twice(scenario):
    attempt = attempt_with(scenario)
    report = leave(attempt, outputs__model__a="x" * 8)
    used = storage.measure(scenario.workspace.pk)
    workspaces.set_limits(scenario.context, {"storage_bytes": used + 8})
    attempt.run.workspace.refresh_from_db()
    outputs.promote(attempt, verdict_of(report))
    Output.objects.all().delete()
    storage.measure(scenario.workspace.pk)
    assert len(outputs.promote(attempt, verdict_of(report))) == 1


def test_a_step_whose_outputs_are_too_much_fails_with_that_sentence_and_nothing_else_is_lost(scenario):
    kept = put_file(scenario.context, "workspaceblobstore", "raw/kept.csv", io.BytesIO(b"1,2"), overwrite=False)
    graph = scenario.graph("prepare -> train", outputs=[{"name": "model", "kind": "pipeline_data"}])
    root = scenario.pipeline(graph=graph)
    Run.objects.filter(pk=scenario.step(root, "train").pk).update(status="NotStarted")
    attempt = scenario.attempt(scenario.step(root, "prepare"))
    logs.append(attempt, 0, b"an hour of work\n")
    used = storage.measure(scenario.workspace.pk)
    workspaces.set_limits(scenario.context, {"storage_bytes": used + 100})
    report = leave(attempt, outputs__model__a="x" * 60, outputs__model__b="y" * 60, work__outputs__m="z" * 7)
    attempt_end.finish(
        Attempt.objects.select_related("run__root__workspace").get(pk=attempt.pk),
        verdict_of({**report, "exit_code": 0}),
    )

    failed, skipped = scenario.step(root, "prepare"), scenario.step(root, "train")
    assert (failed.status, skipped.status, Run.objects.get(pk=root.pk).status) == ("Failed", "Skipped", "Failed")
    error = failed.error
    assert "'lab' may keep" in error["message"] and "100 B of that are left" in error["message"]
    assert "ask an owner to raise the limit" in error["message"]
    # Not half of it is there, and what was there is as it was; what is small enough was kept, and the log.
    assert not Output.objects.exists()
    store = stores.root_by_name(scenario.workspace, "workspaceblobstore")
    assert not store.exists(f"azureml/{failed.pk}/model")
    assert store.digest(kept.path) == hashlib.sha256(b"1,2").hexdigest()
    assert [each.path for each in Artifact.objects.filter(path__startswith="outputs/")] == ["outputs/m"]
    assert scenario.get(f"runs/{failed.pk}/log/").content == b"an hour of work\n"
    assert storage.measure(scenario.workspace.pk) <= used + 100

    # With room for it the same step completes.
    workspaces.set_limits(scenario.context, {"storage_bytes": used + 1000})
    again = scenario.attempt(scenario.step(scenario.pipeline(graph=graph), "prepare"))
    report = leave(again, outputs__model__a="x" * 60, outputs__model__b="y" * 60)
    attempt_end.finish(
        Attempt.objects.select_related("run__root__workspace").get(pk=again.pk), verdict_of({**report, "exit_code": 0})
    )
    assert Run.objects.get(pk=again.run_id).status == "Completed"
    assert Output.objects.get().file_count == 2


def test_a_step_whose_outputs_are_more_than_the_workspace_may_keep_is_not_tried_again(scenario):
    graph = scenario.graph("train", outputs=[{"name": "model", "kind": "pipeline_data"}], retries=3)
    attempt = scenario.attempt(scenario.step(scenario.pipeline(graph=graph), "train"))
    workspaces.set_limits(scenario.context, {"storage_bytes": storage.measure(scenario.workspace.pk) + 10})
    attempt.run.workspace.refresh_from_db()
    finish(attempt, verdict_of(leave(attempt, outputs__model__a="x" * 11) | {"event": "finished", "exit_code": 0}))
    run = scenario.step(attempt.run.root, "train")
    assert (run.status, run.error["cause"]) == ("Failed", "storage_limit") and "this is more" in run.error["message"]
    assert run.attempts.count() == 1
