"""The process in which a table is profiled: `datasets.tables_child` says how it is asked and how it answers.

Asked of a `table` it answers `{"rows": ..., "columns": ...}` when it has read that, then each column as `{"column": {...}}`;
of a `table` and a `baseline` `{"differences": {...}}`, or `{"fault": {"code", "facts"}}` of its `keys`.
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
        is_disk = "max_temp_directory_size" in str(error)
        say({"error": {"code": "no_room" if is_disk else "table_too_large", "message": "overflow"}})
    except duckdb.IOException as error:
        if "No space left" not in str(error):
            raise
        say({"error": {"code": "no_room", "message": "disk"}})


def _compare(asked: Mapping[str, Any]) -> None:
    connection = connect(Path.cwd())
    before = spooled(asked["baseline"], "baseline", {}, asked["most"], (0.0, 0.25), connection)
    after = (
        spooled(asked["table"], "table", {}, asked["most"], (0.25, 0.25), connection) if before is not None else None
    )
    if before is None or after is None:
        return
    try:
        found = differences(before, after, asked["keys"], lambda done, total: _far(0.5, 0.5 * done / total))
    except KeyFault as fault:
        say({"fault": {"code": fault.code, "facts": fault.facts}})
        return
    say({"differences": found})


def _profile(asked: Mapping[str, Any]) -> None:
    misfits: dict[str, int] = {}
    spool = spooled(asked["table"], "table", misfits, asked["most"], (0.0, 0.5))
    if spool is None:
        return
    say({"rows": spool.rows, "columns": len(spool.columns)})
    for done, column in enumerate(spool.columns, 1):
        found = of_column(spool, column)
        found.error = misfits.get(column.name, 0)
        say({"column": found.document()})
        _far(0.5, 0.5 * done / len(spool.columns))


def _far(start: float, more: float) -> None:
    tell(round(1000 * (start + more)), 1000)


def spooled(
    table: Mapping[str, Any],
    name: str,
    misfits: dict[str, int],
    most: int,
    way: tuple[float, float],
    connection: Any = None,
) -> Spool | None:
    """The rows of a table in a folder of its name. None where it has too many columns, which is told.

    `way`: where on the whole way it begins, and how much of that it is.
    """
    sources = [source_of(*each) for each in table["files"]]
    form = form_of(table["format"])
    known = table.get("survey")
    start, length = way

    def looked(done: int, total: int) -> None:
        _far(start, length / 2 * done / max(1, total))

    def laid_down(done: int, total: int) -> None:
        # Unless its types are known, it has been read once before.
        skipped = length / 2 if known is None else 0.0
        _far(start + skipped, (length - skipped) * done / max(1, total))

    columns = survey(sources, form, looked) if known is None else [Column(*each) for each in known]
    definition = {"format": table["format"], "operations": table["operations"]}
    made = read(
        sources,
        definition,
        columns,
        misfits=misfits,
        progress=laid_down,
    )
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
