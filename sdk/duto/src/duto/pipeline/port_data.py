"""What a step has written: where it lies, and how to get it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping, Optional

from duto.client.http import path_of, segment
from duto.data.pipeline_data import ReadableData

if TYPE_CHECKING:
    from duto.data.datastore import AbstractAzureStorageDatastore
    from duto.pipeline.pipeline_run import StepRun


class PortDataReference(ReadableData):
    """An output of a step that ran, by its place on a datastore. It may be an input of another pipeline's step."""

    def __init__(
        self,
        context: object,
        pipeline_run_id: str,
        data_reference: Mapping[str, object],
        step_run: Optional[StepRun] = None,
    ) -> None:
        """Programs get one by `StepRun.get_output_data` or `PipelineRun.get_pipeline_output`.

        Args:
            context: taken and not used.
            pipeline_run_id: id of the pipeline's run.
            data_reference: the output's document, as REST has it.
            step_run: the step's run.
        """
        self._pipeline_run_id = pipeline_run_id
        self._reference = dict(data_reference)
        self._step_run: Any = step_run

    @property
    def name(self) -> str:
        """Name of the output."""
        return str(self._reference["name"])

    @property
    def datastore_name(self) -> str:
        """Name of the datastore."""
        return str(self._reference["datastore"])

    @property
    def datastore(self) -> AbstractAzureStorageDatastore:
        """The datastore.

        Raises:
            NotFoundException: it is there no longer.
        """
        from duto.data.datastore import Datastore

        return Datastore.get(self._step_run._workspace, self.datastore_name)

    @property
    def path_on_datastore(self) -> str:
        """The path, such as `azureml/<step run id>/<output name>`, without a slash at its ends."""
        return str(self._reference["path"]).strip("/")

    def download(self, local_path: str, overwrite: Optional[bool] = None, show_progress: Optional[bool] = None) -> int:
        """Copy the output below a folder, under its path on the datastore, as Azure ML does.

        Args:
            local_path: the folder, which is made.
            overwrite: replace files that are there; else they stay as they are.
            show_progress: print one line with what was copied; None is True.

        Returns:
            The count of files that were copied: those that the step wrote.

        Raises:
            ConflictException: files were overwritten since, by another run at the same destination for example.
            NotFoundException: files were deleted since.
            UserErrorException: failures of several kinds, with the names, when all others have been copied.
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
        self, context: object, pipeline_run_id: str, step_run: StepRun, name: str, step_output: Mapping[str, Any]
    ) -> None:
        """Programs get one by `StepRun.get_output`.

        Args:
            context: taken and not used.
            pipeline_run_id: id of the pipeline's run.
            step_run: the step's run.
            name: name of the output.
            step_output: the output's document, as REST has it.
        """
        self.name = name
        self._pipeline_run_id = pipeline_run_id
        self._step_run = step_run
        self._output = dict(step_output)

    def get_port_data_reference(self) -> PortDataReference:
        """Where the output lies.

        Returns:
            The place, which can be downloaded.
        """
        return PortDataReference(None, self._pipeline_run_id, {**self._output, "name": self.name}, self._step_run)
