"""GUIDs that sort by the time of their making (UUID version 7, RFC 9562)."""

from __future__ import annotations

import os
import time
from uuid import UUID


def uuid7() -> UUID:
    """A new GUID: 48 bits of milliseconds, then 74 random bits."""
    stamp = time.time_ns() // 1_000_000
    tail = int.from_bytes(os.urandom(10), "big")
    value = (stamp & 0xFFFFFFFFFFFF) << 80
    value |= 0x7 << 76
    value |= (tail >> 64 & 0xFFF) << 64
    value |= 0b10 << 62
    value |= tail & 0x3FFFFFFFFFFFFFFF
    return UUID(int=value)


def as_uuid(text: object) -> UUID | None:
    """The GUID that `text` spells, or None: a malformed id is simply not found."""
    try:
        return text if isinstance(text, UUID) else UUID(str(text))
    except ValueError:
        return None


def as_key(text: object) -> UUID:
    """As as_uuid, for look-ups: what spells no GUID becomes the nil one, which no row has."""
    return as_uuid(text) or UUID(int=0)
