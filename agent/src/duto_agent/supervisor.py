"""All attempts and builds of this host: takes them up, passes flags on, adopts, forgets."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

from msgspec import Raw

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
from duto_protocol.messages import (
    Answer,
    BuildReport,
    BuildSpec,
    Cancel,
    Drop,
    Finished,
    Held,
    LaunchSpec,
    Refusal,
    Work,
)
from duto_protocol.reading import NotUnderstood, builtins_of, of_document, read

log = logging.getLogger("duto.agent")
AT_ONCE, FAULT_MOST = 64, 1900
# How soon an end is told again that waits for those of other members.
OPEN_S = 0.5
STILL_OPEN = ("members_open", "outputs_open")


class Supervisor:
    """The files in the attempts' directories are the memory; this object only holds threads and wake-ups."""

    def __init__(self, context: AgentContext, home: Path) -> None:
        self.context, self.home = context, home
        self._lock = threading.Lock()
        self._attempts: dict[AttemptKey, Attempt] = {}
        self._reported: set[AttemptKey] = set()
        # Attempts of whose end the studio has refused a word, which was then told in the fewest.
        self._refusals: set[AttemptKey] = set()
        self.housekeeper = Housekeeper(home, self.held, context.images.image_store if context.images else None)
        self._builds: set[str] = set()
        self._pool: Executor = ThreadPoolExecutor(AT_ONCE * 2, thread_name_prefix="attempt")

    def adopt(self) -> int:
        """Take up every attempt that an earlier agent left, wherever it stands."""
        keys = self.context.launcher.discover()
        self.context.mounts.tidy([key.folder for key in keys])
        for key in keys:
            succeeds(f"adoption of {key.folder}", partial(self._adopt, key))
        return len(keys)

    def _adopt(self, key: AttemptKey) -> None:
        spec = read_json(self.context.launcher.directory(key) / "spec.json", own=True)
        if isinstance(spec, dict):
            reading = of_document(spec, LaunchSpec)
            if reading.ignored:
                log.warning(
                    "of the spec of %s is not understood: %s", key.folder, ", ".join(map(ascii, reading.ignored))
                )
            attempt = self._register(key, reading.message, adopted=True)
            if attempt is not None:
                self._pool.submit(self._run, key, attempt)
        else:  # the crash came before the spec: the studio will send it again
            self._pool.submit(self._clean_up, key)

    def _clean_up(self, key: AttemptKey) -> None:
        """Of a folder that cannot go now, housekeeping takes care."""
        self._unmount(key)
        succeeds(f"clean-up of {key.folder}", partial(self.context.launcher.cleanup, key))

    def _unmount(self, key: AttemptKey) -> None:
        release = partial(self.context.mounts.release, self.context.launcher.directory(key))
        succeeds(f"the end of the mounts of {key.folder}", release)

    def holding(self) -> list[Held]:
        """What this host has, the reported ones too: the studio answers those with `drop`."""
        with self._lock:
            keys = [*self._attempts, *self._reported]
        return [Held(key.attempt, key.epoch) for key in keys]

    def held(self) -> set[AttemptKey]:
        """The same, as keys of folders."""
        with self._lock:
            return {*self._attempts, *self._reported}

    def devices(self) -> dict[AttemptKey, tuple[str, ...]]:
        """The attempts that are under way, each with the devices that its node holds."""
        with self._lock:
            specs = {key: attempt.spec for key, attempt in self._attempts.items()}
        return {key: staging.reservation(spec).gpus for key, spec in specs.items()}

    def capacity(self) -> int:
        with self._lock:
            return max(0, AT_ONCE - len(self._attempts))

    def notify(self, folder: str) -> None:
        key = AttemptKey.of_folder(folder)
        attempt = self._attempts.get(key) if key else None
        if attempt is not None:
            attempt.wakeup.set()

    def take(self, answer: Answer) -> None:
        """Do what an answer of the studio says. One thing of it that cannot be done costs no other."""
        if answer.keep is not None:
            self.housekeeper.policy = answer.keep
        for refusal in answer.refused:
            succeeds("refused of an answer", partial(self._refused, refusal))
        for cancel in answer.cancel:
            succeeds("cancel of an answer", partial(self._cancel, cancel))
        for drop in answer.drop:
            succeeds("drop of an answer", partial(self._drop, drop))
        for work in answer.work:
            succeeds("work of an answer", partial(self._take_work, work))

    def _cancel(self, item: Cancel) -> None:
        if item.image and self.context.images is not None:
            self.context.images.cancel(item.image, item.by or "")
        elif item.attempt and (attempt := self._find(AttemptKey(item.attempt, item.epoch or 0))) is not None:
            attempt.cancel(float(item.grace_seconds or 0))

    def _take_work(self, work: Work) -> None:
        if work.type == "attempt" and work.attempt:
            self._accept(AttemptKey(work.attempt, work.epoch or 0), work.spec)
        elif work.type == "build" and work.build:
            self._build(work.build, read(work.spec, BuildSpec).message)

    def _accept(self, key: AttemptKey, data: Raw) -> None:
        if AttemptKey.of_folder(key.folder) != key or key.attempt != Path(key.attempt).name:
            log.warning("an attempt with a strange id was refused")
            return
        reading = read(data, LaunchSpec)
        attempt = self._register(key, reading.message, adopted=False)
        if attempt is None:
            return  # the studio repeats what it is not sure of
        with self._lock:
            older = [each for known, each in self._attempts.items() if known.attempt == key.attempt]
        for each in older:
            if each is not attempt:
                each.abandon()
        try:
            if reading.wrong:  # a step without what it was given would be another one
                raise NotUnderstood(f"This agent does not understand of the step: {', '.join(reading.wrong)}")
            attempt.directory.mkdir(parents=True, exist_ok=True)
            write_json(attempt.directory / "spec.json", builtins_of(reading.message))
            self._pool.submit(self._run, key, attempt)
        except Exception as error:
            ends = is_full(error) or isinstance(error, NotUnderstood)
            with self._lock:
                self._attempts.pop(key, None)  # not held: the studio sends it again, or gives it to another host
                if ends:
                    self._reported.add(
                        key
                    )  # held as one that has ended: the studio's `drop` puts away what there is of it
            if not ends:
                raise
            attempt.fail(error)

    def _register(self, key: AttemptKey, spec: LaunchSpec, adopted: bool) -> Attempt | None:
        """Two answers may bring the same work at the same moment; one of them gets it."""
        attempt = Attempt(key, spec, self.context, adopted)
        with self._lock:
            if key in self._attempts or key in self._reported:
                return None
            self._attempts[key] = attempt
        return attempt

    def _run(self, key: AttemptKey, attempt: Attempt) -> None:
        was_reported = False
        try:
            was_reported = attempt.run()
        except (Exception, SystemExit) as error:
            log.exception("attempt %s stopped with a fault of the agent", key.folder)
            self._unmount(key)
            succeeds(f"the end of {key.folder}", partial(attempt.fail, error))
            return
        finally:
            with self._lock:
                self._attempts.pop(key, None)
                if was_reported:
                    self._reported.add(key)
        if not was_reported:
            self._clean_up(key)

    def _find(self, key: AttemptKey) -> Attempt | None:
        return self._attempts.get(key)

    def _refused(self, item: Refusal) -> None:
        """Whatever the reason, this attempt is not ours any more, or never was."""
        key = AttemptKey(item.attempt, item.epoch)
        if item.code in ("stale_epoch", "not_found"):
            if (attempt := self._find(key)) is not None:
                attempt.abandon()
            self._forget(key)
            return
        if (
            item.code in STILL_OPEN
        ):  # others have not ended, or its outputs are on their way: it is kept, and told of again
            timer = threading.Timer(OPEN_S, succeeds, (f"the end of {key.folder}", partial(self._tell_again, key)))
            timer.daemon = True
            timer.start()
            return
        log.warning("the studio refused a report of %s: %s", key.folder, item.code)
        with self._lock:
            ended = key in self._reported or is_own(self.context.launcher.directory(key) / FINISHED)
            again = key in self._refusals
            self._refusals.add(key)
        if again:  # not even in the fewest words: its lease must end, for it would hang for ever
            self._forget(key)
        elif ended:
            message = said("end_not_taken", error=item.message or item.code)
            self.context.send_report(final_report(key.attempt, key.epoch, message), urgent=True)

    def _tell_again(self, key: AttemptKey) -> None:
        kept = read_json(self.context.launcher.directory(key) / FINISHED, own=True)
        with self._lock:
            is_held = key in self._reported
        if is_held and isinstance(kept, dict):
            self.context.send_report(of_document(kept, Finished).message, urgent=True)

    def _drop(self, item: Drop) -> None:
        """The studio has everything, or wants nothing."""
        with self._lock:
            keys = [key for key in (*self._attempts, *self._reported) if key.attempt == item.attempt]
        for key in keys:
            running = self._attempts.get(key)
            if running is not None and not is_own(running.directory / FINISHED):
                running.abandon()
            self._forget(key)

    def _forget(self, key: AttemptKey) -> None:
        with self._lock:
            known = key in self._reported
            self._reported.discard(key)
            self._refusals.discard(key)
        if known:
            self._pool.submit(self._clean_up, key)

    def _build(self, build: str, spec: BuildSpec) -> None:
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
                failed = BuildReport(event="failed", build=build, message=message)
                succeeds(f"the end of build {build}", partial(self.context.send_report, failed, True))
            finally:
                with self._lock:
                    self._builds.discard(build)

        self._pool.submit(run)
