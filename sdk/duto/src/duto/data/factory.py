"""How datasets are made: `Dataset.File` and `Dataset.Tabular`."""

from __future__ import annotations

import hashlib
import io
import warnings
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

from duto.client.http import path_of, segment
from duto.client.local_files import files_below, path_on_datastore
from duto.data.file_dataset import FileDataset
from duto.data.references import DataPath, DataReference
from duto.data.tabular_dataset import TabularDataset
from duto.data.tabular_reading import UNNAMED
from duto.data.types import columns_of, encoding_of, header_of
from duto.exceptions import UserErrorException
from duto.not_built import not_built
from duto.spec import globs


class FileDatasetFactory:
    """Makes datasets of files."""

    @staticmethod
    def from_files(
        path: Any, validate: bool = True, partition_format: Optional[str] = None, is_file: bool = False
    ) -> Any:
        """A dataset of files: `(datastore, 'folder/*.png')`, a list of such, or web addresses.

        Nothing is looked up before the dataset is used or registered; with `validate=False` it is registered without
        a look, and reading it fails as long as there are no files. Raises `UserErrorException` for a path that is none
        of these.
        """
        sources, workspace = sources_of(path)
        form = {"partition_format": partition_format} if partition_format else {}
        return FileDataset._of({"sources": sources, "format": form, "operations": []}, workspace, validate=validate)

    @staticmethod
    def upload_directory(
        src_dir: str, target: Any, pattern: Optional[str] = None, overwrite: bool = False, show_progress: bool = True
    ) -> Any:
        """Copy a folder to `(datastore, path)`, only files that match the glob `pattern`; the dataset of
        it."""
        root = Path(src_dir)
        if not root.is_dir():
            raise UserErrorException(f"The folder '{src_dir}' does not exist.")
        datastore, path = _target(target)
        wanted = globs.compiled(f"**/{pattern or '*'}")
        files = [str(place) for path, place in files_below(root) if wanted.fullmatch(path)]
        datastore.upload_files(files, str(root), path, overwrite, show_progress)
        return FileDatasetFactory.from_files((datastore, path))


class TabularDatasetFactory:
    """Makes datasets of rows and columns."""

    @staticmethod
    def from_delimited_files(
        path: Any,
        validate: bool = True,
        include_path: bool = False,
        infer_column_types: bool = True,
        set_column_types: Optional[Dict[str, Any]] = None,
        separator: str = ",",
        header: Any = True,
        partition_format: Optional[str] = None,
        support_multi_line: bool = False,
        empty_as_string: bool = False,
        encoding: Any = "utf8",
    ) -> Any:
        """A dataset of CSV files and their like. Nothing is read before the dataset is used or registered; with
        `validate=False` it is registered without a look, for files that are not there yet."""
        form = {
            "type": "delimited",
            "separator": separator,
            "header": header_of(header),
            "encoding": encoding_of(encoding),
            "infer": bool(infer_column_types),
            "multi_line": bool(support_multi_line),
            "empty_as_string": bool(empty_as_string),
        }
        return _tabular(path, form, set_column_types, include_path, partition_format, validate)

    @staticmethod
    def from_parquet_files(
        path: Any,
        validate: bool = True,
        include_path: bool = False,
        set_column_types: Optional[Dict[str, Any]] = None,
        partition_format: Optional[str] = None,
    ) -> Any:
        """A dataset of parquet files."""
        return _tabular(path, {"type": "parquet"}, set_column_types, include_path, partition_format, validate)

    @staticmethod
    def from_json_lines_files(
        path: Any,
        validate: bool = True,
        include_path: bool = False,
        set_column_types: Optional[Dict[str, Any]] = None,
        partition_format: Optional[str] = None,
        invalid_lines: str = "error",
        encoding: Any = "utf8",
    ) -> Any:
        """A dataset of files with a JSON object per line. `invalid_lines` is "error", or "drop" to leave them out.

        Raises `UserErrorException` for another.
        """
        if invalid_lines not in ("error", "drop"):
            raise UserErrorException(f"invalid_lines is 'error' or 'drop', not {invalid_lines!r}.")
        form = {"type": "json_lines", "encoding": encoding_of(encoding)}
        if invalid_lines == "drop":
            form["invalid_lines"] = "drop"
        return _tabular(path, form, set_column_types, include_path, partition_format, validate)

    @staticmethod
    def from_sql_query(query: Any, validate: bool = True, set_column_types: Any = None, query_timeout: int = 30) -> Any:
        """Not built. Raises `NotBuiltException`."""
        raise not_built("Dataset.Tabular.from_sql_query", "Read the table in a step and write it as parquet.")

    @staticmethod
    def register_pandas_dataframe(
        dataframe: Any,
        target: Any,
        name: str,
        description: Optional[str] = None,
        tags: Optional[Mapping[str, str]] = None,
        show_progress: bool = True,
        row_group_size: Optional[int] = None,
        make_target_path_unique: bool = True,
    ) -> Any:
        """Write a pandas frame below `(datastore, path)` as parquet (CSV without a parquet library) and
        register it.

        With `make_target_path_unique` the folder carries the content's digest, so that no other data are
        touched. An index of times, or one with names, is kept as columns and is the index again in
        `to_pandas_dataframe()`; of another index nothing is kept, with a warning where it holds more than places.
        Raises `UserErrorException` for an index that has the name of a column.
        """
        datastore, path = _target(target)
        dataframe, index = _with_index(dataframe)
        data, suffix = _frame_bytes(dataframe, row_group_size)
        unique = f"{path}/{hashlib.sha256(data).hexdigest()[:16]}" if make_target_path_unique else path
        file = f"{unique}/data.{suffix}".lstrip("/")
        workspace = datastore.workspace
        place = workspace._path(f"datastores/{segment(datastore.name)}/files/") + path_of(file)
        workspace._client.put(place, data, overwrite=1)
        factory = TabularDatasetFactory
        make = factory.from_parquet_files if suffix == "parquet" else factory.from_delimited_files
        made = make((datastore, file))
        if index:
            made._definition["format"]["index"] = index
        return made.register(workspace, name, description, tags, create_new_version=True)

    @staticmethod
    def register_spark_dataframe(
        dataframe: Any, target: Any, name: str, description: Any = None, tags: Any = None, show_progress: bool = True
    ) -> Any:
        """Not built. Raises `NotBuiltException`."""
        raise not_built("Dataset.Tabular.register_spark_dataframe", "Use `register_pandas_dataframe`.")

    @staticmethod
    def register_dask_dataframe(
        dataframe: Any, target: Any, name: str, description: Any = None, tags: Any = None, show_progress: bool = True
    ) -> Any:
        """Not built. Raises `NotBuiltException`."""
        raise not_built("Dataset.Tabular.register_dask_dataframe", "Use `register_pandas_dataframe`.")


def sources_of(path: Any) -> Tuple[List[Dict[str, str]], Any]:
    """A `path` argument as the definition's sources, and the workspace that its datastores belong to."""
    items = path if isinstance(path, list) else [path]
    sources: List[Dict[str, str]] = []
    workspace = None
    for item in items:
        if isinstance(item, tuple) and len(item) == 2:
            datastore, where = item
        elif isinstance(item, (DataReference, DataPath)):
            datastore, where = item.datastore, item.path_on_datastore or ""
        elif isinstance(item, str) and item.startswith(("http://", "https://")):
            sources.append({"url": item})
            continue
        else:
            raise UserErrorException(
                f"{item!r} is no place for data: give (datastore, 'path'), a list of such pairs, or a web "
                f"address. "
                "Files of this machine are uploaded first, with `datastore.upload_files` or "
                "`upload_directory`."
            )
        workspace = workspace or datastore.workspace
        for each in where if isinstance(where, (list, tuple)) else [where]:
            sources.append({"datastore": datastore.name, "path": _source_path(str(each))})
    return sources, workspace


def _source_path(path: str) -> str:
    """A slash at the end says that a folder is meant."""
    found = path_on_datastore(path.replace("\\", "/"))
    return f"{found}/" if found and path.endswith("/") else found


def _tabular(
    path: Any,
    form: Dict[str, Any],
    types: Optional[Dict[str, Any]],
    include_path: bool,
    partition_format: Optional[str],
    validate: bool,
) -> Any:
    sources, workspace = sources_of(path)
    form["columns"] = columns_of(types)
    if include_path:
        form["include_path"] = True
    if partition_format:
        form["partition_format"] = partition_format
    return TabularDataset._of({"sources": sources, "format": form, "operations": []}, workspace, validate=validate)


def _target(target: Any) -> Tuple[Any, str]:
    if isinstance(target, (DataPath, DataReference)):
        return target.datastore, path_on_datastore(target.path_on_datastore)
    if isinstance(target, (tuple, list)):
        return target[0], path_on_datastore(target[1] if len(target) > 1 else "")
    return target, "managed-dataset"


def _with_index(frame: Any) -> Tuple[Any, List[str]]:
    """The frame with its index among its columns, where that is kept; and what those columns are called."""
    names = list(frame.index.names)
    is_of_times = type(frame.index).__name__ == "DatetimeIndex"
    if not is_of_times and not all(name is not None for name in names):
        if type(frame.index).__name__ == "MultiIndex" or frame.index.dtype.kind not in "iu":
            text = "The frame's index has no name and is not kept. Name it, or make it a column with reset_index()."
            warnings.warn(text, stacklevel=3)
        return frame, []
    kept = [UNNAMED if name is None else str(name) for name in names]
    if taken := [name for name in kept if name in frame.columns]:
        raise UserErrorException(f"The frame's index and one of its columns have the name '{taken[0]}'. Rename one.")
    made = frame.copy(deep=False)
    made.index.names = kept
    return made.reset_index(), kept


def _frame_bytes(frame: Any, row_group_size: Optional[int]) -> Tuple[bytes, str]:
    buffer = io.BytesIO()
    try:
        options = {"row_group_size": row_group_size} if row_group_size else {}
        frame.to_parquet(buffer, index=False, **options)
        return buffer.getvalue(), "parquet"
    except ImportError:
        return frame.to_csv(index=False).encode("utf-8"), "csv"
