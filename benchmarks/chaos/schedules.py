"""Schedules that fire while everything is killed: some by the minute, each at its own second, and one after each of their runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks import graphs
from benchmarks.bench_env import inside
from benchmarks.chaos.plan import CLUSTER
from benchmarks.rest import Rest

COUNT, FEW, MINUTE = 30, 10, timedelta(minutes=1)
TICKED, CHAINED = "ticked", "chained"
EXPERIMENT = "ticks"
# How long what is due at the end may take to be over.
PATIENCE_S = 240.0


def make(rest: Rest, count: int) -> None:
    """So many, due for the first time within the next minute, one after the other. What was missed is made up for, all of it."""
    snapshot = graphs.upload(rest, graphs.NOTHING)
    pipelines = {}
    for name in (TICKED, CHAINED):
        # Reused after the first: what is judged here is who starts runs, not what they do.
        document = graphs.graph([graphs.step(snapshot, name, reuse=True, compute=CLUSTER)])
        pipelines[name] = str(rest.post("pipelines/", {"name": name, "graph": document})["id"])
    begin = datetime.now(UTC) + timedelta(seconds=5)
    for number in range(count):
        start = begin + number * MINUTE / count
        table = {"frequency": "Minute", "interval": 1, "start_time": start.isoformat(timespec="seconds")}
        body: dict[str, Any] = {
            "name": f"{TICKED}-{number}",
            "pipeline": pipelines[TICKED],
            "experiment_name": EXPERIMENT,
            "catch_up": None,
        }
        rest.post("schedules/", {**body, "timetable": table})
    trigger = {"pipeline": pipelines[TICKED], "on": "completion"}
    body = {"name": CHAINED, "pipeline": pipelines[CHAINED], "experiment_name": EXPERIMENT, "trigger": trigger}
    rest.post("schedules/", body)


def finish(live: Any) -> None:
    """Let them be due no more, and wait for what was due until now."""
    inside(live, "chaos_schedules", str(PATIENCE_S))


def deviations(rows: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Ticks that are lost, doubled, or have not fired, and runs that no tick names. Pure."""
    ticks: dict[str, list[dict[str, Any]]] = {each["id"]: [] for each in rows["schedules"]}
    for tick in rows["ticks"]:
        ticks[tick["schedule_id"]].append(tick)
    runs = {each["id"]: each for each in rows["runs"]}
    for schedule in rows["schedules"]:
        mine, name = ticks[schedule["id"]], schedule["name"]
        for tick in mine:
            if tick["status"] != "fired" or tick["run_id"] not in runs:
                yield name, f"the tick of {tick['due_at']} is {tick['status']}: {tick['reason'].get('text', '')}"
        if schedule["trigger"]:
            wanted = Counter(f"run:{tick['run_id']}" for each in ticks.values() for tick in each if not tick["cause"])
            found = Counter(tick["cause"] for tick in mine)
        else:
            wanted = Counter(map(str, _times(schedule["timetable"]["start_time"], schedule["end_at"])))
            found = Counter(str(datetime.fromisoformat(tick["due_at"])) for tick in mine)
        for each in (wanted - found).elements():
            yield name, f"no tick for {each}"
        for each in (found - wanted).elements():
            yield name, f"one tick too many for {each}"
    named = Counter(tick["run_id"] for tick in rows["ticks"])
    for run in runs.values():
        if run["experiment__name"] == EXPERIMENT and named[run["id"]] != 1:
            yield run["id"], f"a run that {named[run['id']]} ticks name"


def _times(start: str, end: str) -> Iterator[datetime]:
    at = datetime.fromisoformat(start).replace(tzinfo=UTC)
    while at <= datetime.fromisoformat(end):
        yield at
        at += MINUTE


def summary(rows: dict[str, Any]) -> str:
    """How many ticks, and how late they were, for whoever reads the table."""
    late = sorted(
        (datetime.fromisoformat(each["settled_at"]) - datetime.fromisoformat(each["due_at"])).total_seconds()
        for each in rows["ticks"]
        if each["settled_at"]
    )
    by_time = sum(not each["cause"] for each in rows["ticks"])
    if not late:
        return "ticks: none"
    return f"ticks: {by_time} by time, {len(rows['ticks']) - by_time} by a trigger; late by {late[len(late) // 2]:.1f} s (median), {late[-1]:.1f} s (most)"
