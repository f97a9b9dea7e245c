"""Processes that trials run in, as many as there may be at once. One that is ended is replaced. In the step."""

from __future__ import annotations

import math
import multiprocessing
import time
from multiprocessing import connection
from pathlib import Path
from typing import Any, Dict, List, Optional

from duto.automl.inside.trials import Job, Outcome, serve
from duto.spec.automl import Settings

# Whoever asks looks at least so often at what else there is.
LOOK_SECONDS = 1.0


class _Worker:
    """A process, and the trial that it runs. `way` is how it is started: `fork` costs nothing, and is only for a driver
    without threads; `spawn` imports all there is anew."""

    def __init__(self, settings: Settings, data: Path, cores: int, way: str) -> None:
        here, there = multiprocessing.Pipe()
        context: Any = multiprocessing.get_context(way)
        self.process: Any = context.Process(target=serve, args=(there, settings, data, cores), daemon=True)
        self.process.start()
        there.close()
        self.connection: Any = here
        self.job: Optional[Job] = None
        self.began = math.inf

    def start(self, job: Job) -> None:
        self.job, self.began = job, math.inf  # it tells when it begins
        self.connection.send(job)

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


class Pool:
    """The processes of a step. They are made when it is: before the driver has a thread, or has computed anything."""

    def __init__(self, settings: Settings, data: Path, cores: int, count: int) -> None:
        self._given = (settings, data, cores)
        minutes = settings.iteration_timeout_minutes
        self._limit = None if minutes is None else minutes * 60
        self._seats: List[Optional[_Worker]] = [_Worker(*self._given, way="fork") for _ in range(count)]

    @property
    def is_free(self) -> bool:
        """Whether a trial may be started."""
        return any(seat is None or seat.job is None for seat in self._seats)

    @property
    def running(self) -> List[Job]:
        """The trials at work."""
        return [seat.job for seat in self._seats if seat is not None and seat.job is not None]

    def start(self, job: Job) -> None:
        """Start a trial in a process that is free."""
        place = next(n for n, seat in enumerate(self._seats) if seat is None or seat.job is None)
        seat = self._seats[place] or _Worker(*self._given, way="spawn")
        self._seats[place] = seat
        seat.start(job)

    def wait(self, seconds: float) -> List[Outcome]:
        """What trials have come to, after at most so many seconds. One that takes longer than it may, or whose process is
        gone, has failed."""
        busy: Dict[Any, int] = {
            s.connection: n for n, s in enumerate(self._seats) if s is not None and s.job is not None
        }
        found = []
        for ready in connection.wait(list(busy), max(0.0, min(seconds, LOOK_SECONDS, self._until_limit))):
            seat = self._seats[busy[ready]]
            assert seat is not None and seat.job is not None
            try:
                said = seat.connection.recv()
                if said is None:
                    seat.began = time.monotonic()
                else:
                    found.append(said)
                    seat.job = None
            except (EOFError, OSError):
                seat.process.join()
                found.append(self._lost(busy[ready], f"its process ended by itself ({seat.process.exitcode})."))
        for place in busy.values():
            seat = self._seats[place]
            if seat is None or seat.job is None or self._limit is None or time.monotonic() - seat.began <= self._limit:
                continue
            text = f"it took longer than iteration_timeout_minutes, {self._limit / 60:g}, and was ended."
            found.append(self._lost(place, text))
        return found

    @property
    def _until_limit(self) -> float:
        """How long until one of them may take no longer."""
        if self._limit is None:
            return math.inf
        began = min((seat.began for seat in self._seats if seat is not None and seat.job is not None), default=math.inf)
        return began + self._limit - time.monotonic()

    def stop(self, why: str) -> List[Outcome]:
        """End everything; trials at work have failed for this reason."""
        busy = [place for place, seat in enumerate(self._seats) if seat is not None and seat.job is not None]
        found = [self._lost(place, why) for place in busy]
        for seat in self._seats:
            if seat is not None:
                seat.end()
        self._seats = [None] * len(self._seats)
        return found

    def _lost(self, place: int, why: str) -> Outcome:
        seat = self._seats[place]
        assert seat is not None and seat.job is not None
        seat.end()
        self._seats[place] = None
        text = f"The trial did not end: {why}"
        return Outcome(seat.job.number, {}, max(0.0, time.monotonic() - seat.began), text, text)
