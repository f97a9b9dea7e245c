"""Data between steps: `PipelineData`, the older way, whose path the script makes itself."""

from __future__ import annotations

from typing import Any, Dict, Optional, Tuple

from duto.data.types import PromoteHeadersBehavior, columns_of, header_of
from duto.not_built import not_built, refusing
from duto.spec.names import is_name


@refusing(
    "as_resource get_bind_object_data_type get_bind_object_name",
    "Look at bind_object.",
)
class InputPortBinding:
    """Something that a step reads, under a name of its own."""

    def __init__(
        self,
        name: str,
        bind_object: Any = None,
        bind_mode: str = "mount",
        path_on_compute: Optional[str] = None,
        overwrite: Optional[bool] = None,
        is_resource: bool = False,
        additional_transformations: Any = None,
        **kwargs: Any,
    ) -> None:
        self.name = name
        self.bind_object = bind_object
        self.bind_mode = bind_mode
        self.path_on_compute = path_on_compute
        self.overwrite = overwrite
        self.is_resource = is_resource
        self.additional_transformations = additional_transformations

    @property
    def data_type(self) -> Any:
        """That of what is read; None where that has none."""
        return getattr(self.bind_object, "data_type", None)

    @property
    def data_reference_name(self) -> str:
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
        """The data as an input, under another name if one is given."""
        return self.create_input_binding(input_name)

    def as_mount(self, input_name: Optional[str] = None) -> InputPortBinding:
        """The data as a mounted input."""
        return self.create_input_binding(input_name, "mount")

    def as_download(
        self, input_name: Optional[str] = None, path_on_compute: Optional[str] = None, overwrite: Optional[bool] = None
    ) -> InputPortBinding:
        """The data as an input that is copied before the script starts."""
        return self.create_input_binding(input_name, "download", path_on_compute, overwrite)

    def create_input_binding(
        self,
        input_name: Optional[str] = None,
        mode: Optional[str] = None,
        path_on_compute: Optional[str] = None,
        overwrite: Optional[bool] = None,
    ) -> InputPortBinding:
        """The data as an input, mounted unless `mode` says otherwise. Raises `ValueError` for a name that is not
        of letters, digits and underscores."""
        name = input_name or self.name
        if not is_name("port", name):
            raise ValueError(f"{name!r} cannot name an input: use letters, digits and underscores.")
        return InputPortBinding(name, self, mode or "mount", path_on_compute, overwrite)


class OutputPortBinding(WrittenData):
    """Something that a step writes, under a name of its own."""

    def __init__(
        self,
        name: str,
        datastore: Any = None,
        output_name: Optional[str] = None,
        bind_mode: str = "mount",
        path_on_compute: Optional[str] = None,
        is_directory: Optional[bool] = None,
        overwrite: Optional[bool] = None,
        data_type: Any = None,
        pipeline_output_name: Optional[str] = None,
        training_output: Any = None,
        dataset_registration: Any = None,
        dataset_output: Any = None,
    ) -> None:
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
        datastore: Any = None,
        output_name: Optional[str] = None,
        output_mode: str = "mount",
        output_path_on_compute: Optional[str] = None,
        output_overwrite: Optional[bool] = None,
        data_type: Any = None,
        is_directory: Optional[bool] = None,
        pipeline_output_name: Optional[str] = None,
        training_output: Any = None,
    ) -> None:
        """Raises `ValueError` for a name that is not of letters, digits and underscores, or a mode that is
        none."""
        for each in (name, output_name or name):
            if not is_name("port", each):
                raise ValueError(f"{each!r} cannot name pipeline data: use letters, digits and underscores.")
        if output_mode not in ("mount", "upload"):
            raise ValueError(f"The mode {output_mode!r} is neither mount nor upload.")
        if training_output is not None:
            raise not_built("PipelineData(training_output=...)", "Write the output from a script.")
        self.name = name
        self.datastore = datastore
        self.output_name = output_name or name
        self.output_mode = output_mode
        self.output_path_on_compute = output_path_on_compute
        self.output_overwrite = output_overwrite
        self.data_type = data_type
        self.is_directory = is_directory
        self.pipeline_output_name = pipeline_output_name
        self._register: Optional[Dict[str, Any]] = None

    def as_dataset(self) -> PipelineOutputFileDataset:
        """The data as a dataset of files, to be registered, parsed, or read by path."""
        return PipelineOutputFileDataset(self)

    def get_env_variable_name(self) -> str:
        """The variable that holds the path in the step."""
        return f"AZUREML_DATAREFERENCE_{self.name}"

    def __str__(self) -> str:
        return f"$AZUREML_DATAREFERENCE_{self.name}"

    __repr__ = __str__


class PipelineOutputAbstractDataset:
    """A step's output as a dataset."""

    def __init__(self, pipeline_data: PipelineData) -> None:
        self._data = pipeline_data
        self._input_name: Optional[str] = None
        self._mode = "mount"
        self._path_on_compute: Optional[str] = None

    @property
    def name(self) -> str:
        return str(self._data.name)

    @property
    def input_name(self) -> Optional[str]:
        return self._input_name

    def as_named_input(self, name: str) -> Any:
        """The same output under the name that the reading step knows it by."""
        made = self._copy()
        made._input_name = name
        return made

    def register(self, name: str, create_new_version: bool = True) -> Any:
        """Register the output as a dataset when its step completes."""
        self._data._register = {
            "name": name,
            "description": "",
            "tags": {},
            "create_new_version": bool(create_new_version),
            **self._registration(),
        }
        return self

    def create_input_binding(self) -> InputPortBinding:
        """The dataset as an input of a step."""
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

    def _copy(self) -> Any:
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        return made

    def __str__(self) -> str:
        return f"DatasetConsumptionConfig:{self._input_name or self.name}"


class PipelineOutputFileDataset(PipelineOutputAbstractDataset):
    """A step's output as files."""

    def as_mount(self, path_on_compute: Optional[str] = None) -> PipelineOutputFileDataset:
        return self._arriving("mount", path_on_compute)

    def as_download(self, path_on_compute: Optional[str] = None) -> PipelineOutputFileDataset:
        return self._arriving("download", path_on_compute)

    def as_direct(self) -> PipelineOutputFileDataset:
        return self._arriving("direct", None)

    def parse_delimited_files(
        self,
        include_path: bool = False,
        separator: str = ",",
        header: Any = PromoteHeadersBehavior.ALL_FILES_HAVE_SAME_HEADERS,
        partition_format: Optional[str] = None,
        file_extension: str = "",
        set_column_types: Optional[Dict[str, Any]] = None,
        quoted_line_breaks: bool = False,
    ) -> PipelineOutputTabularDataset:
        """The files as rows and columns; columns that `set_column_types` does not name stay texts."""
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
        set_column_types: Optional[Dict[str, Any]] = None,
    ) -> PipelineOutputTabularDataset:
        """The parquet files as rows and columns."""
        form = {"type": "parquet", "extension": file_extension}
        return PipelineOutputTabularDataset(self, _format(form, include_path, partition_format, set_column_types))

    def _arriving(self, mode: str, path_on_compute: Optional[str]) -> PipelineOutputFileDataset:
        made: PipelineOutputFileDataset = self._copy()
        made._mode, made._path_on_compute = mode, path_on_compute
        return made


class PipelineOutputTabularDataset(PipelineOutputAbstractDataset):
    """A step's output as rows and columns; the reading step gets a dataset object."""

    def __init__(self, pipeline_output_dataset: PipelineOutputFileDataset, additional_transformations: Any) -> None:
        super().__init__(pipeline_output_dataset._data)
        self._input_name = pipeline_output_dataset._input_name
        self._definition: Dict[str, Any] = {"format": additional_transformations, "operations": []}

    def keep_columns(self, columns: Any) -> PipelineOutputTabularDataset:
        return self._then(op="keep_columns", columns=[columns] if isinstance(columns, str) else list(columns))

    def drop_columns(self, columns: Any) -> PipelineOutputTabularDataset:
        return self._then(op="drop_columns", columns=[columns] if isinstance(columns, str) else list(columns))

    def random_split(self, percentage: float, seed: Optional[int] = None) -> Any:
        """Two datasets that complement each other."""
        return tuple(self._then(op="random_split", percentage=percentage, seed=seed or 0, part=part) for part in (0, 1))

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
    form: Dict[str, Any], include_path: bool, partition_format: Optional[str], types: Optional[Dict[str, Any]]
) -> Dict[str, Any]:
    extra: Dict[str, Any] = {"columns": columns_of(types)}
    if include_path:
        extra["include_path"] = True
    if partition_format:
        extra["partition_format"] = partition_format
    return {**form, **extra}
