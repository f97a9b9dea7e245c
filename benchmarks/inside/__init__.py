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


def fresh_studio() -> None:
    """The same on a data directory that may hold nothing yet, with its tables as a first start makes them."""
    open_studio()
    from django.conf import settings

    from studio.supervisor import database
    from studio.supervisor.layout import Layout

    database.migrate(Layout(settings.DUTO.data_dir))


def tell(**facts: Any) -> None:
    """The document."""
    print(json.dumps(facts), flush=True)
