"""Signs of life in the database: who is up since when, and which one of many may do a job that needs one."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists

from core.clock import now
from core.models import Beat

WEB = "web:"


@transaction.atomic
def beat(name: str, owner: str, *, silence: timedelta) -> bool:
    """Sign as `owner`; True when the lease is ours. It is taken over after `silence` without a sign.

    `since` starts anew after a silence, so that "up without a break since" can be read from the row.
    """
    moment = now()
    row, made = Beat.objects.select_for_update().get_or_create(
        name=name, defaults={"owner": owner, "since": moment, "at": moment}
    )
    if made:
        return True
    # A sign of a time to come was given before clocks went back.
    silent = abs(moment - row.at) > silence
    if row.owner != owner and not silent:
        return False
    since = moment if silent or row.owner != owner else row.since
    Beat.objects.filter(pk=name).update(owner=owner, since=since, at=moment)
    return True


def web_rhythm() -> timedelta:
    """How often a web process signs: two signs may be late before it counts as away."""
    return web_silence() / 2


def web_silence() -> timedelta:
    """A web that was away for longer was away; a shorter break must fit into what a lease has left, see `renew_after`."""
    return lease() / 3


def renew_after() -> timedelta:
    """Leases move on once this much of them is used up. Agents call as often, so at least three fifths are always left."""
    return lease() / 5


def lease() -> timedelta:
    """How long an attempt may be silent."""
    return timedelta(seconds=settings.DUTO.lease_seconds)


def web_listened(moment: datetime) -> Exists:
    """Whether a web process has been up without a break for a whole lease until `moment`.

    A condition of the very query that looks for silence: a database that stands still in the middle changes neither side of it.
    """
    webs = Beat.objects.filter(name__startswith=WEB, at__gte=moment - web_silence(), since__lte=moment - lease())
    return Exists(webs)
