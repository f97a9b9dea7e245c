"""Data between steps: `OutputFileDatasetConfig`, whose folder exists when the script starts."""

from __future__ import annotations

import itertools
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Mapping, Optional, Tuple, TypeVar, Union

from duto.client.tags import texts
from duto.data.consumption import DatasetConsumptionConfig
from duto.data.pipeline_data import WrittenData
from duto.data.types import DataType, PromoteHeadersBehavior, columns_of, header_of
from duto.spec.names import check_name

if TYPE_CHECKING:
    from duto.data.datastore import AbstractDatastore

_Self = TypeVar("_Self", bound="OutputDatasetConfig")

# Counted, not random as in Azure ML: the same program names its outputs the same each time, so that they are
# reused.
_UNNAMED = itertools.count(1)


class OutputDatasetConfig(WrittenData):
    """What outputs that become datasets share."""

    def __init__(self, mode: str, name: Optional[str] = None, **kwargs: object) -> None:
        """Nothing is made before the step runs.

        Args:
            mode: `mount`, `upload` or `link`.
            name: letters, digits and underscores; None for `output_` with a number that counts up within the program,
                so that the same program gives the same names and is reused. Azure ML draws a random one.
            kwargs: taken and not used.

        Raises:
            SpecError: the name is not of letters, digits and underscores.
        """
        self.name = check_name("port", name) if name else f"output_{next(_UNNAMED):08x}"
        self.mode = mode
        self._register: Optional[Dict[str, Any]] = None

    def as_input(self, name: Optional[str] = None) -> DatasetConsumptionConfig:
        """The output as a mounted input of another step.

        Args:
            name: name of the input; None for `input_<name of the output>`.

        Returns:
            The input, for `inputs` or `arguments` of a step.

        Raises:
            SpecError: the name is not of letters, digits and underscores.
        """
        return DatasetConsumptionConfig(name or f"input_{self.name}", self, "mount")

    def register_on_complete(
        self: _Self, name: str, description: Optional[str] = None, tags: Optional[Mapping[str, object]] = None
    ) -> _Self:
        """Register the output as a dataset under a name when the step completes; another version where there is one.

        Args:
            name: name of the dataset.
            description: description of the version.
            tags: tags of the version.

        Returns:
            This object.
        """
        self._register = {
            "name": name,
            "description": description or "",
            "tags": texts(tags),
            "create_new_version": True,
        }
        return self

    @property
    def arg_val(self) -> str:
        """How it reads inside a longer text: `DatasetOutputConfig:<name>`."""
        return f"DatasetOutputConfig:{self.name}"

    def __str__(self) -> str:
        return self.arg_val


class TransformationMixin:
    """Reads an output as rows and columns."""

    def read_delimited_files(
        self,
        include_path: bool = False,
        separator: str = ",",
        header: Union[bool, PromoteHeadersBehavior] = PromoteHeadersBehavior.ALL_FILES_HAVE_SAME_HEADERS,
        partition_format: Optional[str] = None,
        path_glob: Optional[str] = None,
        set_column_types: Optional[Mapping[str, Union[DataType, str]]] = None,
    ) -> OutputTabularDatasetConfig:
        """The output's delimited files as rows and columns. Columns that `set_column_types` does not name stay texts:
        there is nothing yet to tell types from.

        Args:
            include_path: a first column `Path` with the file of each row.
            separator: what stands between two values.
            header: which files begin with a line of names; True is all of them, False none.
            partition_format: pieces of the paths as columns, as in `Dataset.Tabular.from_delimited_files`.
            path_glob: read only files of this pattern, such as `*.csv`; None reads all.
            set_column_types: types by the names of the columns, of `DataType.to_...()`.

        Returns:
            The rows; the reading step gets a dataset object.
        """
        form = {"type": "delimited", "separator": separator, "header": header_of(header), "infer": False}
        return _tabular(self, form, include_path, partition_format, path_glob, set_column_types)

    def read_parquet_files(
        self,
        include_path: bool = False,
        partition_format: Optional[str] = None,
        path_glob: Optional[str] = None,
        set_column_types: Optional[Mapping[str, Union[DataType, str]]] = None,
    ) -> OutputTabularDatasetConfig:
        """The output's parquet files as rows and columns.

        Args:
            include_path: a first column `Path` with the file of each row.
            partition_format: pieces of the paths as columns, as in `Dataset.Tabular.from_delimited_files`.
            path_glob: read only files of this pattern; None reads all.
            set_column_types: other types than the files have, by the names of the columns.

        Returns:
            The rows; the reading step gets a dataset object.
        """
        return _tabular(self, {"type": "parquet"}, include_path, partition_format, path_glob, set_column_types)


class OutputFileDatasetConfig(OutputDatasetConfig, TransformationMixin):
    """A folder that a step writes into, by default `dataset/{run-id}/{output-name}` on the default datastore.

    The folder is there when the script starts, unlike that of `PipelineData`. Inside a longer text the object reads
    `DatasetOutputConfig:<name>`.

    Attributes:
        overwrite: what `as_upload` was given.
        source_globs: the patterns that `as_upload` was given; None where all files are copied.
    """

    def __init__(
        self,
        name: Optional[str] = None,
        destination: Optional[Tuple[Union[AbstractDatastore, str, None], Union[str, PurePath, None]]] = None,
        source: Optional[str] = None,
        partition_format: Optional[str] = None,
    ) -> None:
        """Nothing is made before the step runs. It begins in the mode `mount`.

        Args:
            name: as in `OutputDatasetConfig`.
            destination: a pair of datastore and path; in the path `{run-id}` and `{output-name}` are filled in. None
                for the default.
            source: folder on the node, relative to the script's, that holds what the script writes; None leaves that
                to the host.
            partition_format: pieces of the paths as columns, where the output is read as rows.

        Raises:
            ValueError: the destination is no pair of a datastore and a path.
            SpecError: the name is not of letters, digits and underscores.
        """
        super().__init__("mount", name)
        if destination is not None and not _is_destination(destination):
            raise ValueError(f"The destination of an output is a pair (datastore, 'path'), not {destination!r}.")
        self.destination = tuple(destination) if destination else None
        self.source = source
        self.partition_format = partition_format
        self.overwrite = False
        self.source_globs: Optional[List[str]] = None

    def as_mount(self, disable_metadata_cache: bool = False) -> OutputFileDatasetConfig:
        """Write into the store while the script runs.

        Args:
            disable_metadata_cache: taken and not used: nothing is cached.

        Returns:
            This object.
        """
        self.mode = "mount"
        return self

    def as_upload(
        self, overwrite: bool = False, source_globs: Union[str, List[str], None] = None
    ) -> OutputFileDatasetConfig:
        """Write to the node and copy when the script ends. A step that fails or is canceled copies nothing.

        Args:
            overwrite: replace files that are at the destination; else the step fails where it would replace one, and
                all stay as they are. A destination with `{run-id}`, like the default, is new for each run.
            source_globs: one pattern or several; only files of one of them are copied, and the step's log says what is left
                out. They are of the path inside the folder: `*` and `?` stay in a folder, `**` goes through folders
                (`**/*.csv`). None for all files.

        Returns:
            This object.

        Raises:
            ValueError: `source_globs` are no patterns.
        """
        globs = [source_globs] if isinstance(source_globs, str) else list(source_globs or ())
        if any(not isinstance(each, str) or not each for each in globs):
            raise ValueError(f"source_globs are patterns of paths, such as '**/*.csv', not {source_globs!r}.")
        self.mode, self.overwrite, self.source_globs = "upload", bool(overwrite), globs or None
        return self

    def as_hdfs(self) -> OutputFileDatasetConfig:
        """Write by Spark, in a `SynapseSparkStep` or a `DatabricksStep`: its folder is not there when the script starts, as
        Spark wants it. Elsewhere it is as by `as_mount`.

        Returns:
            This object.
        """
        self.mode = "hdfs"
        return self

    @property
    def datastore_name(self) -> Optional[str]:
        """Name of the destination's datastore; None for the workspace's default."""
        if not self.destination:
            return None
        datastore = self.destination[0]
        return datastore if isinstance(datastore, str) or datastore is None else str(datastore.name)

    @property
    def path(self) -> Optional[str]:
        """The destination's path with its tokens; None for the default."""
        path = self.destination[1] if self.destination and len(self.destination) > 1 else None
        return None if path is None else str(path)


class HDFSOutputDatasetConfig(OutputFileDatasetConfig):
    """A folder that a Spark step writes into: an `OutputFileDatasetConfig` in the mode `hdfs`."""

    def __init__(
        self,
        name: Optional[str] = None,
        destination: Optional[Tuple[Union[AbstractDatastore, str, None], Union[str, PurePath, None]]] = None,
    ) -> None:
        """Nothing is made before the step runs.

        Args:
            name: as in `OutputDatasetConfig`.
            destination: as in `OutputFileDatasetConfig`.

        Raises:
            ValueError: the destination is no pair of a datastore and a path.
            SpecError: the name is not of letters, digits and underscores.
        """
        super().__init__(name, destination)
        self.mode = "hdfs"


def _is_destination(given: Any) -> bool:
    if not isinstance(given, (tuple, list)) or not 1 <= len(given) <= 2:
        return False
    datastore, path = given[0], given[1] if len(given) > 1 else None
    is_store = datastore is None or isinstance(datastore, str) or isinstance(getattr(datastore, "name", None), str)
    return is_store and (path is None or isinstance(path, (str, PurePath)))


class OutputTabularDatasetConfig(OutputDatasetConfig):
    """An output read as rows and columns; the reading step gets a dataset object in `run.input_datasets`."""

    def __init__(self, **kwargs: Any) -> None:
        """Made by `read_delimited_files` and `read_parquet_files`.

        Args:
            kwargs: `output_file_dataset_config` and `definition`, as those methods give them.
        """
        self._base: OutputFileDatasetConfig = kwargs["output_file_dataset_config"]
        super().__init__(self._base.mode, self._base.name)
        self._definition: Dict[str, Any] = kwargs["definition"]

    def as_input(self, name: Optional[str] = None) -> DatasetConsumptionConfig:
        """The rows as an input of another step, as a dataset object.

        Args:
            name: name of the input; None for `input_<name of the output>`.

        Returns:
            The input, for `inputs` or `arguments` of a step.

        Raises:
            SpecError: the name is not of letters, digits and underscores.
        """
        return DatasetConsumptionConfig(name or f"input_{self.name}", self, "mount")

    def as_mount(self) -> OutputTabularDatasetConfig:
        """Write the files into the store while the script runs.

        Returns:
            This object.
        """
        self._base.as_mount()
        return self

    def as_upload(
        self, overwrite: bool = False, source_globs: Union[str, List[str], None] = None
    ) -> OutputTabularDatasetConfig:
        """Write the files to the node and copy them when the script ends.

        Args:
            overwrite: replace files that are at the destination; else the step fails where it would replace one, and
                all stay as they are. A destination with `{run-id}`, like the default, is new for each run.
            source_globs: one pattern or several; only files of one of them are copied, and the step's log says what is left
                out. They are of the path inside the folder: `*` and `?` stay in a folder, `**` goes through folders
                (`**/*.csv`). None for all files.

        Returns:
            This object.

        Raises:
            ValueError: `source_globs` are no patterns.
        """
        self._base.as_upload(overwrite, source_globs)
        return self

    def keep_columns(self, columns: Union[str, Iterable[str]]) -> OutputTabularDatasetConfig:
        """These columns alone, in this order.

        Args:
            columns: one name, or several.

        Returns:
            A copy with this operation more.
        """
        return self._then(op="keep_columns", columns=[columns] if isinstance(columns, str) else list(columns))

    def drop_columns(self, columns: Union[str, Iterable[str]]) -> OutputTabularDatasetConfig:
        """All columns but these.

        Args:
            columns: one name, or several.

        Returns:
            A copy with this operation more.
        """
        return self._then(op="drop_columns", columns=[columns] if isinstance(columns, str) else list(columns))

    def random_split(
        self, percentage: float, seed: Optional[int] = None
    ) -> Tuple[OutputTabularDatasetConfig, OutputTabularDatasetConfig]:
        """Two outputs that complement each other.

        Args:
            percentage: share of the rows in the first, 0 to 1.
            seed: the same seed makes the same split; None is 0.

        Returns:
            The share, and the rest.
        """
        share, rest = (
            self._then(op="random_split", percentage=percentage, seed=seed or 0, part=part) for part in (0, 1)
        )
        return share, rest

    def register_on_complete(
        self, name: str, description: Optional[str] = None, tags: Optional[Mapping[str, object]] = None
    ) -> OutputTabularDatasetConfig:
        """Register the rows as a tabular dataset under a name when the step completes; another version where there is
        one.

        Args:
            name: name of the dataset.
            description: description of the version.
            tags: tags of the version.

        Returns:
            This object.
        """
        self._base.register_on_complete(name, description, tags)
        assert self._base._register is not None
        self._base._register.update(kind="tabular", **self._definition)
        return self

    def _then(self, **operation: Any) -> OutputTabularDatasetConfig:
        definition = {"format": self._definition["format"], "operations": [*self._definition["operations"], operation]}
        return OutputTabularDatasetConfig(output_file_dataset_config=self._base, definition=definition)


class LinkFileOutputDatasetConfig(OutputDatasetConfig):
    """An output that names a dataset of files instead of holding files: the script calls
    `run.output_datasets["<name>"].link(dataset)`. Steps that read the output read the files of that dataset; they are not
    copied. A step whose script links nothing fails.

    Attributes:
        kind: `file`, the kind of the dataset.
    """

    kind = "file"

    def __init__(self, name: Optional[str] = None) -> None:
        """Nothing is linked before the step runs.

        Args:
            name: as in `OutputDatasetConfig`.

        Raises:
            SpecError: the name is not of letters, digits and underscores.
        """
        super().__init__("link", name)


class LinkTabularOutputDatasetConfig(OutputDatasetConfig):
    """An output that names a dataset of rows and columns, as `LinkFileOutputDatasetConfig` names one of files. The reading
    step gets the dataset as an object.

    Attributes:
        kind: `tabular`, the kind of the dataset.
    """

    kind = "tabular"

    def __init__(self, name: Optional[str] = None) -> None:
        """Nothing is linked before the step runs.

        Args:
            name: as in `OutputDatasetConfig`.

        Raises:
            SpecError: the name is not of letters, digits and underscores.
        """
        super().__init__("link", name)

    def as_input(self, name: Optional[str] = None) -> DatasetConsumptionConfig:
        """The dataset as an input of another step, as an object.

        Args:
            name: name of the input; None for `input_<name of the output>`.

        Returns:
            The input, for `inputs` or `arguments` of a step.

        Raises:
            SpecError: the name is not of letters, digits and underscores.
        """
        return DatasetConsumptionConfig(name or f"input_{self.name}", self, "direct")


def _tabular(
    base: Any,
    form: Dict[str, Any],
    include_path: bool,
    partition_format: Optional[str],
    path_glob: Optional[str],
    types: Optional[Mapping[str, Union[DataType, str]]],
) -> OutputTabularDatasetConfig:
    form["columns"] = columns_of(types)
    for key, value in (("include_path", include_path), ("partition_format", partition_format), ("glob", path_glob)):
        if value:
            form[key] = value
    return OutputTabularDatasetConfig(output_file_dataset_config=base, definition={"format": form, "operations": []})
