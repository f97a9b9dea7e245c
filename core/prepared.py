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
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID, uuid4

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import QuerySet
from django.db.transaction import TransactionManagementError

Row = TypeVar("Row")
Key = UUID | str | int | datetime


@dataclass(frozen=True)
class _Statement:
    """A compiler that has built its statement, and which key stands where in the parameters."""

    rows: QuerySet[Any, Any]
    compiler: Any
    sql: str
    parameters: tuple[Any, ...]
    places: tuple[tuple[int, int], ...]


class Prepared(Generic[Row]):
    """`build` makes the queryset from its keys, which are of these `kinds`; without any told all are ids.

    A key stands in plain comparisons (`pk=key`); whatever else the conditions hold is the same at each call.
    """

    def __init__(self, build: Callable[..., QuerySet[Any, Row]], *kinds: type[Key]) -> None:
        self._build, self._kinds = build, kinds
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

    def statement(self, *keys: Key) -> tuple[Any, str, tuple[Any, ...]]:
        """The connection of this thread, and the statement for it with these keys."""
        connection = connections[DEFAULT_DB_ALIAS]
        found = self._statements.get(connection.vendor)
        if found is None:
            found = self._statements[connection.vendor] = self._prepare(connection, len(keys))
        return connection, found.sql, _parameters(found, connection, keys)

    def _prepare(self, connection: Any, count: int) -> _Statement:
        marks = [_mark(kind) for kind in self._kinds or [UUID] * count]
        rows = self._build(*marks)
        compiler = rows.query.get_compiler(connection=connection)
        sql, parameters = compiler.as_sql()
        numbers = {_as_parameter(mark, connection): number for number, mark in enumerate(marks)}
        keyed = [(place, each) for place, each in enumerate(parameters) if isinstance(each, Key)]
        places = tuple((place, numbers[each]) for place, each in keyed if each in numbers)
        if {number for _, number in places} != set(range(count)):
            raise ValueError("A key of a prepared statement does not stand in it as it is.")
        return _Statement(rows, compiler, sql, tuple(parameters), places)


class Probe:
    """Whether there is any such row, by a prepared statement: for what is looked at each second, and mostly finds none."""

    def __init__(self, build: Callable[..., QuerySet[Any, Any]], *kinds: type[Key]) -> None:
        self._prepared: Prepared[Any] = Prepared(lambda *keys: build(*keys).order_by().values("pk")[:1], *kinds)

    def __call__(self, *keys: Key) -> bool:
        connection, sql, parameters = self._prepared.statement(*keys)
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchone() is not None


def _mark(kind: type[Key]) -> Key:
    """A value that nothing else in a statement has."""
    mark = uuid4()
    if kind is datetime:
        return datetime.fromtimestamp(mark.int % 10**15 / 10**6, UTC)
    return mark.int % 2**31 if kind is int else str(mark) if kind is str else mark


def _as_parameter(key: Key, connection: Any) -> Any:
    """As the database takes it."""
    if isinstance(key, UUID):
        return key if connection.features.has_native_uuid_field else key.hex
    return connection.ops.adapt_datetimefield_value(key) if isinstance(key, datetime) else key


def _parameters(statement: _Statement, connection: Any, keys: tuple[Key, ...]) -> tuple[Any, ...]:
    given = [_as_parameter(key, connection) for key in keys]
    parameters = list(statement.parameters)
    for place, number in statement.places:
        parameters[place] = given[number]
    return tuple(parameters)


def _with_keys(statement: _Statement, connection: Any, keys: tuple[Key, ...]) -> QuerySet[Any, Any]:
    """The queryset, with a compiler that has this thread's connection and these keys."""
    parameters = _parameters(statement, connection, keys)
    compiler = copy.copy(statement.compiler)
    compiler.connection = connection
    compiler.as_sql = lambda *_, **__: (statement.sql, parameters)
    rows: QuerySet[Any, Any] = statement.rows.all()
    rows.query.get_compiler = lambda *_, **__: compiler  # type: ignore[method-assign]
    return rows
