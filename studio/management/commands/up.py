"""`manage.py up`: listed here for `help`; the supervisor does the work before Django is loaded."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from studio.supervisor.command import add_options, main


class Command(BaseCommand):
    """Start the studio on this machine."""

    help = "Start the studio on this machine."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """The same options as the supervisor's own."""
        add_options(parser, "up")

    def handle(self, *args: Any, **options: Any) -> None:
        """Reached through `call_command` only."""
        sys.exit(main(["up", *(word for word in sys.argv[2:])]))
