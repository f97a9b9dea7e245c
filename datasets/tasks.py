"""Tasks of datasets."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from datasets.services import fetching


@shared_task(name=fetching.TASK, acks_late=True, ignore_result=True)
def fetch(version_id: str) -> None:
    fetching.fetch(UUID(version_id))
