"""`azureml.telemetry` and its like: nothing is collected, so there is nothing to switch; and small helpers of logging."""

from __future__ import annotations

import logging
from typing import Any, Optional


def set_diagnostics_collection(send_diagnostics: bool = True, verbosity: Any = None, reason: str = "") -> None:
    """Kept for its name: nothing is ever sent."""


class diagnostic_log:
    """Kept for its name: the client keeps no log of its own."""

    def __init__(self, log_path: Optional[str] = None, namespaces: Any = None, context_name: Any = None) -> None:
        pass

    def start_capture(self) -> None:
        """Kept for its name."""

    def stop_capture(self) -> None:
        """Kept for its name."""

    def __enter__(self) -> diagnostic_log:
        return self

    def __exit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        pass


class NewLoggingLevel:
    """Another level of a logger for the length of a `with` block."""

    def __init__(self, logger_name: str, level: int = logging.WARNING) -> None:
        self.logger_name = logger_name
        self.logger = logging.getLogger(logger_name)
        self.new_level, self.old_level = level, self.logger.level

    def __enter__(self) -> logging.Logger:
        self.old_level = self.logger.level
        self.logger.setLevel(self.new_level)
        return self.logger

    def __exit__(self, et: Any, ev: Any, tb: Any) -> None:
        self.logger.setLevel(self.old_level)


def experimental(wrapped: Any) -> Any:
    """Kept for its name: what it decorates stays as it is."""
    return wrapped


def perform_interactive_login(*args: Any, **kwargs: Any) -> None:
    """Kept for its name: the studio's credentials are used, and nobody is asked."""
