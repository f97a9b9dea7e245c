"""Command-line options that are settings: they must be known before Django reads the settings.

Standard library only, and a peek rather than a parser: each command still declares what it takes.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from pathlib import Path

SETTINGS = {"--data-dir": "DUTO_DATA_DIR", "--host": "DUTO_HOST", "--port": "DUTO_PORT"}


def export(argv: Sequence[str], environ: MutableMapping[str, str]) -> None:
    """Write `--data-dir D` and `--data-dir=D` (and their like) into the environment."""
    for place, word in enumerate(argv):
        name, equals, value = word.partition("=")
        if name not in SETTINGS:
            continue
        if not equals:
            value = argv[place + 1] if place + 1 < len(argv) else ""
        if value:
            # A relative folder is meant from here, not from where a part will start.
            environ[SETTINGS[name]] = str(Path(value).expanduser().absolute()) if name == "--data-dir" else value
