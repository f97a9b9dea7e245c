"""One look at Slurm's queue a second serves all attempts of an agent, however many they are."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from dataclasses import dataclass, replace

from duto_agent.engine.errors import EngineAway
from duto_agent.loops import succeeds
from duto_agent.slurm.client import Job, QueuePlace, SlurmClient, SlurmRefused

log = logging.getLogger("duto.agent")
LOOK_S = 1.0
# And so often at the queue of all users, while a job of ours waits in it.
PLACES_S = 15.0
# Nobody has asked for so long: then nobody looks.
ASKED_S = 10.0


@dataclass(frozen=True)
class QueueState:
    """What the last look that succeeded has seen, and when it began (`time.monotonic`; 0 before the first)."""

    began: float = 0.0
    jobs: dict[str, Job] | None = None


class JobQueue:
    """Looks while somebody wants to know, in a thread of its own: who asks reads what was seen, and never waits for Slurm.

    It also ends the jobs that are to be ended, by name, and again with each look until they are over.
    """

    def __init__(self, client: SlurmClient) -> None:
        self.client = client
        self.last = QueueState()
        self.sees_others = True  # some clusters hide the jobs of other users, and so who is before whom
        self._places: dict[str, QueuePlace] = {}
        self._places_at = 0.0
        self.away: EngineAway | SlurmRefused | None = None  # why the last look failed
        self._changed = threading.Condition()
        self._asked_at = 0.0
        self._ending: dict[str, tuple[float, float]] = {}  # from when on, and when that was asked
        self._is_running = False
        self._stop = threading.Event()

    def stop(self) -> None:
        """Look no more; jobs go on."""
        self._stop.set()

    def want(self) -> None:
        """Look from now on, for as long as this is asked again and again."""
        self._asked_at = time.monotonic()
        with self._changed:
            if not self._is_running:
                self._is_running = True
                threading.Thread(target=self._run, name="slurm", daemon=True).start()

    def job(self, name: str) -> Job | None:
        """As it was last seen; None where Slurm does not know it, or was not asked yet."""
        return (self.last.jobs or {}).get(name)

    def place(self, name: str) -> QueuePlace:
        """Where this job stood in the queue when that was last looked at."""
        return self._places.get(name, QueuePlace())

    def end(self, name: str, at: float) -> None:
        """End this job: now if it waits for its start, else from `at` (`time.monotonic`) on, when it has not ended by itself."""
        with self._changed:
            self._ending.setdefault(name, (at, time.monotonic()))
        self.want()

    def look_after(self, moment: float, seconds: float) -> QueueState | None:
        """The first look that began after `moment`; None if there is none in so many seconds."""
        deadline = time.monotonic() + seconds
        self.want()
        with self._changed:
            while self.last.began <= moment:
                if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    return None
            return self.last

    def _run(self) -> None:
        while True:
            with self._changed:
                is_asked = self._ending or time.monotonic() - self._asked_at < ASKED_S
                if self._stop.is_set() or not is_asked:
                    self._is_running = False
                    return
            began = time.monotonic()
            succeeds("a look at Slurm's queue", self._look)
            succeeds("the end of Slurm's jobs", self._end)
            succeeds("a look at who waits for Slurm", self._look_at_places)
            self._stop.wait(max(0.0, began + LOOK_S - time.monotonic()))

    def _look(self) -> None:
        began = time.monotonic()
        try:
            look, away = QueueState(began, self.client.jobs()), None
        except (EngineAway, SlurmRefused) as error:
            look, away = self.last, error
            if self.away is None:
                log.warning("steps go on, but nothing new is known of them: %s", error)
        with self._changed:
            self.last, self.away = look, away
            self._changed.notify_all()

    def _look_at_places(self) -> None:
        names = {name for name, job in (self.last.jobs or {}).items() if job.is_waiting}
        if not names or self.away is not None or time.monotonic() < self._places_at + PLACES_S:
            return
        try:
            found = self.client.places(names)
        except (EngineAway, SlurmRefused) as error:
            log.debug("Slurm does not say where jobs stand in its queue: %s", error)
            found = {}
        self._places = found if self.sees_others else {name: replace(each, position=0) for name, each in found.items()}
        self._places_at = time.monotonic()

    def _end(self) -> None:
        if self.away is not None:
            return
        with self._changed:
            asked = list(self._ending.items())
        for name, (at, asked_at) in asked:
            job = self.job(name)
            if job is None and self.last.began <= asked_at:
                continue  # a look that began before it was submitted
            if job is None or job.is_over:
                self._ending.pop(name, None)
            elif job.is_waiting:  # one that begins at this moment finds the order to end
                self._cancel(name, "--state=PENDING")
            elif time.monotonic() > at:
                self._cancel(name)

    def _cancel(self, name: str, *options: str) -> None:
        with contextlib.suppress(EngineAway, SlurmRefused):  # with the next look again
            self.client.cancel(name, *options)
