"""The committed document of REST, as tests read it."""

from __future__ import annotations

from functools import cache
from typing import Any

import yaml

from studio.bootstrap import ROOT

FILE = ROOT / "docs" / "openapi.yaml"


@cache
def document() -> dict[str, Any]:
    """Parsed when the first test asks, and by the library in C: its size takes the one in Python seconds."""
    found: dict[str, Any] = yaml.load(FILE.read_text(), Loader=yaml.CSafeLoader)
    return found
