"""`manage.py token`: an API token for a program, printed once."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.errors import StudioError
from core.text import clean
from workspaces.models import Role
from workspaces.services import issue


class Command(BaseCommand):
    # They import every address of the studio, which takes longer than all that this does.
    requires_system_checks: list[str] = []
    help = "Prints a new API token."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--workspace", default="main", type=clean)
        parser.add_argument("--role", default=Role.CONTRIBUTOR.value, choices=Role.values)
        parser.add_argument("--user", default="", help="Whose token it is; by default the workspace's first owner.")
        parser.add_argument("--name", default="command line")
        parser.add_argument("--days", type=int, default=None, help="Days until it expires; by default it does not.")
        parser.add_argument("--data-dir", default="", help="The studio's data directory.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            text = issue.token(options["workspace"], options["user"], options["role"], options["name"], options["days"])
        except StudioError as error:
            raise CommandError(error.message) from error
        self.stdout.write(text)
