"""Tables are profiled in a process of their own, as they are read (`datasets.tables`), with more time and more memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from core.errors import Unprocessable
from datasets import tables
from datasets.child import Alive
from datasets.stored_messages import refusal, say

CHILD = Path(__file__).with_name("profile_child.py")
# Addresses, of which DuckDB and Arrow reserve more than they use; what they use stays below a third of it.
MEMORY = 3 << 30
SECONDS = 6 * 3600
MOST_COLUMNS = 5_000

# How far it is, in percent. What it raises ends the work.
Progress = Callable[[int], None]


def profile(question: tables.Question, progress: Progress) -> dict[str, Any]:
    """`{"rows": n, "columns": [...]}`, each column as `ColumnStatistics.document()` has it.

    Raises Unprocessable for what is no table or too much, Busy.
    """
    found: dict[str, Any] = {"rows": 0, "columns": []}
    question.alive = _told(progress)
    with tables.asked_of(
        CHILD, {"table": question}, {"most": MOST_COLUMNS}, question.alive, task="profile", memory=MEMORY, seconds=SECONDS,
    ) as answers:  # fmt: skip
        for answer in answers:
            if "wide" in answer:
                raise refusal(
                    Unprocessable, say("profile_wide", count=answer["wide"], most=MOST_COLUMNS), code="table_too_wide"
                )
            if "rows" in answer:
                found["rows"] = answer["rows"]
            else:
                found["columns"].append(answer["column"])
    return found


def compare(
    table: tables.Question, baseline: tables.Question, keys: Sequence[str], progress: Progress
) -> dict[str, Any]:
    """How a table differs from its baseline, as `datasets.differences` has it.

    Raises Unprocessable for what is no table or too much, and for a key that does not tell rows apart; Busy.
    """
    table.alive = baseline.alive = _told(progress)
    with tables.asked_of(
        CHILD, {"table": table, "baseline": baseline}, {"most": MOST_COLUMNS, "keys": list(keys)}, table.alive, task="profile",
        memory=MEMORY, seconds=SECONDS,
    ) as answers:  # fmt: skip
        for answer in answers:
            if "wide" in answer:
                raise refusal(
                    Unprocessable, say("profile_wide", count=answer["wide"], most=MOST_COLUMNS), code="table_too_wide"
                )
            if "fault" in answer:
                fault = answer["fault"]
                code = _FAULTS[(fault["code"], fault["facts"].pop("side", ""))]
                raise refusal(Unprocessable, say(code, **fault["facts"]), code=fault["code"])
            found: dict[str, Any] = answer["differences"]
            return found
    raise RuntimeError("The process that compares tables said nothing.")


# What is wrong with a key, and of which of the two.
_FAULTS = {
    ("key_missing", "before"): "no_key_before", ("key_missing", "after"): "no_key_after", ("key_type", ""): "odd_key",
    ("key_twice", "before"): "twice_before", ("key_twice", "after"): "twice_after",
}  # fmt: skip


def _told(progress: Progress) -> Alive:
    return lambda done, total: progress(min(99, 100 * done // total) if total else 0)
