"""Hooks of monitors for the apps above."""

from __future__ import annotations

from collections.abc import Sequence

from core.hooks import Hook
from monitors.models import Monitor, MonitorWindow
from workspaces.access import WorkspaceContext

# A window was found to have drifted, inside the transaction that says so. Looked at again, it may be told again.
drifted: Hook[[MonitorWindow], None] = Hook()

# The model was worse in a window than its threshold, likewise.
degraded: Hook[[MonitorWindow], None] = Hook()

# These addresses are to be told of a monitor, and no others, inside the transaction that keeps them. May refuse them.
alerts_asked: Hook[[WorkspaceContext, Monitor, Sequence[str]], None] = Hook()
