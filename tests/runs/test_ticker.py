"""The ticker: one of several works, and what it looks at each second costs little where there is nothing to do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.clock import now
from core.heartbeats import beat
from core.models import Beat, Event
from core.prepared import Probe
from runs.models import Attempt, Run
from runs.services.maintenance import lease_expiry, ticker
from schedules.models import Tick
from tests.runs.conftest import RunScenario

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]


def test_whose_turn_it_is_is_signed_every_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = 100.0
    monkeypatch.setattr("runs.services.maintenance.ticker.time.monotonic", lambda: moment)
    turn, other = ticker.Turn("one"), ticker.Turn("two")
    assert turn.is_ours() and not other.is_ours()
    moment += ticker.SIGNED_S - 0.1
    with CaptureQueriesContext(connection) as asked:
        assert turn.is_ours()
    assert not asked
    moment += 1
    with CaptureQueriesContext(connection) as asked:
        assert turn.is_ours()
    assert asked
    # It was stopped for longer than the lease lasts, and the other has taken over.
    Beat.objects.filter(name="ticker").update(at=now() - ticker.LEASE - timedelta(seconds=1))
    assert other.is_ours()
    moment += 60
    assert not turn.is_ours() and beat("ticker", "two", silence=ticker.LEASE)


def test_a_probe_answers_as_its_queryset_does(scenario: RunScenario) -> None:
    probe = Probe(lambda moment: Run.objects.filter(created_at__lt=moment).order_by("-id"), type(now()))
    assert not probe(now())
    scenario.pipeline("a")
    assert probe(now() + timedelta(seconds=1)) and not probe(now() - timedelta(hours=1))


def test_nothing_to_do_takes_a_look_each(scenario: RunScenario) -> None:
    """Each second: at most one statement for each duty, and none that writes or locks."""
    for count in (2, 2 * 5):
        ticker.tick(count)
    for count, most in ((1, 12), (2, 20)):
        with CaptureQueriesContext(connection) as asked:
            ticker.tick(count)
        texts = [each["sql"] for each in asked]
        assert len(texts) <= most and all(text.startswith("SELECT") and "FOR " not in text for text in texts), texts


def test_what_is_left_behind_is_found_by_the_looks(scenario: RunScenario) -> None:
    run = scenario.pipeline("a", status="NotStarted")
    attempt = scenario.attempt(scenario.step(run, "a"))
    late = now() - timedelta(hours=1)
    found = []
    for status, fields in (("leased", {"lease_until": late}), ("running", {"lease_until": late})):
        Attempt.objects.filter(pk=attempt.pk).update(status=status, **fields)
        found.append(lease_expiry.OVER_BEFORE(now()))
    Attempt.objects.filter(pk=attempt.pk).update(lease_until=now() + timedelta(hours=1))
    assert found == [True, True] and not lease_expiry.OVER_BEFORE(now())
    Event.objects.create(topic="x", version=1)
    Event.objects.update(created_at=late)
    ticker.deliver_events()
    assert not Event.objects.filter(delivered_at__isnull=True).exists()
    assert not Tick.objects.exists()


def test_a_root_that_nobody_carries_forward_is_found_whatever_started_it(scenario: RunScenario) -> None:
    """One of a schedule may wait for its turn; any other is looked at after a few seconds."""
    made = [scenario.pipeline("a", status="NotStarted") for _ in range(3)]
    for run, trigger in zip(made, ({}, {"kind": "rest", "name": "x"}, {"kind": "schedule", "name": "x"}), strict=True):
        at = now() - lease_expiry.QUIET - timedelta(seconds=1)
        Run.objects.filter(pk=run.pk).update(trigger=trigger, created_at=at)
    assert {run.pk for run in lease_expiry.silent_runs()} == {made[0].pk, made[1].pk}
    Run.objects.update(created_at=now() - lease_expiry.TURN - timedelta(seconds=1))
    assert len(lease_expiry.silent_runs()) == 3
