"""`manage.py bench NAME`: measure a figure and its floor in the same run."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from benchmarks import registry


class Command(BaseCommand):
    """The last line on stdout is one JSON object."""

    help = "Measure a figure beside its floor."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Names come from the package of benchmarks."""
        parser.add_argument("name", choices=sorted(registry.load()))
        parser.add_argument("--db", choices=["sqlite", "postgres"], default="sqlite")
        parser.add_argument("--rounds", type=int, help="how often (default: five)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Progress on stderr, the result on stdout."""
        line = registry.run(
            options["name"], options["db"], options["rounds"], lambda text: print(text, file=sys.stderr, flush=True)
        )
        self.stdout.write(line)
