"""The run of a script that no studio runs: it has Azure ML's members and no others, and prints what it is
told."""

from __future__ import annotations

import uuid
from typing import Any, Optional

# Set by `duto debug`: the file to which such a run writes what it is told (duto.run.debug).
METRICS = "DUTO_DEBUG_METRICS"


class _OfflineRun:
    """The run of a script that no studio runs. It has Azure ML's members and no others, and prints what it is told;
    programs test this very class.

    Also a context manager: the block's end calls `complete()`, an error in it `fail()`.
    """

    def __init__(self, parent_logger: object = None, run_id: Optional[str] = None, **kwargs: object) -> None:
        """Programs get one by `Run.get_context()` outside of a run.

        Args:
            parent_logger: taken and not used.
            run_id: its id; None for a new one that begins with `OfflineRun_`.
            kwargs: taken and not used.
        """
        self._run_id = run_id or f"OfflineRun_{uuid.uuid4()}"

    @property
    def id(self) -> str:
        """Its id."""
        return self._run_id

    @property
    def identity(self) -> str:
        """The same as `id`."""
        return self._run_id

    def log(self, name: str, value: object, description: str = "", step: Optional[int] = None) -> None:
        """Print what `Run.log` would do.

        Args:
            name: as there.
            value: as there.
            description: as there.
            step: as there.
        """
        _print_action(f"log scalar metric {name}:\n{value}")

    def log_list(self, name: str, value: object, description: str = "") -> None:
        """Print what `Run.log_list` would do.

        Args:
            name: as there.
            value: as there.
            description: as there.
        """
        _print_action(f"log list metric {name}:\n{value}")

    def log_row(self, name: str, description: Optional[str] = None, **kwargs: object) -> None:
        """Print what `Run.log_row` would do.

        Args:
            name: as there.
            description: as there.
            kwargs: as there.
        """
        _print_action(f"log row metric {name}:\n{kwargs}")

    def log_table(self, name: str, value: object, description: str = "") -> None:
        """Print what `Run.log_table` would do.

        Args:
            name: as there.
            value: as there.
            description: as there.
        """
        _print_action(f"log table metric {name}:\n{value}")

    def log_image(self, name: str, path: Optional[str] = None, plot: object = None, description: str = "") -> None:
        """Print what `Run.log_image` would do.

        Args:
            name: as there.
            path: as there.
            plot: as there.
            description: as there.
        """
        _print_action(f"log image metric {name}: {path or plot}")

    def log_confusion_matrix(self, name: str, value: object, description: str = "") -> None:
        """Print what `Run.log_confusion_matrix` would do.

        Args:
            name: as there.
            value: as there.
            description: as there.
        """
        _print_action(f"log confusion matrix {name}:\n{value}")

    def log_residuals(self, name: str, value: object, description: str = "") -> None:
        """Print what `Run.log_residuals` would do.

        Args:
            name: as there.
            value: as there.
            description: as there.
        """
        _print_action(f"log residuals {name}:\n{value}")

    def log_predictions(self, name: str, value: object, description: str = "") -> None:
        """Print what `Run.log_predictions` would do.

        Args:
            name: as there.
            value: as there.
            description: as there.
        """
        _print_action(f"log predictions {name}:\n{value}")

    def log_accuracy_table(self, name: str, value: object, description: str = "") -> None:
        """Print what `Run.log_accuracy_table` would do.

        Args:
            name: as there.
            value: as there.
            description: as there.
        """
        _print_action(f"log accuracy table {name}:\n{value}")

    def tag(self, name: Optional[str] = None, value: object = None, key: Optional[str] = None) -> None:
        """Print what `Run.tag` would do.

        Args:
            name: name of the tag.
            value: its value.
            key: name of the tag, under the argument's name where a studio runs the script.
        """
        _print_action(f"tag {key if name is None else name} with {value}")

    def set_tags(self, tags: object) -> None:
        """Print what `Run.set_tags` would do.

        Args:
            tags: as there.
        """
        _print_action(f"set tags {tags}")

    def add_properties(self, properties: object) -> None:
        """Print what `Run.add_properties` would do.

        Args:
            properties: as there.
        """
        _print_action(f"add properties {properties}")

    def upload_file(self, name: str, path_or_stream: object, datastore_name: Optional[str] = None) -> None:
        """Print what `Run.upload_file` would do.

        Args:
            name: as there.
            path_or_stream: as there.
            datastore_name: as there.
        """
        _print_action(f"upload file {name} from {path_or_stream}")

    def upload_files(
        self,
        name: object = None,
        paths: object = None,
        return_artifacts: bool = False,
        timeout_seconds: object = None,
        datastore_name: Optional[str] = None,
        names: object = None,
    ) -> None:
        """Print what `Run.upload_files` would do.

        Args:
            name: paths of the artifacts.
            paths: as there.
            return_artifacts: as there.
            timeout_seconds: as there.
            datastore_name: as there.
            names: the same, under the argument's name where a studio runs the script.
        """
        _print_action(f"upload files {names if name is None else name} from {paths}")

    def upload_folder(self, name: str, path: str, datastore_name: Optional[str] = None) -> None:
        """Print what `Run.upload_folder` would do.

        Args:
            name: as there.
            path: as there.
            datastore_name: as there.
        """
        _print_action(f"upload folder {name} from {path}")

    def child_run(
        self, name: Optional[str] = None, run_id: Optional[str] = None, outputs: object = None
    ) -> _OfflineRun:
        """Print what `Run.child_run` would do.

        Args:
            name: as there.
            run_id: as there.
            outputs: as there.

        Returns:
            Another run of this class.
        """
        _print_action(f"create a child run {name or ''}".rstrip())
        return _OfflineRun(run_id=run_id)

    def complete(self, _set_status: bool = True) -> None:
        """Print what `Run.complete` would do."""
        _print_action("complete the run")

    def fail(self, error_details: object = None, error_code: object = None, _set_status: bool = True) -> None:
        """Print what `Run.fail` would do.

        Args:
            error_details: as there.
            error_code: as there.
        """
        _print_action(f"fail the run: {error_details}")

    def cancel(self) -> None:
        """Print what `Run.cancel` would do."""
        _print_action("cancel the run")

    def flush(self, timeout_seconds: float = 300) -> None:
        """Print what `Run.flush` would do.

        Args:
            timeout_seconds: as there.
        """
        _print_action("flush the run")

    def __enter__(self) -> _OfflineRun:
        return self

    def __exit__(self, exit_type: Any, value: Any, traceback: Any) -> None:
        if value is None or (isinstance(value, SystemExit) and value.code in (None, 0)):
            self.complete()
        else:
            self.fail(value)


def _print_action(action: str) -> None:
    print(f"Attempted to {action}")
