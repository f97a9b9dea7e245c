"""The process in which a table is profiled: `datasets.tables_child` says how it is asked and how it answers.

Asked of a `table` and a `baseline`, it answers `{"differences": {...}}`. Asked of a `table` alone, it answers `{"rows": ..., "columns": ...}` when it has read that, then each column as `{"column": {...}}`.
Rows are first laid down on the disk, column by column, so that memory does not grow with them. Half of the way is the
reading, half the columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from datasets.differences import KeyFault, differences
from datasets.statistics import Spool, connect, of_column
from datasets.tables_child import run, say, source_of, tell
from duto.tables import Column, form_of, read, survey


def main() -> None:
    run(_answer)


def _answer(asked: Mapping[str, Any]) -> None:
    try:
        (_compare if "baseline" in asked else _profile)(asked)
    except duckdb.OutOfMemoryException as error:
        is_disk = "disk" in str(error).lower() or "temp" in str(error).lower()
        say({"error": {"code": "no_room" if is_disk else "table_too_large", "message": "overflow"}})
        raise SystemExit(0) from error


def _compare(asked: Mapping[str, Any]) -> None:
    connection = connect(Path.cwd())
    before = spooled(asked["baseline"], "baseline", {}, asked["most"], connection)
    after = spooled(asked["table"], "table", {}, asked["most"], connection) if before is not None else None
    if before is None or after is None:
        return
    try:
        found = differences(before, after, asked["keys"], lambda done, total: tell(total + done, 2 * total))
    except KeyFault as fault:
        say({"fault": {"code": fault.code, "facts": fault.facts}})
        return
    say({"differences": found})


def _profile(asked: Mapping[str, Any]) -> None:
    misfits: dict[str, int] = {}
    spool = spooled(asked["table"], "table", misfits, asked["most"])
    if spool is None:
        return
    say({"rows": spool.rows, "columns": len(spool.columns)})
    for done, column in enumerate(spool.columns, 1):
        found = of_column(spool, column)
        found.error = misfits.get(column.name, 0)
        say({"column": found.document()})
        tell(len(spool.columns) + done, 2 * len(spool.columns))


def spooled(
    table: Mapping[str, Any], name: str, misfits: dict[str, int], most: int, connection: Any = None
) -> Spool | None:
    """The rows of a table in a folder of its name. None where it has too many columns, which is told."""
    sources = [source_of(*each) for each in table["files"]]
    form = form_of(table["format"])
    known = table.get("survey")
    # Unless its types are known, it is read twice, and each is half of the reading.
    parts = 4 if known is None else 2
    columns = (
        survey(sources, form, lambda done, total: tell(done, parts * total))
        if known is None
        else [Column(*each) for each in known]
    )
    definition = {"format": table["format"], "operations": table["operations"]}
    made = read(
        sources, definition, columns, misfits=misfits,
        progress=lambda done, total: tell((parts // 2 - 1) * total + done, parts * total),
    )  # fmt: skip
    if len(made.columns) > most:
        say({"wide": len(made.columns)})
        return None
    folder = Path.cwd() / f"spool-{name}"
    folder.mkdir()
    spool = Spool(folder, [(each.name, each.type) for each in made.columns], connection)
    for values, size in made.batches:
        spool.write(values, size)
    spool.close()
    return spool


if __name__ == "__main__":
    main()
