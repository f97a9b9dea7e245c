"""Tables are looked at in a process of their own, with limits of memory and time, and never many at once.

What is in a file can make its reader need any amount of either. Here only that process is lost, with a reason.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from django.utils.translation import gettext as _

from core.errors import StudioError, Unprocessable
from core.sentences import Kept, kept
from datasets.stored_messages import not_a_table, of_refusal, refusal, say
from datasets.stores import root_by_name
from duto.spec import units
from workspaces.models import Workspace

CHILD = Path(__file__).with_name("tables_child.py")
MEMORY = 2 << 30
# How many tables one process of the studio has read at once, and how long the next one waits for its turn, in seconds.
# Downloads, whose readers may be slow, have turns of their own.
AT_ONCE = 3
PATIENCE = 30.0
# For a page, for an answer that a program waits for, and for what goes on in a worker or as a download.
GLANCE, WAITED_FOR, AT_LENGTH = 20, 45, 3600
CHUNK = 1 << 20
# What rows may be of JSON, all together: they are held in memory to be shown.
MOST_BYTES = 64 << 20
_turns = {
    name: threading.BoundedSemaphore(AT_ONCE) for name in ("look", "rows", "csv", "glimpse", "compare", "profile")
}

# Done and total, in bytes. What it raises ends the reading.
Alive = Callable[[int, int], None]


class Busy(StudioError):
    """Too many tables are being read at this moment."""

    status = 503
    default_code = "busy"


@dataclass(frozen=True)
class Rows:
    """Columns as (name, type), and the rows that were asked for, of the first columns. Values are as JSON has them, or texts."""

    columns: list[tuple[str, str]]
    rows: list[list[Any]]


@dataclass
class Question:
    """What is asked about the files of a definition; `survey` is what `look()` said of the same files."""

    workspace: Workspace
    files: Sequence[Any]
    definition: Mapping[str, Any]
    survey: list[Any] | None = None
    seconds: int = WAITED_FOR
    alive: Alive | None = None
    more: dict[str, Any] = field(default_factory=dict)


def look(question: Question) -> dict[str, Any]:
    """`{"columns", "survey"}` after every value was looked at. Raises Unprocessable for what is no table."""
    with _asked(question, "look") as answers:
        return dict(next(answers))


@dataclass
class Glimpse:
    """How files may be read as a table: what the form said with the rest guessed, and what that gives.

    `misfits`: how many values are not of the type that was declared for their column, and so are null. `is_partial`:
    only the start was looked through. `error`: why they cannot be read this way, a kept sentence; then there are no rows.
    """

    format: dict[str, Any]
    columns: list[tuple[str, str]] = field(default_factory=list)
    rows: list[list[Any]] = field(default_factory=list)
    misfits: dict[str, int] = field(default_factory=dict)
    is_partial: bool = False
    error: Kept = ""


def glimpse(question: Question, limit: int, most_columns: int, longest: int, enough: int) -> Glimpse:
    """Look at the start of files, of `enough` bytes. What the question's format does not say is guessed.

    Raises Busy; that they are no table is part of the answer.
    """
    question.more = {
        "limit": limit, "columns": most_columns, "longest": longest, "most": MOST_BYTES, "as_text": True, "enough": enough
    }  # fmt: skip
    found = Glimpse(dict(question.definition.get("format") or {}))
    try:
        with _asked(question, "glimpse") as answers:
            for answer in answers:
                if "format" in answer:
                    found.format = answer["format"]
                elif "columns" in answer:
                    found.columns = [(name, kind) for name, kind in answer["columns"]]
                    found.is_partial = answer["is_partial"]
                elif "rows" in answer:
                    found.rows += answer["rows"]
                else:
                    found.misfits = answer["misfits"]
    except Busy:
        raise
    except StudioError as error:
        found.columns, found.rows, found.error = [], [], of_refusal(error)
    return found


def first_rows(question: Question, limit: int, most_columns: int, longest: int = 0, *, as_text: bool = False) -> Rows:
    """The first rows after the definition's operations; texts are cut after `longest` characters, unless that is 0.

    `as_text`: for people, all values but null are texts. Raises Unprocessable.
    """
    question.more = {
        "limit": limit, "columns": most_columns, "longest": longest, "most": MOST_BYTES, "as_text": as_text
    }  # fmt: skip
    with _asked(question, "rows") as answers:
        columns = [(name, kind) for name, kind in next(answers)["columns"]]
        return Rows(columns, [row for answer in answers for row in answer["rows"]])


def as_csv(question: Question) -> Iterator[bytes]:
    """The table after its operations, piece by piece. Raises Unprocessable."""
    with _asked(question, "csv") as answers:
        next(answers)
        for answer in answers:
            yield answer["data"]


@contextmanager
def asked_of(
    program: Path,
    questions: Mapping[str, Question],
    more: Mapping[str, Any],
    alive: Alive | None = None,
    *,
    task: str = "compare",
    memory: int = MEMORY,
    seconds: int = AT_LENGTH,
) -> Iterator[Iterator[dict[str, Any]]]:
    """What another program answers about several tables; it begins by `tables_child.run`, imports from the studio what it needs,
    and finds each table under its name in the question: `files`, `format`, `operations`, `survey`. Raises Unprocessable, Busy."""
    with _turn(task), tempfile.TemporaryDirectory(prefix="duto-table-") as folder:
        asked = {
            **{name: _table(each, Path(folder), name) for name, each in questions.items()},
            "memory": memory, "seconds": seconds, **more,
        }  # fmt: skip
        with _Child(asked, seconds, folder, program) as child:
            yield child.answers(alive)


@contextmanager
def _asked(question: Question, task: str) -> Iterator[Iterator[dict[str, Any]]]:
    with _turn(task), tempfile.TemporaryDirectory(prefix="duto-table-") as folder:
        asked = {
            "task": task, **_table(question, Path(folder), ""), "memory": MEMORY, "seconds": question.seconds,
            **question.more,
        }  # fmt: skip
        with _Child(asked, question.seconds, folder) as child:
            yield child.answers(question.alive)


@contextmanager
def _turn(task: str) -> Iterator[None]:
    turns = _turns[task]
    if not turns.acquire(timeout=PATIENCE):
        raise Busy(_("Other tables are being read at this moment. Try again in a minute."))
    try:
        yield
    finally:
        turns.release()


def _table(question: Question, folder: Path, prefix: str) -> dict[str, Any]:
    """The files on this disk, and how they are read."""
    return {
        "files": [(each.path, _local(question.workspace, each, folder / f"{prefix}{n}", question.alive))
                  for n, each in enumerate(question.files)],
        "format": question.definition.get("format") or {},
        "operations": question.definition.get("operations") or [],
        "survey": question.survey,
    }  # fmt: skip


class _Child:
    """The process, which ends with the block whatever happens in it."""

    def __init__(self, asked: Mapping[str, Any], seconds: int, folder: str, program: Path = CHILD) -> None:
        self._seconds, self._memory, self._is_late = seconds, asked["memory"], False
        # Its files are named to it; nothing of this process's surroundings is.
        around = {"PATH": os.environ.get("PATH", ""), "OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
        if program != CHILD:
            around["PYTHONPATH"] = str(CHILD.parent.parent)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-s", str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=around, cwd=folder, start_new_session=True,
        )  # fmt: skip
        self._timer = threading.Timer(seconds, self._too_late)
        self._timer.daemon = True
        self._question = json.dumps(asked).encode()
        self._wrong = b""

    def __enter__(self) -> _Child:
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


def _local(workspace: Workspace, each: Any, copy: Path, alive: Alive | None) -> str:
    """The file on this disk: where it lies, or a copy when it lies elsewhere."""
    root = root_by_name(workspace, each.datastore)
    if root.local is not None:
        return root.full(each.key)  # the key is a spelling of the name on the disk
    with root.open(each.key) as source, copy.open("wb") as target:
        while chunk := source.read(CHUNK):
            target.write(chunk)
            if alive is not None:
                alive(0, 0)
    return str(copy)
