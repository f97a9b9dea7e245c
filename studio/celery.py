"""The Celery application. Its tasks carry ids and can be repeated; the rows hold the truth."""

from __future__ import annotations

import os

from celery import Celery
from celery.signals import worker_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")

app = Celery("studio")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.set_default()
app.autodiscover_tasks()


@worker_init.connect
def start_ticker(sender: object = None, **_: object) -> None:
    """The ticker starts with the worker, broker or no broker: it is what makes wake-ups dispensable."""
    if getattr(sender, "app", None) is not app:  # the signal is for every worker of the process
        return
    from core import collector, outbox_publisher
    from runs.services.maintenance import ticker
    from studio import artifact_store

    if not os.environ.get("DUTO_EMBEDDED"):  # the studio of `up` has looked, and is not to end with its store
        artifact_store.require()
    outbox_publisher.start()
    ticker.start()
    collector.settle()
