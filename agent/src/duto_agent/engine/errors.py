"""What may go wrong with what runs containers."""

from __future__ import annotations


class EngineAway(Exception):
    """What runs containers does not answer now. Nothing is known, and nothing is lost: ask again."""
