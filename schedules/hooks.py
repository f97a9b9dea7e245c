"""Hooks of schedules for the apps above."""

from __future__ import annotations

from collections.abc import Sequence

from core.hooks import Hook
from schedules.models import Tick

# Ticks that started no run were settled, skipped or failed, inside the transaction that did so.
ticks_missed: Hook[[Sequence[Tick]], None] = Hook()
