"""The end of an attempt whose outputs go to a far store is taken once, however often and by whomever it is told meanwhile."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from core.errors import Conflict, Unprocessable
from runs.models import Attempt
from runs.services.orchestration import far_ends

pytestmark = pytest.mark.django_db(transaction=True)
HOLD = """
import fcntl, sys
with open(sys.argv[1], "w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def attempt(scenario: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Attempt]:
    monkeypatch.setattr(far_ends, "WAIT_S", 0.2)
    yield scenario.attempt(scenario.step(scenario.pipeline(), "train"), 1)


def test_who_tells_it_again_is_asked_to_come_back_and_it_is_taken_once(attempt: Attempt) -> None:
    taken, go_on = [], threading.Event()

    def work() -> None:
        taken.append(1)
        go_on.wait(20)

    for _ in range(3):
        with pytest.raises(Conflict) as refused:
            far_ends.take(attempt, work)
        assert refused.value.code == "outputs_open"
    go_on.set()
    while True:
        try:
            far_ends.take(attempt, work)
            break
        except Conflict:
            continue
    assert taken[0] == 1 and len(taken) <= 2, "the last call may have come after the end of the first"


def test_what_it_raises_is_heard_once_and_the_next_call_begins_anew(attempt: Attempt) -> None:
    def fail() -> None:
        raise Unprocessable("not to be had")

    with pytest.raises(Unprocessable, match="not to be had"):
        far_ends.take(attempt, fail)
    taken: list[int] = []
    far_ends.take(attempt, lambda: taken.append(1))
    assert taken == [1]


def test_another_process_that_takes_it_is_waited_for(attempt: Attempt) -> None:
    place = far_ends.lock_of(attempt)
    place.parent.mkdir(parents=True, exist_ok=True)
    taken: list[int] = []
    command = [sys.executable, "-c", HOLD, str(place)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        with pytest.raises(Conflict):
            far_ends.take(attempt, lambda: taken.append(1))
        other.kill()  # its lock goes with it
    far_ends.take(attempt, lambda: taken.append(1))
    assert taken == [1] and not place.exists()
