"""What a step has written: where it lies, and how to get it."""

from __future__ import annotations

from typing import Any, Mapping, Optional

from duto.client.http import path_of, segment
from duto.data.pipeline_data import ReadableData


class PortDataReference(ReadableData):
    """An output of a step that ran, by its place on a datastore."""

    def __init__(self, context: Any, pipeline_run_id: str, data_reference: Any, step_run: Any = None) -> None:
        self._pipeline_run_id = pipeline_run_id
        self._reference = dict(data_reference)
        self._step_run = step_run

    @property
    def name(self) -> str:
        return str(self._reference["name"])

    @property
    def datastore_name(self) -> str:
        return str(self._reference["datastore"])

    @property
    def datastore(self) -> Any:
        from duto.data.datastore import Datastore

        return Datastore.get(self._step_run._workspace, self.datastore_name)

    @property
    def path_on_datastore(self) -> str:
        """The path, such as `azureml/<step run id>/<output name>`."""
        return str(self._reference["path"]).strip("/")

    def download(self, local_path: str, overwrite: Optional[bool] = None, show_progress: Optional[bool] = None) -> int:
        """Copy the output below a folder, under its path on the datastore, as Azure ML does; the count of
        files.

        They are the files that the step wrote. Raises `ConflictException` where some were overwritten since, by
        another run at the same destination for example, `NotFoundException` where some were deleted, and
        `UserErrorException` for failures of several kinds: when all others have been copied, with the names.
        """
        from duto.client.local_files import place_of
        from duto.data.datastore import in_parallel

        step = self._step_run
        place = f"{step._place}outputs/{segment(self.name)}/files/"
        is_folder = bool(self._reference.get("is_directory", True))

        def fetch(item: Mapping[str, Any]) -> bool:
            path = f"{self.path_on_datastore}/{item['path']}" if is_folder else self.path_on_datastore
            target = place_of(local_path, path)
            if target.exists() and not overwrite:
                return False
            step._workspace._client.download(place + path_of(str(item["path"])), target, item.get("digest"))
            return True

        items = list(step._workspace._client.pages(place))
        return in_parallel(fetch, items, "Downloading", show_progress is not False, lambda item: str(item["path"]))

    def __str__(self) -> str:
        return f"$AZUREML_DATAREFERENCE_{self.name}"

    __repr__ = __str__


class StepRunOutput:
    """An output of a step's run."""

    def __init__(
        self, context: Any, pipeline_run_id: str, step_run: Any, name: str, step_output: Mapping[str, Any]
    ) -> None:
        self.name = name
        self._pipeline_run_id = pipeline_run_id
        self._step_run = step_run
        self._output = dict(step_output)

    def get_port_data_reference(self) -> PortDataReference:
        """Where the output lies."""
        return PortDataReference(None, self._pipeline_run_id, {**self._output, "name": self.name}, self._step_run)
