"""Signs of life in the database: who is up since when, and which one of many may do a job that needs one."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction

from core.clock import now
from core.models import Beat


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
    silent = moment - row.at > silence
    if row.owner != owner and not silent:
        return False
    since = moment if silent or row.owner != owner else row.since
    Beat.objects.filter(pk=name).update(owner=owner, since=since, at=moment)
    return True


def up_for(prefix: str, *, silence: timedelta) -> timedelta:
    """How long the longest-lived part with this prefix has been up without a break; zero when none is."""
    moment = now()
    alive = Beat.objects.filter(name__startswith=prefix, at__gte=moment - silence).order_by("since").first()
    return moment - alive.since if alive else timedelta()
