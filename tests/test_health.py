"""The studio answers, with the headers that it promises."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def test_healthz_answers_and_sends_the_strict_policy(client: Client) -> None:
    answer = client.get("/healthz")
    assert answer.status_code == 200
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy


def test_an_odd_host_cannot_write_into_the_policy(client: Client) -> None:
    answer = client.get("/healthz", headers={"host": "localhost;script-src *"})
    assert "script-src *" not in answer.headers["Content-Security-Policy"]


@pytest.mark.sqlite(only=True)
def test_sqlite_is_set_up_for_many_writers() -> None:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        assert cursor.fetchone() == ("wal",)
    assert connection.transaction_mode == "IMMEDIATE"
