"""Tables are looked at in a process of their own, with limits of memory and time, and never many at once.

What is in a file can make its reader need any amount of either. Here only that process is lost, with a reason.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from core.errors import StudioError
from core.objects import at_once
from core.sentences import Kept
from core.storage import Root
from datasets.child import MEMORY, MOST_BYTES, Alive, Busy, Child, too_slow, turn
from datasets.stored_messages import of_refusal
from datasets.stores import root_by_name
from workspaces.models import Workspace

# For a page, for an answer that a program waits for, and for what goes on in a worker or as a download, in seconds.
GLANCE, WAITED_FOR, AT_LENGTH = 20, 45, 3600
CHUNK = 1 << 20


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
    with turn(task), _folder() as folder:
        copies = _Copies(Path(folder), seconds, alive)
        tables = {name: _table(each, copies) for name, each in questions.items()}
        copies.bring()
        asked = {**tables, "memory": memory, "seconds": seconds, **more}
        with Child(asked, seconds, folder, program, copies.left) as child:
            yield child.answers(alive)


@contextmanager
def _asked(question: Question, task: str) -> Iterator[Iterator[dict[str, Any]]]:
    with turn(task), _folder() as folder:
        copies = _Copies(Path(folder), question.seconds, question.alive)
        table = _table(question, copies)
        copies.bring()
        asked = {"task": task, **table, "memory": MEMORY, "seconds": question.seconds, **question.more}
        with Child(asked, question.seconds, folder, left=copies.left) as child:
            yield child.answers(question.alive)


def _table(question: Question, copies: _Copies) -> dict[str, Any]:
    """The files on this disk, where copies of those that lie elsewhere will be, and how they are read."""
    named = dict.fromkeys(each.datastore for each in question.files)
    roots = {name: root_by_name(question.workspace, name) for name in named}
    return {
        "files": [(each.path, copies.place_of(roots[each.datastore], each.key)) for each in question.files],
        "format": question.definition.get("format") or {},
        "operations": question.definition.get("operations") or [],
        "survey": question.survey,
    }


def _folder() -> tempfile.TemporaryDirectory[str]:
    """A copy that a slow store still gives may be made in it while it is removed."""
    return tempfile.TemporaryDirectory(prefix="duto-table-", ignore_cleanup_errors=True)


class _Copies:
    """Files of a question that lie elsewhere, on their way to this disk: several at a time, within the time that the question has."""

    def __init__(self, folder: Path, seconds: int, alive: Alive | None) -> None:
        self._folder, self._seconds, self._alive = folder, seconds, alive
        self._until = time.monotonic() + seconds
        self._jobs: list[Callable[[], None]] = []
        self._is_over = threading.Event()

    def place_of(self, root: Root, key: str) -> str:
        """The file on this disk: where it lies, or where `bring` will have put a copy."""
        if root.local is not None:
            return root.full(key)  # the key is a spelling of the name on the disk
        copy = self._folder / f"copy{len(self._jobs)}"
        self._jobs.append(partial(self._copy, root, key, copy))
        return str(copy)

    def bring(self) -> None:
        """Raises Unprocessable (`table_too_slow`), NotFound, StoreError, and what `alive` does."""
        if self._jobs:
            try:
                at_once(self._jobs, self._tick)
            finally:
                self._is_over.set()

    @property
    def left(self) -> float:
        """Seconds that the question still has."""
        return max(0.0, self._until - time.monotonic())

    def _copy(self, root: Root, key: str, copy: Path) -> None:
        with root.open(key) as source:
            if self._is_over.is_set():  # the folder is gone by now
                return
            with copy.open("wb") as target:
                while not self._is_over.is_set() and (chunk := source.read(CHUNK)):
                    target.write(chunk)

    def _tick(self) -> None:
        try:
            if not self.left:
                raise too_slow(self._seconds)
            if self._alive is not None:
                self._alive(0, 0)
        except BaseException:
            self._is_over.set()  # or what is on its way would go on
            raise
