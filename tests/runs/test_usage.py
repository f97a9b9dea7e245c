"""What a step used: samples that its agent brings, sealed with the log, drawn as series with their peaks."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core import spools
from core.clock import iso, now
from core.series import MOST, Points, thinned
from core.storage import artifact_store
from runs import usage as rules
from runs.models import Attempt, Run
from runs.queries.logs import sealed_key
from runs.queries.usage import samples_of
from runs.services.maintenance import delete_run
from runs.services.results import usage

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
GIB = 1 << 30


def line(second: float, cpu: float = 0, memory: float = 0, **more: Any) -> bytes:
    facts = {"at": iso(BEGIN + timedelta(seconds=second)), "cpu": cpu, "memory": memory, "read": 0, "written": 0}
    return json.dumps({**facts, "processes": 1, "gpus": [], **more}).encode() + b"\n"


def drawn(data: bytes) -> dict[str, Points]:
    return {each.name: each.points for each in rules.series(rules.read(data))}


# --- what the lines say ---


def test_counters_are_drawn_as_rates_and_memory_as_it_is() -> None:
    data = line(0, 1.0, 100) + line(2, 4.0, 300, read=200, written=50) + line(4, 4.0, 200, read=200, written=450)
    found = drawn(data)
    assert found["cpu"] == [[2.0, 1.5], [4.0, 0.0]]
    assert found["memory"] == [[0.0, 100], [2.0, 300], [4.0, 200]]
    assert found["read"] == [[2.0, 100.0], [4.0, 0.0]] and found["written"] == [[2.0, 25.0], [4.0, 200.0]]


def test_a_counter_that_falls_back_stands_still() -> None:
    assert drawn(line(0, 5) + line(1, 2) + line(2, 3))["cpu"] == [[1.0, 0.0], [2.0, 1.0]]


def test_each_device_has_its_own_series() -> None:
    gpus = [{"uuid": "GPU-1", "utilization": 0.5, "memory": 7}, {"uuid": "MIG-2", "utilization": None, "memory": 9}]
    found = rules.series(rules.read(line(0, gpus=gpus) + line(1, gpus=gpus)))
    facts = {(each.name, each.device): each.points for each in found if each.device}
    assert facts == {
        ("gpu", "GPU-1"): [[0.0, 0.5], [1.0, 0.5]],
        ("gpu_memory", "GPU-1"): [[0.0, 7], [1.0, 7]],
        ("gpu_memory", "MIG-2"): [[0.0, 9], [1.0, 9]],
    }


@pytest.mark.parametrize(
    "junk",
    [b"", b"nonsense", b"[1]", b"null", b'{"at": 1}', b'{"at": "x", "cpu": 1}', b"\xff\xfe", b"[" * 100_000]
    + [line(1, memory=value).strip() for value in (-1, 1e30, True, "9", None)],  # type: ignore[arg-type]
)
def test_a_line_that_makes_no_sense_is_left_out(junk: bytes) -> None:
    assert [sample.memory for sample in rules.read(line(0, memory=1) + junk + b"\n" + line(2, memory=3))] == [1, 3]


@pytest.mark.parametrize("gpus", [7, [7], [{}], {"a": 1}])
def test_devices_that_make_no_sense_are_left_out_of_their_line(gpus: Any) -> None:
    [sample] = rules.read(line(1, memory=3, gpus=gpus))
    assert sample.memory == 3 and not sample.gpus


def test_two_samples_of_one_moment_give_no_rate() -> None:
    assert drawn(line(0, 1) + line(0, 9))["cpu"] == []


def test_long_series_are_thinned_and_lose_no_peak() -> None:
    points: Points = [[float(second), 1.0] for second in range(5000)]
    points[3211][1] = 99.0
    thin = thinned(points)
    assert (
        len(thin) <= MOST
        and [3211.0, 99.0] in thin
        and [second for second, _ in thin] == sorted(second for second, _ in thin if second is not None)
    )


@pytest.mark.parametrize(
    ("samples", "expected", "most"),
    [((), None, None), ((5, 9), None, 9), ((5,), {"max_rss": 12}, 12), ((), {"max_rss": 3}, 3), ((4,), {"max_rss": "x"}, 4)],
)  # fmt: skip
def test_the_most_memory_is_the_highest_that_anybody_saw(samples: Any, expected: Any, most: int | None) -> None:
    read = rules.read(b"".join(line(at, memory=value) for at, value in enumerate(samples)))
    assert rules.highest_memory(read, expected) == most


# --- through the doors ---


@pytest.fixture
def step(scenario: Any) -> Run:
    found: Run = scenario.step(scenario.pipeline(), "train")
    return found


@pytest.fixture
def attempt(scenario: Any, step: Run) -> Attempt:
    found: Attempt = scenario.attempt(step, started_at=BEGIN, leased_at=BEGIN)
    return found


def fresh(attempt: Attempt) -> Attempt:
    return Attempt.objects.select_related("run__root").get(pk=attempt.pk)


def test_samples_follow_the_rule_of_offsets(scenario: Any, attempt: Attempt) -> None:
    one, two = line(0, 1), line(1, 2)
    assert scenario.bring(attempt, "samples?offset=0", one + two[:5]).json() == {"size": len(one)}  # whole lines alone
    again = scenario.bring(attempt, "samples?offset=0", one)
    assert (again.status_code, again.json()["error"]["facts"]) == (409, {"size": len(one)})
    assert scenario.bring(attempt, f"samples?offset={len(one)}", two).json() == {"size": len(one + two)}
    assert spools.place(samples_of(attempt.pk)).read_bytes() == one + two
    assert fresh(attempt).log_size == 0


def test_samples_end_at_their_cap_and_with_their_attempt(scenario: Any, attempt: Attempt, monkeypatch: Any) -> None:
    monkeypatch.setattr(usage, "append", replace(usage.SAMPLES, cap=300).append)
    answer = scenario.bring(attempt, "samples?offset=0", line(0) * 10)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "samples_cap")
    Attempt.objects.filter(pk=attempt.pk).update(status="completed")
    assert scenario.bring(attempt, "samples?offset=0", line(0)).json()["error"]["code"] == "stale_epoch"


def test_usage_is_told_while_the_step_runs_and_the_same_after_it_ended(
    scenario: Any, step: Run, attempt: Attempt
) -> None:
    empty = scenario.get(f"runs/{step.pk}/usage/").json()
    assert (empty["peak_memory"], empty["cpu_seconds"], empty["final"]) == (None, None, False)
    data = line(0, 1, 2 * GIB) + line(2, 4, GIB)
    scenario.bring(attempt, "samples?offset=0", data)
    document = scenario.get(f"runs/{step.pk}/usage/").json()
    assert (document["attempt"], document["peak_memory"], document["cpu_seconds"]) == (1, 2 * GIB, 4)
    assert (document["cores"], document["memory"]) == (1.0, GIB)
    cpu = document["series"][0]
    assert cpu == {"name": "cpu", "unit": "cores", "peak": 1.5, "points": [[2.0, 1.5]]}
    report = {"attempt": str(attempt.pk), "epoch": 1, "event": "finished", "exit_code": 0,
              "usage": {"cpu_seconds": 4.5, "max_rss": GIB}}  # fmt: skip
    body = {"host": {}, "holding": [], "reports": [report], "want": 0, "wait": 0}
    assert (
        scenario.agent.post("/agent/v1/exchange", json.dumps(body), content_type="application/json").status_code == 200
    )
    assert fresh(attempt).status == "completed" and not spools.place(samples_of(attempt.pk)).exists()
    assert artifact_store(scenario.workspace.pk).read(sealed_key(samples_of(attempt.pk))) == data
    after = scenario.get(f"runs/{step.pk}/usage/").json()
    assert after == {**document, "final": True, "cpu_seconds": 4.5}


def test_bytes_that_were_never_acknowledged_are_no_samples(scenario: Any, step: Run, attempt: Attempt) -> None:
    data = line(0, 1)
    scenario.bring(attempt, "samples?offset=0", data)
    with spools.place(samples_of(attempt.pk)).open("ab") as file:
        file.write(line(9, 9, 9))
    ended = fresh(attempt)
    for _ in range(2):
        usage.seal(ended)
    assert artifact_store(scenario.workspace.pk).read(sealed_key(samples_of(attempt.pk))) == data


def test_the_usage_of_a_reused_step_is_that_of_its_source(scenario: Any, step: Run, attempt: Attempt) -> None:
    scenario.bring(attempt, "samples?offset=0", line(0, 1, 77))
    other = scenario.step(scenario.pipeline(), "train")
    other.step.reused_from = step
    other.step.save()
    assert scenario.get(f"runs/{other.pk}/usage/").json()["peak_memory"] == 77


def test_who_asks_for_an_attempt_that_is_not_there_is_told(scenario: Any, step: Run, attempt: Attempt) -> None:
    assert scenario.get(f"runs/{step.pk}/usage/", attempt="2").status_code == 404
    assert scenario.get(f"runs/{step.pk}/usage/", attempt="x").status_code == 400
    assert scenario.get(f"runs/{step.root_id}/usage/").status_code == 404


def test_samples_go_with_the_log_and_with_the_run(scenario: Any, step: Run, attempt: Attempt) -> None:
    key = sealed_key(samples_of(attempt.pk))
    scenario.bring(attempt, "samples?offset=0", line(0, 1, 77))
    usage.seal(fresh(attempt))
    Attempt.objects.filter(pk=attempt.pk).update(log_removed_at=now())
    document = scenario.get(f"runs/{step.pk}/usage/").json()
    assert document["removed_at"] and document["peak_memory"] is None
    Run.objects.filter(root=step.root_id).update(status="Completed")
    size = scenario.get(f"runs/{step.root_id}/delete-preview/").json()["frees"]["log_bytes"]
    assert size == fresh(attempt).samples_size > 0
    delete_run.delete(scenario.context, Run.objects.get(pk=step.root_id))
    assert not artifact_store(scenario.workspace.pk).exists(key)
