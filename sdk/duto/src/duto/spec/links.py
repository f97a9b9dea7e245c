"""What lies at the path of an output that links a dataset: one file that names the version."""

from __future__ import annotations

import json
from typing import Optional

from duto.spec.values import LINK_KINDS

__all__ = ["LINK_KINDS", "MOST_BYTES", "linked", "text_of"]

MOST_BYTES = 1024


def text_of(version: str) -> str:
    """The content of the file for the id of a dataset version."""
    return json.dumps({"dataset": version}) + "\n"


def linked(content: bytes) -> Optional[str]:
    """The id that a file names; None for a file that is no link."""
    try:
        found = json.loads(content.decode())
    except (ValueError, RecursionError):  # a script may leave anything there
        return None
    version = found.get("dataset") if isinstance(found, dict) else None
    return version if isinstance(version, str) else None
