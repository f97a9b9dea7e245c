"""Occurrences are written in the transaction in which they happen, where the workspace has a rule; rules are matched afterwards.

A run ends while an agent waits for its next step, so this costs one query and at most one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from core.prepared import Prepared
from core.work import later
from monitors.models import MonitorWindow
from notifications.models import Occurrence, Rule
from registry.models import ModelVersion
from runs.models import Run
from schedules.models import Tick
from workspaces.access import WorkspaceContext

MATCH = "notifications.match"
NOTIFIED = (Run.Status.FAILED, Run.Status.COMPLETED)
_RULES: Prepared[Rule] = Prepared(lambda key: Rule.objects.filter(workspace=key, is_active=True).only("pk")[:1])


def note_run(row: Run, to: str, **_signal: object) -> None:
    """A run has changed its status: rules may be about the end of a whole run."""
    if to in NOTIFIED and row.parent_id is None:
        _note(row.workspace_id, Occurrence.Kind.RUN, [row.pk])


def note_ticks(ticks: Sequence[Tick]) -> None:
    """Ticks of one schedule started no run."""
    if ticks:
        _note(ticks[0].schedule.workspace_id, Occurrence.Kind.TICK, [each.pk for each in ticks])


def note_model(context: WorkspaceContext, version: ModelVersion) -> None:
    """A version of a model was registered."""
    _note(context.workspace.pk, Occurrence.Kind.MODEL, [version.pk])


def note_drift(window: MonitorWindow) -> None:
    """A window of a monitor has drifted."""
    _note(window.monitor.workspace_id, Occurrence.Kind.DRIFT, [window.pk])


def note_degradation(window: MonitorWindow) -> None:
    """The model of a monitor was worse than its threshold in a window."""
    _note(window.monitor.workspace_id, Occurrence.Kind.PERFORMANCE, [window.pk])


def _note(workspace: Any, kind: Occurrence.Kind, subjects: Sequence[UUID]) -> None:
    if _RULES.first(workspace) is None:
        return
    Occurrence.objects.bulk_create(Occurrence(workspace_id=workspace, kind=kind, subject=each) for each in subjects)
    later(MATCH)
