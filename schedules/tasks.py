"""Tasks of schedules. Each carries an id, may be repeated, and may be lost: the ticker finds the row."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from schedules.services import firing


@shared_task(name="schedules.fire", acks_late=True, ignore_result=True)
def fire(schedule_id: str) -> None:
    firing.fire(UUID(schedule_id))
