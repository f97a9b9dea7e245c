"""How a receiver knows that a webhook is the studio's: Standard Webhooks (https://www.standardwebhooks.com). Pure.

The signature is over the id of the message, the time at which it was sent, and the bytes of its body, joined by full stops.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

PREFIX = "whsec_"
BYTES = 32


def new_key() -> str:
    """A key as both sides keep it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(BYTES)).decode()


def headers(key: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """What travels beside the body. `timestamp` is in seconds since 1970."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature(key, message_id, timestamp, body)}",
    }


def signature(key: str, message_id: str, timestamp: int, body: bytes) -> str:
    """HMAC-SHA256, in base64."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    secret = base64.b64decode(key.removeprefix(PREFIX))
    return base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
