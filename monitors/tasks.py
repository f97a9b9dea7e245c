"""Tasks of monitors. They may be repeated and may be lost: the ticker finds the rows."""

from __future__ import annotations

from celery import shared_task

from monitors.services import computing, queueing


@shared_task(name=queueing.TASK, acks_late=True, ignore_result=True)
def look() -> None:
    computing.look_at_all()
