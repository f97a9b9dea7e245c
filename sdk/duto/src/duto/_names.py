"""Where each public name of `duto` is defined."""

from __future__ import annotations

from typing import Dict

PUBLIC: Dict[str, str] = {}
