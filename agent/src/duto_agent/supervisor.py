"""All attempts and builds of this host: takes them up, passes flags on, adopts, forgets."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from duto.spec.sentences import said
from duto_agent.attempt import staging
from duto_agent.attempt.lifecycle import FINISHED, Attempt
from duto_agent.build_job import Build
from duto_agent.context import AgentContext
from duto_agent.disk_space import is_full
from duto_agent.files import is_own, read_json, write_json
from duto_agent.host.housekeeping import Housekeeper
from duto_agent.launchers.base import AttemptKey
from duto_agent.loops import succeeds
from duto_agent.studio.exchange import final_report

log = logging.getLogger("duto.agent")
AT_ONCE, FAULT_MOST = 64, 1900


class Supervisor:
    """The files in the attempts' directories are the memory; this object only holds threads and doorbells."""

    def __init__(self, context: AgentContext, home: Path) -> None:
        self.context, self.home = context, home
        self._lock = threading.Lock()
        self._attempts: dict[AttemptKey, Attempt] = {}
        self._told: set[AttemptKey] = set()
        # Attempts of whose end the studio has refused a word, which was then told in the fewest.
        self._refusals: set[AttemptKey] = set()
        self.housekeeper = Housekeeper(home, self.held, context.images.image_store if context.images else None)
        self._builds: set[str] = set()
        self._pool: Executor = ThreadPoolExecutor(AT_ONCE * 2, thread_name_prefix="attempt")

    def adopt(self) -> int:
        """Take up every attempt that an earlier agent left, wherever it stands."""
        keys = self.context.launcher.discover()
        for key in keys:
            succeeds(f"adoption of {key.folder}", partial(self._adopt, key))
        return len(keys)

    def _adopt(self, key: AttemptKey) -> None:
        spec = read_json(self.context.launcher.directory(key) / "spec.json", own=True)
        if isinstance(spec, dict):
            attempt = self._register(key, spec, adopted=True)
            if attempt is not None:
                self._pool.submit(self._run, key, attempt)
        else:  # the crash came before the spec: the studio will send it again
            self._pool.submit(self._clean_up, key)

    def _clean_up(self, key: AttemptKey) -> None:
        """Of a folder that cannot go now, housekeeping takes care."""
        succeeds(f"clean-up of {key.folder}", partial(self.context.launcher.cleanup, key))

    def holding(self) -> list[dict[str, Any]]:
        """What this host has, the reported ones too: the studio answers those with `drop`."""
        with self._lock:
            keys = [*self._attempts, *self._told]
        return [{"attempt": key.attempt, "epoch": key.epoch} for key in keys]

    def held(self) -> set[AttemptKey]:
        """The same, as keys of folders."""
        with self._lock:
            return {*self._attempts, *self._told}

    def devices(self) -> dict[AttemptKey, tuple[str, ...]]:
        """The attempts that are under way, each with the devices that its node holds."""
        with self._lock:
            specs = {key: attempt.spec for key, attempt in self._attempts.items()}
        return {key: staging.reservation(spec).gpus for key, spec in specs.items()}

    def capacity(self) -> int:
        with self._lock:
            return max(0, AT_ONCE - len(self._attempts))

    def ring(self, folder: str) -> None:
        key = AttemptKey.of_folder(folder)
        attempt = self._attempts.get(key) if key else None
        if attempt is not None:
            attempt.bell.set()

    def take(self, answer: dict[str, Any]) -> None:
        """Do what an answer of the studio says. One thing of it that cannot be done costs no other."""
        if isinstance(keep := answer.get("keep"), dict):
            self.housekeeper.policy = keep
        deeds = {"refused": self._refused, "cancel": self._cancel, "drop": self._drop, "work": self._take_work}
        for part, action in deeds.items():
            items = answer.get(part)
            for item in items if isinstance(items, list) else ():
                succeeds(f"{part} of an answer", partial(action, item))

    def _cancel(self, item: dict[str, Any]) -> None:
        if "image" in item and self.context.images is not None:
            self.context.images.cancel(str(item["image"]), str(item.get("by") or ""))
        elif (attempt := self._find(item)) is not None:
            attempt.cancel(float(item.get("grace_seconds") or 0))

    def _take_work(self, work: dict[str, Any]) -> None:
        if work.get("type") == "attempt":
            self._accept(AttemptKey(str(work["attempt"]), int(work["epoch"])), work["spec"])
        elif work.get("type") == "build":
            self._build(str(work["build"]), work["spec"])

    def _accept(self, key: AttemptKey, spec: dict[str, Any]) -> None:
        if AttemptKey.of_folder(key.folder) != key or key.attempt != Path(key.attempt).name:
            log.warning("an attempt with a strange id was refused")
            return
        attempt = self._register(key, spec, adopted=False)
        if attempt is None:
            return  # the studio repeats what it is not sure of
        with self._lock:
            older = [each for known, each in self._attempts.items() if known.attempt == key.attempt]
        for each in older:
            if each is not attempt:
                each.abandon()
        try:
            attempt.directory.mkdir(parents=True, exist_ok=True)
            write_json(attempt.directory / "spec.json", spec)
            self._pool.submit(self._run, key, attempt)
        except Exception as error:
            with self._lock:
                self._attempts.pop(key, None)  # not held: the studio sends it again, or gives it to another host
                if is_full(error):
                    self._told.add(key)  # held as one that has ended: the studio's `drop` puts away what there is of it
            if not is_full(error):
                raise
            attempt.fail(error)

    def _register(self, key: AttemptKey, spec: dict[str, Any], adopted: bool) -> Attempt | None:
        """Two answers may bring the same work at the same moment; one of them gets it."""
        attempt = Attempt(key, spec, self.context, adopted)
        with self._lock:
            if key in self._attempts or key in self._told:
                return None
            self._attempts[key] = attempt
        return attempt

    def _run(self, key: AttemptKey, attempt: Attempt) -> None:
        told = False
        try:
            told = attempt.run()
        except (Exception, SystemExit) as error:
            log.exception("attempt %s stopped with a fault of the agent", key.folder)
            succeeds(f"the end of {key.folder}", partial(attempt.fail, error))
            return
        finally:
            with self._lock:
                self._attempts.pop(key, None)
                if told:
                    self._told.add(key)
        if not told:
            self._clean_up(key)

    def _find(self, item: dict[str, Any]) -> Attempt | None:
        return self._attempts.get(AttemptKey(str(item.get("attempt")), int(item.get("epoch") or 0)))

    def _refused(self, item: dict[str, Any]) -> None:
        """Whatever the reason, this attempt is not ours any more, or never was."""
        key = AttemptKey(str(item.get("attempt")), int(item.get("epoch") or 0))
        if item.get("code") in ("stale_epoch", "not_found"):
            if (attempt := self._find(item)) is not None:
                attempt.abandon()
            self._forget(key)
            return
        log.warning("the studio refused a report of %s: %s", key.folder, item.get("code"))
        with self._lock:
            ended = key in self._told or is_own(self.context.launcher.directory(key) / FINISHED)
            again = key in self._refusals
            self._refusals.add(key)
        if again:  # not even in the fewest words: its lease must end, for it would hang for ever
            self._forget(key)
        elif ended:
            why = item.get("message") or item.get("code")
            message = said("end_not_taken", error=why)
            self.context.tell(final_report({"attempt": key.attempt, "epoch": key.epoch}, message), urgent=True)

    def _drop(self, item: dict[str, Any]) -> None:
        """The studio has everything, or wants nothing."""
        attempt = str(item["attempt"])
        with self._lock:
            keys = [key for key in (*self._attempts, *self._told) if key.attempt == attempt]
        for key in keys:
            running = self._attempts.get(key)
            if running is not None and not is_own(running.directory / FINISHED):
                running.abandon()
            self._forget(key)

    def _forget(self, key: AttemptKey) -> None:
        with self._lock:
            known = key in self._told
            self._told.discard(key)
            self._refusals.discard(key)
        if known:
            self._pool.submit(self._clean_up, key)

    def _build(self, build: str, spec: dict[str, Any]) -> None:
        with self._lock:
            if build in self._builds:
                return
            self._builds.add(build)

        def run() -> None:
            try:
                Build(build, spec, self.context, self.home / "builds").run()
            except Exception as error:
                log.exception("build %s stopped with a fault of the agent", build)
                message = said("not_buildable", error=f"{type(error).__name__}: {error}"[:FAULT_MOST])
                failed = {"build": build, "event": "failed", "message": message}
                succeeds(f"the end of build {build}", partial(self.context.tell, failed, True))
            finally:
                with self._lock:
                    self._builds.discard(build)

        self._pool.submit(run)
