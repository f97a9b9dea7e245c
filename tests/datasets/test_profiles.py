"""Profiles of dataset versions: asked for by REST, made by a worker whose death costs nothing, bounded, canceled, told."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import pytest
from django.utils import translation

from core import duties
from core.clock import now
from core.errors import Conflict
from datasets import profiles
from datasets.models import DatasetVersion, ProfileRun
from datasets.services import profiling
from datasets.services.leases import MOST_TRIES
from datasets.services.versions import save
from datasets.tasks import profile as task
from tests.workspace_scenario import WorkspaceScenario, code
from workspaces.models import Role

pytestmark = pytest.mark.django_db
STORE = "workspaceblobstore"
TEXT = (
    "species,mass,when,ok\nAdelie,3750.5,2007-11-11,true\nGentoo,NA,2008-01-02,false\nChinstrap,3800,2009-02-03,true\n"
)


@pytest.fixture
def wakeups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    sent: list[str] = []
    monkeypatch.setattr(profiling, "send", lambda _task, run_id: sent.append(run_id))
    return sent


def version_of(scenario: WorkspaceScenario, text: str | bytes = TEXT, name: str = "t", **form: Any) -> DatasetVersion:
    scenario.put(f"{name}.csv", text)
    definition = {"sources": [{"datastore": STORE, "path": f"{name}.csv"}], "format": form}
    return save(scenario.context, name, "tabular", definition, create_new_version=True)


def made(run: ProfileRun) -> ProfileRun:
    task(str(run.pk))
    return profiling.get_run(run.workspace, run.pk)


def profile_children() -> list[psutil.Process]:
    return [each for each in psutil.Process().children() if "profile_child.py" in " ".join(each.cmdline())]


def while_reading(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Do something once, at a moment at which a profile is under way."""
    plain, todo = profiles.profile, [act]

    def watched(question: Any, progress: profiles.Progress) -> dict[str, Any]:
        while todo:
            todo.pop()()
        return plain(question, progress)

    monkeypatch.setattr(profiles, "profile", watched)


def test_a_profile_is_asked_for_made_and_read(scenario: WorkspaceScenario) -> None:
    version = version_of(scenario)
    at = f"dataset-versions/{version.pk}/"
    assert code(scenario.api.get(f"{at}profile/")) == (404, "no_profile")
    asked = scenario.api.post(f"{at}profile-runs/")
    assert (asked.status_code, asked.json()["status"]) == (201, "queued")
    assert scenario.api.post(f"{at}profile-runs/").json()["id"] == asked.json()["id"]
    task(asked.json()["id"])
    run = scenario.api.get(f"profile-runs/{asked.json()['id']}/").json()
    assert (run["status"], run["progress"], run["row_count"], run["error"]) == ("completed", 100, 3, None)
    found = scenario.api.get(f"{at}profile/").json()
    assert (found["run"], found["row_count"]) == (run["id"], 3)
    columns = {each["name"]: each for each in found["columns"]}
    assert list(columns) == ["species", "mass", "when", "ok"]
    assert (columns["mass"]["missing"], columns["mass"]["mean"], columns["mass"]["distinct"]) == (1, 3775.25, 2)
    assert columns["when"]["maximum"] == "2009-02-03T00:00:00"
    assert columns["species"]["top"][0] == {"value": "Adelie", "count": 1}
    again = scenario.api.post(f"{at}profile-runs/").json()
    assert again["id"] != run["id"]
    assert [each["id"] for each in scenario.api.get(f"{at}profile-runs/").json()["items"]] == [again["id"], run["id"]]


def test_operations_and_declared_types_count_as_the_table_has_them(scenario: WorkspaceScenario) -> None:
    scenario.put("d.csv", "n,w\n1,a\nx,b\n3,c\n4,d\n")
    definition = {
        "sources": [{"datastore": STORE, "path": "d.csv"}], "format": {"columns": {"n": "long"}},
        "operations": [{"op": "take", "count": 3}, {"op": "keep_columns", "columns": ["n"]}],
    }  # fmt: skip
    version = save(scenario.context, "d", "tabular", definition)
    run = made(profiling.submit(scenario.context, version))
    (column,) = run.result["columns"]  # type: ignore[index]
    assert (run.row_count, column["missing"], column["error"], column["mean"]) == (3, 1, 1, 2.0)


def test_who_may_and_what_has_none(scenario: WorkspaceScenario) -> None:
    version = version_of(scenario)
    at = f"dataset-versions/{version.pk}/profile-runs/"
    assert code(scenario.client_for(Role.READER).post(at)) == (403, "forbidden")
    files = save(scenario.context, "f", "file", {"sources": [{"datastore": STORE, "path": "t.csv"}]})
    assert code(scenario.api.post(f"dataset-versions/{files.pk}/profile-runs/")) == (422, "no_table")
    assert code(scenario.api.get(f"profile-runs/{version.pk}/")) == (404, "unknown_profile_run")


def test_what_cannot_be_read_fails_in_words_in_the_readers_language(scenario: WorkspaceScenario) -> None:
    version = version_of(scenario)
    scenario.put("t.csv", 'a,b\n1,"2\n')
    run = made(profiling.submit(scenario.context, version))
    assert run.status == "failed" and "line 2 is never closed" in run.localized_error
    with translation.override("pt-pt"):
        assert "linha 2" in run.localized_error
    assert run.error is not None and run.error["code"] == "not_a_table"
    assert profile_children() == []


def test_too_many_columns_are_refused(scenario: WorkspaceScenario, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "MOST_COLUMNS", 3)
    run = made(profiling.submit(scenario.context, version_of(scenario)))
    assert run.status == "failed" and "has 4 columns, and a profile takes at most 3" in run.localized_error


def test_the_duty_takes_up_what_was_lost(scenario: WorkspaceScenario, wakeups: list[str]) -> None:
    assert (2, profiling.resume_waiting) in duties.registered()
    run = profiling.submit(scenario.context, version_of(scenario))
    row = ProfileRun.objects.filter(pk=run.pk)
    profiling.resume_waiting()
    assert wakeups == []
    row.update(created_at=now() - timedelta(seconds=3))
    profiling.resume_waiting()
    assert wakeups == [str(run.pk)]
    # A worker that is at it is left alone; one that died in the middle is followed.
    row.update(status="running", lease_until=now() + timedelta(seconds=9), tries=1)
    profiling.resume_waiting()
    task(str(run.pk))
    assert wakeups == [str(run.pk)] and row.get().status == "running"
    row.update(lease_until=now() - timedelta(seconds=1))
    profiling.resume_waiting()
    assert len(wakeups) == 2 and made(run).status == "completed"


def test_a_doubled_wakeup_makes_it_once(scenario: WorkspaceScenario, monkeypatch: pytest.MonkeyPatch) -> None:
    run = profiling.submit(scenario.context, version_of(scenario))
    while_reading(monkeypatch, lambda: task(str(run.pk)))
    done = made(run)
    assert (done.status, done.tries) == ("completed", 1)
    task(str(run.pk))
    assert profiling.get_run(scenario.workspace, run.pk).ended_at == done.ended_at


def test_a_worker_that_lost_its_lease_leaves_it_to_the_other(
    scenario: WorkspaceScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = profiling.submit(scenario.context, version_of(scenario))
    theirs = now() + timedelta(seconds=77)
    while_reading(monkeypatch, lambda: ProfileRun.objects.filter(pk=run.pk).update(lease_until=theirs))
    left = made(run)
    assert (left.status, left.lease_until, left.result) == ("running", theirs, None)


def test_it_is_canceled_while_it_runs_and_its_process_ends(
    scenario: WorkspaceScenario, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = profiling.submit(scenario.context, version_of(scenario))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    while_reading(monkeypatch, lambda: scenario.api.post(f"profile-runs/{run.pk}/cancel/"))
    ended = made(run)
    assert (ended.status, ended.result) == ("canceled", None) and "canceled" in ended.localized_error
    assert profile_children() == []
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(Conflict, match="ended already"):
        profiling.cancel(scenario.context, ended)


def test_a_process_that_is_killed_is_told_and_leaves_nothing(
    scenario: WorkspaceScenario, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = "".join(f"{number},{number * 7 % 1000}\n" for number in range(300_000))
    run = profiling.submit(scenario.context, version_of(scenario, "a,b\n" + rows))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    plain = profiling.Lease.tell

    def killing(lease: Any, progress: int) -> None:
        for each in profile_children():
            os.kill(each.pid, signal.SIGKILL)
        plain(lease, progress)

    monkeypatch.setattr(profiling.Lease, "tell", killing)
    ended = made(run)
    assert ended.status == "failed" and "was killed" in ended.localized_error
    assert list(tmp_path.iterdir()) == []


def test_a_fault_of_the_studio_is_tried_again_and_ends_in_words(
    scenario: WorkspaceScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = profiling.submit(scenario.context, version_of(scenario))

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(profiles, "profile", broken)
    for _ in range(MOST_TRIES):
        with pytest.raises(ZeroDivisionError):
            task(str(run.pk))
    assert (ended := made(run)).status == "failed" and "tried 5 times" in ended.localized_error


def test_no_more_at_once_than_leave_room(scenario: WorkspaceScenario, settings: Any) -> None:
    settings.DUTO = replace(settings.DUTO, worker_threads=4)
    first = profiling.submit(scenario.context, version_of(scenario, name="a"))
    ProfileRun.objects.filter(pk=first.pk).update(status="running", lease_until=now() + timedelta(seconds=9))
    second = profiling.submit(scenario.context, version_of(scenario, name="b"))
    assert made(second).status == "queued"


def test_of_many_runs_the_newest_stay(scenario: WorkspaceScenario, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiling, "MOST_KEPT", 2)
    version = version_of(scenario)
    done = made(profiling.submit(scenario.context, version))
    kept: list[UUID] = []
    for _ in range(4):
        kept.append(profiling.cancel(scenario.context, profiling.submit(scenario.context, version)).pk)
    left = [each.pk for each in profiling.runs_of(version)]
    assert left == [*reversed(kept[-2:]), done.pk]
    assert profiling.profile_of(version).pk == done.pk


@pytest.mark.parametrize("text", ["a,b\n", "a,b\n1,x\n", "a\n" + "7\n" * 9])
def test_small_tables(scenario: WorkspaceScenario, text: str) -> None:
    run = made(profiling.submit(scenario.context, version_of(scenario, text)))
    assert (run.status, run.row_count) == ("completed", len(text.splitlines()) - 1)
