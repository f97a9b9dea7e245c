"""Clocks of a whole studio that jump, forward and back, while its worker is killed: no tick is lost or doubled."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from benchmarks.bench_env import credentials_env, inside, token_of
from benchmarks.chaos import schedules
from benchmarks.chaos.plan import CLUSTER
from benchmarks.rest import Rest
from studio.testing.clock import Clock, compiler
from studio.testing.live import eventually, live_studio
from studio.testing.plugin import lacking

pytestmark = [pytest.mark.slow]
COUNT = 5
# Seconds by which the studio's clock differs from the machine's, one after the other; the last is the largest.
JUMPS = (120, 30, 150, -3600, 180)


def test_no_tick_is_lost_or_doubled_when_clocks_jump(tmp_path: Path) -> None:
    if compiler() is None:
        lacking("no C compiler, by which clocks are set", "DUTO_REQUIRE_CLOCK")
    clock = Clock(tmp_path)
    with live_studio(tmp_path / "var", env={**clock.env, **credentials_env(tmp_path)}) as live:
        rest = Rest.with_token(live.url, token_of(live))
        rest.post("compute/", {"name": CLUSTER, "vm_size": "STANDARD_DS1_V2", "min_nodes": 0, "max_nodes": 2})
        schedules.make(rest, COUNT)
        ticks: list[int] = []

        def count() -> int:
            """Of the file: a process that opens the studio's data costs a second of a core."""
            with contextlib.closing(sqlite3.connect(f"file:{live.home / 'db.sqlite3'}?mode=ro", uri=True)) as database:
                return int(database.execute("SELECT count(*) FROM schedules_tick").fetchone()[0])

        eventually(count, 30, "the first tick")
        for number, seconds in enumerate(JUMPS):
            clock.jump(seconds)
            if number % 2:
                os.kill(live.state["parts"]["worker"], signal.SIGKILL)
            # Forward there are ticks to come; after a jump back there are none for a while, and that is looked at.
            before, until = count(), time.monotonic() + 8
            while time.monotonic() < until and count() == before:
                time.sleep(1)
            ticks.append(count())
        schedules.finish(live)
        rows = inside(live, "chaos_rows")
    assert list(schedules.deviations(rows)) == []
    by_time = [each for each in rows["ticks"] if not each["cause"]]
    assert len(by_time) > COUNT * (max(JUMPS) // 60 - 1) and len(rows["ticks"]) == 2 * len(by_time), ticks
