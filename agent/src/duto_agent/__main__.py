"""`python -m duto_agent run --home DIR`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(prog="duto_agent", description="Runs the steps of a Duto studio on this host.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="serve the studio that host.json names")
    run.add_argument("--home", type=Path, required=True, help="the agent's folder, with host.json in it")
    run.add_argument("--studio", help="the studio's address now, in place of the one in host.json")
    options = parser.parse_args()
    from duto_agent.worker import run as serve

    return serve(options.home, options.studio)


if __name__ == "__main__":
    sys.exit(main())
