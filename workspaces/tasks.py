"""Tasks of workspaces. The ticker rings again what was lost."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from workspaces.services import storage


@shared_task(name="workspaces.measure", acks_late=True, ignore_result=True)
def measure(workspace_id: str) -> None:
    storage.measure(UUID(workspace_id))
