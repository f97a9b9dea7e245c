#!/usr/bin/env python3
"""The studio's one command: `python3 manage.py demo | up | test | ...`."""

import os
import sys

if not (3, 11) <= sys.version_info[:2] < (3, 14) and not os.environ.get("DUTO_NO_BOOTSTRAP"):
    sys.exit(
        "Duto needs Python 3.11, 3.12 or 3.13; this is %d.%d (%s).\n"
        "Start it with another interpreter, for example: python3.12 manage.py %s"
        % (sys.version_info[0], sys.version_info[1], sys.executable, " ".join(sys.argv[1:]))
    )


def main() -> None:
    """Enter the locked environment, then let Django take the command."""
    from studio import bootstrap, options

    bootstrap.enter(sys.argv)
    options.export(sys.argv, os.environ)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
    if sys.argv[1:2] == ["test"]:
        # The suite chooses its own services, so no settings may be read before it.
        from studio.testing.command import main as test

        sys.exit(test(sys.argv[2:]))
    if sys.argv[1:2] in (["up"], ["demo"]) and "--help" not in sys.argv:
        # The supervisor starts its parts before it loads Django itself: that is most of a start's time.
        from studio.supervisor.command import main as supervise

        sys.exit(supervise(sys.argv[1:]))
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
