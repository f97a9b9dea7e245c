"""`manage.py lock-curated`: resolve the curated environments anew, with uv and the index that it is set to."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from uv import find_uv_bin

from environments.locking import lock_of
from environments.services.curated import FOLDER


class Command(BaseCommand):
    """For developers: what a release changes here, workspaces get as a new version."""

    help = "Writes the locks of the curated environments into environments/curated/."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("names", nargs="+", help="Environments: each has its NAME.in in environments/curated/.")
        parser.add_argument("--python", default="3.11", help="The version of Python that the lock is for.")

    def handle(self, *args: Any, **options: Any) -> None:
        for name in options["names"]:
            asked = FOLDER / f"{name}.in"
            if not asked.is_file():
                raise CommandError(f"There is no {asked.relative_to(FOLDER.parent.parent)}.")
            target = FOLDER / f"{name}-{options['python']}.txt"
            target.write_text(lock_of(resolved(asked, options["python"]), options["python"]))
            self.stdout.write(str(target.relative_to(FOLDER.parent.parent)))


def resolved(asked: Path, python: str) -> str:
    """What uv makes of the list, for all kinds of machines. Raises CommandError with uv's words."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "pylock.toml"
        command = ["pip", "compile", "--quiet", "--universal", "--python-version", python, str(asked), "-o", str(made)]
        done = subprocess.run([os.fsdecode(find_uv_bin()), *command], capture_output=True, text=True)
        if done.returncode:
            raise CommandError(done.stderr.strip())
        return made.read_text()
