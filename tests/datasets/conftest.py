"""The workspace of these tests."""

from tests.workspace_scenario import scenario

__all__ = ["scenario"]
