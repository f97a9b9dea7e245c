"""`manage.py signin-link`: a fresh one-time address that signs a user in."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.errors import StudioError
from core.text import clean
from workspaces.services import issue


class Command(BaseCommand):
    # They import every address of the studio, which takes longer than all that this does.
    requires_system_checks: list[str] = []
    help = "Prints a one-time sign-in link."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", default="", type=clean, help="The user name; by default the first owner.")
        parser.add_argument("--data-dir", default="", help="The studio's data directory.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            path = issue.link(options["user"])
        except StudioError as error:
            raise CommandError(error.message) from error
        self.stdout.write(settings.DUTO.running_url + path)
