"""The logs of the processes of an attempt: brought, watched, sealed, read and removed beside its own."""

from __future__ import annotations

import pytest

from core import spools
from core.clock import now
from core.storage import artifact_store
from duto_protocol.messages import Finished, RankEnd
from duto_protocol.values import Moment
from runs import live
from runs.models import Artifact, RankLog, log_names
from runs.services.maintenance import delete_run
from runs.services.orchestration.attempt_end import finish
from runs.services.results import logs
from tests.runs.conftest import RunScenario
from workspaces.access import WorkspaceContext
from workspaces.models import Role

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
SPREAD = {"distribution": {"type": "pytorch", "processes": 2}}


@pytest.fixture
def attempt(scenario: RunScenario):
    root = scenario.pipeline(graph=scenario.graph("train", **SPREAD))
    return scenario.attempt(scenario.step(root, "train"), leased_at=now())


def ended(attempt, *ends: RankEnd, code: int = 1) -> Finished:
    return Finished(
        event="finished", attempt=str(attempt.pk), epoch=1, at=Moment.present(), exit_code=code, ranks=list(ends),
        cause="user_error" if code else None, message="no" if code else "", log_size=0, spool_size=0,
    )  # fmt: skip


def test_each_rank_has_bytes_and_offsets_of_its_own(scenario, attempt):
    assert scenario.bring(attempt, "log?offset=0&rank=1", b"one\n").json() == {"size": 4}
    assert scenario.bring(attempt, "log?offset=4&rank=1", b"two\n").json() == {"size": 8}
    assert scenario.bring(attempt, "log?offset=0", b"[1] one\n").json() == {"size": 8}
    again = scenario.bring(attempt, "log?offset=0&rank=1", b"one\n")
    assert (again.status_code, again.json()["error"]["facts"]) == (409, {"size": 8})
    for wrong in ("64", "-1", "x", "", "9" * 30):
        assert scenario.bring(attempt, f"log?offset=0&rank={wrong}", b"x").status_code == 400, wrong
    attempt.epoch = 2
    attempt.save(update_fields=["epoch"])
    assert scenario.bring(attempt, "log?offset=8&rank=1", b"late").status_code == 409
    place = f"runs/{attempt.run_id}/log/"
    answer = scenario.get(place, rank=1, offset=4)
    assert (answer.content, answer["X-Log-Size"], answer["X-Log-Final"]) == (b"two\n", "8", "0")
    assert scenario.get(place).content == b"[1] one\n"
    assert scenario.get(f"{place}search/", rank=1, q="TWO").json()["matches"][0]["line"] == 2
    missing = scenario.get(place, rank=5)
    assert (missing.status_code, missing.json()["error"]["message"]) == (404, "Attempt 1 has no log of rank 5.")
    document = scenario.get(f"runs/{attempt.run_id}/").json()["step"]["attempts"][0]["ranks"]
    assert document == [
        {"rank": 1, "role": "worker", "log_size": 8, "exit_code": None, "signal": None, "was_ended": False}
    ]


def test_whoever_watches_a_rank_is_told_what_was_missed(scenario, attempt):
    logs.append(attempt, 0, b"one\n", 1)
    (frame,) = live.missed_log(f"{attempt.pk}-rank1", {"offset": 0})
    assert (frame["size"], frame["final"]) == (4, False)
    for key in (f"{attempt.pk}-rank0", f"{attempt.pk}-rankx", f"{attempt.pk}-rank" + "9" * 99, "x-rank1"):
        assert live.missed_log(key, {"offset": 0}) == []
    assert live.may_watch_log(scenario.owner, f"{attempt.pk}-rank0"), "it may still say something"
    assert not live.may_watch_log(scenario.owner, "x-rank1")


def test_the_end_tells_how_each_ended_and_seals_all(scenario, attempt):
    logs.append(attempt, 0, b"Traceback (most recent call last):\nValueError: x", 1)
    finish(attempt, ended(attempt, RankEnd(0, was_ended=True, signal=15), RankEnd(1, exit_code=1), RankEnd(2, "ps")))
    rows = list(RankLog.objects.order_by("rank").values_list("rank", "role", "exit_code", "signal", "was_ended"))
    assert rows == [(0, "worker", None, 15, True), (1, "worker", 1, None, False), (2, "ps", None, None, False)]
    store, files = artifact_store(scenario.workspace.pk), f"runs/{attempt.run_id}/artifacts/user_logs/"
    assert store.read(f"logs/{attempt.pk}-rank1").startswith(b"Traceback")
    assert scenario.get(f"{files}std_log_process_1.txt").content == b"Traceback (most recent call last):\nValueError: x"
    assert scenario.get(f"{files}std_log_process_0.txt").content == b""
    answer = scenario.get(f"runs/{attempt.run_id}/log/", rank=1)
    assert (answer["X-Log-Final"], answer["X-Log-Errors"]) == ("1", "1")


def test_the_logs_of_an_earlier_attempt_step_aside(scenario, attempt):
    logs.append(attempt, 0, b"first\n", 0)
    logs.seal(attempt)
    second = scenario.attempt(attempt.run, number=2)
    logs.append(second, 0, b"second\n", 0)
    logs.seal(second)
    files = f"runs/{attempt.run_id}/artifacts/user_logs/"
    assert scenario.get(f"{files}std_log_process_0.txt").content == b"second\n"
    assert scenario.get(f"{files}attempt-1/std_log_process_0.txt").content == b"first\n"
    assert scenario.get(f"runs/{attempt.run_id}/log/", attempt=1, rank=0).content == b"first\n"
    assert Artifact.objects.filter(run=attempt.run).count() == 4


def test_nothing_of_a_rank_is_left_when_its_run_is_deleted(scenario, attempt):
    logs.append(attempt, 0, b"first\n", 1)
    finish(attempt, ended(attempt, RankEnd(0, exit_code=0), RankEnd(1, exit_code=0), code=0))
    store = artifact_store(scenario.workspace.pk)
    names = log_names(attempt.pk, 2)
    assert [store.exists(f"logs/{name}") for name in names] == [True, True, True]
    root = attempt.run.root
    root.refresh_from_db()
    delete_run.delete(WorkspaceContext(scenario.workspace, Role.OWNER, user=scenario.owner), root)
    assert [store.exists(f"logs/{name}") or spools.place(name).exists() for name in names] == [False, False, False]
    assert not RankLog.objects.exists()
