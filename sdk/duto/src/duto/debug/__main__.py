"""`python -m duto.debug FOLDER [--shell]`: starts what `duto debug` has laid out there. `run.sh` of such a folder calls it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Optional, Sequence

from duto.debug.starting import run_here
from duto.exceptions import AzureMLException


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Start it; the exit code of the script."""
    parser = argparse.ArgumentParser(prog="duto.debug", description="Starts a step in the folder that was made for it.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shell", action="store_true", help="a shell in the step's environment instead of its script")
    options = parser.parse_args(arguments)
    try:
        return run_here(options.folder.resolve(), options.shell)
    except AzureMLException as error:
        sys.stderr.write(f"duto: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
