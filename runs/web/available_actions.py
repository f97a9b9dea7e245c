"""Which actions a run's header offers: a button that would be refused is not shown."""

from __future__ import annotations

from dataclasses import dataclass

from runs.models import Run
from runs.queries.graphs import parsed
from runs.web.tree import Tree
from workspaces.access import WorkspaceContext
from workspaces.models import Role


@dataclass(frozen=True)
class AvailableActions:
    """What this person may do with this run now."""

    cancel: bool
    resubmit: bool
    resume: bool
    publish: bool
    archive: bool
    delete: bool


def actions_of(context: WorkspaceContext, tree: Tree) -> AvailableActions:
    run = tree.root
    writes = context.may(Role.CONTRIBUTOR)
    ended = run.status in Run.ENDS
    has_graph = bool(parsed(run.pk).graph.steps)
    return AvailableActions(
        cancel=writes and not ended and run.status != Run.Status.CANCEL_REQUESTED,
        resubmit=writes and has_graph,
        resume=writes and run.kind == Run.Kind.PIPELINE and run.status in (Run.Status.FAILED, Run.Status.CANCELED),
        publish=writes and has_graph and run.kind == Run.Kind.PIPELINE,
        # A child run stays and goes with the run above it.
        archive=writes and ended and run.is_root,
        delete=writes and ended and run.is_root,
    )
