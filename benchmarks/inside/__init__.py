"""Programs that open a studio's own data: to seed rows, and to count statements. Each prints one JSON document.

Benchmarks start them in processes of their own. Nothing of the studio imports them.
"""

from __future__ import annotations

import json
import os
from typing import Any


def open_studio() -> None:
    """Load Django with the studio's settings, which the environment names."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
    import django

    django.setup()


def tell(**facts: Any) -> None:
    """The document."""
    print(json.dumps(facts), flush=True)
