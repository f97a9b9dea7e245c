"""How the parts of the studio are, each with the reason and what mends it. A part that is away is told, never raised."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import django
from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from compute.models import Host
from compute.services.host_summary import is_alive
from core import frames
from core.clock import format_utc, now
from core.errors import StudioError
from core.heartbeats import WEB, web_silence
from core.models import Beat, Event
from core.storage import data_dir, is_own_far
from core.words import size_text
from datasets import own_store

GOOD, WARN, BAD = "good", "warning", "bad"
# The ticker signs once a second; of a worker that is away its lease runs out after ten.
TICKER_SILENCE = timedelta(seconds=15)
LATE = timedelta(seconds=30)
# Less than this share of the disk, or so many bytes, is little; a tenth of that is none.
LITTLE_SHARE, LITTLE_BYTES = 0.1, 10 << 30
NAMED = 5


@dataclass(frozen=True)
class Part:
    """A part: how it is (`good`, `warning`, `bad`), why, and what to do about it."""

    name: str
    state: str
    reason: str
    action: str = ""


def parts() -> list[Part]:
    """Web, worker, database, broker, hosts, disk."""
    looks: tuple[Callable[[datetime], Part], ...] = (_web, _worker, _database, _broker, _hosts, _disk)
    moment = now()
    return [look(moment) for look in (*looks, *((_artifact_store,) if is_own_far() else ()))]


def versions() -> dict[str, str]:
    """What runs here."""
    from workspaces.api.views import VERSION

    return {
        "duto": VERSION, "python": platform.python_version(), "django": django.get_version(),
        "database": _database_version(), "system": f"{platform.system()} {platform.release()}",
    }  # fmt: skip


def _web(moment: datetime) -> Part:
    rows = Beat.objects.filter(name__startswith=WEB, at__gte=moment - web_silence()).order_by("since")
    since = rows.values_list("since", flat=True).first()
    if since is None:
        # It answers this very question: it has only just started, or its thread of signs has died.
        text = _("It answers, and has not signed its life yet: until it has, nobody is called silent.")
        return Part("web", WARN, text, _("Wait half a minute. If this stays, start the web process again."))
    count = rows.count()
    text = ngettext("up since %(since)s, %(n)s process", "up since %(since)s, %(n)s processes", count)
    return Part("web", GOOD, text % {"since": format_utc(since), "n": count})


def _worker(moment: datetime) -> Part:
    row = Beat.objects.filter(name="ticker").first()
    if row is None or moment - row.at > TICKER_SILENCE:
        heard = _("last heard of at %(at)s") % {"at": format_utc(row.at)} if row else _("never heard of")
        action = _("Start the worker: 'python3 manage.py up' starts all parts, in compose it is the service 'worker'.")
        return Part("worker", BAD, _("No worker carries runs forward: %(heard)s.") % {"heard": heard}, action)
    late = Event.objects.filter(delivered_at__isnull=True, created_at__lt=moment - LATE).count()
    if late:
        text = ngettext(
            "%(n)s event waits to be delivered for more than half a minute.",
            "%(n)s events wait to be delivered for more than half a minute.",
            late,
        )
        return Part(
            "worker", WARN, text % {"n": late}, _("Look into the worker's log: it is busy, or the broker is away.")
        )
    return Part(
        "worker", GOOD, _("working since %(since)s (%(owner)s)") % {"since": format_utc(row.since), "owner": row.owner}
    )


def _database(moment: datetime) -> Part:
    if connection.vendor == "sqlite":
        return Part("database", GOOD, _("SQLite, on this machine: one writer at a time."))
    return Part("database", GOOD, _("answers (%(version)s)") % {"version": _database_version()})


def _broker(moment: datetime) -> Part:
    if frames.answers():
        return Part("broker", GOOD, _("answers"))
    text = _("The broker does not answer: runs complete, and pages and hosts hear of it later.")
    return Part(
        "broker", WARN, text, _("Start Valkey, and look at DUTO_REDIS_URL. 'python3 manage.py up' starts its own.")
    )


def _hosts(moment: datetime) -> Part:
    hosts = list(Host.objects.filter(revoked_at__isnull=True).only("name", "last_seen_at", "drained_at"))
    silent = [host for host in hosts if not is_alive(host, moment)]
    if not hosts or len(silent) == len(hosts):
        text = (
            _("No host is there: no step runs.")
            if not hosts
            else ngettext(
                "The only host is silent: no step runs.", "All %(n)s hosts are silent: no step runs.", len(hosts)
            )
        )
        action = _("Start the agent of a host, or add one on the page Compute.")
        return Part("hosts", BAD, text % {"n": len(hosts)}, action)
    if silent:
        names = ", ".join(host.name for host in silent[:NAMED]) + (" …" if len(silent) > NAMED else "")
        text = ngettext(
            "%(silent)s of %(n)s is silent: %(names)s.", "%(silent)s of %(n)s are silent: %(names)s.", len(silent)
        )
        facts = {"silent": len(silent), "n": len(hosts), "names": names}
        return Part("hosts", WARN, text % facts, _("Start their agents, or detach the hosts that are gone for good."))
    return Part("hosts", GOOD, ngettext("%(n)s, alive", "%(n)s, all alive", len(hosts)) % {"n": len(hosts)})


def _disk(moment: datetime) -> Part:
    try:
        disk = shutil.disk_usage(data_dir())
    except OSError as error:
        action = _("Look at the data directory, and at who may write there (DUTO_DATA_DIR).")
        return Part("disk", BAD, _("The data directory cannot be read: %(why)s.") % {"why": error.strerror}, action)
    text = _("%(free)s of %(total)s are free") % {"free": size_text(disk.free), "total": size_text(disk.total)}
    little = min(LITTLE_SHARE * disk.total, LITTLE_BYTES)
    if disk.free >= little:
        return Part("disk", GOOD, text)
    action = _("Delete runs or workspaces, shorten what retention keeps, or give the data directory a larger disk.")
    return Part("disk", BAD if disk.free < little / 10 else WARN, text, action)


def _artifact_store(moment: datetime) -> Part:
    try:
        own_store.look()
    except StudioError as error:
        text = _("Files of runs are neither read nor kept until it does: what steps bring waits on their hosts.")
        return Part("artifact_store", BAD, error.message, text)
    return Part("artifact_store", GOOD, _("answers"))


def _database_version() -> str:
    if connection.vendor == "sqlite":
        from sqlite3 import sqlite_version

        return f"SQLite {sqlite_version}"
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        row = cursor.fetchone()
    return f"PostgreSQL {str(row[0]).split()[0]}" if row else "PostgreSQL"
