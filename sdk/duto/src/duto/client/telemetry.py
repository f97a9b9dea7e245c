"""`azureml.telemetry` and its like: nothing is collected, so there is nothing to switch; and small helpers of logging."""

from __future__ import annotations

import logging
from typing import Any, Optional, TypeVar

_Wrapped = TypeVar("_Wrapped")


def set_diagnostics_collection(send_diagnostics: bool = True, verbosity: object = None, reason: str = "") -> None:
    """Kept for its name: nothing is ever collected or sent.

    Args:
        send_diagnostics: taken and not used.
        verbosity: taken and not used.
        reason: taken and not used.
    """


class diagnostic_log:
    """Kept for its name: the client keeps no log of its own. Also a context manager."""

    def __init__(self, log_path: Optional[str] = None, namespaces: object = None, context_name: object = None) -> None:
        """Nothing is opened.

        Args:
            log_path: taken and not used; no file is written.
            namespaces: taken and not used.
            context_name: taken and not used.
        """

    def start_capture(self) -> None:
        """Kept for its name: does nothing."""

    def stop_capture(self) -> None:
        """Kept for its name: does nothing."""

    def __enter__(self) -> diagnostic_log:
        return self

    def __exit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        pass


class NewLoggingLevel:
    """Another level of a logger for the length of a `with` block, which gives the logger.

    Attributes:
        logger: the logger.
        new_level: the level within the block.
        old_level: the level that the logger has again after it.
    """

    def __init__(self, logger_name: str, level: int = logging.WARNING) -> None:
        """The level changes when the block is entered.

        Args:
            logger_name: name of the logger, as `logging.getLogger` takes it.
            level: the level within the block, as `logging` counts them.
        """
        self.logger_name = logger_name
        self.logger = logging.getLogger(logger_name)
        self.new_level, self.old_level = level, self.logger.level

    def __enter__(self) -> logging.Logger:
        self.old_level = self.logger.level
        self.logger.setLevel(self.new_level)
        return self.logger

    def __exit__(self, et: Any, ev: Any, tb: Any) -> None:
        self.logger.setLevel(self.old_level)


def experimental(wrapped: _Wrapped) -> _Wrapped:
    """Kept for its name: a decorator that leaves what it decorates as it is.

    Args:
        wrapped: a class or function.

    Returns:
        The same.
    """
    return wrapped


def perform_interactive_login(*args: object, **kwargs: object) -> None:
    """Kept for its name: the studio's credentials are used, and nobody is asked.

    Args:
        args: taken and not used.
        kwargs: taken and not used.
    """
