"""A build that the studio asked for: resolve, install, and stream every line of it."""

from __future__ import annotations

import logging
import re
import threading
import time
from pathlib import Path

from duto.spec import curated
from duto.spec.packages import normalise
from duto.spec.sentences import Said, said
from duto.spec.units import counted
from duto_agent.context import AgentContext
from duto_agent.disk_space import DiskFull, require_space
from duto_agent.engine.errors import EngineAway
from duto_agent.environments import conda
from duto_agent.environments.builder import BuildFailed
from duto_agent.environments.pythons import Choice
from duto_agent.loops import backoff, start_loop
from duto_agent.studio.client import Away
from duto_agent.studio.shipments import Shipment, Stale
from duto_protocol.messages import BuildReport, BuildSpec
from duto_protocol.reading import builtins_of

log = logging.getLogger("duto.agent")
SHIP_EVERY_S = 0.05
RENEW_S = 60.0


class Build:
    """One build order; its log is a file first, so that nothing is lost while the studio is away."""

    def __init__(self, build: str, spec: BuildSpec, context: AgentContext, folder: Path) -> None:
        self.build, self.spec, self.context = build, spec, context
        self.path = folder / f"{Path(build).name}.log"
        self.shipment = Shipment(self.path, lambda at, data: context.client.put_build_log(build, at, data))
        self.warnings: list[Said] = []
        self.done, self.shipped = threading.Event(), threading.Event()
        self._reported_at = time.monotonic()

    def run(self) -> None:
        self.context.send_report(BuildReport(event="started", build=self.build), urgent=True)
        shipper = start_loop("build-log", self._ship, self.shipped)
        try:
            report = self._begin_and_make()
        except (BuildFailed, DiskFull) as error:
            report = BuildReport(event="failed", build=self.build, message=error.message, warnings=[*self.warnings])
        except OSError as error:
            report = BuildReport(event="failed", build=self.build, message=said("not_built_here", error=str(error)))
        finally:
            self.done.set()
        shipper.join()
        self.context.send_report(report, urgent=True)
        log.info("build %s: %s %s", self.build, report.event, report.message or "")
        self.path.unlink(missing_ok=True)

    def _begin_and_make(self) -> BuildReport:
        with require_space(said("build_log"), self.path.parent):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_bytes(b"")
            return self._make()

    def _make(self) -> BuildReport:
        if self.spec.conda:
            return self._make_prefix()
        choice = self.context.environments.pythons.choose(self.spec.python)
        try:
            return self._make_environment(choice)
        except BuildFailed as error:
            raise BuildFailed(_explained(error.message, choice)) from error

    def _make_environment(self, choice: Choice) -> BuildReport:
        environments, spec = self.context.environments, self.spec
        if choice.warning:
            self.warnings.append(choice.warning)
            self._line(choice.warning)
        # Curated environments bring a lock for each Python that they know.
        lock = spec.locks.get(choice.python.minor)
        if lock is None:
            self._line(f"Resolving {counted(len(spec.packages), 'package')} for Python {choice.python.version}.")
            lock = environments.resolve(spec.packages, choice.python, self._line, spec.constraints)
        built = environments.ensure(lock, choice.python.version, self._line)
        return self._ready(lock, built.python)

    def _make_prefix(self) -> BuildReport:
        """With conda packages: only the lock is found out; the image of it is made by the first step on a host."""
        images, pause = self.context.images, backoff()
        if images is None:
            raise BuildFailed(said("conda_by_processes"))
        while True:
            try:
                lock = images.resolve(builtins_of(self.spec), self._line)
                break
            except EngineAway as away:
                self._line(f"{away} It is waited for.")
                time.sleep(next(pause))
        return self._ready(lock, conda.python_of(lock))

    def _ready(self, lock: str, python: str | None) -> BuildReport:
        return BuildReport(
            event="ready", build=self.build, lock=lock, python=python, message="", warnings=[*self.warnings]
        )

    def _line(self, line: str) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def _ship(self) -> None:
        """Until the build is over and its last line has arrived. A long silence is filled: we still work on it."""
        pause = backoff()
        while True:
            last = self.done.is_set()
            if time.monotonic() - self._reported_at > RENEW_S:
                self._reported_at = time.monotonic()
                self.context.send_report(BuildReport(event="started", build=self.build))
            try:
                while self.shipment.ship():
                    pause = backoff()
            except Stale:
                last = True
            except Away:
                time.sleep(next(pause))
                continue
            if last:
                self.shipped.set()
                return
            self.done.wait(SHIP_EVERY_S)


def _explained(failure: Said, choice: Choice) -> Said:
    """With what is mostly why: old versions have no wheels for a newer Python. And with what would serve."""
    if failure.code == "no_index":
        return failure
    found = re.findall(
        r"^[\w.-]+|(?<=you require )[\w.-]+", str(failure.facts.get("name") or failure.facts.get("reason") or "")
    )
    name = next((each for each in found if normalise(each) in curated.SERVES), "")
    if choice.warning is not None:
        failure = said("two", first=failure, second=choice.warning)
    if not name:
        return failure
    instead = curated.SERVES[normalise(name)]
    hint = said("hint_package", name=name, environment=instead, has=curated.HEADLINES[instead])
    return said("two", first=failure, second=hint)
