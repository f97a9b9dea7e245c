"""What environments tell the apps above."""

from __future__ import annotations

from uuid import UUID

from core.hooks import Hook

# A build waits for a host that takes it, after the commit.
build_queued: Hook[[UUID], object] = Hook()
