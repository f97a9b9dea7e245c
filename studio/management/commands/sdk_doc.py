"""`manage.py sdk_doc`: write docs/sdk-reference.md and the pages beside it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from studio import sdk_doc


class Command(BaseCommand):
    """For developers: a test holds the pages to the SDK."""

    help = "Write the reference of the SDK into docs/sdk-reference.md and docs/sdk-reference/."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """The pages are written whole."""
        sdk_doc.write()
