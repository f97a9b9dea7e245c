"""The process in which two tables are compared: it knows no database, no secret and no network.

It is asked and answers as `datasets/tables_child.py` is and does; its one answer is `{"compared": ...}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from datasets import tables_child
from duto.tables import Column, Table, form_of, read, survey
from monitors.comparison import Problem, compare, usable
from monitors.sample import laid_aside


def main() -> None:
    tables_child.run(_answer)


def _answer(asked: Mapping[str, Any]) -> None:
    try:
        tables_child.say({"compared": _compared(asked)})
    except Problem as problem:
        tables_child.say({"compared": {"problem": problem.code, "facts": problem.facts}})


def _compared(asked: Mapping[str, Any]) -> dict[str, Any]:
    target, baseline = table_of(asked["target"]), table_of(asked["baseline"])
    name = asked["timestamp"]
    require_times(target, name)
    of_baseline = {column: kind for column, kind in kinds_of(baseline).items() if column != name}
    features, excluded = usable(of_baseline, kinds_of(target), asked["features"], name)
    window = tuple(datetime.fromisoformat(asked[each]) for each in ("start", "end"))
    with (
        laid_aside(target, features, (name, *window), asked["least"], "few_rows") as rows,
        laid_aside(baseline, features, None, asked["least"], "few_baseline_rows") as base,
    ):
        return compare(base, rows, features, excluded)


def kinds_of(table: Table) -> dict[str, str]:
    """The columns of a table by name and type."""
    return {each.name: each.type for each in table.columns}


def require_times(table: Table, name: str) -> None:
    """Raises Problem where a table has no such column of times."""
    kinds = kinds_of(table)
    if name not in kinds:
        raise Problem("no_timestamp", column=name)
    if kinds[name] != "datetime":
        raise Problem("timestamp_type", column=name, type=kinds[name])


def table_of(part: Mapping[str, Any]) -> Table:
    """A table of the question, to be read once."""
    sources = [tables_child.source_of(name, path) for name, path in part["files"]]
    if part["survey"] is not None:
        columns = [Column(*each) for each in part["survey"]]
    else:
        columns = survey(sources, form_of(part["format"]), tables_child.tell)
    return read(sources, part, columns, progress=tables_child.tell)


if __name__ == "__main__":
    main()
