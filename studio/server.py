"""The web process as a command: `python -m studio.server --host 0.0.0.0 --port 8000`; `up` starts it on a socket of its own."""

from __future__ import annotations

import argparse
import os
from typing import Any

import uvicorn

from studio.protocol import Protocol

# Beyond this a frame of a websocket is not even read: the socket is closed with 1009.
WEBSOCKET_MAX = 1 << 20


def config_of(application: Any, **more: Any) -> uvicorn.Config:
    """How the studio is served, whoever starts it."""
    return uvicorn.Config(
        application,
        http=Protocol,
        ws="websockets",
        ws_max_size=WEBSOCKET_MAX,
        # Who asks is decided by the application, which knows whether a proxy is trusted (`studio.forwarded`).
        proxy_headers=False,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=75,
        **more,
    )


def main() -> None:
    """Serve on the address of the arguments, by default that of the settings."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
    from django.conf import settings

    from core import collector
    from studio import artifact_store
    from studio.asgi import application

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default=settings.DUTO.host)
    parser.add_argument("--port", type=int, default=settings.DUTO.port)
    options = parser.parse_args()
    artifact_store.require()
    config = config_of(application, host=options.host, port=options.port, timeout_graceful_shutdown=10)
    collector.settle()
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
