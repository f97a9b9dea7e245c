"""The run of a script that no studio runs: it has Azure ML's members and no others, and prints what it is
told."""

from __future__ import annotations

import uuid
from typing import Any, Optional


class _OfflineRun:
    """Members and printed lines as Azure ML SDK v1 has them; programs test this very class."""

    def __init__(self, parent_logger: Any = None, run_id: Optional[str] = None, **kwargs: Any) -> None:
        self._run_id = run_id or f"OfflineRun_{uuid.uuid4()}"

    @property
    def id(self) -> str:
        return self._run_id

    @property
    def identity(self) -> str:
        return self._run_id

    def log(self, name: str, value: Any, description: str = "", step: Optional[int] = None) -> None:
        _told(f"log scalar metric {name}:\n{value}")

    def log_list(self, name: str, value: Any, description: str = "") -> None:
        _told(f"log list metric {name}:\n{value}")

    def log_row(self, name: str, description: Optional[str] = None, **kwargs: Any) -> None:
        _told(f"log row metric {name}:\n{kwargs}")

    def log_table(self, name: str, value: Any, description: str = "") -> None:
        _told(f"log table metric {name}:\n{value}")

    def log_image(self, name: str, path: Optional[str] = None, plot: Any = None, description: str = "") -> None:
        _told(f"log image metric {name}: {path or plot}")

    def log_confusion_matrix(self, name: str, value: Any, description: str = "") -> None:
        _told(f"log confusion matrix {name}:\n{value}")

    def log_residuals(self, name: str, value: Any, description: str = "") -> None:
        _told(f"log residuals {name}:\n{value}")

    def log_predictions(self, name: str, value: Any, description: str = "") -> None:
        _told(f"log predictions {name}:\n{value}")

    def log_accuracy_table(self, name: str, value: Any, description: str = "") -> None:
        _told(f"log accuracy table {name}:\n{value}")

    def tag(self, name: Optional[str] = None, value: Any = None, key: Optional[str] = None) -> None:
        """`key` is the argument's name where a studio runs the script."""
        _told(f"tag {key if name is None else name} with {value}")

    def set_tags(self, tags: Any) -> None:
        _told(f"set tags {tags}")

    def add_properties(self, properties: Any) -> None:
        _told(f"add properties {properties}")

    def upload_file(self, name: str, path_or_stream: Any, datastore_name: Optional[str] = None) -> None:
        _told(f"upload file {name} from {path_or_stream}")

    def upload_files(
        self,
        name: Any = None,
        paths: Any = None,
        return_artifacts: bool = False,
        timeout_seconds: Any = None,
        datastore_name: Optional[str] = None,
        names: Any = None,
    ) -> None:
        """`names` is the argument's name where a studio runs the script."""
        _told(f"upload files {names if name is None else name} from {paths}")

    def upload_folder(self, name: str, path: str, datastore_name: Optional[str] = None) -> None:
        _told(f"upload folder {name} from {path}")

    def child_run(self, name: Optional[str] = None, run_id: Optional[str] = None, outputs: Any = None) -> _OfflineRun:
        _told(f"create a child run {name or ''}".rstrip())
        return _OfflineRun(run_id=run_id)

    def complete(self, _set_status: bool = True) -> None:
        _told("complete the run")

    def fail(self, error_details: Any = None, error_code: Any = None, _set_status: bool = True) -> None:
        _told(f"fail the run: {error_details}")

    def cancel(self) -> None:
        _told("cancel the run")

    def flush(self, timeout_seconds: float = 300) -> None:
        _told("flush the run")

    def __enter__(self) -> _OfflineRun:
        return self

    def __exit__(self, exit_type: Any, value: Any, traceback: Any) -> None:
        if value is None or (isinstance(value, SystemExit) and value.code in (None, 0)):
            self.complete()
        else:
            self.fail(value)


def _told(deed: str) -> None:
    print(f"Attempted to {deed}")
