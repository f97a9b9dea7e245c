"""Data on a datastore by its path: `DataReference` for a step, `DataPath` for a parameter."""

from __future__ import annotations

import re
from typing import Any, Dict, Optional

from duto.data.dataset import identified, named
from duto.exceptions import NotFoundException
from duto.spec.filenames import place_on


def port_name(text: str) -> str:
    """A text as the name of an input or output: letters, digits and underscores."""
    return re.sub(r"[^A-Za-z0-9_]+", "_", text).strip("_") or "data"


class DataReference:
    """A path on a datastore, as an input of a step.

    In arguments it stands for the path on the node; inside a longer text it reads
    `$AZUREML_DATAREFERENCE_<name>`.
    """

    def __init__(
        self,
        datastore: Any,
        data_reference_name: Optional[str] = None,
        path_on_datastore: Optional[str] = None,
        mode: str = "mount",
        path_on_compute: Optional[str] = None,
        overwrite: bool = False,
    ) -> None:
        self.datastore = datastore
        self.data_reference_name = data_reference_name or port_name(path_on_datastore or datastore.name)
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
        """The reference of a data path and its binding. Raises `ValueError` without a data path."""
        if datapath is None:
            raise ValueError("A data reference is made of a DataPath.")
        binding = datapath_compute_binding or DataPathComputeBinding()
        return binding.create_data_reference(data_reference_name, datapath)

    def path(self, path: Optional[str] = None, data_reference_name: Optional[str] = None) -> DataReference:
        """The reference to a path below this one."""
        joined = place_on("/".join(part for part in (self.path_on_datastore, path) if part))
        return DataReference(self.datastore, data_reference_name, joined or None, self.mode)

    def as_mount(self) -> DataReference:
        """The same path, mounted."""
        return self._with("mount", None, False)

    def as_download(self, path_on_compute: Optional[str] = None, overwrite: bool = False) -> DataReference:
        """The same path, copied to the node before the script starts."""
        return self._with("download", path_on_compute, overwrite)

    def as_upload(self, path_on_compute: Optional[str] = None, overwrite: bool = False) -> DataReference:
        """The same path, written after the script. Not built as an output: use `PipelineData`."""
        return self._with("upload", path_on_compute, overwrite)

    def to_config(self) -> DataReference:
        """The reference itself, where a run configuration takes one."""
        return self

    def _with(self, mode: str, path_on_compute: Optional[str], overwrite: bool) -> DataReference:
        return DataReference(
            self.datastore, self.data_reference_name, self.path_on_datastore, mode, path_on_compute, overwrite
        )

    def __str__(self) -> str:
        return f"$AZUREML_DATAREFERENCE_{self.data_reference_name}"

    __repr__ = __str__


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
        self, datastore: Any = None, path_on_datastore: Optional[str] = None, name: Optional[str] = None
    ) -> None:
        self.datastore = datastore
        self.path_on_datastore = path_on_datastore or ""
        self.name = name

    @property
    def datastore_name(self) -> str:
        return self.datastore if isinstance(self.datastore, str) else self.datastore.name

    def create_data_reference(
        self,
        data_reference_name: Optional[str] = None,
        datapath_compute_binding: Optional[DataPathComputeBinding] = None,
    ) -> DataReference:
        """The path as a step's input."""
        return DataReference.create(data_reference_name, self, datapath_compute_binding)

    @staticmethod
    def create_from_data_reference(data_reference: DataReference) -> DataPath:
        """The place that a reference names."""
        return DataPath(data_reference.datastore, data_reference.path_on_datastore, data_reference.data_reference_name)

    def to_value(self) -> Dict[str, str]:
        """The value of the parameter as the graph document holds it."""
        return {"datastore": self.datastore_name, "path": place_on(self.path_on_datastore)}

    def __str__(self) -> str:
        return f"{self.datastore_name}/{self.path_on_datastore}"


class DataPathComputeBinding:
    """How a data path reaches the node: `mode` is mount or download. Raises `ValueError` for another."""

    def __init__(self, mode: str = "mount", path_on_compute: Optional[str] = None, overwrite: bool = False) -> None:
        if mode not in ("mount", "download", "upload"):
            raise ValueError(f"The mode {mode!r} is none of mount, download, upload.")
        self.mode = mode
        self.path_on_compute = path_on_compute
        self.overwrite = overwrite

    def create_data_reference(
        self, data_reference_name: Optional[str] = None, datapath: Optional[DataPath] = None
    ) -> DataReference:
        """The data path as a step's input. Raises `ValueError` without a data path."""
        if datapath is None:
            raise ValueError("A data reference is made of a DataPath.")
        return DataReference(
            datapath.datastore,
            data_reference_name or datapath.name,
            datapath.path_on_datastore,
            self.mode,
            self.path_on_compute,
            self.overwrite,
        )

    @staticmethod
    def create_from_data_reference(data_reference: DataReference) -> DataPathComputeBinding:
        """The binding of a reference."""
        return DataPathComputeBinding(data_reference.mode, data_reference.path_on_compute, data_reference.overwrite)
