"""One spelling of a JSON document, and the digest of it."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical(document: Any) -> bytes:
    """The document as UTF-8 JSON with sorted keys and no spaces.

    Raises `ValueError` for NaN and infinity, which have no JSON spelling, and `TypeError` for what is not
    JSON.
    """
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "surrogatepass")


def digest(document: Any) -> str:
    """The sha256 of the canonical JSON, in lower-case hex."""
    return hashlib.sha256(canonical(document)).hexdigest()
