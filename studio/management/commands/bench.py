"""`manage.py bench NAME`: measure a figure and its floor in the same run."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from benchmarks import record, registry
from studio.testing.engine import NoEngine

ALL = "all"


class Command(BaseCommand):
    """The last line on stdout is one JSON object."""

    help = "Measure a figure beside its floor."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Names come from the package of benchmarks."""
        parser.add_argument("name", choices=[*sorted(registry.load()), ALL])
        parser.add_argument(
            "--db", choices=["sqlite", "postgres"], help="default: SQLite, but PostgreSQL for runslist and place"
        )
        parser.add_argument("--repeat", type=int, help="rounds, the median of which is judged (5; chaos: 1)")
        parser.add_argument("--small", action="store_true", help="a tiny size, to see that it works")
        parser.add_argument("--steps", type=int, help="chaos: how many steps")
        parser.add_argument("--kills", type=int, help="chaos: how many parts are killed, stopped or cut off")
        parser.add_argument("--seed", type=int, help="chaos: draws the same steps and the same order of kills again")
        parser.add_argument("--record", action="store_true", help="keep the results in benchmarks/")

    def handle(self, *args: Any, **options: Any) -> None:
        """Progress on stderr, the results on stdout."""
        names = sorted(registry.load()) if options["name"] == ALL else [options["name"]]
        for name in names:
            asked = {option: options[option] for option in ("small", "steps", "kills", "seed")}
            try:
                result = registry.run(name, say, database=options["db"], rounds=options["repeat"], **asked)
            except NoEngine as reason:
                if options["name"] != ALL:
                    raise CommandError(f"'{name}' needs a container engine: {reason}") from reason
                say(f"{name} is left out: {reason}")
                continue
            if options["record"]:
                record.keep([result])
            self.stdout.write(registry.line(result))
            self.stdout.flush()


def say(text: str) -> None:
    """One line of progress."""
    print(text, file=sys.stderr, flush=True)
