"""`python -m duto_agent run --home DIR`, and `enrol`, by which this machine becomes a host."""

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
    enrol = commands.add_parser("enrol", help="exchange a token from the page Compute for a key, once")
    enrol.add_argument("--home", type=Path, required=True, help="the agent's folder; its host.json is written")
    enrol.add_argument("--studio", required=True, help="the studio's address")
    enrol.add_argument("--name", default="", help="how this host is called; the machine's own name otherwise")
    enrol.add_argument("--token", default="", help="the token; '-' reads it from standard input")
    options = parser.parse_args()
    if options.command == "enrol":
        from duto_agent.host.enrolment import enrol as introduce

        token = sys.stdin.readline().strip() if options.token == "-" else options.token  # noqa: S105
        return introduce(options.home, options.studio, token, options.name)
    from duto_agent.worker import run as serve

    return serve(options.home, options.studio)


if __name__ == "__main__":
    sys.exit(main())
