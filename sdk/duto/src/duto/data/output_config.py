"""Data between steps: `OutputFileDatasetConfig`, whose folder exists when the script starts."""

from __future__ import annotations

import itertools
from pathlib import PurePath
from typing import Any, Dict, List, Mapping, Optional, Tuple

from duto.data.consumption import DatasetConsumptionConfig
from duto.data.pipeline_data import WrittenData
from duto.data.types import PromoteHeadersBehavior, columns_of, header_of
from duto.not_built import not_built
from duto.spec.names import check_name

# Counted, not random as in Azure ML: the same program names its outputs the same each time, so that they are
# reused.
_UNNAMED = itertools.count(1)


class OutputDatasetConfig(WrittenData):
    """What a step writes, kept as a dataset."""

    def __init__(self, mode: str, name: Optional[str] = None, **kwargs: Any) -> None:
        self.name = check_name("port", name) if name else f"output_{next(_UNNAMED):08x}"
        self.mode = mode
        self._register: Optional[Dict[str, Any]] = None

    def as_input(self, name: Optional[str] = None) -> DatasetConsumptionConfig:
        """The output as an input of another step, mounted."""
        return DatasetConsumptionConfig(name or f"input_{self.name}", self, "mount")

    def register_on_complete(
        self, name: str, description: Optional[str] = None, tags: Optional[Mapping[str, str]] = None
    ) -> Any:
        """Register the output as a dataset under a name when the step completes."""
        self._register = {
            "name": name,
            "description": description or "",
            "tags": dict(tags or {}),
            "create_new_version": True,
        }
        return self

    @property
    def arg_val(self) -> str:
        return f"DatasetOutputConfig:{self.name}"

    def __str__(self) -> str:
        return self.arg_val


class TransformationMixin:
    """Reads an output as rows and columns."""

    def read_delimited_files(
        self,
        include_path: bool = False,
        separator: str = ",",
        header: Any = PromoteHeadersBehavior.ALL_FILES_HAVE_SAME_HEADERS,
        partition_format: Optional[str] = None,
        path_glob: Optional[str] = None,
        set_column_types: Optional[Dict[str, Any]] = None,
    ) -> OutputTabularDatasetConfig:
        """The output's delimited files as rows and columns; columns that `set_column_types` does not name stay
        texts."""
        form = {"type": "delimited", "separator": separator, "header": header_of(header), "infer": False}
        return _tabular(self, form, include_path, partition_format, path_glob, set_column_types)

    def read_parquet_files(
        self,
        include_path: bool = False,
        partition_format: Optional[str] = None,
        path_glob: Optional[str] = None,
        set_column_types: Optional[Dict[str, Any]] = None,
    ) -> OutputTabularDatasetConfig:
        """The output's parquet files as rows and columns."""
        return _tabular(self, {"type": "parquet"}, include_path, partition_format, path_glob, set_column_types)


class OutputFileDatasetConfig(OutputDatasetConfig, TransformationMixin):
    """A folder that a step writes into, by default `dataset/{run-id}/{output-name}` on the default datastore.

    `destination` is `(datastore, 'path/{run-id}/{output-name}')`. Inside a longer text the object reads
    `DatasetOutputConfig:<name>`.
    """

    def __init__(
        self,
        name: Optional[str] = None,
        destination: Optional[Tuple[Any, str]] = None,
        source: Optional[str] = None,
        partition_format: Optional[str] = None,
    ) -> None:
        """Raises `ValueError` for a destination that is no pair of a datastore and a path."""
        super().__init__("mount", name)
        if destination is not None and not _is_destination(destination):
            raise ValueError(f"The destination of an output is a pair (datastore, 'path'), not {destination!r}.")
        self.destination = tuple(destination) if destination else None
        self.source = source
        self.partition_format = partition_format
        self.overwrite = False
        self.source_globs: Optional[List[str]] = None

    def as_mount(self, disable_metadata_cache: bool = False) -> OutputFileDatasetConfig:
        """Write into the store while the script runs."""
        self.mode = "mount"
        return self

    def as_upload(self, overwrite: bool = False, source_globs: Any = None) -> OutputFileDatasetConfig:
        """Write to the node and copy when the script ends."""
        self.mode, self.overwrite = "upload", overwrite
        self.source_globs = [source_globs] if isinstance(source_globs, str) else source_globs
        return self

    def as_hdfs(self) -> Any:
        raise not_built("OutputFileDatasetConfig.as_hdfs", "Use `as_mount()` or `as_upload()`.")

    @property
    def datastore_name(self) -> Optional[str]:
        if not self.destination:
            return None
        datastore = self.destination[0]
        return datastore if isinstance(datastore, str) or datastore is None else str(datastore.name)

    @property
    def path(self) -> Optional[str]:
        """The destination's path with its tokens."""
        path = self.destination[1] if self.destination and len(self.destination) > 1 else None
        return None if path is None else str(path)


def _is_destination(given: Any) -> bool:
    if not isinstance(given, (tuple, list)) or not 1 <= len(given) <= 2:
        return False
    datastore, path = given[0], given[1] if len(given) > 1 else None
    is_store = datastore is None or isinstance(datastore, str) or isinstance(getattr(datastore, "name", None), str)
    return is_store and (path is None or isinstance(path, (str, PurePath)))


class OutputTabularDatasetConfig(OutputDatasetConfig):
    """An output read as rows and columns; the reading step gets a dataset object."""

    def __init__(self, **kwargs: Any) -> None:
        self._base: OutputFileDatasetConfig = kwargs["output_file_dataset_config"]
        super().__init__(self._base.mode, self._base.name)
        self._definition: Dict[str, Any] = kwargs["definition"]

    def as_input(self, name: Optional[str] = None) -> DatasetConsumptionConfig:
        """The rows as an input of another step, as a dataset object."""
        return DatasetConsumptionConfig(name or f"input_{self.name}", self, "mount")

    def as_mount(self) -> OutputTabularDatasetConfig:
        self._base.as_mount()
        return self

    def as_upload(self, overwrite: bool = False, source_globs: Any = None) -> OutputTabularDatasetConfig:
        self._base.as_upload(overwrite, source_globs)
        return self

    def keep_columns(self, columns: Any) -> OutputTabularDatasetConfig:
        return self._then(op="keep_columns", columns=[columns] if isinstance(columns, str) else list(columns))

    def drop_columns(self, columns: Any) -> OutputTabularDatasetConfig:
        return self._then(op="drop_columns", columns=[columns] if isinstance(columns, str) else list(columns))

    def random_split(self, percentage: float, seed: Optional[int] = None) -> Any:
        """Two datasets that complement each other."""
        return tuple(self._then(op="random_split", percentage=percentage, seed=seed or 0, part=part) for part in (0, 1))

    def register_on_complete(
        self, name: str, description: Optional[str] = None, tags: Optional[Mapping[str, str]] = None
    ) -> Any:
        """Register the rows as a dataset under a name when the step completes."""
        self._base.register_on_complete(name, description, tags)
        assert self._base._register is not None
        self._base._register.update(kind="tabular", **self._definition)
        return self

    def _then(self, **operation: Any) -> OutputTabularDatasetConfig:
        definition = {"format": self._definition["format"], "operations": [*self._definition["operations"], operation]}
        return OutputTabularDatasetConfig(output_file_dataset_config=self._base, definition=definition)


class LinkFileOutputDatasetConfig(OutputDatasetConfig):
    """Not built: an output that points at data elsewhere. Raises `NotBuiltException`."""

    def __init__(self, name: Optional[str] = None) -> None:
        raise not_built("LinkFileOutputDatasetConfig", "Register a dataset of the path from inside the step.")


def _tabular(
    base: Any,
    form: Dict[str, Any],
    include_path: bool,
    partition_format: Optional[str],
    path_glob: Optional[str],
    types: Optional[Dict[str, Any]],
) -> OutputTabularDatasetConfig:
    form["columns"] = columns_of(types)
    for key, value in (("include_path", include_path), ("partition_format", partition_format), ("glob", path_glob)):
        if value:
            form[key] = value
    return OutputTabularDatasetConfig(output_file_dataset_config=base, definition={"format": form, "operations": []})
