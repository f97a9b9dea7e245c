"""`manage.py words`: bring the catalogues to what the code says, and compile them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from studio.words import catalogues

ROOT = Path(__file__).resolve().parents[3]


class Command(BaseCommand):
    """Run after words were changed; commit what it writes."""

    help = "Collect the words of the pages into locale/ and compile them."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """One line for each language."""
        try:
            for name, missing in catalogues.renew(ROOT):
                self.stdout.write(f"{name}: {'complete' if not missing else f'{missing} without a translation'}")
        except ValueError as wrong:
            raise CommandError(str(wrong)) from wrong
