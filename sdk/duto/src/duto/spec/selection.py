"""Which rows of a table, or files of a list, a dataset's operations leave: the same on both sides of the
wire."""

from __future__ import annotations

import random
from typing import Any, Callable, Iterable, List, Mapping, Optional, Sequence, Tuple

from duto.spec import conditions

# What a condition on files may ask for, by Azure's names: the size is in bytes; the path inside the dataset is ours.
FILE_TYPES = {
    "Size": "long",
    "LastModifiedTime": "datetime",
    "Extension": "string",
    "CanSeek": "bool",
    "Path": "string",
}


def indices(count: int, operations: Iterable[Mapping[str, Any]]) -> List[int]:
    """The places, of `count` in order, that take, skip, sample and random_split leave; others do not choose.

    `random_split` holds `percentage` (0 to 1), `seed` and `part` (0: the share itself, 1: the rest); the two
    parts of one seed complement each other.
    """
    kept = list(range(count))
    for operation in operations:
        kept = _choose(kept, operation)
    return kept


def select(
    items: Sequence[Any],
    operations: Iterable[Mapping[str, Any]],
    facts: Callable[[Any], Mapping[str, Any]],
    moment: Callable[[str], Any],
) -> List[Any]:
    """The files that the operations leave.

    Args:
        items: the files.
        operations: those of a dataset of files; a `filter` was checked.
        facts: what `FILE_TYPES` names, of a file; times without a zone, in UTC, and None for what is not known.
        moment: the time of a text, likewise.
    """
    kept = list(items)
    for operation in operations:
        if operation["op"] == "filter":
            known = [facts(item) for item in kept]
            column = lambda name, known=known: [each[name] for each in known]  # noqa: E731
            kept = [kept[place] for place in conditions.chosen(operation["where"], column, moment, len(kept))]
        else:
            kept = [kept[place] for place in indices(len(kept), [operation])]
    return kept


def timestamps(operations: Iterable[Mapping[str, Any]]) -> Tuple[Optional[str], Optional[str]]:
    """The timestamp and the partition timestamp column after the operations: who is named last, and not dropped since."""
    fine: Optional[str] = None
    coarse: Optional[str] = None
    for operation in operations:
        op, columns = operation.get("op"), operation.get("columns") or ()
        if op == "timestamp_columns":
            fine, coarse = operation.get("timestamp") or None, operation.get("partition_timestamp") or None
        elif op in ("keep_columns", "drop_columns"):
            is_kept = op == "keep_columns"
            fine = fine if (fine in columns) is is_kept else None
            coarse = coarse if (coarse in columns) is is_kept else None
    return fine, coarse


def _choose(kept: List[int], operation: Mapping[str, Any]) -> List[int]:
    op = operation.get("op")
    if op == "take":
        return kept[: max(int(operation["count"]), 0)]
    if op == "skip":
        return kept[max(int(operation["count"]), 0) :]
    if op in ("sample", "random_split"):
        share = float(operation["probability" if op == "sample" else "percentage"])
        draw = random.Random(int(operation.get("seed") or 0))  # noqa: S311 - a choice that can be repeated, no secret
        first = [draw.random() < share for _ in kept]
        wanted = op == "sample" or not operation.get("part")
        return [index for index, inside in zip(kept, first) if inside is wanted]
    return kept
