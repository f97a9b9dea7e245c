"""How two tables differ, by DuckDB over their spools: schema, rows by a key, and each column's values on the same bins.

Pure, as `datasets.statistics`, on which it stands. "Before" is the baseline, "after" the table that is compared with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from datasets.statistics import (
    Column,
    ColumnStatistics,
    Spool,
    counts_in,
    edges_between,
    frequent_in_both,
    summary,
)
from duto.tables.reader import plain

# Of a column's statistics what is set side by side.
BESIDE = ("count", "missing", "distinct", "minimum", "maximum", "mean", "standard_deviation", "approximate")


class KeyFault(Exception):
    """Rows cannot be told apart by this key. `code` and `facts` say why."""

    def __init__(self, code: str, **facts: Any) -> None:
        super().__init__(code)
        self.code, self.facts = code, facts


@dataclass(frozen=True)
class Both:
    """A column of both tables."""

    before: Column
    after: Column


def differences(before: Spool, after: Spool, keys: Sequence[str], tell: Callable[[int, int], None]) -> dict[str, Any]:
    """What docs/data.md says of differences, as JSON has it. Both spools share a connection.

    Raises KeyFault.
    """
    was = {each.name: each for each in before.columns}
    now = {each.name: each for each in after.columns}
    common = [Both(was[name], column) for name, column in now.items() if name in was and was[name].type == column.type]
    matched = _match(before, after, keys) if keys else None
    columns = []
    for done, both in enumerate(common, 1):
        columns.append(_column(before, after, both, with_changes=bool(keys)))
        tell(done, len(common))
    if matched is not None:
        ((changed,),) = after.ask("SELECT count(DISTINCT place) FROM changed")
        matched |= {"changed": changed, "same": matched.pop("pairs") - changed}
    return {
        "schema": {
            "added": [{"name": each.name, "type": each.type} for name, each in now.items() if name not in was],
            "removed": [{"name": each.name, "type": each.type} for name, each in was.items() if name not in now],
            "changed": [
                {"name": name, "before": was[name].type, "after": each.type}
                for name, each in now.items()
                if name in was and was[name].type != each.type
            ],
        },
        "rows": {"before": before.rows, "after": after.rows},
        "keys": list(keys), "matched": matched, "columns": columns,
    }  # fmt: skip


def _match(before: Spool, after: Spool, keys: Sequence[str]) -> dict[str, int]:
    """Pair the rows of one key, and count those that only one table has."""
    found: dict[str, list[Column]] = {}
    for side, spool in (("before", before), ("after", after)):
        held = {each.name: each for each in spool.columns}
        missing = [name for name in keys if name not in held]
        if missing:
            raise KeyFault("key_missing", names=", ".join(missing), side=side)
        found[side] = [held[name] for name in keys]
    odd = [one.name for one, other in zip(found["before"], found["after"], strict=True) if one.type != other.type]
    if odd:
        raise KeyFault("key_type", names=", ".join(odd))
    for side, spool in (("before", before), ("after", after)):
        spool.ask(f"CREATE TABLE keys_{side} AS {_placed(spool, found[side])}")
        names = ", ".join(f"k{number}" for number in range(len(keys)))
        ((several,),) = spool.ask(
            f"SELECT coalesce(sum(n), 0) FROM (SELECT count(*) AS n FROM keys_{side} GROUP BY {names} HAVING n > 1)"
        )
        if several:
            raise KeyFault("key_twice", count=int(several), side=side)
    same = " AND ".join(f"b.k{number} IS NOT DISTINCT FROM a.k{number}" for number in range(len(keys)))
    after.ask(
        "CREATE TABLE pairs AS SELECT b.place AS old, a.place AS new FROM keys_before b JOIN keys_after a ON " + same
    )
    after.ask("CREATE TABLE changed (place BIGINT)")
    ((pairs,),) = after.ask("SELECT count(*) FROM pairs")
    return {"added": after.rows - pairs, "removed": before.rows - pairs, "pairs": pairs}


def _placed(spool: Spool, columns: Sequence[Column]) -> str:
    """The columns with the place of each row, as SQL; they may lie in several files."""
    parts = ", ".join(f"t{number}.{each.sql} AS k{number}" for number, each in enumerate(columns))
    tables = " JOIN ".join(
        f"{spool.source(each, with_place=True)} t{number}" + (" USING (file_row_number)" if number else "")
        for number, each in enumerate(columns)
    )
    return f"SELECT file_row_number AS place, {parts} FROM {tables}"


def _column(before: Spool, after: Spool, both: Both, *, with_changes: bool) -> dict[str, Any]:
    was, now = summary(before, both.before), summary(after, both.after)
    found: dict[str, Any] = {
        "name": both.after.name, "type": both.after.type, "before": _beside(was), "after": _beside(now), "changed": None,
        "histogram": None, "frequent": [],
    }  # fmt: skip
    if with_changes:
        found["changed"] = _changed(before, after, both)
    ends = [each for each in (was.minimum, was.maximum, now.minimum, now.maximum) if each is not None]
    if both.after.has_bins and ends:
        edges = edges_between(both.after, min(ends), max(ends))
        found["histogram"] = {
            "edges": [plain(each) for each in edges],
            "before": counts_in(before, both.before, edges), "after": counts_in(after, both.after, edges),
        }  # fmt: skip
    elif not both.after.has_bins:
        found["frequent"] = [
            {"value": plain(value), "before": old, "after": new}
            for value, old, new in frequent_in_both(before, both.before, after, both.after)
        ]
    return found


def _beside(found: ColumnStatistics) -> dict[str, Any]:
    document = found.document()
    return {name: document[name] for name in BESIDE}


def _changed(before: Spool, after: Spool, both: Both) -> int:
    """How many of the paired rows have another value in this column; which ones is noted."""
    ((already,),) = after.ask("SELECT count(*) FROM changed")
    after.ask(
        "INSERT INTO changed SELECT new FROM pairs "
        f"JOIN {before.source(both.before, with_place=True)} b ON b.file_row_number = old "
        f"JOIN {after.source(both.after, with_place=True)} a ON a.file_row_number = new "
        f"WHERE b.{both.before.sql} IS DISTINCT FROM a.{both.after.sql}"
    )
    ((noted,),) = after.ask("SELECT count(*) FROM changed")
    return int(noted - already)
