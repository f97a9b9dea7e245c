"""A build that the studio asked for: resolve, install, and stream every line of it."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Any

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

log = logging.getLogger("duto.agent")
SHIP_EVERY_S = 0.05
RENEW_S = 60.0


class Build:
    """One build order; its log is a file first, so that nothing is lost while the studio is away."""

    def __init__(self, build: str, spec: dict[str, Any], context: AgentContext, folder: Path) -> None:
        self.build, self.spec, self.context = build, spec, context
        self.path = folder / f"{Path(build).name}.log"
        self.shipment = Shipment(self.path, lambda at, data: context.client.put_build_log(build, at, data))
        self.warnings: list[Said] = []
        self.done, self.shipped = threading.Event(), threading.Event()
        self._told_at = time.monotonic()

    def run(self) -> None:
        self.context.tell({"build": self.build, "event": "started"}, urgent=True)
        shipper = start_loop("build-log", self._ship, self.shipped)
        try:
            report = self._begin_and_make()
        except (BuildFailed, DiskFull) as error:
            report = {"event": "failed", "message": error.message, "warnings": self.warnings}
        except OSError as error:
            report = {"event": "failed", "message": said("not_built_here", error=str(error))}
        finally:
            self.done.set()
        shipper.join()
        self.context.tell({"build": self.build, **report}, urgent=True)
        log.info("build %s: %s %s", self.build, report["event"], report.get("message", ""))
        self.path.unlink(missing_ok=True)

    def _begin_and_make(self) -> dict[str, Any]:
        with require_space(said("build_log"), self.path.parent):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_bytes(b"")
            return self._make()

    def _make(self) -> dict[str, Any]:
        environments = self.context.environments
        recipe = {**self.spec, **(self.spec.get("recipe") or {})}
        if recipe.get("conda"):
            return self._make_prefix(recipe)
        choice = environments.pythons.choose(recipe.get("python"))
        try:
            return self._make_environment(recipe, choice)
        except BuildFailed as error:
            if choice.warning is None or error.message.code == "no_index":
                raise
            # Old versions have no wheels for a newer Python: the other one is mostly why.
            raise BuildFailed(said("two", first=error.message, second=choice.warning)) from error

    def _make_environment(self, recipe: dict[str, Any], choice: Choice) -> dict[str, Any]:
        environments = self.context.environments
        if choice.warning:
            self.warnings.append(choice.warning)
            self._line(choice.warning)
        # Curated environments bring a lock for each Python that they know.
        lock = recipe.get("lock") or (recipe.get("locks") or {}).get(choice.python.minor)
        if lock is None:
            packages = list(recipe.get("packages") or ())
            self._line(f"Resolving {counted(len(packages), 'package')} for Python {choice.python.version}.")
            lock = environments.resolve(packages, choice.python, self._line, recipe.get("constraints") or ())
        built = environments.ensure(lock, choice.python.version, self._line)
        return {
            "event": "ready", "lock": lock, "python": built.python,
            "message": "", "warnings": self.warnings,
        }  # fmt: skip

    def _make_prefix(self, recipe: dict[str, Any]) -> dict[str, Any]:
        """With conda packages: only the lock is found out; the image of it is made by the first step on a host."""
        images, pause = self.context.images, backoff()
        if images is None:
            raise BuildFailed(said("conda_by_processes"))
        while True:
            try:
                lock = images.resolve(recipe, self._line)
                break
            except EngineAway as away:
                self._line(f"{away} It is waited for.")
                time.sleep(next(pause))
        return {"event": "ready", "lock": lock, "python": conda.python_of(lock), "message": "", "warnings": []}

    def _line(self, line: str) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def _ship(self) -> None:
        """Until the build is over and its last line has arrived. A long silence is filled: we still work on it."""
        pause = backoff()
        while True:
            last = self.done.is_set()
            if time.monotonic() - self._told_at > RENEW_S:
                self._told_at = time.monotonic()
                self.context.tell({"build": self.build, "event": "started"})
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
