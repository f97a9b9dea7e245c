"""A step that copies files from one datastore to another."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping, Optional, Tuple, Union

import duto
from duto.data.pipeline_data import OutputPortBinding, PipelineData, ReadableData
from duto.data.references import DataPath, DataReference, port_name
from duto.exceptions import UserErrorException
from duto.spec.filenames import place_on
from duto.steps import ports
from duto.steps.compute_step import ComputeStep

_TYPES = ("file", "directory")


class TransferredData(OutputPortBinding, ReadableData):
    """What a transfer leaves at a path of a datastore, for the steps that read it there.

    Attributes:
        destination: the path.
    """

    def __init__(self, name: str, place: Union[DataReference, DataPath], is_directory: bool) -> None:
        """A step that reads it runs after the transfer.

        Args:
            name: name of the data.
            place: where they come to lie.
            is_directory: whether that is a folder.
        """
        super().__init__(name, place.datastore, is_directory=is_directory, overwrite=True)
        self.destination = str(place.path_on_datastore or "")


class DataTransferStep(ComputeStep):
    """A copy of a file or a folder, from any datastore of the workspace to any other. See *Data transfers* in docs/sdk.md.

    Files that lie at the destination are replaced, others stay. How far it is stands in the step's log and among its
    metrics.

    Attributes:
        kind: the kind of the step in the graph.
        script_name: empty: the studio's own program copies.
        params: variables that the step gets beside those of its environment; none.
        hash_paths: None: the whole source directory counts.
        retries: how many more attempts there are; programs may set it.
        timeout: seconds that an attempt may take; programs may set it.
        source_directory: None: no folder goes along.
        version: None.
        runconfig: None: it takes no run configuration.
        retry_delay: seconds before each further attempt; programs may set it.
    """

    kind = "data_transfer"
    script_name = ""

    def __init__(
        self,
        name: str,
        source_data_reference: Optional[object] = None,
        destination_data_reference: Optional[object] = None,
        compute_target: Union[duto.ComputeTarget, str, Tuple[str, str], None] = None,
        source_reference_type: Optional[str] = None,
        destination_reference_type: Optional[str] = None,
        allow_reuse: bool = True,
    ) -> None:
        """Nothing is read or sent before the pipeline is validated or submitted.

        Args:
            name: name of the step.
            source_data_reference: what is copied: a `DataReference`, data of another step, an output of an earlier
                run, a file dataset.
            destination_data_reference: where to: a `DataReference`, or a `PipelineData` for other steps to read.
            compute_target: a `DataFactoryCompute` or a cluster, its name, or a pair of a name and a type; None for the
                workspace's default.
            source_reference_type: `file` or `directory`; None for what is there.
            destination_reference_type: `file` or `directory`; None for a directory, into which a file goes under its
                own name.
            allow_reuse: copy nothing where an earlier run has copied the same, and it still lies there.

        Raises:
            UserErrorException: there is no source or no destination, one of them cannot be read or written, a type is
                another, or a directory is to become a file.
        """
        self._kinds = (_type("source", source_reference_type), _type("destination", destination_reference_type))
        if self._kinds == ("directory", "file"):
            raise UserErrorException(
                f"DataTransferStep '{name}': a directory cannot become one file: let destination_reference_type be "
                "'directory'."
            )
        if source_data_reference is None or destination_data_reference is None:
            raise UserErrorException(
                f"DataTransferStep '{name}' names a source_data_reference and a destination_data_reference."
            )
        written = _destination(name, destination_data_reference, self._kinds[1])
        ports.in_port(source_data_reference)  # what cannot be read is said now
        super().__init__(
            name, [source_data_reference, written], compute_target, None, None, [source_data_reference], [written], None,
            None, allow_reuse, None, None, None, None, None,
        )  # fmt: skip
        self._output = written

    @property
    def _settings(self) -> Mapping[str, Any]:
        return {"source": self._kinds[0], "destination": self._kinds[1]}

    def folder(self, default: Optional[str]) -> Optional[Path]:
        """The source directory: a transfer has none.

        Args:
            default: not used.

        Returns:
            None.
        """
        return None

    def get_output(self) -> Union[TransferredData, PipelineData, OutputPortBinding]:
        """What lies at the destination after the step, as an input of others.

        Returns:
            The data; a step that reads them runs after the transfer.
        """
        return self._output


def _type(end: str, given: Optional[str]) -> str:
    if given is not None and given not in _TYPES:
        raise UserErrorException(f"{end}_reference_type is 'file' or 'directory', not {given!r}.")
    return given or ("any" if end == "source" else "directory")


def _destination(step: str, given: object, kind: str) -> Union[TransferredData, PipelineData, OutputPortBinding]:
    if isinstance(given, (PipelineData, OutputPortBinding)):
        return given
    if not isinstance(given, (DataReference, DataPath)):
        raise UserErrorException(
            f"DataTransferStep '{step}' cannot write to {given!r}: name a DataReference or a PipelineData."
        )
    if not place_on(str(given.path_on_datastore or "")):
        raise UserErrorException(
            f"DataTransferStep '{step}' names a datastore as its destination, and no path on it: give the reference a "
            "path_on_datastore."
        )
    name = given.data_reference_name if isinstance(given, DataReference) else given.name
    return TransferredData(name or port_name(str(given.path_on_datastore)), given, kind == "directory")
