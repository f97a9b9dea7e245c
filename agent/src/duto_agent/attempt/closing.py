"""What happens to a step after its script: how long it may take, and who may cut it short."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from duto.spec.sentences import Said, said
from duto.spec.units import duration_text
from duto_agent.attempt.causes import NOT_BEGUN, Cause
from duto_agent.worded import Worded
from duto_protocol.messages import Proof

# A step that is over sooner is told by its verdict alone.
REPORT_AFTER_S = 0.5
# What a canceled step left is still collected for so long.
CANCELED_S = 5.0
# However short the time of a script: its files get this much.
LEAST_S = 60.0


class Abandoned(Exception):
    """The studio does not want this attempt any more: end it and tell nothing."""


class Cut(Worded):
    """What was left to do for the step is left undone, for this cause: its code, its message, and what was left."""

    def __init__(self, code: str, message: Said, proof: Proof | None = None) -> None:
        super().__init__(message)
        self.cause = Cause(code, message, proof)


@dataclass
class ControlFlags:
    """What others ask of the attempt, at any time."""

    cancel_grace: float | None = None
    abandon: bool = False


class Closing:
    """Its log and metrics are shipped, its files collected and uploaded; `check` is asked at each piece of that.

    `limit` is the step's time limit in seconds: what follows its script may take as long again. `on_slow` is called once when
    the script is over and its files take a while.
    """

    def __init__(
        self,
        flags: ControlFlags,
        limit: float | None,
        on_slow: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._flags, self._on_slow, self._clock = flags, on_slow, clock
        self._begun = clock()
        self._limit = max(LEAST_S, limit) if limit else None
        self._cancel_by: float | None = None
        self._is_reported = False

    def check(self) -> None:
        """Raises Abandoned or Cut when nothing more is to be done."""
        if self._flags.abandon:
            raise Abandoned
        moment = self._clock()
        if not self._is_reported and moment - self._begun > REPORT_AFTER_S:
            self._is_reported = True
            self._on_slow()
        if self._flags.cancel_grace is not None:
            self._cancel_by = self._cancel_by or moment + CANCELED_S
            if moment > self._cancel_by:
                # The script had ended by itself.
                raise Cut("canceled", said("step_canceled"), NOT_BEGUN.proof)
        if self._limit is not None and moment - self._begun > self._limit:
            raise Cut("timeout", said("not_collected", time=duration_text(self._limit)))
