"""The process in which tables are read for the studio: it knows no database, no secret and no network.

It gets one question as JSON on its standard input and answers in lines of JSON: `{"progress": [done, total]}` in
bytes, `{"format": ...}` where one was to be guessed, `{"columns": ..., ...}` once, `{"rows": ...}` or `{"bytes": n}` followed by n bytes, and at last `{"done": true}`
or `{"error": {"code", "message"}}`. It is run by its path, so it imports nothing of the studio.
"""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import resource
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from duto.spec.sentences import Said, foreign, said, with_said
from duto.tables import Column, Form, Source, Table, TableError, form_of, guess, read, survey
from duto.tables.reader import plain

PIECE = 128 * 1024
BEAT = 0.5


def main() -> None:
    run(_answer)


def run(answer: Callable[[Mapping[str, Any]], None]) -> None:
    """Answer one question within its limits; a refusal is told, not raised. Other processes that read tables begin here too."""
    asked = json.loads(sys.stdin.buffer.read())
    # What a table takes beyond this is refused to this process alone.
    resource.setrlimit(resource.RLIMIT_AS, (asked["memory"], asked["memory"]))
    resource.setrlimit(resource.RLIMIT_CPU, (asked["seconds"], asked["seconds"] + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    threading.Thread(target=_beat, daemon=True).start()
    try:
        answer(asked)
        say({"done": True})
    except TableError as error:
        _refuse(error.message)
    except MemoryError:
        say({"error": {"code": "table_too_large", "message": "memory"}})
    except FileNotFoundError:
        _refuse(said("file_went"))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        say({"error": {"code": "no_room", "message": "disk"}})


def _refuse(message: Said) -> None:
    say({"error": with_said({"code": "not_a_table", "message": message})})


def _answer(asked: Mapping[str, Any]) -> None:
    sources = [source_of(name, path) for name, path in asked["files"]]
    if asked["task"] == "glimpse":
        _glimpse(sources, asked)
        return
    definition = {"format": asked["format"], "operations": asked["operations"]}
    form = form_of(asked["format"])
    if asked.get("survey") is not None:
        columns = [Column(*each) for each in asked["survey"]]
    else:
        columns = survey(sources, form, tell)
    table = read(sources, definition, columns)
    names = [[each.name, each.type] for each in table.columns]
    task = asked["task"]
    if task == "look":
        _check(sources, form, definition, columns)
        kept = [[each.name, each.type, each.order, each.is_extra] for each in columns]
        say({"columns": names, "survey": kept})
    elif task == "rows":
        say({"columns": names})
        _rows(table.rows(), asked)
    else:
        say({"columns": names})
        _csv(table)


def _glimpse(sources: list[Source], asked: Mapping[str, Any]) -> None:
    """How files may be read as a table, and its first rows. Of text no more than `enough` bytes are looked through."""
    try:
        form_of(asked["format"])
    except ValueError as error:
        raise TableError(foreign(error)) from error
    guessed = guess(sources, asked["format"])
    say({"format": guessed})
    form = form_of(guessed)
    columns = survey(sources, form, tell, asked["enough"])
    misfits: dict[str, int] = {}
    table = read(
        sources, {"format": guessed, "operations": asked["operations"]}, columns, progress=tell, misfits=misfits
    )
    total = sum(each.size for each in sources)
    say({
        "columns": [[each.name, each.type] for each in table.columns],
        "is_partial": form.type != "parquet" and total > asked["enough"],
    })  # fmt: skip
    rows = table.rows()
    _rows(rows, asked)
    # Values that are not of a declared type may come later than the first rows.
    while form.columns and _far[0] < asked["enough"] and next(rows, None) is not None:
        pass
    say({"misfits": misfits})


def source_of(name: str, path: str) -> Source:
    here = Path(path)
    return Source(name, here.stat().st_size, lambda: here.open("rb", buffering=1 << 18))


def _check(sources: list[Source], form: Form, definition: Mapping[str, Any], columns: list[Column]) -> None:
    """Read all rows, where finding the types did not, so that what is saved can be read later."""
    looked_through = form.type == "json_lines" or (form.type == "delimited" and form.infer)
    batches = read(sources, definition if looked_through else {"format": definition["format"]}, columns, progress=tell)
    for _ in batches.batches:
        if looked_through or form.type == "parquet":
            break
    if not looked_through:
        next(iter(read(sources, definition, columns).batches), None)


def _rows(rows: Iterator[tuple[Any, ...]], asked: Mapping[str, Any]) -> None:
    """As JSON has them or as texts, of the first columns, texts cut where the asker wants no more of them."""
    longest, left, form = asked["longest"], asked["most"], _text if asked["as_text"] else plain
    for _, row in zip(range(asked["limit"]), rows, strict=False):
        shown = [form(value) for value in row[: asked["columns"]]]
        if longest:
            shown = [f"{each[:longest]}…" if isinstance(each, str) and len(each) > longest else each for each in shown]
        left -= len(json.dumps(shown))
        if left < 0:
            say({"error": {"code": "too_many_values", "message": ""}})
            return
        say({"rows": [shown]})


def _text(value: Any) -> str | None:
    """As people read it: times by ISO 8601, all others as a program writes them."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    return None if value != value else str(value)


def _csv(table: Table) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([column.name for column in table.columns])
    for columns, size in table.batches:
        shown = [_shown(values, column.type) for values, column in zip(columns, table.columns, strict=True)]
        writer.writerows(zip(*shown, strict=True) if shown else [()] * size)
        if buffer.tell() > PIECE:
            _send(buffer)
    _send(buffer)


def _shown(values: list[Any], kind: str) -> list[Any]:
    """As CSV has it: nothing for null, times by ISO 8601."""
    if kind == "float":
        return [None if each != each else each for each in values]
    return [each and each.isoformat() for each in values] if kind == "datetime" else values


def _send(buffer: io.StringIO) -> None:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    for start in range(0, len(text), PIECE):
        data = text[start : start + PIECE].encode("utf-8", "replace")
        say({"bytes": len(data)}, data)


# How far it is, for the beat; and whose turn it is to write.
_far = [0, 0]
_turn = threading.Lock()


def tell(done: int, total: int) -> None:
    _far[:] = done, total


def _beat() -> None:
    """Say how far it is, also while a file keeps this process waiting. When nobody listens any more, it ends."""
    while True:
        time.sleep(BEAT)
        try:
            say({"progress": _far})
        except (OSError, ValueError):
            # Its folder was made for it alone, and who made it may be gone.
            shutil.rmtree(Path.cwd(), ignore_errors=True)
            os._exit(1)


def say(message: Mapping[str, Any], data: bytes = b"") -> None:
    with _turn:
        sys.stdout.buffer.write(json.dumps(message).encode() + b"\n" + data)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
