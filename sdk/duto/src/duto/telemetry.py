"""`azureml.telemetry`: nothing is collected, so there is nothing to switch."""

from __future__ import annotations

from typing import Any


def set_diagnostics_collection(send_diagnostics: bool = True, verbosity: Any = None, reason: str = "") -> None:
    """Kept for its name: nothing is ever sent."""


def diagnostic_log(*args: Any, **kwargs: Any) -> None:
    """Kept for its name."""
