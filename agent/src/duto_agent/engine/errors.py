"""What may go wrong with what runs containers."""

from __future__ import annotations

from duto_agent.worded import Worded


class EngineAway(Worded):
    """What runs containers does not answer now. Nothing is known, and nothing is lost: ask again."""
