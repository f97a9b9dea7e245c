"""Ends of attempts whose outputs go to far stores. An agent waits some seconds for an answer, and all else that its host has to
tell waits with it: what takes longer goes on in a thread of its own, and the agent tells of the end again until it is taken."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from pathlib import Path
from uuid import UUID

from django.db import connection, connections

from core.errors import Conflict
from core.storage import data_dir, is_own_far
from datasets import stores
from duto.spec.graph import Step
from duto_protocol.messages import Finished
from runs.models import Attempt

# How long a call waits for an end that is being taken; how many are at a time, in each process of the web.
WAIT_S, AT_ONCE = 1.0, 8
_turn, _places = threading.Lock(), threading.BoundedSemaphore(AT_ONCE)
_open: dict[UUID, Future[None]] = {}


def is_far(attempt: Attempt, step: Step, report: Finished) -> bool:
    """Whether what the step left is to lie on a store that is reached over a network."""
    if is_own_far() and report.artifacts:
        return True
    if not step.outputs or report.exit_code != 0 or report.cause or report.canceled:
        return False
    workspace = attempt.run.workspace
    names = {each.datastore or workspace.default_datastore for each in step.outputs}
    return any(stores.place_of(workspace, name).direct is None for name in names)


def take(attempt: Attempt, work: Callable[[], None]) -> None:
    """Have the end taken once, whoever asks how often. Raises what that raises, and Conflict (`outputs_open`) while it lasts."""
    with _turn:
        job = _open.get(attempt.pk)
        if job is None:
            job = _open[attempt.pk] = Future()
            threading.Thread(target=_take, args=(attempt, work, job), name="outputs", daemon=True).start()
    try:
        job.result(WAIT_S)
    except NotYet:
        if not job.done():
            raise _still_open() from None
        raise
    finally:
        if job.done():
            with _turn:
                _open.pop(attempt.pk, None)


def _take(attempt: Attempt, work: Callable[[], None], job: Future[None]) -> None:
    try:
        with _places:
            _alone(attempt, work)
        job.set_result(None)
    except BaseException as error:  # whoever asks next hears it
        job.set_exception(error)
    finally:
        connections.close_all()


def lock_of(attempt: Attempt) -> Path:
    return data_dir() / "staging" / f"{attempt.pk}-{attempt.epoch}.sending"


def _alone(attempt: Attempt, work: Callable[[], None]) -> None:
    """Of all processes of the web the one that holds the lock, which goes with its process."""
    if is_own_far() and connection.vendor == "postgresql":  # the processes of the web may share no disk
        with _named_lock(f"end:{attempt.pk}"):
            _unless_ended(attempt, work)
        return
    place = lock_of(attempt)
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _still_open() from error
        if not _is_same(lock.fileno(), place):  # whoever had it has just removed it
            raise _still_open()
        try:
            _unless_ended(attempt, work)
        finally:
            place.unlink(missing_ok=True)


def _unless_ended(attempt: Attempt, work: Callable[[], None]) -> None:
    fresh = Attempt.objects.filter(pk=attempt.pk).values_list("status", flat=True).first()
    if fresh not in Attempt.ENDS:
        work()


@contextlib.contextmanager
def _named_lock(name: str) -> Iterator[None]:
    """A lock in the database that goes with the connection of whoever holds it. Raises Conflict (`outputs_open`)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [name])
        (is_ours,) = cursor.fetchone() or (False,)
    if not is_ours:
        raise _still_open()
    try:
        yield
    finally:
        with connection.cursor() as cursor:  # the connection goes back to its pool, and keeps what it holds
            cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [name])


def _is_same(descriptor: int, place: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), place.stat())
    except FileNotFoundError:
        return False


def _still_open() -> Conflict:
    return Conflict("The outputs of the attempt are being sent to their store.", code="outputs_open")
