"""Runs that a program opens below a run of its own (`run.child_run()`)."""

from __future__ import annotations

from typing import Any

from core import once
from core.clock import now
from core.errors import Conflict
from runs.models import Run
from runs.services.orchestration.run_transaction import run_transaction
from workspaces.access import WorkspaceContext, require_run
from workspaces.models import Role


def start_child(context: WorkspaceContext, parent: Run, **fields: Any) -> Run:
    """An open run below `parent`; it ends by complete or fail. Raises Conflict when the parent is over."""
    context.require(Role.CONTRIBUTOR)
    require_run(context, parent)
    with run_transaction(parent.root_id or parent.pk) as root:
        above = root if root.pk == parent.pk else Run.objects.only("status").get(pk=parent.pk)
        if above.is_final:
            raise Conflict("The run is over; nothing is added below it any more.", code="is_over")
        child = Run.objects.create(
            workspace=root.workspace,
            experiment=root.experiment,
            kind=Run.Kind.CHILD,
            parent_id=parent.pk,
            root=root,
            submitted_by=context.user,
            **fields,
        )
        once.settle(child)
        child.move(Run.Status.RUNNING, started_at=now())
    return child
