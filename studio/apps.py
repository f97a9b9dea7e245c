"""Wiring that must be in place once the apps are loaded."""

from __future__ import annotations

import contextlib

from django.apps import AppConfig
from django.conf import settings


class StudioConfig(AppConfig):
    """The studio itself."""

    name = "studio"

    def ready(self) -> None:
        """Give uploads a place."""
        # A read-only disk must not keep `help` or a check from running; an upload will say it.
        with contextlib.suppress(OSError):
            settings.FILE_UPLOAD_TEMP_DIR.mkdir(parents=True, exist_ok=True)
