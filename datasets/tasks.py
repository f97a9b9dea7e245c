"""Tasks of datasets."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from datasets.services import fetching, profiling


@shared_task(name=fetching.TASK, acks_late=True, ignore_result=True)
def fetch(version_id: str) -> None:
    fetching.fetch(UUID(version_id))


@shared_task(name=profiling.TASK, acks_late=True, ignore_result=True)
def profile(run_id: str) -> None:
    profiling.carry(UUID(run_id))
