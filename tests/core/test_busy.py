"""A database that others hold: the request is refused with 503 and may come again, whoever met it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError, connection
from django.test import Client

from core.busy import as_busy
from tests.workspace_scenario import WorkspaceScenario
from workspaces.models import Role

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def of(kind: type[Exception], cause: BaseException | None = None) -> Exception:
    error = kind("told by the driver")
    error.__cause__ = cause
    return error


def sqlite_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = code  # type: ignore[misc]
    return error


BUSY = (
    of(OperationalError, sqlite_error(sqlite3.SQLITE_BUSY)), of(OperationalError, sqlite_error(sqlite3.SQLITE_BUSY | 2 << 8)), of(OperationalError, sqlite_error(sqlite3.SQLITE_LOCKED)),
    of(OperationalError, psycopg.errors.DeadlockDetected()), of(OperationalError, psycopg.errors.SerializationFailure()), of(OperationalError, psycopg.errors.LockNotAvailable()),
    of(OperationalError, psycopg.errors.TooManyConnections()), of(OperationalError, psycopg.errors.AdminShutdown()), of(OperationalError, psycopg.OperationalError("couldn't get a connection after 20.00 sec")),
    of(InterfaceError, psycopg.InterfaceError("connection already closed")),
)  # fmt: skip
FAULTS = (
    of(OperationalError, sqlite_error(sqlite3.SQLITE_CORRUPT)), of(OperationalError, psycopg.errors.DiskFull()), of(IntegrityError, psycopg.errors.UniqueViolation()),
    of(DatabaseError, psycopg.errors.UndefinedTable()), ValueError("database is locked"),
)  # fmt: skip


@pytest.mark.parametrize("error", BUSY)
def test_busy_is_told_from_the_driver_s_own_code(error: Exception) -> None:
    found = as_busy(error)
    assert found is not None and found.status == 503


@pytest.mark.parametrize("error", FAULTS)
def test_a_fault_is_no_busyness(error: Exception) -> None:
    assert as_busy(error) is None


@contextmanager
def busy_at(words: str) -> Iterator[None]:
    """Statements that begin so find the database locked."""

    def refuse(execute: Callable[..., Any], sql: str, *more: Any) -> Any:
        if words in sql:
            raise BUSY[0]
        return execute(sql, *more)

    with connection.execute_wrapper(refuse):
        yield


def busy_answer(answer: Any) -> tuple[int, str]:
    assert int(answer["Retry-After"]) >= 1
    return answer.status_code, answer.json()["error"]["code"]


def test_rest_and_agents_are_told_to_come_again(scenario: WorkspaceScenario) -> None:
    with busy_at('INSERT INTO "workspaces_'):
        assert busy_answer(scenario.api.post("tokens/", {"name": "laptop"})) == (503, "busy")
    agent = Client(headers={"Authorization": "Bearer x"})
    with busy_at("compute_host"):
        assert busy_answer(agent.put(f"/agent/v1/attempts/{scenario.workspace.pk}/1/log?offset=0", b"x")) == (
            503,
            "busy",
        )


def test_a_page_says_that_the_studio_is_busy(scenario: WorkspaceScenario) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(scenario.person("bo", Role.OWNER), backend="django.contrib.auth.backends.ModelBackend")
    for words in ("runs_run", "django_session", "workspaces_user"):  # in the view, and below it
        with busy_at(words):
            answer = client.get("/w/lab/runs/")
        assert (answer.status_code, answer["Retry-After"]) == (503, "1"), words
        assert b"busy" in answer.content and b"<html" in answer.content


def test_rest_is_told_so_also_where_the_session_is_read(scenario: WorkspaceScenario) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(scenario.owner, backend="django.contrib.auth.backends.ModelBackend")
    for words in ("django_session", "workspaces_user"):
        with busy_at(words):
            assert busy_answer(client.get("/api/v1/me/")) == (503, "busy"), words
