"""`manage.py keyvault-rotate`: every secret under the present key, after `DUTO_SECRET_KEY` was changed."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.errors import StudioError
from workspaces.services import keyvault


class Command(BaseCommand):
    # They import every address of the studio, which takes longer than all that this does.
    requires_system_checks: list[str] = []
    help = "Encrypts all secrets under the present key; those before it stand in DUTO_OLD_SECRET_KEYS."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--data-dir", default="", help="The studio's data directory.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            count = keyvault.rotate()
        except StudioError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"{count} secrets are encrypted under the present key.")
