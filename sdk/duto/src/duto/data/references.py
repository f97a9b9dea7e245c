"""Data on a datastore by its path: `DataReference` for a step, `DataPath` for a parameter."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Dict, Optional, Sequence, Tuple, Union

from duto.client.local_files import path_on_datastore
from duto.data.dataset import identified, named
from duto.exceptions import NotFoundException
from duto.spec.filenames import place_on

if TYPE_CHECKING:
    from duto.data.datastore import AbstractDatastore

    Place = Union[str, Tuple[AbstractDatastore, Union[str, Sequence[str]]], "DataPath", "DataReference"]
    Paths = Union[Place, Sequence[Place]]
    Target = Union[Tuple[AbstractDatastore, str], "DataPath", "DataReference", AbstractDatastore]


def port_name(text: str) -> str:
    """A text as the name of an input or output: letters, digits and underscores."""
    return re.sub(r"[^A-Za-z0-9_]+", "_", text).strip("_") or "data"


def target_of(target: Any) -> Tuple[Any, str]:
    """A `target` argument as the datastore and the folder on it, `managed-dataset` where it names none."""
    if isinstance(target, (DataPath, DataReference)):
        return target.datastore, path_on_datastore(target.path_on_datastore)
    if isinstance(target, (tuple, list)):
        return target[0], path_on_datastore(target[1] if len(target) > 1 else "")
    return target, "managed-dataset"


class DataReference:
    """A path on a datastore, as an input of a step.

    In arguments it stands for the path on the node; inside a longer text it reads
    `$AZUREML_DATAREFERENCE_<name>`.
    """

    def __init__(
        self,
        datastore: Union[AbstractDatastore, str],
        data_reference_name: Optional[str] = None,
        path_on_datastore: Optional[str] = None,
        mode: str = "mount",
        path_on_compute: Optional[str] = None,
        overwrite: bool = False,
    ) -> None:
        """Nothing is looked up before the pipeline is submitted.

        Args:
            datastore: where the data lie, or its name.
            data_reference_name: name of the input; None makes one of the path, or of the datastore's name.
            path_on_datastore: a file or a folder; None for the whole datastore.
            mode: `mount` reads where the data lie, `download` copies them to the node first.
            path_on_compute: path below the working directory where they are to lie; None leaves that to the host.
            overwrite: kept as it is; each step has a folder of its own, in which there is nothing to overwrite.
        """
        self.datastore = datastore
        self.data_reference_name = data_reference_name or port_name(
            path_on_datastore or (datastore if isinstance(datastore, str) else datastore.name)
        )
        self.path_on_datastore = path_on_datastore
        self.mode = mode
        self.path_on_compute = path_on_compute
        self.overwrite = overwrite

    @staticmethod
    def create(
        data_reference_name: Optional[str] = None,
        datapath: Optional[DataPath] = None,
        datapath_compute_binding: Optional[DataPathComputeBinding] = None,
    ) -> DataReference:
        """The reference of a data path and its binding.

        Args:
            data_reference_name: name of the input; None for the name of the data path.
            datapath: the path.
            datapath_compute_binding: how it reaches the node; None mounts it.

        Returns:
            The reference.

        Raises:
            ValueError: there is no data path.
        """
        if datapath is None:
            raise ValueError("A data reference is made of a DataPath.")
        binding = datapath_compute_binding or DataPathComputeBinding()
        return binding.create_data_reference(data_reference_name, datapath)

    def path(self, path: Optional[str] = None, data_reference_name: Optional[str] = None) -> DataReference:
        """The reference to a path below this one.

        Args:
            path: the path, relative to this one.
            data_reference_name: name of the input; None makes one of the path.

        Returns:
            Another reference, of the same mode.
        """
        joined = place_on("/".join(part for part in (self.path_on_datastore, path) if part))
        return DataReference(self.datastore, data_reference_name, joined or None, self.mode)

    def as_mount(self) -> DataReference:
        """The same path, mounted.

        Returns:
            Another reference.
        """
        return self._with("mount", None, False)

    def as_download(self, path_on_compute: Optional[str] = None, overwrite: bool = False) -> DataReference:
        """The same path, copied to the node before the script starts.

        Args:
            path_on_compute: path below the working directory where it is to lie; None leaves that to the host.
            overwrite: kept as it is.

        Returns:
            Another reference.
        """
        return self._with("download", path_on_compute, overwrite)

    def as_upload(self, path_on_compute: Optional[str] = None, overwrite: bool = False) -> DataReference:
        """The same path, written after the script. As an output it is not built: use `PipelineData`.

        Args:
            path_on_compute: path below the working directory where the script writes.
            overwrite: whether files that are there may be replaced.

        Returns:
            Another reference.
        """
        return self._with("upload", path_on_compute, overwrite)

    def to_config(self) -> DataReference:
        """The reference itself, where a run configuration takes one (`data_references`).

        Returns:
            This object.
        """
        return self

    def _with(self, mode: str, path_on_compute: Optional[str], overwrite: bool) -> DataReference:
        return DataReference(
            self.datastore, self.data_reference_name, self.path_on_datastore, mode, path_on_compute, overwrite
        )

    def __str__(self) -> str:
        return f"$AZUREML_DATAREFERENCE_{self.data_reference_name}"

    __repr__ = __str__


class SqlDataReference(DataReference):
    """A table, a query or a procedure of a database, by its name for a step.

    A step of a studio reads databases by a dataset: `Dataset.Tabular.from_sql_query((datastore, query))` as its input.
    """

    def __init__(
        self,
        datastore: Union[AbstractDatastore, str],
        data_reference_name: Optional[str] = None,
        sql_table: Optional[str] = None,
        sql_query: Optional[str] = None,
        sql_stored_procedure: Optional[str] = None,
        sql_stored_procedure_params: Optional[Sequence[object]] = None,
    ) -> None:
        """Nothing is looked up.

        Args:
            datastore: the database, or its name.
            data_reference_name: name of the reference; None makes one of the table or the datastore.
            sql_table: a table.
            sql_query: a query.
            sql_stored_procedure: a procedure.
            sql_stored_procedure_params: its parameters.
        """
        name = datastore if isinstance(datastore, str) else datastore.name
        super().__init__(datastore, data_reference_name or port_name(sql_table or name))
        self.sql_table = sql_table
        self.sql_query = sql_query
        self.sql_stored_procedure = sql_stored_procedure
        self.sql_stored_procedure_params = sql_stored_procedure_params

    def query(self) -> str:
        """The statement that it stands for.

        Returns:
            The query, or one for all of the table.

        Raises:
            ValueError: it names a procedure, or nothing.
        """
        if self.sql_query:
            return self.sql_query
        if self.sql_table:
            return f"SELECT * FROM {self.sql_table}"  # noqa: S608 - a program asks its own database
        raise ValueError("A studio runs no procedures of a database: give sql_query or sql_table.")


class NamedDataset:
    """A dataset by its version's id, or by its name: looked up when a run is submitted."""

    def __init__(self, id: Optional[str], name: Optional[str] = None, version: Optional[str] = None) -> None:
        self.id, self.name, self.version = id, name, version

    def find(self, workspace: Any) -> Any:
        """The dataset itself; by its name where the id is of another workspace. Raises `NotFoundException`."""
        if self.id:
            try:
                return identified(workspace, self.id)
            except NotFoundException:
                if not self.name:
                    raise
        return named(workspace, str(self.name), self.version or "latest")


class DataPath:
    """A path on a datastore as the value of a `PipelineParameter`."""

    def __init__(
        self,
        datastore: Union[AbstractDatastore, str, None] = None,
        path_on_datastore: Optional[str] = None,
        name: Optional[str] = None,
    ) -> None:
        """Nothing is looked up before the pipeline is submitted.

        Args:
            datastore: the datastore or its name.
            path_on_datastore: a file or a folder; None for the whole datastore.
            name: name of the reference that is made of it.
        """
        self.datastore = datastore
        self.path_on_datastore = path_on_datastore or ""
        self.name = name

    @property
    def datastore_name(self) -> str:
        """Name of the datastore."""
        datastore: Any = self.datastore
        return datastore if isinstance(datastore, str) else str(datastore.name)

    def create_data_reference(
        self,
        data_reference_name: Optional[str] = None,
        datapath_compute_binding: Optional[DataPathComputeBinding] = None,
    ) -> DataReference:
        """The path as a step's input.

        Args:
            data_reference_name: name of the input; None for `name`.
            datapath_compute_binding: how it reaches the node; None mounts it.

        Returns:
            The reference.
        """
        return DataReference.create(data_reference_name, self, datapath_compute_binding)

    @staticmethod
    def create_from_data_reference(data_reference: DataReference) -> DataPath:
        """The place that a reference names.

        Args:
            data_reference: the reference.

        Returns:
            The path.
        """
        return DataPath(data_reference.datastore, data_reference.path_on_datastore, data_reference.data_reference_name)

    def to_value(self) -> Dict[str, str]:
        """The value of the parameter as the graph document holds it.

        Returns:
            `datastore` (its name) and `path`.
        """
        return {"datastore": self.datastore_name, "path": place_on(self.path_on_datastore)}

    def __str__(self) -> str:
        return f"{self.datastore_name}/{self.path_on_datastore}"


class DataPathComputeBinding:
    """How a data path reaches the node."""

    def __init__(self, mode: str = "mount", path_on_compute: Optional[str] = None, overwrite: bool = False) -> None:
        """
        Args:
            mode: `mount` or `download`; `upload` is kept for its name.
            path_on_compute: path below the working directory where the data are to lie; None leaves that to the host.
            overwrite: kept as it is.

        Raises:
            ValueError: the mode is another.
        """
        if mode not in ("mount", "download", "upload"):
            raise ValueError(f"The mode {mode!r} is none of mount, download, upload.")
        self.mode = mode
        self.path_on_compute = path_on_compute
        self.overwrite = overwrite

    def create_data_reference(
        self, data_reference_name: Optional[str] = None, datapath: Optional[DataPath] = None
    ) -> DataReference:
        """The data path as a step's input.

        Args:
            data_reference_name: name of the input; None for the name of the data path.
            datapath: the path.

        Returns:
            The reference.

        Raises:
            ValueError: there is no data path.
        """
        if datapath is None:
            raise ValueError("A data reference is made of a DataPath.")
        datastore: Any = datapath.datastore
        return DataReference(
            datastore,
            data_reference_name or datapath.name,
            datapath.path_on_datastore,
            self.mode,
            self.path_on_compute,
            self.overwrite,
        )

    @staticmethod
    def create_from_data_reference(data_reference: DataReference) -> DataPathComputeBinding:
        """The binding of a reference.

        Args:
            data_reference: the reference.

        Returns:
            The binding.
        """
        return DataPathComputeBinding(data_reference.mode, data_reference.path_on_compute, data_reference.overwrite)
