"""When a web counts as away, and what an agent may count on meanwhile."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core import heartbeats
from core.clock import now
from core.models import Beat
from duto_agent.studio.exchange import RENEW_S, RENEW_SHARE


@pytest.mark.django_db
def test_a_break_of_the_web_begins_its_time_anew() -> None:
    heartbeats.beat("web:x", "1", silence=heartbeats.web_silence())
    for missed, is_new in ((5, False), (11, True)):
        since = now() - timedelta(minutes=5)
        Beat.objects.update(since=since, at=now() - timedelta(seconds=missed))
        heartbeats.beat("web:x", "1", silence=heartbeats.web_silence())
        assert (Beat.objects.get().since > since) is is_new


@pytest.mark.django_db
def test_a_sign_of_a_time_to_come_keeps_nobody_from_a_job() -> None:
    """Clocks went back after it, and whoever gave it has died."""
    heartbeats.beat("ticker", "1", silence=timedelta(seconds=10))
    Beat.objects.update(at=now() + timedelta(hours=1))
    assert heartbeats.beat("ticker", "2", silence=timedelta(seconds=10))
    Beat.objects.update(at=now() + timedelta(seconds=5))
    assert not heartbeats.beat("ticker", "3", silence=timedelta(seconds=10)), (
        "clocks of two machines may differ by that"
    )


@pytest.mark.parametrize("lease", [3, 10, 30, 3600])
def test_what_the_web_does_not_notice_fits_into_a_lease(settings: Any, lease: int) -> None:
    settings.DUTO = replace(settings.DUTO, lease_seconds=lease)
    called = timedelta(seconds=min(RENEW_S, lease * RENEW_SHARE))
    assert 2 * heartbeats.web_rhythm() <= heartbeats.web_silence()
    assert heartbeats.renew_after() + called + heartbeats.web_silence() <= 0.75 * heartbeats.lease()
