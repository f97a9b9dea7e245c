"""Statements that every step asks for: their SQL is built once a process instead of at each call.

Django spends several times longer on building a statement than a database on answering it by key, and the longer the
more columns and joins it has. A prepared statement is a queryset like any other, built once with marks in place of the
keys in its conditions. It relies on what Django's compiler leaves behind when it has built a statement, to which
tests/runs/test_prepared.py holds the Django that is installed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID, uuid4

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import QuerySet
from django.db.transaction import TransactionManagementError

Row = TypeVar("Row")
Key = UUID | str


@dataclass(frozen=True)
class _Statement:
    """A compiler that has built its statement, and which key goes where in the parameters, as text or as it is."""

    rows: QuerySet[Any, Any]
    compiler: Any
    sql: str
    parameters: tuple[Any, ...]
    places: tuple[tuple[int, int, bool], ...]


class Prepared(Generic[Row]):
    """`build` makes the queryset from its keys: ids, or texts where `texts` names their positions.

    A key stands in plain comparisons (`pk=key`); whatever else the conditions hold is the same at each call.
    """

    def __init__(self, build: Callable[..., QuerySet[Any, Row]], *, texts: tuple[int, ...] = ()) -> None:
        self._build, self._texts = build, texts
        self._statements: dict[str, _Statement] = {}

    def all(self, *keys: Key) -> list[Row]:
        """The rows. Raises TransactionManagementError where they are to be locked outside a transaction."""
        connection = connections[DEFAULT_DB_ALIAS]
        statement = self._statements.get(connection.vendor)
        if statement is None:
            statement = self._statements[connection.vendor] = self._prepare(connection, len(keys))
        elif statement.rows.query.select_for_update and connection.get_autocommit():
            raise TransactionManagementError("Rows are locked inside a transaction only.")
        return list(_with_keys(statement, connection, keys))

    def first(self, *keys: Key) -> Row | None:
        """The first row, if there is one."""
        return next(iter(self.all(*keys)), None)

    def _prepare(self, connection: Any, count: int) -> _Statement:
        marks: list[Key] = [f"mark {uuid4()}" if place in self._texts else uuid4() for place in range(count)]
        rows = self._build(*marks)
        compiler = rows.query.get_compiler(connection=connection)
        sql, parameters = compiler.as_sql()
        forms: dict[object, tuple[int, bool]] = {mark: (number, False) for number, mark in enumerate(marks)}
        forms |= {mark.hex: (number, True) for number, mark in enumerate(marks) if isinstance(mark, UUID)}
        keyed = [(place, each) for place, each in enumerate(parameters) if isinstance(each, str | UUID)]
        places = tuple((place, *forms[each]) for place, each in keyed if each in forms)
        if {number for _, number, _ in places} != set(range(count)):
            raise ValueError("A key of a prepared statement does not stand in it as it is.")
        return _Statement(rows, compiler, sql, tuple(parameters), places)


def _with_keys(statement: _Statement, connection: Any, keys: tuple[Key, ...]) -> QuerySet[Any, Any]:
    """The queryset, with a compiler that has this thread's connection and these keys."""
    parameters = list(statement.parameters)
    for place, number, is_text in statement.places:
        key = keys[number]
        parameters[place] = key.hex if is_text and isinstance(key, UUID) else key
    compiler = copy.copy(statement.compiler)
    compiler.connection = connection
    compiler.as_sql = lambda *_, **__: (statement.sql, tuple(parameters))
    rows: QuerySet[Any, Any] = statement.rows.all()
    rows.query.get_compiler = lambda *_, **__: compiler  # type: ignore[method-assign]
    return rows
