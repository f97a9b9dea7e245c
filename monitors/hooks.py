"""Hooks of monitors for the apps above."""

from __future__ import annotations

from core.hooks import Hook
from monitors.models import MonitorWindow

# A window was found to have drifted, inside the transaction that says so. Looked at again, it may be told again.
drifted: Hook[[MonitorWindow], None] = Hook()

# The model was worse in a window than its threshold, likewise.
degraded: Hook[[MonitorWindow], None] = Hook()
