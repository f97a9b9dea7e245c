"""The run of a script that `duto debug` has started: it writes what it is told to a file of its folder."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any, Dict, Iterable, Mapping, Optional

from duto.client.local_files import local_file, place_of
from duto.exceptions import UserErrorException
from duto.run.metric_logging import RunLogging
from duto.run.offline import METRICS, _OfflineRun
from duto.run.spool import now
from duto.spec.secrets import variable_of


class _DebugRun(RunLogging, _OfflineRun):  # type: ignore[misc]
    """The offline run of a step that is started outside of the studio.

    Beside the members of an offline run it has those by which a step reads what it was given: `input_datasets`,
    `output_datasets`, `experiment`, `parent` and `get_secret`. The workspace is opened with the person's own credentials,
    and only when the script asks for it.
    """

    def __init__(self, metrics: Path, run_id: str) -> None:
        _OfflineRun.__init__(self, run_id=f"OfflineRun_{run_id}")
        self._metrics = metrics
        self._inputs: Optional[Dict[str, Any]] = None

    @property
    def id(self) -> str:  # type: ignore[override]
        """`OfflineRun_` and the id of the step run."""
        return self._run_id

    @property
    def experiment(self) -> Any:
        """The experiment of the run, in the workspace as the person's own credentials open it."""
        import duto

        return duto.Experiment(self._workspace, os.environ.get("AZUREML_ARM_PROJECT_NAME", ""), True)

    @property
    def parent(self) -> _DebugRun:
        """The run above the step; what it is told goes to the same file."""
        return _DebugRun(self._metrics, os.environ.get("AZUREML_PARENT_RUN_ID", ""))

    @property
    def input_datasets(self) -> Dict[str, Any]:
        """The inputs by name, as in a step."""
        if self._inputs is None:
            from duto.run.context import input_datasets

            self._inputs = input_datasets(self)
        return self._inputs

    @property
    def output_datasets(self) -> Mapping[str, str]:
        """The folders of the outputs by name, as in a step."""
        from duto.run.context import output_datasets

        return output_datasets()

    def get_secret(self, name: str) -> str:
        """A secret, of the variable that stands for it here. Raises `UserErrorException` where that is not set."""
        value = os.environ.get(variable_of(name))
        if value is None:
            raise UserErrorException(
                f"The secret '{name}' was not brought to this machine. Give it by the variable {variable_of(name)}."
            )
        return value

    def get_secrets(self, secrets: Iterable[str]) -> Dict[str, str]:
        """Several secrets, as `get_secret` gives each."""
        return {name: self.get_secret(name) for name in secrets}

    def upload_file(self, name: str, path_or_stream: Any, datastore_name: Optional[str] = None) -> None:
        """Copy a file to `artifacts/` of the folder."""
        _print_place(name, datastore_name)
        if isinstance(path_or_stream, (str, os.PathLike)):
            self._put_artifact(name, local_file(path_or_stream).read_bytes())
        else:
            data = path_or_stream.read()
            self._put_artifact(name, data.encode("utf-8") if isinstance(data, str) else data)

    def upload_folder(self, name: str, path: str, datastore_name: Optional[str] = None) -> None:
        """Copy a folder to `artifacts/` of the folder."""
        _print_place(name, datastore_name)
        shutil.copytree(path, str(place_of(self._artifacts, name)), dirs_exist_ok=True)

    def flush(self, timeout_seconds: float = 300) -> None:
        """Everything is in the file already."""

    @property
    def _workspace(self) -> Any:
        from duto.workspace.workspace import workspace_of_debugging

        return workspace_of_debugging()

    @property
    def _artifacts(self) -> Path:
        return self._metrics.parent / "artifacts"

    def _record(self, record: Dict[str, Any]) -> None:
        line = json.dumps({"at": now(), "run": self._run_id, **record}, allow_nan=False) + "\n"
        descriptor = os.open(str(self._metrics), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(descriptor, line.encode("utf-8"))  # one write a line: several processes may log at once
        finally:
            os.close(descriptor)

    def _put_artifact(self, name: str, data: bytes) -> None:
        place = place_of(self._artifacts, name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(
            f"A run that `duto debug` has started has no '{name}': that is known where the studio runs the step."
        )


def _print_place(name: str, datastore: Optional[str]) -> None:
    if datastore is not None:
        print(f"'{name}' is kept in artifacts/ here, and not on the datastore '{datastore}'.")


def of_process() -> Optional[_DebugRun]:
    """The run around this process; None where `duto debug` has not started it."""
    metrics = os.environ.get(METRICS)
    return _DebugRun(Path(metrics), os.environ.get("AZUREML_RUN_ID", "")) if metrics else None
