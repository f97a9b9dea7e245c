"""Compares what was found with what was planned. Each check is a pure function over facts, and tells every deviation."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from benchmarks.chaos import schedules, script
from benchmarks.chaos.facts import Facts
from benchmarks.chaos.faults import Fault
from benchmarks.chaos.plan import RunPlan, StepPlan, ends
from benchmarks.chaos.store import STORE

RUN_ENDS = frozenset({"Completed", "Failed", "Canceled", "Skipped"})
ATTEMPT_ENDS = frozenset({"completed", "failed", "canceled", "lost"})
# How long after its database is back a web process may still tell of what it missed.
SLACK_S = 5.0
OWN_AGENTS = ("far", "dock", "isle")
# With these lines the log of a build begins and ends.
BUILD_BEGINS, BUILD_ENDS = b"Building the image ", b"The image is ready.\n"
CONTAINER_HOSTS = ("dock", "isle")


@dataclass(frozen=True)
class Deviation:
    """Which promise, of what, and how it was broken."""

    check: str
    about: str
    text: str

    def __str__(self) -> str:
        return f"{self.check}: {self.about}: {self.text}"


Check = Callable[[Facts], Iterator[tuple[str, str]]]
CHECKS: dict[str, Check] = {}


def check(function: Check) -> Check:
    """Registered by its name."""
    CHECKS[function.__name__] = function
    return function


def judge(facts: Facts) -> list[Deviation]:
    """Everything that is not as promised."""
    return [Deviation(name, *found) for name, look in CHECKS.items() for found in look(facts)]


def steps_of(facts: Facts) -> dict[str, StepPlan]:
    return {step.name: step for run in facts.plans for step in run.steps}


def attempts_of(facts: Facts) -> dict[str, list[dict[str, Any]]]:
    """By the name of their step, in order."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for attempt in facts.rows["attempts"]:
        if attempt["run__step__name"] in steps_of(facts):
            found[attempt["run__step__name"]].append(attempt)
    return found


def seconds(text: str | None) -> float | None:
    return None if text is None else datetime.fromisoformat(text).timestamp()


@check
def every_run_is_there_once(facts: Facts) -> Iterator[tuple[str, str]]:
    counted = Counter(row["display_name"] for row in facts.rows["runs"])
    for plan in facts.plans:
        if counted[plan.name] != 1:
            yield plan.name, f"{counted[plan.name]} runs of this name"


@check
def nothing_is_open(facts: Facts) -> Iterator[tuple[str, str]]:
    for row in facts.rows["runs"]:
        if row["status"] not in RUN_ENDS:
            yield row["display_name"], f"the run is still {row['status']}"
    for row in facts.rows["steps"]:
        if row["status"] not in RUN_ENDS:
            yield row["step__name"], f"the step is still {row['status']}"
    for row in facts.rows["attempts"]:
        if row["status"] not in ATTEMPT_ENDS:
            yield row["run__step__name"], f"attempt {row['number']} is still {row['status']} on {row['host__name']}"


@check
def every_end_is_the_right_one(facts: Facts) -> Iterator[tuple[str, str]]:
    found = {row["step__name"]: row["status"] for row in facts.rows["steps"]}
    runs = {row["display_name"]: row["status"] for row in facts.rows["runs"]}
    last = {name: tries[-1]["status"] for name, tries in attempts_of(facts).items()}
    lost = {name for name, status in last.items() if status == "lost"}
    for plan in facts.plans:
        expected = ends(plan, lost)
        for step, allowed in expected.steps.items():
            if found.get(step) not in allowed:
                yield step, f"ended as {found.get(step)}, planned: {' or '.join(sorted(allowed))}"
        if runs.get(plan.name) != expected.run:
            yield plan.name, f"the run ended as {runs.get(plan.name)}, planned: {expected.run}"


@check
def exit_codes_are_as_planned(facts: Facts) -> Iterator[tuple[str, str]]:
    steps = steps_of(facts)
    for name, tries in attempts_of(facts).items():
        for attempt in tries:
            status, code = attempt["status"], attempt["exit_code"]
            if _was_away(attempt) and code in (None, 0):
                continue  # its data could not be brought or sent, whatever the script said
            if status in ("completed", "failed") and code != steps[name].code:
                words = f"{attempt['cause']} {attempt['message']}"
                yield name, f"attempt {attempt['number']} ended with {code}, planned {steps[name].code}: {words}"


@check
def attempts_follow_one_another(facts: Facts) -> Iterator[tuple[str, str]]:
    """Numbers without gaps, and a next one only after a loss, or while the far store was away."""
    for name, tries in attempts_of(facts).items():
        if [attempt["number"] for attempt in tries] != [*range(1, len(tries) + 1)]:
            yield name, f"attempts {[attempt['number'] for attempt in tries]}"
        for attempt in tries[:-1]:
            if attempt["status"] != "lost" and not _was_away(attempt):
                yield name, f"attempt {attempt['number']} is {attempt['status']} and was followed by another one"


@check
def a_loss_has_a_reason(facts: Facts) -> Iterator[tuple[str, str]]:
    """A killed shim, or a host that was silent for longer than a lease. A studio that was away loses nothing."""
    killed = {fault.attempt for fault in facts.injected if fault.attempt}
    for name, tries in attempts_of(facts).items():
        for attempt in tries:
            if attempt["status"] != "lost" or f"{attempt['id']}-{attempt['epoch']}" in killed:
                continue
            if not _was_silent(facts, attempt):
                yield name, f"attempt {attempt['number']} on {attempt['host__name']}: {attempt['message']}"


@check
def a_store_that_is_away_has_a_reason(facts: Facts) -> Iterator[tuple[str, str]]:
    """It was killed or stopped while the attempt went on, and the step reads or writes there."""
    steps = steps_of(facts)
    for name, tries in attempts_of(facts).items():
        for attempt in filter(_was_away, tries):
            began, end = seconds(attempt["leased_at"]) or 0.0, seconds(attempt["finished_at"]) or 0.0
            hurt = any(
                fault.target == "store" and fault.began <= end and (not fault.ended or fault.ended >= began)
                for fault in facts.injected
            )
            if not steps[name].is_far or not hurt:
                yield name, f"attempt {attempt['number']}: {attempt['message']}"


def _was_away(attempt: dict[str, Any]) -> bool:
    return bool(attempt["status"] == "failed" and attempt["cause"] == "store_away")


@check
def the_store_holds_what_was_written(facts: Facts) -> Iterator[tuple[str, str]]:
    """Of each step that completed all files byte by byte, and nothing that another attempt has left among them."""
    if facts.store is None:
        return
    steps, names = steps_of(facts), {row["id"]: row["step__name"] for row in facts.rows["steps"]}
    for row in facts.rows["outputs"]:
        name = names.get(row["run_id"], "")
        if row.get("datastore") != STORE or name not in steps:
            continue
        wanted = script.manifest(steps[name].document)
        top = f"{row['path']}/"
        found = {key.removeprefix(top): digest for key, digest in facts.store.items() if key.startswith(top)}
        if found != wanted:
            yield name, f"the store has {sorted(found)}, planned: {sorted(wanted)}, or other bytes"


def _was_silent(facts: Facts, attempt: dict[str, Any]) -> bool:
    host = attempt["host__name"] if attempt["host__name"] in OWN_AGENTS else "agent"
    until = seconds(attempt["lease_until"]) or 0.0
    end = seconds(attempt["finished_at"]) or until
    return any(
        fault.target == host
        and fault.verb in ("stop", "cut")
        and fault.began <= end
        and (not fault.ended or fault.ended >= until - facts.lease_seconds)
        for fault in facts.injected
    )


@check
def effects_happen_once(facts: Facts) -> Iterator[tuple[str, str]]:
    known = {(attempt["id"], attempt["epoch"]): attempt for tries in attempts_of(facts).values() for attempt in tries}
    counted = Counter((effect["attempt"], effect["epoch"]) for effect in facts.effects)
    for key, count in counted.items():
        if key not in known:
            yield key[0], f"an effect of epoch {key[1]}, which is not the attempt's"
        elif count > 1:
            yield known[key]["run__step__name"], f"{count} effects of attempt {known[key]['number']}"
    for key, attempt in known.items():
        ran = attempt["status"] in ("completed", "failed") and attempt["exit_code"] is not None
        if ran and not counted[key]:
            yield attempt["run__step__name"], f"attempt {attempt['number']} ended without its effect"


@check
def every_tick_fires_once(facts: Facts) -> Iterator[tuple[str, str]]:
    """Each time and each cause of a schedule has one tick, and that one run, whoever was killed."""
    yield from schedules.deviations(facts.rows)


@check
def logs_are_whole(facts: Facts) -> Iterator[tuple[str, str]]:
    """Both streams byte by byte; of an attempt that was lost or canceled, a beginning of each."""
    steps = steps_of(facts)
    for name, tries in attempts_of(facts).items():
        for attempt in tries:
            data = facts.logs.get(attempt["id"], b"")
            if len(data) != attempt["log_size"]:
                yield name, f"attempt {attempt['number']}: {len(data)} bytes are read, {attempt['log_size']} are told"
            whole = attempt["status"] in ("completed", "failed") and not _was_away(attempt)
            own = _own(data, steps[name].document, whole=whole) if steps[name].dockerfile else data
            text = _difference(own, steps[name].document, whole=whole)
            if text:
                yield name, f"attempt {attempt['number']} ({attempt['status']}): {text}"


def _own(data: bytes, document: dict[str, Any], *, whole: bool) -> bytes:
    """What the step itself has said, without the log of its image's build, with which a log may begin.

    An agent that was killed amid a build has left its lines, and the next one's follow, if it had to build it again.
    """
    if not data.startswith(BUILD_BEGINS):
        return data
    if whole:
        return data[len(data) - sum(map(len, script.expected_output(document))) :]
    _, end, own = data.rpartition(BUILD_ENDS)
    return own if end else b""


def _difference(data: bytes, document: dict[str, Any], *, whole: bool) -> str:
    bit = script.STDERR_BIT
    found = bytes(byte for byte in data if not byte & bit), bytes(byte for byte in data if byte & bit)
    for stream, got, wanted in zip(("stdout", "stderr"), found, script.expected_output(document), strict=True):
        if got == wanted or (not whole and wanted.startswith(got)):
            continue
        same = next(
            (at for at, (a, b) in enumerate(zip(got, wanted, strict=False)) if a != b), min(len(got), len(wanted))
        )
        return f"{stream} has {len(got)} of {len(wanted)} bytes and differs from byte {same}"
    return ""


@check
def metrics_are_whole(facts: Facts) -> Iterator[tuple[str, str]]:
    """Each point once and in order; of an attempt that was lost or canceled, a beginning."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for point in facts.rows["metrics"]:
        found[point["run_id"], point["name"]].append(point["value"])
    steps = steps_of(facts)
    for name, tries in attempts_of(facts).items():
        for attempt in tries:
            got = found.pop((attempt["run_id"], script.metric_name(attempt["id"])), [])
            wanted = [float(number) for number in range(steps[name].document["metrics"])]
            whole = attempt["status"] in ("completed", "failed") and not _was_away(attempt)
            if got != wanted and (whole or got != wanted[: len(got)]):
                yield name, f"attempt {attempt['number']} ({attempt['status']}): points {got}, planned {wanted}"
    for run, series in found:
        yield run, f"points of {series}, which no attempt has logged"


@check
def outputs_are_whole(facts: Facts) -> Iterator[tuple[str, str]]:
    steps = steps_of(facts)
    runs = {row["id"]: row for row in facts.rows["steps"]}
    stored = {runs[row["run_id"]]["step__name"]: row for row in facts.rows["outputs"] if row["run_id"] in runs}
    for row in facts.rows["steps"]:
        name = row["step__name"]
        if row["status"] != "Completed" or name not in steps:
            continue
        wanted = script.manifest(steps[name].document)
        found = {file["path"]: file["digest"] for file in stored.get(name, {}).get("files", ())}
        if found != wanted:
            yield name, f"the output has {sorted(found)}, planned: {sorted(wanted)}, or other bytes"


@check
def no_slot_is_held(facts: Facts) -> Iterator[tuple[str, str]]:
    working = {attempt["node_id"] for attempt in facts.rows["attempts"] if attempt["status"] not in ATTEMPT_ENDS}
    for node in facts.rows["nodes"]:
        if node["status"] == "running" and node["id"] not in working:
            yield node["name"], f"the node on {node['host__name']} serves nobody and is 'running'"


@check
def events_have_no_gap(facts: Facts) -> Iterator[tuple[str, str]]:
    found: dict[str, list[int]] = defaultdict(list)
    for topic, version in facts.rows["events"]:
        found[topic].append(version)
    for row in facts.rows["runs"]:
        versions = sorted(found[f"run:{row['id']}"])
        if versions != [*range(1, row["version"] + 1)]:
            yield row["display_name"], f"versions {versions}, the run is at {row['version']}"
    if facts.rows["undelivered"]:
        yield "events", f"{facts.rows['undelivered']} were never delivered"


@check
def nothing_is_left_on_the_hosts(facts: Facts) -> Iterator[tuple[str, str]]:
    for process in facts.processes:
        yield process, "a process without a run"
    for folder in facts.folders:
        yield folder, "an attempt's folder that nobody removes"
    for container in facts.containers:
        yield container, "a container without a run"


@check
def steps_run_where_they_were_meant_to(facts: Facts) -> Iterator[tuple[str, str]]:
    steps = steps_of(facts)
    for name, tries in attempts_of(facts).items():
        for attempt in tries:
            host = attempt["host__name"]
            if host is not None and (host in CONTAINER_HOSTS) != steps[name].in_container:
                yield name, f"attempt {attempt['number']} ran on {host}"


@check
def the_web_has_no_fault_of_its_own(facts: Facts) -> Iterator[tuple[str, str]]:
    away = [(fault.began, _learned(facts, fault) + SLACK_S) for fault in facts.injected if fault.target == "postgres"]
    for at, text in facts.faults:
        # The log tells whole seconds.
        if not any(began - 1 <= at <= ended for began, ended in away):
            yield datetime.fromtimestamp(at).isoformat(), text


def _learned(facts: Facts, outage: Fault) -> float:
    """A web that stood still when its database came back learns only then that the old connections are gone."""
    stops = (fault for fault in facts.injected if fault.kind == "stop web")
    return max([outage.ended, *(stop.ended for stop in stops if stop.began <= outage.ended <= stop.ended)])


__all__ = ["CHECKS", "Deviation", "RunPlan", "judge"]
