"""`manage.py settings_doc`: write the table of docs/settings.md."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from studio.settings_doc import PAGE, page


class Command(BaseCommand):
    """For developers: a test holds the page to the settings."""

    help = "Write the table of settings into docs/settings.md."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Only the table changes; the words around it stay."""
        PAGE.write_text(page(PAGE.read_text()))
