"""Tasks of notifications. They may be repeated and may be lost: the ticker finds the rows."""

from __future__ import annotations

from celery import shared_task

from notifications.services import deliveries, matching, watching


@shared_task(name="notifications.match", acks_late=True, ignore_result=True)
def match() -> None:
    matching.match_all()


@shared_task(name="notifications.watch", acks_late=True, ignore_result=True)
def watch() -> None:
    watching.watch()


@shared_task(name="notifications.deliver", acks_late=True, ignore_result=True)
def deliver() -> None:
    deliveries.deliver_all()


@shared_task(name="notifications.deliver_slow", acks_late=True, ignore_result=True)
def deliver_slow() -> None:
    deliveries.deliver_all(is_slow=True)
