"""Processes that read for the studio what may need any amount of time or memory: with limits of both, and never many at once.

Only such a process is lost then, with a reason. It gets its question as JSON and answers in lines of JSON
(`datasets.tables_child`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from django.utils.translation import gettext as _

from core.errors import StudioError, Unprocessable
from core.sentences import kept
from datasets.stored_messages import not_a_table, refusal, say
from duto.spec import units

TABLES = Path(__file__).with_name("tables_child.py")
MEMORY = 2 << 30
# How many one process of the studio has at once, and how long the next one waits for its turn, in seconds.
# Downloads, whose readers may be slow, have turns of their own.
AT_ONCE = 3
PATIENCE = 30.0
# What rows may be of JSON, all together: they are held in memory to be shown.
MOST_BYTES = 64 << 20
_turns = {
    name: threading.BoundedSemaphore(AT_ONCE)
    for name in ("look", "rows", "csv", "glimpse", "compare", "profile", "query", "fetch")
}

# Done and total, in bytes. What it raises ends the reading.
Alive = Callable[[int, int], None]


class Busy(StudioError):
    """Too many tables are being read at this moment."""

    status = 503
    default_code = "busy"


@contextmanager
def turn(task: str) -> Iterator[None]:
    """One of those that may go on at once. Raises Busy where none comes free."""
    turns = _turns[task]
    if not turns.acquire(timeout=PATIENCE):
        raise Busy(_("Other tables are being read at this moment. Try again in a minute."))
    try:
        yield
    finally:
        turns.release()


@contextmanager
def asked(
    program: Path, question: Mapping[str, Any], *, memory: int, seconds: int, task: str
) -> Iterator[Iterator[dict[str, Any]]]:
    """What a program answers that begins by `tables_child.run` and imports from the studio what it needs.

    Raises Unprocessable, Busy.
    """
    limits = {"memory": memory, "seconds": seconds}
    with (
        turn(task),
        tempfile.TemporaryDirectory(prefix="duto-table-") as folder,
        Child({**question, **limits}, seconds, folder, program) as process,
    ):
        yield process.answers(None)


class Child:
    """The process, which ends with the block whatever happens in it. `left`: what is left of its seconds when it begins."""

    def __init__(
        self, asked: Mapping[str, Any], seconds: int, folder: str, program: Path = TABLES, left: float | None = None
    ) -> None:
        self._seconds, self._memory, self._is_late = seconds, asked["memory"], False
        # Its files are named to it; nothing of this process's surroundings is.
        around = {"PATH": os.environ.get("PATH", ""), "OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
        if program != TABLES:
            around["PYTHONPATH"] = str(TABLES.parent.parent)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-s", str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=around, cwd=folder, start_new_session=True,
        )  # fmt: skip
        self._timer = threading.Timer(seconds if left is None else left, self._too_late)
        self._timer.daemon = True
        self._question = json.dumps(asked).encode()
        self._wrong = b""

    def __enter__(self) -> Child:
        self._timer.start()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(self._question)
            self._process.stdin.close()
        except BrokenPipeError:
            pass  # its end is told by what it answered, or by its code
        return self

    def __exit__(self, *error: object) -> None:
        self._timer.cancel()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._listener.join(timeout=5)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def answers(self, alive: Alive | None) -> Iterator[dict[str, Any]]:
        output = self._process.stdout
        assert output is not None
        while line := output.readline():
            message = json.loads(line)
            if "progress" in message:
                if alive is not None:
                    alive(*message["progress"])
            elif "bytes" in message:
                yield {"data": _whole(output, message["bytes"])}
            elif "error" in message:
                raise _refusal(message["error"], self._memory)
            elif "done" in message:
                return
            else:
                yield message
        raise self._lost()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        while chunk := self._process.stderr.read(4096):
            self._wrong = (self._wrong + chunk)[-4000:]

    def _too_late(self) -> None:
        self._is_late = True
        self._process.kill()

    def _lost(self) -> StudioError:
        code = self._process.wait()
        if self._is_late or (code in (-24, -9) and not self._wrong):
            return too_slow(self._seconds) if self._is_late or code == -24 else _killed()
        if b"MemoryError" in self._wrong or b"bad_alloc" in self._wrong or code < 0:
            return _killed() if code == -9 else _too_large(self._memory)
        # A fault of ours: the whole of it goes where faults go.
        raise RuntimeError(f"Reading a table ended with {code}: {self._wrong.decode(errors='replace')}")


def too_slow(seconds: int) -> StudioError:
    return refusal(Unprocessable, say("reading_slow", time=units.duration_text(seconds)), code="table_too_slow")


def _too_large(memory: int) -> StudioError:
    return refusal(Unprocessable, say("reading_large", size=units.size_text(memory)), code="table_too_large")


def _killed() -> StudioError:
    return refusal(Unprocessable, say("reader_killed"), code="table_killed")


def _refusal(error: Mapping[str, Any], memory: int) -> StudioError:
    if error["code"] == "table_too_large":
        return _too_large(memory)
    if error["code"] == "no_room":
        return refusal(Unprocessable, say("reading_no_room"), code="no_room")
    if error["code"] == "too_many_values":
        return refusal(Unprocessable, say("many_values", size=units.size_text(MOST_BYTES)), code=error["code"])
    return refusal(Unprocessable, not_a_table(kept(error, error["message"])), code=error["code"])


def _whole(output: IO[bytes], size: int) -> bytes:
    data = output.read(size)
    if len(data) != size:
        raise RuntimeError("The process that reads tables ended in the middle of an answer.")
    return data
