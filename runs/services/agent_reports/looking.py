"""What far stores have to tell of an attempt's data before its host gets it. A host's call also brings reports, leases and cancels, and
those wait for no store: what takes longer than a moment goes on in a thread of its own, and the host is woken once it is known."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field
from uuid import UUID

from django.db import connections

from compute.models import Host
from core.observations import Observations
from runs.services.scheduling.wakeups import wake_host

# How long a call waits; how many stores are asked at a time, in each process of the web; how long what was found is of use.
WAIT_S, AT_ONCE, GOOD_S = 1.0, 16, 60.0
_turn, _places = threading.Lock(), threading.BoundedSemaphore(AT_ONCE)


@dataclass
class _Look:
    found: Observations
    done: Future[None] = field(default_factory=Future)
    began: float = field(default_factory=time.monotonic)


_looks: dict[UUID, _Look] = {}


def found(attempt: UUID) -> Observations | None:
    """What is known of an attempt's data, to decide with; None while it is looked at."""
    with _turn:
        look = _looks.get(attempt)
        if look is None:
            return Observations()
        if not look.done.done():
            return None
        del _looks[attempt]
    look.done.result()
    return look.found if time.monotonic() - look.began < GOOD_S else Observations()


def look(host: Host, attempt: UUID, observations: Observations) -> bool:
    """Ask for what was missed; whether it is known now. Else it will be, and the host is woken then."""
    mine = _Look(observations)
    with _turn:
        if attempt in _looks:  # of another call of the same agent
            return False
        for key in [key for key, each in _looks.items() if each.done.done() and mine.began - each.began > GOOD_S]:
            del _looks[key]  # nobody came for it
        _looks[attempt] = mine
    threading.Thread(target=_look, args=(host, mine), name="claims", daemon=True).start()
    try:
        mine.done.result(WAIT_S)
    except NotYet:
        if not mine.done.done():
            return False
        raise
    finally:
        with _turn:
            is_mine = mine.done.done() and _looks.pop(attempt, None) is mine
    return is_mine


def _look(host: Host, mine: _Look) -> None:
    try:
        with _places:
            mine.found.look()
        mine.done.set_result(None)
    except BaseException as error:  # whoever comes for it hears it
        mine.done.set_exception(error)
    finally:
        if time.monotonic() - mine.began > WAIT_S:
            wake_host(host.name, by_queue=host.is_local)
        connections.close_all()
