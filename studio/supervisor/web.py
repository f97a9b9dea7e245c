"""The web process of `up`: serves on a socket that the supervisor opened.

The socket stays open while this process is started again, so a page that loads just then waits instead of failing.
"""

from __future__ import annotations

import argparse
import os
import socket
import threading


def main() -> None:
    """Load the application, wait for the database to be ready, serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", type=int, required=True)
    parser.add_argument("--after", type=int, default=-1)
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")

    import uvicorn

    from studio.asgi import application

    warm_up()
    if options.after >= 0 and os.environ.pop("DUTO_WAIT", ""):
        # The supervisor migrates while this process imports; it closes its end when that is done.
        os.read(options.after, 1)
    config = uvicorn.Config(
        application,  # type: ignore[arg-type]
        ws="websockets",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=2,
        timeout_keep_alive=75,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=options.socket)])


def warm_up() -> None:
    """Import the pages now, so that the first reader does not wait for it; the rest when they have their page."""
    from django.urls import get_resolver

    _ = get_resolver().url_patterns
    threading.Timer(0.5, warm_up_rest).start()


def warm_up_rest() -> None:
    """The interfaces for programs, and what rings bells."""
    from django.conf import settings
    from django.urls import get_resolver
    from django.utils.module_loading import import_string

    from studio.lazy import LazyInclude

    for pattern in get_resolver().url_patterns:
        if isinstance(pattern, LazyInclude):
            _ = pattern.url_patterns
    import_string(settings.CELERY_APP)


if __name__ == "__main__":
    main()
