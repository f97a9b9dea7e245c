"""Close a person's account, or open it again."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.errors import StudioError
from core.text import clean
from workspaces.services import members


class Command(BaseCommand):
    # They import every address of the studio, which takes longer than all that this does.
    requires_system_checks: list[str] = []
    help = "Close an account: its tokens end, its open runs are canceled, nobody signs in with it. Or open it again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["close", "open"])
        parser.add_argument("--user", required=True, type=clean, help="Name of the account.")

    def handle(self, *args: Any, **options: Any) -> None:
        action = members.close_account if options["action"] == "close" else members.open_account
        try:
            action(options["user"])
        except StudioError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"The account '{options['user']}' is {'closed' if options['action'] == 'close' else 'open'}.")
