"""What the entry script of a parallel step may ask for: its logger and its folders."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Optional

LOGGER = "azureml_user.parallel_run"


class EntryScript:
    """The entry script in the process that runs it: `from azureml_user.parallel_run import EntryScript`.

    Every call gives the same object.
    """

    _one: Optional[EntryScript] = None

    def __new__(cls) -> EntryScript:
        if cls._one is None:
            cls._one = super().__new__(cls)
        return cls._one

    @property
    def logger(self) -> logging.Logger:
        """A logger that writes to `logs/user/entry_script_log/`, from the step's `logging_level` on. Outside a parallel
        step it is an ordinary one.
        """
        return logging.getLogger(LOGGER)

    @property
    def log(self) -> logging.Logger:
        """The same as `logger`."""
        return self.logger

    @property
    def working_dir(self) -> str:
        """A folder of this process alone, for files that nobody needs after it."""
        folder = Path(os.environ.get("TMPDIR", "/tmp")) / f"parallel-{os.getpid()}"  # noqa: S108
        folder.mkdir(parents=True, exist_ok=True)
        return str(folder)

    @property
    def output_dir(self) -> Optional[str]:
        """The folder of the step's output; None where it has none."""
        return os.environ.get("DUTO_PARALLEL_OUTPUT") or None
