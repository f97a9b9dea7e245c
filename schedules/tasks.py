"""Tasks of schedules. They may be repeated and may be lost: the ticker finds the rows."""

from __future__ import annotations

from celery import shared_task

from schedules.services import firing


@shared_task(name="schedules.fire", acks_late=True, ignore_result=True)
def fire() -> None:
    firing.fire_all()
