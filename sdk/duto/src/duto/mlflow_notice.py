"""Says in a step that what it logs by MLflow does not reach its run. MLflow asks us for tags when it makes a run: the SDK
that is carried into steps is entered with it as a provider of these (`mlflow.run_context_provider`)."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from typing import Dict

from duto.spool import Spool

TEXT = (
    "What the script logs by MLflow does not reach this run: MLflow's tracking is not built. It {place}. "
    "Log with Run.get_context().log(...) and register with Run.register_model(...)."
)
MARK = "duto-mlflow-told"


class Notice:
    """A provider of tags that has none, and uses the occasion."""

    def in_context(self) -> bool:
        """Whether there are tags: never. A notice is no reason for a script to fail, whatever goes wrong with it."""
        with contextlib.suppress(Exception):
            _tell()
        return False

    def tags(self) -> Dict[str, str]:
        return {}


def _tell() -> None:
    """Once a step, however many processes and runs of MLflow it has. A server of the user's own is theirs."""
    import mlflow  # type: ignore[import-not-found,unused-ignore]

    spool, place = os.environ.get("DUTO_SPOOL"), str(mlflow.get_tracking_uri())
    if not spool or place.partition(":")[0] in ("http", "https", "databricks", "databricks-uc", "uc"):
        return
    try:
        os.close(os.open(os.path.join(tempfile.gettempdir(), MARK), os.O_CREAT | os.O_EXCL, 0o600))  # noqa: PTH118
    except FileExistsError:
        return
    is_own = place == os.environ.get("MLFLOW_TRACKING_URI") and f"{tempfile.gettempdir()}/" in place
    text = TEXT.format(place="stays in the step's own folder and goes with it" if is_own else f"goes to {place}")
    print(f"duto: {text}", file=sys.stderr, flush=True)
    Spool(spool).write({"op": "warning", "text": text})
