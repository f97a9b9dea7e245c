"""Tasks of runs. Each carries an id, may be repeated, and may be lost: the ticker finds the row."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from runs.services.maintenance import delete_run, retention, revoked_submitters, workspace_removal
from runs.services.orchestration import progress, run_transaction
from runs.services.results import part_uploads


@shared_task(name="runs.advance", acks_late=True, ignore_result=True)
def advance(root_id: str) -> None:
    progress.advance(UUID(root_id))


@shared_task(name="runs.end_left", acks_late=True, ignore_result=True)
def end_left(root_id: str) -> None:
    run_transaction.end_left(UUID(root_id))


@shared_task(name="runs.stop_unentitled", acks_late=True, ignore_result=True)
def stop_unentitled() -> None:
    revoked_submitters.stop_unentitled()


@shared_task(name="runs.remove", acks_late=True, ignore_result=True)
def remove(root_id: str) -> None:
    delete_run.finish(UUID(root_id))


@shared_task(name="runs.remove_workspace", acks_late=True, ignore_result=True)
def remove_workspace(workspace_id: str) -> None:
    workspace_removal.finish(UUID(workspace_id))


@shared_task(name="runs.retain", acks_late=True, ignore_result=True)
def retain(workspace_id: str) -> None:
    retention.carry_out_by_id(UUID(workspace_id))


@shared_task(name="runs.give_up_uploads", acks_late=True, ignore_result=True)
def give_up_uploads() -> None:
    part_uploads.give_up()
