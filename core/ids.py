"""GUIDs that sort by the time of their making (UUID version 7, RFC 9562)."""

from __future__ import annotations

import os
import threading
import time
from datetime import datetime
from uuid import UUID

_lock = threading.Lock()
_last = 0


def uuid7() -> UUID:
    """A new GUID: 48 bits of milliseconds, 12 bits of their fraction, 62 random bits.

    Within a process each one sorts after the one before (RFC 9562, 6.2, methods 1 and 3), so rows that are made
    together keep their order.

    Python has its own from 3.14. The package uuid6 counts up a whole millisecond for each one of the same millisecond:
    ten thousand rows made at once would sort after all that other processes make in the next ten seconds.
    """
    global _last
    millis, rest = divmod(time.time_ns(), 1_000_000)
    stamp = millis << 12 | rest * 4096 // 1_000_000
    with _lock:
        _last = stamp = max(stamp, _last + 1)
    tail = int.from_bytes(os.urandom(8), "big") & 0x3FFFFFFFFFFFFFFF
    return UUID(int=(stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0b10 << 62 | tail)


def first_at(moment: datetime) -> UUID:
    """The least id of a row that is made at this moment or later: a look for the newest rows is one along their ids."""
    return UUID(int=max(0, int(moment.timestamp() * 1000)) << 80)


def as_uuid(text: object) -> UUID | None:
    """The GUID that `text` spells, or None: a malformed id is simply not found."""
    try:
        return text if isinstance(text, UUID) else UUID(str(text))
    except ValueError:
        return None


def as_key(text: object) -> UUID:
    """As as_uuid, for look-ups: what spells no GUID becomes the nil one, which no row has."""
    return as_uuid(text) or UUID(int=0)
