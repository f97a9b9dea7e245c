"""Each check of the chaos test finds what it is there to find: good facts are doctored, one lie at a time."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.chaos import script
from benchmarks.chaos.facts import Facts, faults_of
from benchmarks.chaos.faults import BOX_KINDS, KINDS, Fault, draw
from benchmarks.chaos.plan import BOXES, CLUSTER, FAR_SHARE, RunPlan, StepPlan, ends, graph
from benchmarks.chaos.plan import draw as draw_load
from benchmarks.chaos.store import STORE
from benchmarks.chaos.verdict import CHECKS, judge


def step(name: str, after: tuple[str, ...] = (), code: int = 0) -> StepPlan:
    document = {
        "name": name, "code": code, "out": 300, "err": 200, "newline": True, "metrics": 2, "files": [5],
        "seconds": 0, "spawns": False, "effects": "", "sources": [],
    }  # fmt: skip
    return StepPlan(name, after, document)


def mixed(document: dict[str, Any], share: float = 1.0) -> bytes:
    out, err = script.expected_output(document)
    return err[: int(40 * share)] + out[: int(len(out) * share)] + err[int(40 * share) : int(len(err) * share)]


def at(second: int) -> str:
    return f"2026-01-01T00:00:{second:02}+00:00"


def attempt(plan: StepPlan, number: int, status: str, **more: Any) -> dict[str, Any]:
    share = 1.0 if status in ("completed", "failed") else 0.5
    return {
        "id": f"try-{plan.name}-{number}", "number": number, "epoch": 1, "status": status, "cause": "", "message": "gone",
        "exit_code": plan.code if share == 1 else None, "signal": None, "log_size": len(mixed(plan.document, share)),
        "node_id": None, "host__name": "here", "run_id": f"run-{plan.name}", "run__step__name": plan.name,
        "leased_at": at(1), "lease_until": at(30), "finished_at": at(31), **more,
    }  # fmt: skip


def facts() -> Facts:
    """One run: `a` was lost with its shim's host and done again, `b` fails as planned, `c` read from `b`."""
    a, b = step("a"), step("b", ("a",), code=3)
    c = step("c", ("b",))
    tries = [
        attempt(a, 1, "lost", host__name="far"),
        attempt(a, 2, "completed"),
        attempt(b, 1, "failed"),
    ]
    files = [{"path": path, "digest": digest} for path, digest in script.manifest(a.document).items()]
    rows = {
        "runs": [
            {"id": "root", "display_name": "one", "status": "Failed", "version": 3, "experiment__name": "chaos"},
            *(
                {"id": name, "display_name": name, "status": "Completed", "version": 0, "experiment__name": "ticks"}
                for name in ("r0", "r1", "c0", "c1")
            ),
        ],
        "steps": [
            {"id": f"run-{name}", "root_id": "root", "step__name": name, "status": status}
            for name, status in (("a", "Completed"), ("b", "Failed"), ("c", "Skipped"))
        ],
        "attempts": tries,
        "nodes": [{"id": "n", "name": "node-1", "status": "idle", "host__name": "here"}],
        "metrics": [
            {"run_id": each["run_id"], "name": script.metric_name(each["id"]), "index": index, "value": float(index)}
            for each in tries
            for index in range(1 if each["status"] == "lost" else 2)
        ],
        "outputs": [{"run_id": "run-a", "name": "data", "files": files}],
        "events": [["run:root", 2], ["run:root", 1], ["run:root", 3]],
        "undelivered": 0,
        "schedules": [
            {
                "id": "s",
                "name": "ticked-0",
                "timetable": {"start_time": "2026-01-01T00:00:00"},
                "trigger": None,
                "end_at": "2026-01-01T00:01:30+00:00",
            },
            {
                "id": "t",
                "name": "chained",
                "timetable": {},
                "trigger": {"pipeline": "p"},
                "end_at": "2026-01-01T00:01:30+00:00",
            },
        ],
        "ticks": [
            {
                "schedule_id": "s",
                "due_at": f"2026-01-01T00:0{n}:00+00:00",
                "status": "fired",
                "run_id": f"r{n}",
                "cause": "",
                "reason": {},
            }
            for n in range(2)
        ]
        + [
            {
                "schedule_id": "t",
                "due_at": at(7 + n),
                "status": "fired",
                "run_id": f"c{n}",
                "cause": f"run:r{n}",
                "reason": {},
            }
            for n in range(2)
        ],
    }
    documents = {plan.name: plan.document for plan in (a, b, c)}
    logs = {
        each["id"]: mixed(documents[each["run__step__name"]], 0.5 if each["status"] == "lost" else 1) for each in tries
    }
    effects = [{"step": each["run__step__name"], "attempt": each["id"], "epoch": 1} for each in tries]
    began = 1767225600.0
    injected = [Fault(0, "stop far", began, began + 40), Fault(1, "kill postgres", began + 50, began + 52)]
    return Facts([RunPlan("one", True, (a, b, c))], injected, 10, rows, logs, effects)


def test_facts_that_are_as_planned_deviate_nowhere() -> None:
    assert judge(facts()) == []


def row(kind: str, place: int, /, **changes: Any) -> Callable[[Facts], None]:
    return lambda found: found.rows[kind][place].update(changes)


def log(change: Callable[[bytes], bytes]) -> Callable[[Facts], None]:
    def lie(found: Facts) -> None:
        key = "try-b-1"
        found.logs[key] = change(found.logs[key])
        found.rows["attempts"][2]["log_size"] = len(found.logs[key])

    return lie


def test_the_log_of_a_build_is_told_apart_from_what_the_step_itself_says() -> None:
    built = next(each for n in range(99) if (each := replace(step(f"n{n}"), in_container=True)).dockerfile)
    own, begun = mixed(built.document), b"Building the image duto/base:1.\n6\n"
    ready = begun + b"The image is ready.\n"
    for log_, status, good in (
        (own, "completed", True),
        (ready + own, "completed", True),
        (begun + ready + own, "completed", True),
        (begun + own, "completed", True),
        (ready + own[:-1], "completed", False),
        (ready + own[1:], "completed", False),
        (ready + own[:40], "lost", True),
        (begun, "lost", True),
        (ready + own[1:40], "lost", False),
    ):
        found = facts()
        found.plans = [RunPlan("one", True, (built,))]
        found.rows["attempts"] = [attempt(built, 1, status, log_size=len(log_))]
        found.logs = {f"try-{built.name}-1": log_}
        assert (list(CHECKS["logs_are_whole"](found)) == []) is good, (log_[:80], status)


def test_a_few_of_the_steps_in_containers_bring_a_dockerfile() -> None:
    steps = [each for run in draw_load(7, 2000, "e", boxed=True) for each in run.steps]
    boxed = [each for each in steps if each.in_container]
    texts = [each.dockerfile for each in boxed if each.dockerfile]
    assert 0.3 < len(texts) / len(boxed) < 0.5 and len(set(texts)) == 8
    assert not any(each.dockerfile for each in steps if not each.in_container)
    run = next(run for run in draw_load(7, 2000, "e", boxed=True) if any(each.dockerfile for each in run.steps))
    documents = {each["id"]: each["environment"].get("docker") for each in graph(run, "s")["steps"]}
    assert documents == {each.name: {"dockerfile": each.dockerfile} if each.dockerfile else None for each in run.steps}


def far(changes: dict[str, str] | None = None) -> Callable[[Facts], None]:
    """The output of `a` lies on the far store, which holds these files of it, or one more than it wrote."""

    def lie(found: Facts) -> None:
        found.rows["outputs"][0].update(datastore=STORE, path="top")
        good = {f"top/{path}": digest for path, digest in script.manifest(found.plans[0].steps[0].document).items()}
        found.store = changes if changes is not None else {**good, "top/more": "1"}

    return lie


def test_a_step_is_tried_again_while_the_far_store_is_away() -> None:
    """Brought nothing, sent nothing, and then both; another step has no such excuse."""
    found = facts()
    a = replace(found.plans[0].steps[0], writes_far=True)
    found.plans = [replace(found.plans[0], steps=(a, *found.plans[0].steps[1:]))]
    good = {f"top/{path}": digest for path, digest in script.manifest(a.document).items()}
    found.rows["outputs"][0].update(datastore=STORE, path="top")
    found.store = {**good, "elsewhere/part 0/data.bin": "of a run that was canceled"}
    found.rows["attempts"][0].update(status="failed", cause="store_away", exit_code=None)
    assert {each.check for each in judge(found)} == {"a_store_that_is_away_has_a_reason"}
    found.injected.append(Fault(2, "kill store", 1767225600.0 + 2, 1767225600.0 + 3))
    assert judge(found) == []
    found.rows["attempts"][0].update(exit_code=1)
    assert {each.check for each in judge(found)} == {"exit_codes_are_as_planned"}


def test_what_writes_far_succeeds_and_so_does_who_reads_it() -> None:
    runs = draw_load(5, 1000, "f", far=True)
    plain_runs = draw_load(5, 1000, "f")
    for run, same in zip(runs, plain_runs, strict=True):
        known = {step.name: step for step in run.steps}
        assert [step.document for step in run.steps] == [step.document for step in same.steps]
        assert not any(step.code for step in run.steps if step.is_far)
        assert all(step.reads_far == any(known[each].writes_far for each in step.after) for step in run.steps)
    share = [step.writes_far for run in runs for step in run.steps]
    assert 0.2 < sum(share) / len(share) < FAR_SHARE
    assert not any(step.is_far for run in plain_runs for step in run.steps)


LIES: list[tuple[str, Callable[[Facts], Any]]] = [
    ("every_run_is_there_once", lambda found: found.rows["runs"].append({**found.rows["runs"][0], "id": "x", "version": 0})),
    ("every_run_is_there_once", row("runs", 0, display_name="other")),
    ("nothing_is_open", row("runs", 0, status="Running")),
    ("nothing_is_open", row("steps", 2, status="Queued")),
    ("nothing_is_open", row("attempts", 1, status="running")),
    ("every_end_is_the_right_one", row("steps", 1, status="Completed")),
    ("every_end_is_the_right_one", row("runs", 0, status="Completed")),
    ("every_end_is_the_right_one", lambda found: found.rows["steps"].pop()),
    ("exit_codes_are_as_planned", row("attempts", 2, exit_code=1)),
    ("exit_codes_are_as_planned", row("attempts", 1, exit_code=None)),
    ("attempts_follow_one_another", row("attempts", 1, number=3)),
    ("attempts_follow_one_another", row("attempts", 0, status="failed")),
    ("a_loss_has_a_reason", row("attempts", 0, host__name="here")),
    ("a_loss_has_a_reason", lambda found: found.injected.pop(0)),
    ("a_loss_has_a_reason", lambda found: setattr(found.injected[0], "kind", "kill far")),
    ("a_store_that_is_away_has_a_reason", row("attempts", 2, cause="store_away")),
    ("the_store_holds_what_was_written", far()),
    ("the_store_holds_what_was_written", far({"top/part 0/data.bin": "0"})),
    ("effects_happen_once", lambda found: found.effects.append(found.effects[0])),
    ("effects_happen_once", lambda found: found.effects.pop()),
    ("effects_happen_once", lambda found: found.effects.append({**found.effects[0], "epoch": 2})),
    ("every_tick_fires_once", lambda found: found.rows["ticks"].pop(0)),
    ("every_tick_fires_once", lambda found: found.rows["ticks"].pop()),
    ("every_tick_fires_once", lambda found: found.rows["ticks"].append(found.rows["ticks"][0])),
    ("every_tick_fires_once", lambda found: found.rows["ticks"].append(found.rows["ticks"][3])),
    ("every_tick_fires_once", row("ticks", 0, status="skipped")),
    ("every_tick_fires_once", row("ticks", 0, run_id=None)),
    ("every_tick_fires_once", row("ticks", 1, run_id="r0")),
    ("every_tick_fires_once", row("ticks", 1, due_at="2026-01-01T00:01:01+00:00")),
    ("every_tick_fires_once", row("ticks", 3, cause="run:r0")),
    ("every_tick_fires_once", lambda found: found.rows["runs"].append({**found.rows["runs"][1], "id": "r9"})),
    ("logs_are_whole", log(lambda data: data[:-1])),
    ("logs_are_whole", log(lambda data: data + data[-1:])),
    ("logs_are_whole", log(lambda data: data[1:] + data[:1])),
    ("logs_are_whole", lambda found: found.logs.update({"try-a-1": b"1" + found.logs["try-a-1"][1:]})),
    ("logs_are_whole", row("attempts", 1, log_size=1)),
    ("metrics_are_whole", lambda found: found.rows["metrics"].pop()),
    ("metrics_are_whole", lambda found: found.rows["metrics"].append(found.rows["metrics"][-1])),
    ("metrics_are_whole", row("metrics", 0, value=7.0)),
    ("metrics_are_whole", row("metrics", 0, name="count-of-nobody")),
    ("outputs_are_whole", lambda found: found.rows["outputs"].pop()),
    ("outputs_are_whole", lambda found: found.rows["outputs"][0]["files"][0].update(digest="0")),
    ("no_slot_is_held", row("nodes", 0, status="running")),
    ("events_have_no_gap", lambda found: found.rows["events"].pop(0)),
    ("events_have_no_gap", row("runs", 0, version=4)),
    ("events_have_no_gap", lambda found: found.rows.update(undelivered=1)),
    ("nothing_is_left_on_the_hosts", lambda found: found.processes.append("7 of x")),
    ("nothing_is_left_on_the_hosts", lambda found: found.folders.append("far: x-1")),
    ("nothing_is_left_on_the_hosts", lambda found: found.containers.append("isle: step x-1")),
    ("steps_run_where_they_were_meant_to", row("attempts", 1, host__name="dock")),
    ("the_web_has_no_fault_of_its_own", lambda found: found.faults.append((1767225600.0 + 20, "Internal Server Error: /"))),
]  # fmt: skip


@pytest.mark.parametrize(("name", "lie"), LIES)
def test_a_check_finds_its_lie(name: str, lie: Callable[[Facts], Any]) -> None:
    answer = copy.deepcopy(facts())
    lie(answer)
    assert name in {found.check for found in judge(answer)}


def test_every_check_has_a_lie() -> None:
    assert {name for name, _ in LIES} == set(CHECKS)


def test_a_fault_while_the_database_was_away_is_none() -> None:
    found = facts()
    found.faults = [(1767225600.0 + 51, "Internal Server Error: /")]
    assert judge(found) == []


def test_a_web_that_stood_still_learns_late_that_its_database_was_away() -> None:
    found = facts()
    found.faults = [(1767225600.0 + 66, "Internal Server Error: /")]
    assert len(judge(found)) == 1
    found.injected.append(Fault(2, "stop web", 1767225600.0 + 53, 1767225600.0 + 65))
    assert len(judge(found)) == 1
    found.injected[2].began -= 2
    assert judge(found) == []


def test_a_killed_shim_is_a_reason_for_a_loss() -> None:
    found = facts()
    found.injected[0] = Fault(0, "kill shim", attempt="try-a-1-1")
    assert judge(found) == []


def test_a_failure_leaves_open_how_its_siblings_end_and_only_theirs() -> None:
    steps = (step("a"), step("b", ("a",)), step("c", ("a",), code=1), step("d", ("c",)))
    expected = ends(RunPlan("fan", False, steps))
    assert expected.run == "Failed"
    assert expected.steps == {
        "a": {"Completed"},
        "b": {"Completed", "Canceled", "Skipped"},
        "c": {"Failed"},
        "d": {"Skipped"},
    }
    assert ends(RunPlan("fan", True, steps)).steps["b"] == {"Completed"}
    assert ends(RunPlan("fan", True, steps), lost={"a"}).steps == {
        "a": {"Failed"}, "b": {"Skipped"}, "c": {"Skipped"}, "d": {"Skipped"},
    }  # fmt: skip


def test_a_seed_draws_the_same_again_and_every_kind_of_fault() -> None:
    assert draw(5, 30) == draw(5, 30) != draw(6, 30)
    assert set(draw(5, len(KINDS))) == set(KINDS)
    assert draw_load(5, 40, "f") == draw_load(5, 40, "f") != draw_load(6, 40, "f")
    assert sum(len(run.steps) for run in draw_load(5, 40, "f")) == 40


def test_a_quarter_of_the_steps_and_faults_of_their_own_where_there_are_engines() -> None:
    boxed = [step.in_container for run in draw_load(5, 1000, "f", boxed=True) for step in run.steps]
    assert 0.2 < sum(boxed) / len(boxed) < 0.3
    assert not any(step.in_container for run in draw_load(5, 1000, "f") for step in run.steps)
    kinds = KINDS + BOX_KINDS
    assert set(draw(5, len(kinds), kinds)) == set(kinds)
    text = graph(draw_load(5, 40, "f", boxed=True)[0], "s")["steps"]
    assert {step["compute"] for step in text} <= {CLUSTER, BOXES}


def test_faults_are_read_with_their_time() -> None:
    text = "2026-01-01 00:00:07,123 ERROR django.request: Internal Server Error: /agent/v1/exchange\nTraceback\n"
    ((when, what),) = faults_of("2026-01-01 00:00:01,1 INFO x: fine\n" + text)
    assert what == "Internal Server Error: /agent/v1/exchange"
    assert when % 60 == 7


def test_what_a_step_says_can_be_taken_apart_again() -> None:
    out, err = script.expected_output(step("x").document)
    assert (len(out), len(err)) == (300, 200)
    assert max(out) < script.STDERR_BIT <= min(err)
