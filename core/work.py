"""Wake-ups: ask a worker to look at a row. The wake-up may be lost, late or doubled; the row is not."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string

log = logging.getLogger(__name__)


def later(task: str, *, queue: str | None = None, **ids: str) -> None:
    """Send the wake-up of the task named `task` after the transaction has committed. Never raises, never waits for long."""
    after_commit(partial(send, task, queue=queue, **ids))


def send(task: str, *, queue: str | None = None, **ids: str) -> None:
    """Send it now. With the broker away the ticker finds the row within seconds instead."""
    try:
        # Named by a setting and found at the first wake-up: Celery is a fifth of a process's start.
        import_string(settings.CELERY_APP).send_task(
            task, kwargs=ids, queue=queue, ignore_result=True, retry=False, expires=300
        )
    except Exception as error:  # any transport error: the broker is not needed for correctness
        log.warning("wake-up %s not delivered: %s", task, error)


def after_commit(action: Callable[[], object]) -> None:
    """Run `action` once the transaction holds; its failure never fails the request."""
    # Django names what failed, and a partial has no name.
    transaction.on_commit(lambda: action(), robust=True)  # noqa: PLW0108
