"""Tasks of the kernel."""

from __future__ import annotations

from celery import shared_task

from core import outbox_publisher, spools


@shared_task(name="core.deliver", acks_late=True, ignore_result=True)
def deliver() -> None:
    while outbox_publisher.deliver() == outbox_publisher.BATCH:
        pass


@shared_task(name=spools.TASK, acks_late=True, ignore_result=True)
def move_spools() -> None:
    spools.move_closed()
