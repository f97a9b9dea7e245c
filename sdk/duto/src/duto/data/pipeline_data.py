"""Data between steps: `PipelineData`, the older way, whose path the script makes itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Iterable, Mapping, Optional, Tuple, TypeVar, Union

from duto.data.types import DataType, PromoteHeadersBehavior, columns_of, header_of
from duto.not_built import refusing
from duto.spec.names import is_name

if TYPE_CHECKING:
    from duto.data.consumption import DatasetConsumptionConfig
    from duto.data.dataset import AbstractDataset
    from duto.data.datastore import AbstractDatastore
    from duto.data.references import DataPath, DataReference

    Readable = Union[
        "ReadableData", "WrittenData", "PipelineOutputAbstractDataset", DataReference, DataPath, AbstractDataset,
        DatasetConsumptionConfig,
    ]  # fmt: skip

_Self = TypeVar("_Self", bound="PipelineOutputAbstractDataset")


@refusing(
    "as_resource get_bind_object_data_type get_bind_object_name",
    "Look at bind_object.",
)
class InputPortBinding:
    """Something that a step reads, under a name of its own. Inside a longer text it reads
    `$AZUREML_DATAREFERENCE_<name>`.
    """

    def __init__(
        self,
        name: str,
        bind_object: Optional[Readable] = None,
        bind_mode: str = "mount",
        path_on_compute: Optional[str] = None,
        overwrite: Optional[bool] = None,
        is_resource: bool = False,
        additional_transformations: Optional[Mapping[str, object]] = None,
        **kwargs: object,
    ) -> None:
        """Nothing is looked up before the pipeline is submitted.

        Args:
            name: name of the input in the step.
            bind_object: what is read: data of another step, or a reference to a path.
            bind_mode: how it arrives: `mount`, `download` or `direct`.
            path_on_compute: path below the working directory where it is to lie; None leaves that to the host.
            overwrite: kept as it is; each step has a folder of its own, in which there is nothing to overwrite.
            is_resource: kept as it is and not used.
            additional_transformations: format and operations by which files are read as rows.
            kwargs: taken and not used.
        """
        self.name = name
        self.bind_object = bind_object
        self.bind_mode = bind_mode
        self.path_on_compute = path_on_compute
        self.overwrite = overwrite
        self.is_resource = is_resource
        self.additional_transformations = additional_transformations

    @property
    def data_type(self) -> object:
        """The type that the data were given (`PipelineData(data_type=...)`); None where they have none."""
        return getattr(self.bind_object, "data_type", None)

    @property
    def data_reference_name(self) -> str:
        """The same as `name`."""
        return self.name

    def __str__(self) -> str:
        return f"$AZUREML_DATAREFERENCE_{self.name}"

    __repr__ = __str__


class WrittenData:
    """What one step writes.

    The step that names it in its `outputs` is its producer. Data that stand in nobody's `outputs` are written by the
    step in whose arguments they stand as they are; so each step leaves a note of that.
    """

    name: str
    _producer: Any = None
    _argued: Tuple[Any, ...] = ()

    @property
    def _named(self) -> Tuple[str, ...]:
        """The names of the steps that may be meant to write it."""
        return tuple(dict.fromkeys(step.name for step in self._argued))

    @property
    def _writer(self) -> Any:
        """The step that writes it; None where none does, or where it cannot be told which. A step that a program makes
        again under the same name takes the place of the first."""
        if self._producer is not None or len(self._named) != 1:
            return self._producer
        return self._argued[-1]


class ReadableData:
    """What can become an input of a step, in each of the ways that a step may read it."""

    name: Any

    def as_input(self, input_name: Optional[str] = None) -> InputPortBinding:
        """The data as a mounted input.

        Args:
            input_name: name of the input in the step: letters, digits and underscores; None keeps the name of the
                data.

        Returns:
            The input, for `inputs` or `arguments` of a step.

        Raises:
            ValueError: the name cannot name an input.
        """
        return self.create_input_binding(input_name)

    def as_mount(self, input_name: Optional[str] = None) -> InputPortBinding:
        """The data as a mounted input: read where they lie, without a copy.

        Args:
            input_name: as in `as_input`.

        Returns:
            The input, for `inputs` or `arguments` of a step.

        Raises:
            ValueError: the name cannot name an input.
        """
        return self.create_input_binding(input_name, "mount")

    def as_download(
        self, input_name: Optional[str] = None, path_on_compute: Optional[str] = None, overwrite: Optional[bool] = None
    ) -> InputPortBinding:
        """The data as an input that is copied to the node before the script starts.

        Args:
            input_name: as in `as_input`.
            path_on_compute: path below the working directory where the copy is to lie; None leaves that to the host.
            overwrite: kept as it is; each step has a folder of its own, in which there is nothing to overwrite.

        Returns:
            The input, for `inputs` or `arguments` of a step.

        Raises:
            ValueError: the name cannot name an input.
        """
        return self.create_input_binding(input_name, "download", path_on_compute, overwrite)

    def create_input_binding(
        self,
        input_name: Optional[str] = None,
        mode: Optional[str] = None,
        path_on_compute: Optional[str] = None,
        overwrite: Optional[bool] = None,
    ) -> InputPortBinding:
        """The data as an input.

        Args:
            input_name: as in `as_input`.
            mode: `mount` or `download`; None is `mount`.
            path_on_compute: path below the working directory where the data are to lie; None leaves that to the host.
            overwrite: kept as it is; each step has a folder of its own, in which there is nothing to overwrite.

        Returns:
            The input, for `inputs` or `arguments` of a step.

        Raises:
            ValueError: the name cannot name an input.
        """
        name = input_name or self.name
        if not is_name("port", name):
            raise ValueError(f"{name!r} cannot name an input: use letters, digits and underscores.")
        return InputPortBinding(name, self, mode or "mount", path_on_compute, overwrite)


class OutputPortBinding(WrittenData):
    """Something that a step writes, under a name of its own. Inside a longer text it reads
    `$AZUREML_DATAREFERENCE_<name>`.
    """

    def __init__(
        self,
        name: str,
        datastore: Union[AbstractDatastore, str, None] = None,
        output_name: Optional[str] = None,
        bind_mode: str = "mount",
        path_on_compute: Optional[str] = None,
        is_directory: Optional[bool] = None,
        overwrite: Optional[bool] = None,
        data_type: object = None,
        pipeline_output_name: Optional[str] = None,
        training_output: object = None,
        dataset_registration: object = None,
        dataset_output: object = None,
    ) -> None:
        """Nothing is made before the step runs.

        Args:
            name: name of the output.
            datastore: where it is kept; None for the workspace's default datastore.
            output_name: name of the output in the step; None for `name`.
            bind_mode: `mount` writes into the store, `upload` copies when the script ends.
            path_on_compute: path below the working directory where the script writes; None leaves that to the host.
            is_directory: True makes a folder before the script starts, False says that it is a file, None leaves it
                to the script.
            overwrite: kept as it is: each run has a place of its own.
            data_type: kept as it is and not used.
            pipeline_output_name: name by which `PipelineRun.get_pipeline_output` gives it.
            training_output: as for `PipelineData`.
            dataset_registration: kept as it is and not used; `as_dataset().register()` registers.
            dataset_output: taken and not used.
        """
        self.name = name
        self.datastore = datastore
        self.output_name = output_name or name
        self.bind_mode = bind_mode
        self.path_on_compute = path_on_compute
        self.is_directory = is_directory
        self.overwrite = overwrite
        self.data_type = data_type
        self.pipeline_output_name = pipeline_output_name
        self.training_output = training_output
        self.dataset_registration = dataset_registration

    def __str__(self) -> str:
        return f"$AZUREML_DATAREFERENCE_{self.name}"

    __repr__ = __str__


class PipelineData(ReadableData, WrittenData):
    """What one step writes and others read, at `azureml/<step run id>/<output name>` on its datastore.

    The path does not exist when the script starts unless `is_directory` is True: the script writes a file
    there, or makes the folder. Inside a longer text it reads `$AZUREML_DATAREFERENCE_<name>`.
    """

    def __init__(
        self,
        name: str,
        datastore: Union[AbstractDatastore, str, None] = None,
        output_name: Optional[str] = None,
        output_mode: str = "mount",
        output_path_on_compute: Optional[str] = None,
        output_overwrite: Optional[bool] = None,
        data_type: object = None,
        is_directory: Optional[bool] = None,
        pipeline_output_name: Optional[str] = None,
        training_output: object = None,
    ) -> None:
        """Nothing is made before the step runs. The step that has it among its `outputs` writes it, steps that have
        it among their `inputs` read it.

        Args:
            name: letters, digits and underscores; unique among the outputs of a step.
            datastore: where it is kept; None for the workspace's default datastore.
            output_name: name of the output in the step; None for `name`.
            output_mode: `mount` writes into the store, `upload` copies when the script ends.
            output_path_on_compute: path below the working directory where the script writes; None leaves that to the
                host.
            output_overwrite: kept as it is: each run has a place of its own.
            data_type: kept as it is and not used.
            is_directory: True makes a folder before the script starts, False says that it is a file, None leaves it
                to the script.
            pipeline_output_name: name by which `PipelineRun.get_pipeline_output` gives it.
            training_output: a `TrainingOutput`: the studio writes the data when the sweep is over, whose
                `HyperDriveStep` has them among its outputs.

        Raises:
            ValueError: the name is not of letters, digits and underscores, or the mode is neither `mount` nor
                `upload`.
        """
        for each in (name, output_name or name):
            if not is_name("port", each):
                raise ValueError(f"{each!r} cannot name pipeline data: use letters, digits and underscores.")
        if output_mode not in ("mount", "upload"):
            raise ValueError(f"The mode {output_mode!r} is neither mount nor upload.")
        self.name = name
        self.datastore = datastore
        self.output_name = output_name or name
        self.output_mode = output_mode
        self.output_path_on_compute = output_path_on_compute
        self.output_overwrite = output_overwrite
        self.data_type = data_type
        self.is_directory = is_directory
        self.pipeline_output_name = pipeline_output_name
        self.training_output = training_output
        self._register: Optional[Dict[str, Any]] = None

    def as_dataset(self) -> PipelineOutputFileDataset:
        """The data as a dataset of files, to be registered, parsed, or read by path.

        Returns:
            The dataset, which takes the place of the data in `outputs`, `inputs` and `arguments`.
        """
        return PipelineOutputFileDataset(self)

    def get_env_variable_name(self) -> str:
        """The variable that holds the path in the step.

        Returns:
            `AZUREML_DATAREFERENCE_<name>`.
        """
        return f"AZUREML_DATAREFERENCE_{self.name}"

    def __str__(self) -> str:
        return f"$AZUREML_DATAREFERENCE_{self.name}"

    __repr__ = __str__


class PipelineOutputAbstractDataset:
    """What datasets of a step's output share."""

    def __init__(self, pipeline_data: PipelineData) -> None:
        """Made by `PipelineData.as_dataset()`.

        Args:
            pipeline_data: the output.
        """
        self._data = pipeline_data
        self._input_name: Optional[str] = None
        self._mode = "mount"
        self._path_on_compute: Optional[str] = None

    @property
    def name(self) -> str:
        """Name of the output."""
        return str(self._data.name)

    @property
    def input_name(self) -> Optional[str]:
        """Name that `as_named_input` gave it; None without one."""
        return self._input_name

    def as_named_input(self: _Self, name: str) -> _Self:
        """The same output under the name that the reading step knows it by.

        Args:
            name: name of the input, also the key of `run.input_datasets`.

        Returns:
            A copy with this name.
        """
        made = self._copy()
        made._input_name = name
        return made

    def register(self: _Self, name: str, create_new_version: bool = True) -> _Self:
        """Register the output as a dataset when its step completes.

        Args:
            name: name of the dataset.
            create_new_version: make another version where the name has one. If False, the step fails where the name
                has another definition, and each run that is not reused writes into a folder of its own, which is one.

        Returns:
            This object.
        """
        self._data._register = {
            "name": name,
            "description": "",
            "tags": {},
            "create_new_version": bool(create_new_version),
            **self._registration(),
        }
        return self

    def create_input_binding(self) -> InputPortBinding:
        """The dataset as an input of a step.

        Returns:
            The input.
        """
        return InputPortBinding(
            self._input_name or self.name,
            self._data,
            self._mode,
            self._path_on_compute,
            additional_transformations=self._tabular(),
        )

    def _registration(self) -> Dict[str, Any]:
        return {}

    def _tabular(self) -> Optional[Dict[str, Any]]:
        return None

    def _copy(self: _Self) -> _Self:
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        return made

    def __str__(self) -> str:
        return f"DatasetConsumptionConfig:{self._input_name or self.name}"


class PipelineOutputFileDataset(PipelineOutputAbstractDataset):
    """A step's output as files."""

    def as_mount(self, path_on_compute: Optional[str] = None) -> PipelineOutputFileDataset:
        """The files as a mounted input.

        Args:
            path_on_compute: path below the working directory where they are to lie; None leaves that to the host.

        Returns:
            A copy that arrives so.
        """
        return self._arriving("mount", path_on_compute)

    def as_download(self, path_on_compute: Optional[str] = None) -> PipelineOutputFileDataset:
        """The files as an input that is copied to the node before the script starts.

        Args:
            path_on_compute: path below the working directory where they are to lie; None leaves that to the host.

        Returns:
            A copy that arrives so.
        """
        return self._arriving("download", path_on_compute)

    def as_direct(self) -> PipelineOutputFileDataset:
        """The files as a dataset object in `run.input_datasets`.

        Returns:
            A copy that arrives so.
        """
        return self._arriving("direct", None)

    def parse_delimited_files(
        self,
        include_path: bool = False,
        separator: str = ",",
        header: Union[bool, PromoteHeadersBehavior] = PromoteHeadersBehavior.ALL_FILES_HAVE_SAME_HEADERS,
        partition_format: Optional[str] = None,
        file_extension: str = "",
        set_column_types: Optional[Mapping[str, Union[DataType, str]]] = None,
        quoted_line_breaks: bool = False,
    ) -> PipelineOutputTabularDataset:
        """The files as rows and columns. Columns that `set_column_types` does not name stay texts: there is nothing
        yet to tell types from.

        Args:
            include_path: a first column `Path` with the file of each row.
            separator: what stands between two values.
            header: which files begin with a line of names; True is all of them, False none.
            partition_format: pieces of the paths as columns, as in `Dataset.Tabular.from_delimited_files`.
            file_extension: read only files whose names end so, such as `.csv`; empty reads all.
            set_column_types: types by the names of the columns, of `DataType.to_...()`.
            quoted_line_breaks: let a quoted value go on over several lines.

        Returns:
            The rows; the reading step gets a dataset object.
        """
        form = {
            "type": "delimited",
            "separator": separator,
            "header": header_of(header),
            "infer": False,
            "multi_line": quoted_line_breaks,
            "extension": file_extension,
        }
        return PipelineOutputTabularDataset(self, _format(form, include_path, partition_format, set_column_types))

    def parse_parquet_files(
        self,
        include_path: bool = False,
        partition_format: Optional[str] = None,
        file_extension: str = ".parquet",
        set_column_types: Optional[Mapping[str, Union[DataType, str]]] = None,
    ) -> PipelineOutputTabularDataset:
        """The parquet files as rows and columns.

        Args:
            include_path: a first column `Path` with the file of each row.
            partition_format: pieces of the paths as columns, as in `Dataset.Tabular.from_delimited_files`.
            file_extension: read only files whose names end so.
            set_column_types: other types than the files have, by the names of the columns.

        Returns:
            The rows; the reading step gets a dataset object.
        """
        form = {"type": "parquet", "extension": file_extension}
        return PipelineOutputTabularDataset(self, _format(form, include_path, partition_format, set_column_types))

    def _arriving(self, mode: str, path_on_compute: Optional[str]) -> PipelineOutputFileDataset:
        made: PipelineOutputFileDataset = self._copy()
        made._mode, made._path_on_compute = mode, path_on_compute
        return made


class PipelineOutputTabularDataset(PipelineOutputAbstractDataset):
    """A step's output as rows and columns; the reading step gets a dataset object in `run.input_datasets`."""

    def __init__(
        self, pipeline_output_dataset: PipelineOutputFileDataset, additional_transformations: Mapping[str, object]
    ) -> None:
        """Made by `parse_delimited_files` and `parse_parquet_files`.

        Args:
            pipeline_output_dataset: the files.
            additional_transformations: how they are read, as a dataset's definition has it.
        """
        super().__init__(pipeline_output_dataset._data)
        self._input_name = pipeline_output_dataset._input_name
        self._definition: Dict[str, Any] = {"format": additional_transformations, "operations": []}

    def keep_columns(self, columns: Union[str, Iterable[str]]) -> PipelineOutputTabularDataset:
        """These columns alone, in this order.

        Args:
            columns: one name, or several.

        Returns:
            A copy with this operation more.
        """
        return self._then(op="keep_columns", columns=[columns] if isinstance(columns, str) else list(columns))

    def drop_columns(self, columns: Union[str, Iterable[str]]) -> PipelineOutputTabularDataset:
        """All columns but these.

        Args:
            columns: one name, or several.

        Returns:
            A copy with this operation more.
        """
        return self._then(op="drop_columns", columns=[columns] if isinstance(columns, str) else list(columns))

    def random_split(
        self, percentage: float, seed: Optional[int] = None
    ) -> Tuple[PipelineOutputTabularDataset, PipelineOutputTabularDataset]:
        """Two datasets that complement each other.

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

    def _then(self, **operation: Any) -> PipelineOutputTabularDataset:
        made: PipelineOutputTabularDataset = self._copy()
        made._definition = {
            "format": self._definition["format"],
            "operations": [*self._definition["operations"], operation],
        }
        return made

    def _registration(self) -> Dict[str, Any]:
        return {"kind": "tabular", **self._definition}

    def _tabular(self) -> Optional[Dict[str, Any]]:
        return self._definition


def _format(
    form: Dict[str, Any],
    include_path: bool,
    partition_format: Optional[str],
    types: Optional[Mapping[str, Union[DataType, str]]],
) -> Dict[str, Any]:
    extra: Dict[str, Any] = {"columns": columns_of(types)}
    if include_path:
        extra["include_path"] = True
    if partition_format:
        extra["partition_format"] = partition_format
    return {**form, **extra}
