"""Long writes in slices: nobody holds the database for longer than one of them takes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import connection, transaction
from django.db.models import QuerySet

from core import collector

T = TypeVar("T")
# So many rows are written by one transaction, where an action is about many.
SLICE = 500
# SQLite's waiting writers look again after a tenth of a second at the latest: shorter, and they would never get in.
PAUSE_S = 0.12


def cut(items: Sequence[T], size: int = 0) -> Iterator[Sequence[T]]:
    """The items in order, at most `size` at a time."""
    size = size or SLICE
    return (items[start : start + size] for start in range(0, len(items), size))


def of(items: Sequence[T], size: int = 0) -> Iterator[Sequence[T]]:
    """The same; between two of them others may write."""
    for number, part in enumerate(cut(items, size)):
        if number:
            pause()
        yield part


@contextmanager
def writing(*, savepoint: bool = True) -> Iterator[None]:
    """The transaction of one slice, which no search for garbage makes longer."""
    with collector.held(), transaction.atomic(savepoint=savepoint):
        yield


def delete(rows: QuerySet[Any, Any], size: int = 0) -> int:
    """Delete these rows, with what hangs on them; how many of them."""
    count = 0
    while keys := list(rows.values_list("pk", flat=True)[: size or SLICE]):
        if count:
            pause()
        with writing():
            rows.model._default_manager.filter(pk__in=keys).delete()
        count += len(keys)
    return count


def pause() -> None:
    """Let others write: called between two transactions, never inside one."""
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        time.sleep(PAUSE_S)
