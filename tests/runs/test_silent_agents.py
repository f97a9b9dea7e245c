"""An agent that says nothing for longer than a lease has lost its attempts, if the studio could have heard it."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction

from compute.models import Host
from core.clock import now
from core.models import Beat
from runs.models import Attempt
from runs.services.maintenance import lease_expiry
from studio.testing.live import eventually
from tests.runs.exchange import agent, cluster, context, states, submit_chain

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["agent", "cluster", "context"]  # fixtures


def test_a_silent_agent_loses_its_attempt_only_while_the_web_was_up(context, cluster, agent):
    run = submit_chain(context, "a")
    agent.say()
    Attempt.objects.update(lease_until=now() - timedelta(seconds=1))
    assert lease_expiry.expire() == 0
    Beat.objects.create(name="web:x", since=now() - timedelta(minutes=5), at=now())
    Host.objects.update(last_seen_at=now() - timedelta(minutes=2))
    assert lease_expiry.expire() == 1
    first, second = Attempt.objects.order_by("number")
    assert (first.status, first.cause, second.status) == ("lost", "host_lost", "queued")
    assert "without a word from the agent" in first.message
    assert states(run) == {"a": "Queued"}


@pytest.mark.parametrize(("signed", "up"), [(11, 300), (1, 29)])
def test_a_web_that_was_away_calls_nobody_silent(context, cluster, agent, signed, up):
    submit_chain(context, "a")
    agent.say()
    Attempt.objects.update(lease_until=now() - timedelta(seconds=1))
    at = now() - timedelta(seconds=signed)
    Beat.objects.create(name="web:x", since=now() - timedelta(seconds=up), at=at)
    assert lease_expiry.expire() == 0
    Beat.objects.update(since=now() - timedelta(seconds=31), at=now() - timedelta(seconds=9))
    assert lease_expiry.expire() == 1


def test_a_word_that_comes_while_the_lease_is_judged_renews_it(context, cluster, agent):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    submit_chain(context, "a")
    agent.say()
    Attempt.objects.update(lease_until=now() - timedelta(seconds=1))
    Beat.objects.create(name="web:x", since=now() - timedelta(minutes=5), at=now())
    found: list[int] = []

    def judge() -> None:
        try:
            found.append(lease_expiry.expire())
        finally:
            connections.close_all()

    with transaction.atomic():
        Attempt.objects.update(lease_until=now() + timedelta(seconds=30))
        judging = threading.Thread(target=judge)
        judging.start()
        eventually(waits, what="a judge who waits for the row")
    judging.join()
    assert found == [0]
    assert Attempt.objects.get().status == "leased"


def waits() -> bool:
    """Whether a connection stands before a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        return bool(cursor.fetchone()[0])


def test_a_late_verdict_of_a_lost_attempt_is_refused(context, cluster, agent):
    submit_chain(context, "a")
    (work,) = agent.say()["work"]
    Attempt.objects.update(lease_until=now() - timedelta(seconds=1))
    Beat.objects.create(name="web:x", since=now() - timedelta(minutes=5), at=now())
    lease_expiry.expire()
    answer = agent.finish(work)
    assert [each["code"] for each in answer["refused"]] == ["stale_epoch"]
