"""The web process of `up`: makes the database ready, then serves on a socket that the supervisor opened.

The socket stays open while this process is started again, so a page that loads just then waits instead of failing.
The first start also migrates and makes the first owner, since this process has Django loaded anyway: the supervisor
stays free of it, and nothing is imported twice before the first page.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import threading

PREPARE = "DUTO_PREPARE"


def main() -> None:
    """Load the application, prepare at the first start, serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", type=int, required=True)
    parser.add_argument("--report", type=int, required=True)
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")

    import uvicorn

    from studio.asgi import application
    from studio.server import config_of

    if os.environ.pop(PREPARE, ""):
        report = prepare()
        os.write(options.report, json.dumps(report).encode())
        os.close(options.report)
        if "refusal" in report:
            sys.exit(1)
    warm_up()
    config = config_of(application, timeout_graceful_shutdown=2)
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=options.socket)])


def prepare() -> dict[str, object]:
    """Migrate, greet the first owner, enrol this host; or the reason why not."""
    from django.conf import settings

    from studio import artifact_store
    from studio.supervisor import database, people
    from studio.supervisor.layout import Layout, Refusal

    config, layout = settings.DUTO, Layout(settings.DUTO.data_dir)
    try:
        database.migrate(layout)
        if why := artifact_store.fault():
            raise Refusal(why)
        link = people.prepare_first_owner(config.url, config.is_loopback)
        has_agent = people.enrol_local_host(layout.home)
    except Refusal as refusal:
        return {"refusal": str(refusal)}
    return {"link": link, "agent": has_agent}


def warm_up() -> None:
    """Import the pages now, so that the first reader does not wait for it; the rest when they have their page."""
    from django.urls import get_resolver

    _ = get_resolver().url_patterns
    threading.Timer(0.5, warm_up_rest).start()


def warm_up_rest() -> None:
    """The interfaces for programs, and what sends wake-ups."""
    from django.conf import settings
    from django.urls import get_resolver
    from django.utils.module_loading import import_string

    from core import collector
    from studio.lazy import LazyInclude

    for pattern in get_resolver().url_patterns:
        if isinstance(pattern, LazyInclude):
            _ = pattern.url_patterns
    import_string(settings.CELERY_APP)
    collector.settle()


if __name__ == "__main__":
    main()
