"""The web's sign of life: nobody is called silent by a studio that was itself away. And what requests have noted."""

from __future__ import annotations

import logging
import os
import socket
import threading

log = logging.getLogger(__name__)


def start() -> threading.Thread:
    """Start the thread that signs for this web process."""
    thread = threading.Thread(target=_run, name="beat", daemon=True)
    thread.start()
    return thread


def _run() -> None:
    from django.db import close_old_connections

    from core.heartbeats import WEB, beat, web_rhythm, web_silence
    from workspaces.services import usage

    name = f"{WEB}{socket.gethostname()}"[:64]
    pause = threading.Event()
    while not pause.wait(web_rhythm().total_seconds()):
        try:
            beat(name, str(os.getppid()), silence=web_silence())
            usage.write_down()
        except Exception as error:  # the database may be away for a while; the next beat tells again
            log.warning("no beat: %s", error)
        finally:
            close_old_connections()
