"""A retention policy: read, tried, carried out; what it spares, and what it breaks."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from compute.models import Host
from core.clock import iso, now
from core.errors import Invalid, NotFound
from core.storage import artifact_store, blob_key, data_dir
from datasets import stores
from datasets.models import Datastore
from environments.models import EnvironmentBuild, EnvironmentVersion, Image
from environments.services.versions import register
from runs import retention
from runs.models import Artifact, Attempt, Output, RankLog, Run, Snapshot, StepRun
from runs.queries.files import open_output
from runs.queries.logs import reader, sealed_key
from runs.services.maintenance import delete_run
from runs.services.maintenance import retention as keeping
from runs.services.maintenance.snapshot_gc import sweep
from runs.services.submission import snapshots
from runs.tasks import retain
from tests.runs.conftest import RunScenario
from tests.runs.protocol_messages import answer_to
from workspaces.models import Role, User
from workspaces.services.workspaces import create_workspace

pytestmark = pytest.mark.sqlite
ALL = {"logs": 30, "artifacts": 30, "outputs": 30, "keep_last": 0}


def ended(scenario: RunScenario, days: float, status: str = "Completed", **fields: Any) -> Run:
    """A run of one step that ended so long ago, with a log, a file and an output."""
    root = scenario.pipeline("train", status=status, **fields)
    step = scenario.step(root, "train")
    moment = now() - timedelta(days=days)
    Run.objects.filter(root=root).update(finished_at=moment)
    StepRun.objects.filter(pk=step.pk).update(is_source=True, fingerprint=f"f-{root.pk}")
    store = artifact_store(scenario.workspace.pk)
    attempt = scenario.attempt(step, status="completed", log_size=4, log_sealed_at=moment, finished_at=moment)
    store.write(sealed_key(attempt.pk), io.BytesIO(b"log\n"))
    Artifact.objects.create(run=step, attempt=attempt, path="outputs/m.json", size=2)
    store.write(f"artifacts/{step.pk}/outputs/m.json", io.BytesIO(b"{}"))
    place = f"azureml/{step.pk}/model"
    stores.root_by_name(scenario.workspace, "workspaceblobstore").write(f"{place}/m.bin", io.BytesIO(b"12345"))
    Output.objects.create(
        run=step, name="model", datastore="workspaceblobstore", path=place, digest="d", size=5, file_count=1,
        files=[{"path": "m.bin", "size": 5, "digest": "e"}],
    )  # fmt: skip
    return root


def left(scenario: RunScenario, root: Run) -> tuple[bool, bool, bool]:
    """Whether the log, the file and the output of its step are still there."""
    step = scenario.step(root, "train")
    store = artifact_store(scenario.workspace.pk)
    attempt = Attempt.objects.get(run=step)
    data = stores.root_by_name(scenario.workspace, "workspaceblobstore")
    return (
        store.exists(sealed_key(attempt.pk)),
        store.exists(f"artifacts/{step.pk}/outputs/m.json"),
        data.exists(f"azureml/{step.pk}/model/m.bin"),
    )


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"log": 3}, "knows no 'log'"),
        ({"logs": "soon"}, "whole number of days"),
        ({"logs": -1}, "from 0 to 3650"),
        ({"outputs": True}, "from 0 to 3650"),
        ({"keep_last": 1001}, "from 0 to 1000"),
    ],
)
def test_a_policy_that_is_none_is_refused_with_words(document: dict[str, Any], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        retention.read(document)


def test_a_host_keeps_what_any_of_its_workspaces_wants_to_keep() -> None:
    policies = [retention.read({"environments": 10, "attempts": 3}), retention.read({"environments": 40})]
    assert retention.strictest_of_hosts(policies) == {"attempts": 7, "environments": 40, "images": None}
    assert retention.strictest_of_hosts([*policies, retention.Policy()])["environments"] is None


def test_the_dry_run_counts_and_changes_nothing(scenario: RunScenario) -> None:
    old, young = ended(scenario, 40), ended(scenario, 20)
    for rank in range(2):
        RankLog.objects.create(attempt=Attempt.objects.get(run__root=old), rank=rank, log_size=10)
    answer = scenario.post("retention/preview/", ALL).json()
    frees = {each["kind"]: (each["count"], each["bytes"]) for each in answer["frees"]}
    assert (frees["logs"], frees["artifacts"], frees["outputs"]) == ((1, 24), (1, 2), (1, 5))
    assert answer["breaks"] == {"steps": ["train"], "step_count": 1, "readers": 0}
    assert left(scenario, old) == left(scenario, young) == (True, True, True)


def test_the_action_frees_what_the_dry_run_said_and_says_so_where_it_was(scenario: RunScenario) -> None:
    old, young = ended(scenario, 40), ended(scenario, 20)
    assert scenario.client.put(scenario.base + "retention/", ALL, content_type="application/json").status_code == 200
    assert scenario.post("retention/apply/").json() == {"logs": 1, "artifacts": 1, "outputs": 1, "blobs": 0}
    assert (left(scenario, old), left(scenario, young)) == ((False, False, False), (True, True, True))
    step = scenario.step(old, "train")
    assert not step.step.is_source and scenario.step(young, "train").step.is_source
    with pytest.raises(NotFound, match="retention"):
        reader(Attempt.objects.select_related("run").get(run=step))
    with pytest.raises(NotFound, match="Run the step again"):
        open_output(step, "model", "m.bin")
    assert scenario.get(f"runs/{step.pk}/log/").status_code == 404
    assert scenario.get(f"runs/{step.pk}/outputs/").json()["items"][0]["removed_at"]
    # Again, and by the wake-up that may come twice: nothing is left to do.
    retain(str(scenario.workspace.pk))
    assert scenario.post("retention/apply/").json() == {"logs": 0, "artifacts": 0, "outputs": 0, "blobs": 0}


def test_a_store_that_is_away_keeps_its_files_and_nobody_waiting(
    scenario: RunScenario, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.DUTO = replace(settings.DUTO, fetch_private=True)
    far = Datastore.objects.create(
        workspace=scenario.workspace, name="far", kind="s3", options={"bucket": "b", "endpoint": "http://127.0.0.1:9"}
    )
    first, other = ended(scenario, 40), ended(scenario, 40)
    Output.objects.filter(run__root=first).update(datastore="far")
    keeping.set_policy(scenario.context, ALL)
    for _ in range(2):
        keeping.carry_out(scenario.workspace)
        assert [Output.objects.get(run__root=each).removed_at is None for each in (first, other)] == [True, False]
    delete_run.delete(scenario.context, first)
    delete_run.delete(scenario.context, other)
    assert set(Run.objects.filter(parent__isnull=False, parent=F("pk")).values_list("pk", flat=True)) == {first.pk}
    assert delete_run.remove_hidden() == 0  # it was tried a moment ago
    far.delete()
    monkeypatch.setattr(delete_run, "PAUSE_S", -1.0)
    assert delete_run.remove_hidden() == 1 and not Run.objects.filter(pk=first.pk).exists()


def test_what_somebody_still_needs_stays(scenario: RunScenario) -> None:
    first, newest = ended(scenario, 50), ended(scenario, 40)
    registered, failed = ended(scenario, 60), ended(scenario, 45, status="Failed")
    Output.objects.filter(run__root=registered).update(dataset_version_id=registered.pk)
    reader_of_first = scenario.pipeline("train", status="Running")
    StepRun.objects.filter(run__root=reader_of_first).update(reused_from=scenario.step(first, "train"))
    keeping.set_policy(scenario.context, {**ALL, "keep_last": 2})
    keeping.carry_out(scenario.workspace)
    assert left(scenario, first) == (True, True, True)  # a run that is not over reads it
    assert (
        left(scenario, newest) == (True, True, True) and left(scenario, registered)[2]
    )  # the two newest, and a dataset
    assert left(scenario, failed) == (False, False, False)


def test_the_sources_of_kept_runs_stay(scenario: RunScenario) -> None:
    source, kept = ended(scenario, 60), ended(scenario, 40)
    StepRun.objects.filter(run__root=kept).update(reused_from=scenario.step(source, "train"))
    keeping.set_policy(scenario.context, {**ALL, "keep_last": 1})
    keeping.carry_out(scenario.workspace)
    assert left(scenario, source) == (True, True, True)


def test_code_that_nothing_names_goes_after_a_day(scenario: RunScenario) -> None:
    used = scenario.pipeline("train")
    orphan = scenario.snapshot(gone_py="print('nobody runs me')")
    fresh = scenario.snapshot(fresh_py="print('just uploaded')")
    Snapshot.objects.exclude(pk=fresh.pk).update(created_at=now() - timedelta(days=3))
    long_ago = (now() - timedelta(days=3)).timestamp()
    for path in (data_dir() / "store" / str(scenario.workspace.pk) / "blobs").rglob("*"):
        os.utime(path, (long_ago, long_ago))
    assert snapshots.missing(scenario.workspace, [fresh.files[0]["digest"]]) == []  # asking makes it new
    assert sweep(scenario.workspace, now()) == 1
    store = artifact_store(scenario.workspace.pk)
    kept = Snapshot.objects.get(digest=scenario.step(used, "train").step.snapshot_digest)
    assert not store.exists(blob_key(orphan.files[0]["digest"])) and not Snapshot.objects.filter(pk=orphan.pk).exists()
    assert all(store.exists(blob_key(row.files[0]["digest"])) for row in (kept, fresh))


def test_unused_environments_of_hosts_are_in_the_dry_run(scenario: RunScenario) -> None:
    stood = [
        {"key": "pandas-3.11", "bytes": 7, "used_at": "2020-01-01T00:00:00Z", "in_use": False},
        {"key": "torch-3.11", "bytes": 9, "used_at": "2020-01-01T00:00:00Z", "in_use": True},
    ]
    scenario.host.facts = {"storage": {"environments": stood}}
    scenario.host.save()
    frees = {each["kind"]: each for each in scenario.post("retention/preview/", {"environments": 30}).json()["frees"]}
    assert frees["environments"] == {"kind": "environments", "count": 1, "bytes": 7, "names": ["pandas-3.11 (alpha)"]}


def test_only_an_owner_changes_it_and_everybody_may_look(scenario: RunScenario) -> None:
    member = scenario.member("mia", Role.CONTRIBUTOR)
    put = member.put(scenario.base + "retention/", {"logs": 1}, content_type="application/json")
    assert (put.status_code, member.post(scenario.base + "retention/apply/").status_code) == (403, 403)
    assert member.get(scenario.base + "retention/").json()["attempts"] == 7


def test_the_queries_of_the_dry_run_do_not_grow(scenario: RunScenario) -> None:
    counts = []
    for _ in range(2):
        for days in (40, 50, 60):
            ended(scenario, days)
        with CaptureQueriesContext(connection) as seen:
            keeping.preview(scenario.context, retention.read(ALL))
        counts.append(len(seen))
    assert counts[0] == counts[1]


def test_agents_are_told_how_long_to_keep_things(scenario: RunScenario, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "_policies", None)
    keeping.set_policy(scenario.context, {"environments": 12, "images": 30})
    assert answer_to(scenario.host, {"want": 0})["keep"] == {"attempts": 7, "environments": 12, "images": 30}


def test_a_host_of_one_workspace_goes_by_its_policy_and_a_shared_one_by_all(
    scenario: RunScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeping.set_policy(scenario.context, {"images": 30})
    create_workspace(User.objects.create_user("bob"), "elsewhere")  # keeps images for ever
    used = iso(now() - timedelta(days=40))
    images = [{"key": "duto/env:1", "bytes": 7, "used_at": used, "in_use": False}]
    Host.objects.update(facts={"storage": {"images": images}})

    def kept_and_freed() -> tuple[Any, int]:
        monkeypatch.setattr(keeping, "_policies", None)
        scenario.host.refresh_from_db()
        frees = {each["kind"]: each["count"] for each in scenario.post("retention/preview/").json()["frees"]}
        return answer_to(scenario.host, {"want": 0})["keep"]["images"], frees["images"]

    assert kept_and_freed() == (None, 0)
    Host.objects.update(workspace=scenario.workspace)
    assert kept_and_freed() == (30, 1)


def test_the_dry_run_names_images_by_their_environments_and_leaves_out_what_has_gone(scenario: RunScenario) -> None:
    version = register(scenario.context, {"name": "forecast", "python": {"packages": ["six"]}})
    build = EnvironmentBuild.objects.create(recipe_digest="r", recipe={}, status="ready", lock_digest="l")
    EnvironmentVersion.objects.filter(pk=version.pk).update(build=build)
    tags = [f"duto/env:{number}{'0' * 31}" for number in range(4)]
    days = (40, 40, 20, 40)
    images = [
        {"key": tag, "bytes": 5, "used_at": iso(now() - timedelta(days=ago)), "in_use": tag == tags[3]}
        for tag, ago in zip(tags, days, strict=True)
    ]
    Host.objects.update(facts={"storage": {"images": images}})
    for tag, status in ((tags[0], "ready"), (tags[1], "removed"), (tags[2], "ready")):
        Image.objects.create(host_id=scenario.host.pk, host_name="alpha", tag=tag, status=status, lock_digest="l")
    frees = {each["kind"]: each for each in scenario.post("retention/preview/", {"images": 30}).json()["frees"]}
    assert frees["images"] == {"kind": "images", "count": 1, "bytes": 5, "names": [f"forecast {tags[0][:20]} (alpha)"]}
