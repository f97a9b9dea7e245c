"""Says in a step that what it logs by MLflow does not reach its run. The SDK that is carried into steps is entered with
MLflow as a provider of tags (`mlflow.run_context_provider`), since MLflow makes those as it is imported: whatever is logged
later, by `mlflow.log_metric` or by a client alone, goes to a store that is made then."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import tempfile
from typing import Any, Callable, Dict

from duto.run.spool import Spool
from duto.spec.sentences import said, with_said

MARK = "duto-mlflow-told"
# A server of the user's own is theirs.
_OF_OTHERS = frozenset({"http", "https", "databricks", "databricks-uc", "uc"})


class Notice:
    """A provider of tags that has none, and uses the occasion."""

    def __init__(self) -> None:
        """Listens for stores. A notice is no reason for a script to fail, whatever goes wrong with it."""
        with contextlib.suppress(Exception):
            from mlflow.tracking._tracking_service.utils import (  # type: ignore[import-not-found,unused-ignore]
                _tracking_store_registry as stores,
            )

            for scheme, build in list(stores._registry.items()):
                if scheme not in _OF_OTHERS:
                    stores.register(scheme, _telling(build))

    def in_context(self) -> bool:
        """Whether there are tags: never."""
        return False

    def tags(self) -> Dict[str, str]:
        return {}


def _telling(build: Callable[..., Any]) -> Callable[..., Any]:
    """As MLflow makes a store, which it does once for each place."""

    @functools.wraps(build)
    def made(*args: Any, **more: Any) -> Any:
        with contextlib.suppress(Exception):
            _tell(str(args[0] if args else more["store_uri"]))
        return build(*args, **more)

    return made


def _tell(place: str) -> None:
    """Once a step, however many processes and runs of MLflow it has."""
    spool = os.environ.get("DUTO_SPOOL")
    if not spool:
        return
    try:
        os.close(os.open(os.path.join(tempfile.gettempdir(), MARK), os.O_CREAT | os.O_EXCL, 0o600))  # noqa: PTH118
    except FileExistsError:
        return
    is_own = place == os.environ.get("MLFLOW_TRACKING_URI") and f"{tempfile.gettempdir()}/" in place
    text = said("mlflow_stays") if is_own else said("mlflow_goes", place=place)
    print(f"duto: {text}", file=sys.stderr, flush=True)
    Spool(spool).write(with_said({"op": "warning", "text": text}))
