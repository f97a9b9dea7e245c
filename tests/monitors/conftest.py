"""The workspace of these tests is that of the runs."""

from tests.runs.conftest import scenario

__all__ = ["scenario"]
