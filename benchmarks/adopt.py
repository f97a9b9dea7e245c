"""`adopt`: an agent is killed while many steps run; the next one adopts them all, and no byte is lost."""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import graphs
from benchmarks.bench_env import credentials_env, database_env, folder, inside, token_of
from benchmarks.registry import Sample, Setting, benchmark
from benchmarks.rest import Rest
from studio.bootstrap import ROOT
from studio.testing.live import LiveStudio, clean_env

HOST, GO = "wide", "go"
TALKS = """
import pathlib, time
place, number = pathlib.Path({go!r}), 0
while not place.exists():
    print(f"line {{number:06}}", flush=True)
    number += 1
    time.sleep(0.5)
print("the end of", number)
"""
SETTLED_S, PATIENCE_S, LOOK_S = 0.5, 120.0, 0.05


@benchmark("adopt", "s", "added_s <= 2", "missing_bytes <= 0")
def adopt(setting: Setting) -> Iterator[Sample]:
    """From the start of the next agent until the studio has new bytes of every step; the floor is an agent's start with nothing to adopt."""
    count = setting.steps or setting.size(20, 3)
    with folder() as base, database_env(setting.database, base) as chosen:
        env = {**chosen, **credentials_env(base), "DUTO_LEASE_SECONDS": "60"}
        live = LiveStudio(base / "var", env=env).start()
        shared = base / "shared"
        agent = WideAgent(base / HOST, live, shared)
        try:
            make_cluster(live, count)
            while True:
                yield AdoptionRound(live, agent, count, shared).sample()
        finally:
            agent.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                live.stop()
            live.kill()


class WideAgent:
    """The agent of a second host."""

    def __init__(self, home: Path, live: LiveStudio, shared: Path) -> None:
        self.home = home
        self.process: subprocess.Popen[bytes] | None = None
        key = secrets.token_urlsafe(24)
        inside(live, "chaos_world", f"{HOST}:{key}")
        home.mkdir()
        shared.mkdir()
        host = {"studio": live.url, "name": HOST, "key": key, "folders": str(shared)}
        (home / "host.json").write_text(json.dumps(host))

    @property
    def log(self) -> str:
        path = self.home / "agent.log"
        return path.read_text() if path.exists() else ""

    def start(self) -> float:
        """When (time.monotonic())."""
        began = time.monotonic()
        with (self.home / "agent.log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.inside.wide_agent", str(self.home)],
                cwd=ROOT, env=clean_env(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        return began

    def serves(self, adopted: int) -> bool:
        return f", {adopted} attempts adopted" in self.log

    def is_idle(self) -> bool:
        """Nothing is left that the next agent would adopt."""
        return not any((self.home / "attempts").glob("*-*"))

    def kill(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def make_cluster(live: LiveStudio, count: int) -> None:
    """Nodes on the wide host alone."""
    rest = Rest.with_token(live.url, token_of(live))
    size = {"vm_size": "STANDARD_DS1_V2", "min_nodes": 0, "max_nodes": count}
    rest.post("compute/", {"name": graphs.CLUSTER, **size, "hosts": [HOST]})
    rest.close()


class AdoptionRound:
    """One kill."""

    def __init__(self, live: LiveStudio, agent: WideAgent, count: int, shared: Path) -> None:
        self.agent, self.count, self.go = agent, count, shared / GO
        self.rest = Rest.with_token(live.url, token_of(live))

    def sample(self) -> Sample:
        """Start for nothing, run, kill, start for all, compare."""
        self.go.unlink(missing_ok=True)
        self.agent.kill()
        floor = self._until(self.agent.start(), lambda: self.agent.serves(0), "the start of an agent")
        run = self.rest.post("runs/", graphs.submission(self._document()))["id"]
        steps = self._talking(run)
        self.agent.kill()
        time.sleep(SETTLED_S)
        before = {step: self._size(step) for step in steps}
        began = self.agent.start()
        waiting = set(steps)

        def all_grew() -> bool:
            waiting.difference_update([step for step in waiting if self._has(step, before[step])])
            return not waiting

        value = self._until(began, all_grew, "adoption")
        if not self.agent.serves(self.count):
            raise RuntimeError(f"not all were adopted: {self.agent.log[-1000:]}")
        self.go.touch()
        self._until(time.monotonic(), lambda: self.rest.get(f"runs/{run}/")["status"] == "Completed", "the end")
        missing = sum(map(self._missing, steps))
        self._until(time.monotonic(), self.agent.is_idle, "putting away")
        self.rest.close()
        return Sample(value, floor, {"added_s": value - floor, "missing_bytes": missing, "steps": self.count})

    def _document(self) -> dict[str, object]:
        return graphs.fan(graphs.upload(self.rest, TALKS.format(go=str(self.go))), self.count)

    def _talking(self, run: str) -> list[str]:
        """The step runs, once each has said something."""
        steps: list[str] = []

        def all_talk() -> bool:
            steps[:] = [each["id"] for each in self.rest.get(f"runs/{run}/steps/?limit=100")["items"]]
            return len(steps) == self.count and all(self._size(step) for step in steps)

        self._until(time.monotonic(), all_talk, "the start of the steps")
        return steps

    def _size(self, step: str) -> int:
        with contextlib.suppress(RuntimeError):  # it has no log before it has an attempt
            return len(self.rest.read(f"runs/{step}/log/?offset=0&limit=1048576"))
        return 0

    def _has(self, step: str, size: int) -> bool:
        """Whether there is a byte more than that."""
        return bool(self.rest.read(f"runs/{step}/log/?offset={size}&limit=1"))

    def _missing(self, step: str) -> int:
        """Bytes that differ from what the script has printed by its own last line."""
        found = self.rest.read(f"runs/{step}/log/?offset=0&limit=4194304")
        count = int(found.rsplit(b" ", 1)[-1])
        wanted = b"".join(b"line %06d\n" % number for number in range(count)) + b"the end of %d\n" % count
        return 0 if found == wanted else max(1, abs(len(wanted) - len(found)))

    def _until(self, began: float, look: Callable[[], bool], what: str) -> float:
        while not look():
            if time.monotonic() - began > PATIENCE_S:
                raise RuntimeError(f"{what} took longer than {PATIENCE_S:g} s: {self.agent.log[-1000:]}")
            time.sleep(LOOK_S)
        return time.monotonic() - began
