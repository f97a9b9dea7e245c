"""Machines: enrolled with a key, recognised by it, seen when they speak."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import io
import json
import logging
import os
import secrets
import socket
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.text import slugify

from compute import host_report
from compute.models import Host
from compute.services import samples
from compute.services.host_summary import is_alive
from core import outbox
from core.clock import now
from core.errors import Conflict, Unauthenticated
from core.prepared import Prepared
from core.storage import Root, is_own_far, own_folder
from duto_protocol.messages import HostFacts
from workspaces.models import Workspace

KEY_PREFIX = "duto_host"
MARKER = "store-marker"
# Paths of a complaint that the log names.
NAMED = 20
log = logging.getLogger(__name__)
# What each host's last complaint was, in this process.
_noted: dict[UUID, tuple[str, ...]] = {}


_BY_KEY: Prepared[Host] = Prepared(
    lambda digest: Host.objects.filter(key_digest=digest, revoked_at__isnull=True)[:1], str
)


def authenticate(key: str) -> Host:
    """The host that speaks with this key. Raises Unauthenticated."""
    wanted = digest_of(key)
    host = _BY_KEY.first(wanted)
    # The index has compared already; the second look leaves no doubt about how the answer's time comes about.
    if host is None or not hmac.compare_digest(host.key_digest, wanted):
        raise Unauthenticated("This host key is not known here. Enrol the host again.", code="bad_host_key")
    return host


def hosts_of(workspace: Workspace) -> QuerySet[Host]:
    """The workspace's own hosts and those that serve every workspace, by name."""
    rows = Host.objects.filter(Q(workspace=workspace) | Q(workspace__isnull=True), revoked_at__isnull=True)
    return rows.order_by("name")


def seen(host: Host, facts: HostFacts) -> None:
    """The host has spoken just now, and perhaps told what it has. What it does not tell stays as it told it before."""
    found = host_report.columns_of(facts)
    moment = now()
    was_away = not is_alive(host, moment)
    changes = {**found, "last_seen_at": moment}
    for name, value in changes.items():
        setattr(host, name, value)
    Host.objects.filter(pk=host.pk).update(**changes)
    samples.keep(host, found.get("facts", {}).get("sample"), moment)
    if was_away:
        _tell_pages(host)


def _tell_pages(host: Host) -> None:
    """It speaks for the first time, or again: the pages that list it look anew."""
    rows = Workspace.objects.all() if host.workspace_id is None else Workspace.objects.filter(pk=host.workspace_id)
    for name in rows.values_list("name", flat=True):
        outbox.hint(f"list:{name}:compute")


def note_ignored(host: Host, facts: Sequence[str], reports: Sequence[str]) -> None:
    """Name in the log what was not understood. Facts are told again every few seconds, so the same complaint comes once."""
    said = tuple(facts[:NAMED])
    news = [*(said if _noted.get(host.pk) != said else ()), *reports[:NAMED]]
    if news:
        log.warning("host %s tells what is not understood and ignored: %s", host.name, ", ".join(map(ascii, news)))
    _noted[host.pk] = said


@transaction.atomic
def enrol_local_host(data_dir: Path, studio_url: str = "", redis_url: str = "") -> Host:
    """Make this machine a host of its own studio: write its key and the marker of the store beside the agent.

    At each start again: the key stays while its file is there, address and broker may have changed.
    """
    folder = data_dir / "agent"
    folder.mkdir(parents=True, exist_ok=True)
    marker = installation(data_dir)
    file = folder / "host.json"
    host, key = _known(file)
    if host is None:
        host, key = _new_host()
    document = {
        "studio": studio_url or settings.DUTO.url,
        "name": host.name,
        "key": key,
        "redis_url": redis_url or settings.DUTO.broker_url,
        # By it this host reads where the studio keeps its files; those on an object store it fetches as every host does.
        "store_marker": None if is_own_far() else marker,
        "installation": marker,
        "data_dir": str(data_dir),
    }
    _write(file, json.dumps(document, indent=2), 0o600)
    return host


def digest_of(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _known(file: Path) -> tuple[Host | None, str]:
    try:
        key = str(json.loads(file.read_text())["key"])
        return authenticate(key), key
    except (OSError, ValueError, KeyError, TypeError, Unauthenticated):
        return None, ""


def _new_host() -> tuple[Host, str]:
    """The local host's row with a fresh key; a row of an earlier start is taken over, so that its nodes stay."""
    key = f"{KEY_PREFIX}_{secrets.token_urlsafe(32)}"
    host = Host.objects.filter(is_local=True).order_by("id").first()
    if host is None:
        name = slugify(socket.gethostname())[:48] or "local"
        if Host.objects.filter(name=name).exists():
            name = f"{name}-{secrets.token_hex(3)}"
        host = Host(is_local=True, name=name)
    host.key_digest, host.revoked_at = digest_of(key), None
    host.save()
    return host, key


def installation(data_dir: Path) -> str:
    """This studio's id, made once: by it an agent also knows that this very folder is the studio's store."""
    if is_own_far():
        return _marker_of(own_folder(""))
    path = data_dir / MARKER
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        marker = secrets.token_hex(16)
        _write(path, marker, 0o644)
        return marker


def _marker_of(store: Root) -> str:
    """The same for all processes of a studio that share no folder: of two that make it the first has."""
    if not store.is_file(MARKER):
        with contextlib.suppress(Conflict):
            store.write(MARKER, io.BytesIO(secrets.token_hex(16).encode()), overwrite=False)
    return store.read(MARKER).decode().strip()


def _write(path: Path, text: str, mode: int) -> None:
    """Written beside and renamed: a reader sees all of it, and never with wider rights."""
    draft = path.with_name(f".{path.name}-{os.getpid()}")
    descriptor = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.replace(path)
