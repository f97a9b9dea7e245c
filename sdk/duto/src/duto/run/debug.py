"""The run of a script that `duto debug` has started: it writes what it is told to a file of its folder."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence

from duto.client.local_files import copy_to, files_below, local_file, place_of
from duto.exceptions import UserErrorException
from duto.not_built import passed_over
from duto.run import metrics
from duto.run.metric_logging import RunLogging
from duto.run.offline import METRICS, _OfflineRun
from duto.run.spool import now
from duto.spec.secrets import variable_of

# What is read of the run in the studio.
STUDIO = frozenset(
    [
        "name",
        "display_name",
        "description",
        "number",
        "type",
        "portal_url",
        "get_portal_url",
        "get_details",
        "get_details_with_logs",
        "get_environment",
        "get_snapshot_id",
        "restore_snapshot",
        "get",
        "list",
        "get_context",
        "get_submitted_run",
        "add_type_provider",
    ]
)
_NOTHING_WRITTEN = "nothing is submitted or changed in the studio from here. Submit the pipeline for that."
REFUSED = {
    "submit_child": _NOTHING_WRITTEN,
    "get_all_logs": "its log is what the script prints here.",
    "wait_for_completion": "it ends when this script does.",
    "list_by_compute": "it is on no compute target.",
    "get_docs_url": "it has no such page.",
}


class _DebugRun(RunLogging, _OfflineRun):  # type: ignore[misc]
    """The offline run of a step that is started outside of the studio.

    It has all members of a run. What a script tells it is kept in the folder, and read from there again; what is known
    of the run in the studio (`STUDIO`) is read there, with the person's own credentials and only when the script asks;
    what cannot be here (`REFUSED`) says why. Nothing is written to the studio.
    """

    def __init__(self, metrics: Path, run_id: str, is_child: bool = False) -> None:
        _OfflineRun.__init__(self, run_id=f"OfflineRun_{run_id}")
        self._metrics = metrics
        self._is_child = is_child
        self._children: List[_DebugRun] = []
        self._inputs: Optional[Dict[str, Any]] = None
        self._known: Any = None

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

        return output_datasets(self)

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

    def upload_files(  # type: ignore[override]
        self,
        names: Sequence[str],
        paths: Sequence[str],
        return_artifacts: bool = False,
        timeout_seconds: object = None,
        datastore_name: Optional[str] = None,
    ) -> None:
        """Copy several files to `artifacts/` of the folder."""
        passed_over("Run.upload_files", "get_file_names() lists them.", return_artifacts=return_artifacts)
        if len(names) != len(paths):
            raise UserErrorException("upload_files takes as many names as paths.")
        for name, path in zip(names, paths):
            self.upload_file(name, path, datastore_name)

    def get_file_names(self) -> List[str]:
        """The names of what was uploaded here."""
        return [name for name, _place in files_below(self._artifacts)] if self._artifacts.is_dir() else []

    def download_file(
        self, name: str, output_file_path: Optional[str] = None, _validate_checksum: bool = False
    ) -> None:
        """Copy what was uploaded here to a file. Raises `UserErrorException` where it was not."""
        source = place_of(self._artifacts, name)
        if not source.is_file():
            raise UserErrorException(
                f"File with path '{name}' was not uploaded in this folder; in the studio it may be."
            )
        target = Path(output_file_path or source.name)
        if target.is_dir() or (output_file_path or "").endswith(("/", os.sep)):
            target = target / source.name
        copy_to(source, target)

    def download_files(
        self,
        prefix: Optional[str] = None,
        output_directory: Optional[str] = None,
        output_paths: Optional[List[str]] = None,
        batch_size: int = 100,
        append_prefix: bool = True,
        timeout_seconds: object = None,
    ) -> None:
        """Copy what was uploaded here to a folder."""
        names = [name for name in self.get_file_names() if name.startswith(prefix or "")]
        if output_paths and len(output_paths) != len(names):
            raise UserErrorException(f"{len(output_paths)} paths cannot name {len(names)} files: give one for each.")
        for index, name in enumerate(names):
            short = name if append_prefix or not prefix else name[len(prefix) :].lstrip("/")
            path = output_paths[index] if output_paths else short or Path(name).name
            self.download_file(name, str(Path(output_directory or ".") / path))

    def register_model(
        self,
        model_name: str,
        model_path: Optional[str] = None,
        tags: Optional[Mapping[str, object]] = None,
        properties: Optional[Mapping[str, object]] = None,
        model_framework: Optional[str] = None,
        model_framework_version: Optional[str] = None,
        description: Optional[str] = None,
        datasets: Any = None,
        **kwargs: object,
    ) -> Any:
        """Note the model in the file, and keep its files in `artifacts/`: none is registered. It has the version 0, which
        the studio gives to none. Raises `ModelPathNotFoundException` where nothing is at the path."""
        import duto

        return duto.Model._kept_by(
            self, model_name, model_path, tags, properties, description, model_framework, model_framework_version,
            datasets,
        )  # fmt: skip

    def get_metrics(
        self, name: Optional[str] = None, recursive: bool = False, run_type: object = None, populate: bool = False
    ) -> Dict[str, Any]:
        """What was logged here, as `Run.get_metrics` gives it."""
        passed_over("Run.get_metrics", "runs of every type are in it.", run_type=run_type)
        runs = {self._run_id, *(each._run_id for each in self._children if recursive)}
        series: List[Dict[str, Any]] = []
        for place, each in enumerate(self._records("metric")):
            if each["run"] in runs and name in (None, each["name"]):
                index = place if each.get("index") is None else each["index"]
                series.append({**each, "first": place, "points": [(index, each["value"])]})
        return metrics.fold_by_run(series) if recursive else metrics.fold(series)

    @property
    def tags(self) -> Dict[str, str]:
        """As `get_tags`."""
        return self.get_tags()

    @property
    def properties(self) -> Dict[str, str]:
        """As `get_properties`."""
        return self.get_properties()

    def get_tags(self) -> Dict[str, str]:
        """Those that the run has in the studio, and over them those that were set here."""
        return self._set_here("tag", {} if self._is_child else self._studio_run.get_tags())

    def get_properties(self) -> Dict[str, str]:
        """Those that the run has in the studio, and over them those that were set here."""
        return self._set_here("property", {} if self._is_child else self._studio_run.get_properties())

    def remove_tags(self, tags: Any) -> None:
        """Take tags away, here."""
        for key in [tags] if isinstance(tags, str) else list(tags):
            self._record({"op": "tag", "key": str(key), "value": None})

    @property
    def status(self) -> str:
        """It runs here, however the run in the studio has ended."""
        return "Running"

    def get_status(self) -> str:
        """As `status`."""
        return self.status

    def get_detailed_status(self) -> Dict[str, Any]:
        """As `status`; it waits for nothing."""
        return {"status": self.status, "details": []}

    def child_run(self, name: Optional[str] = None, run_id: object = None, outputs: object = None) -> _DebugRun:
        """A run whose metrics go to the same file and whose files go to `children/`."""
        passed_over("Run.child_run", "its id is made here, its files go to children/.", run_id=run_id, outputs=outputs)
        child = _DebugRun(self._metrics, str(uuid.uuid4()), is_child=True)
        vars(child).update(name=name or child._run_id, display_name=name or child._run_id)
        self._children.append(child)
        return child

    def create_children(
        self, count: Optional[int] = None, tag_key: Optional[str] = None, tag_values: Optional[Iterable[object]] = None
    ) -> List[_DebugRun]:
        """Several, as `child_run` makes each."""
        values = list(tag_values) if tag_values else [None] * int(count or 0)
        made = [self.child_run() for _ in values]
        for child, value in zip(made, values):
            if tag_key:
                child.tag(tag_key, value)
        return made

    def get_children(self, recursive: bool = False, **kwargs: object) -> Iterator[_DebugRun]:
        """Those that this process has made, newest first."""
        for child in reversed(self._children):
            yield child
            if recursive:
                yield from child.get_children(True)

    def take_snapshot(self, file_or_folder_path: str) -> str:
        """The digest of a folder, whose files stay where they are."""
        from duto.run import snapshots

        return snapshots.take(Path(file_or_folder_path).resolve()).digest

    def start(self) -> None:
        """As of a run: nothing."""

    def clean(self) -> None:
        """As of a run: nothing."""

    def flush(self, timeout_seconds: float = 300) -> None:
        """Everything is in the file already."""

    def _set_here(self, op: str, known: Mapping[str, str]) -> Dict[str, str]:
        found: Dict[str, Any] = dict(known)
        found.update({each["key"]: each["value"] for each in self._records(op) if each["run"] == self._run_id})
        return {key: value for key, value in found.items() if value is not None}

    def _records(self, op: str) -> List[Dict[str, Any]]:
        lines = self._metrics.read_text(encoding="utf-8").splitlines() if self._metrics.is_file() else []
        return [each for each in map(json.loads, lines) if each["op"] == op]

    @property
    def _studio_id(self) -> str:
        return self._run_id[len("OfflineRun_") :]

    @property
    def _studio_run(self) -> Any:
        """The run in the studio, which is only read."""
        import duto

        if self._known is None:
            self._known = duto.Run.get(self._workspace, self._studio_id)
        return self._known

    @property
    def _workspace(self) -> Any:
        from duto.workspace.workspace import workspace_of_debugging

        return workspace_of_debugging()

    @property
    def _artifacts(self) -> Path:
        below = f"children/{self._studio_id}" if self._is_child else "artifacts"
        return self._metrics.parent / below

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
        if name in REFUSED:
            raise UserErrorException(f"A run that `duto debug` has started has no '{name}': {REFUSED[name]}")
        if name in STUDIO and not self._is_child:
            return getattr(self._studio_run, name)
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
