"""What the address says about the panel of a run: the tabs read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import QueryDict

from runs.models import Run
from runs.web.tree import StepRow, Tree
from workspaces.access import WorkspaceContext


@dataclass(frozen=True)
class PanelRequest:
    """What the address says about the panel of a run that is no step."""

    context: WorkspaceContext
    tree: Tree
    run: Run
    query: QueryDict

    @property
    def evidence_id(self) -> UUID:
        """The run whose metrics and files are shown."""
        return self.run.pk

    @property
    def spec(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class StepPanelRequest(PanelRequest):
    """The same of the panel of a step."""

    step: StepRow

    @property
    def evidence_id(self) -> UUID:
        return self.step.evidence_id

    @property
    def spec(self) -> dict[str, Any]:
        """The step as the graph document has it."""
        return self.tree.spec(self.step.node)
