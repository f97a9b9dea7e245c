"""How datasets are made: `Dataset.File` and `Dataset.Tabular`."""

from __future__ import annotations

import hashlib
import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Tuple, Union

from duto.client.http import path_of, segment
from duto.client.local_files import files_below, path_on_datastore
from duto.data.elsewhere import instead_of
from duto.data.file_dataset import FileDataset
from duto.data.references import DataPath, DataReference, SqlDataReference, target_of
from duto.data.tabular_dataset import TabularDataset
from duto.data.tabular_reading import UNNAMED
from duto.data.types import DataType, FileEncoding, PromoteHeadersBehavior, columns_of, encoding_of, header_of
from duto.exceptions import UserErrorException
from duto.spec import globs

if TYPE_CHECKING:
    import dask.dataframe
    import pandas
    from pyspark import sql

    from duto.data.datastore import AbstractDatastore
    from duto.data.references import Paths, Target


class FileDatasetFactory:
    """Makes datasets of files."""

    @staticmethod
    def from_files(
        path: Paths, validate: bool = True, partition_format: Optional[str] = None, is_file: bool = False
    ) -> FileDataset:
        """A dataset of files. Nothing is looked up before it is used or registered.

        Args:
            path: `(datastore, 'folder/*.png')`, a `DataPath` or `DataReference`, a web address, or a list of these. A
                folder means all files below it, `*` stands for anything within a name, `**` for any folders.
            validate: False registers it without a look, and reading it fails as long as there are no files.
            partition_format: pieces of the paths as keys, such as `/{state}/{date:yyyy/MM/dd}/data.csv`.
            is_file: taken and not used: the studio looks whether a path is a file.

        Returns:
            The dataset.

        Raises:
            UserErrorException: the path is no place for data.
        """
        sources, workspace = sources_of(path)
        form = {"partition_format": partition_format} if partition_format else {}
        return FileDataset._of({"sources": sources, "format": form, "operations": []}, workspace, validate=validate)

    @staticmethod
    def upload_directory(
        src_dir: str, target: Target, pattern: Optional[str] = None, overwrite: bool = False, show_progress: bool = True
    ) -> FileDataset:
        """Copy a folder to a datastore, and give the dataset of it.

        Args:
            src_dir: the folder on this machine.
            target: `(datastore, path)`, a `DataPath`, or a datastore for the folder `managed-dataset` on it.
            pattern: copy only files whose names fit, such as `*.csv`; None copies all.
            overwrite: replace files that are there; else they stay as they are.
            show_progress: print one line with what was copied.

        Returns:
            The dataset of the folder on the datastore.

        Raises:
            UserErrorException: `src_dir` is no folder, or some files could not be copied.
        """
        root = Path(src_dir)
        if not root.is_dir():
            raise UserErrorException(f"The folder '{src_dir}' does not exist.")
        datastore, path = target_of(target)
        wanted = globs.compiled(f"**/{pattern or '*'}")
        files = [str(place) for path, place in files_below(root) if wanted.fullmatch(path)]
        datastore.upload_files(files, str(root), path, overwrite, show_progress)
        return FileDatasetFactory.from_files((datastore, path))


class TabularDatasetFactory:
    """Makes datasets of rows and columns."""

    @staticmethod
    def from_delimited_files(
        path: Paths,
        validate: bool = True,
        include_path: bool = False,
        infer_column_types: bool = True,
        set_column_types: Optional[Mapping[str, Union[DataType, str]]] = None,
        separator: str = ",",
        header: Union[bool, PromoteHeadersBehavior] = True,
        partition_format: Optional[str] = None,
        support_multi_line: bool = False,
        empty_as_string: bool = False,
        encoding: Union[str, FileEncoding] = "utf8",
    ) -> TabularDataset:
        """A dataset of CSV files and their like. Nothing is read before it is used or registered.

        Args:
            path: as in `Dataset.File.from_files`.
            validate: False registers it without a look, for files that are not there yet.
            include_path: a first column `Path` with the file of each row.
            infer_column_types: tell types from all values of a column; False leaves texts.
            set_column_types: types by the names of the columns, of `DataType.to_...()`.
            separator: what stands between two values.
            header: which files begin with a line of names; True is all of them, False none (`Column1`, `Column2` and
                so on).
            partition_format: pieces of the paths as columns: `/{state}/{date:yyyy/MM/dd}/data.csv` gives `state` as
                text and `date` as a time.
            support_multi_line: let a quoted value go on over several lines.
            empty_as_string: leave empty values of texts empty instead of null.
            encoding: of the files; `FileEncoding` or the name of a Python encoding.

        Returns:
            The dataset.

        Raises:
            UserErrorException: the path is no place for data.
        """
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
        path: Paths,
        validate: bool = True,
        include_path: bool = False,
        set_column_types: Optional[Mapping[str, Union[DataType, str]]] = None,
        partition_format: Optional[str] = None,
    ) -> TabularDataset:
        """A dataset of parquet files. Nothing is read before it is used or registered.

        Args:
            path: as in `Dataset.File.from_files`.
            validate: False registers it without a look, for files that are not there yet.
            include_path: a first column `Path` with the file of each row.
            set_column_types: other types than the files have, by the names of the columns.
            partition_format: as in `from_delimited_files`.

        Returns:
            The dataset.

        Raises:
            UserErrorException: the path is no place for data.
        """
        return _tabular(path, {"type": "parquet"}, set_column_types, include_path, partition_format, validate)

    @staticmethod
    def from_json_lines_files(
        path: Paths,
        validate: bool = True,
        include_path: bool = False,
        set_column_types: Optional[Mapping[str, Union[DataType, str]]] = None,
        partition_format: Optional[str] = None,
        invalid_lines: str = "error",
        encoding: Union[str, FileEncoding] = "utf8",
    ) -> TabularDataset:
        """A dataset of files with a JSON object per line. Nothing is read before it is used or registered.

        Args:
            path: as in `Dataset.File.from_files`.
            validate: False registers it without a look, for files that are not there yet.
            include_path: a first column `Path` with the file of each row.
            set_column_types: types by the names of the columns, of `DataType.to_...()`.
            partition_format: as in `from_delimited_files`.
            invalid_lines: `error` refuses a line that is no object, `drop` leaves it out.
            encoding: of the files; `FileEncoding` or the name of a Python encoding.

        Returns:
            The dataset.

        Raises:
            UserErrorException: the path is no place for data, or `invalid_lines` is another.
        """
        if invalid_lines not in ("error", "drop"):
            raise UserErrorException(f"invalid_lines is 'error' or 'drop', not {invalid_lines!r}.")
        form = {"type": "json_lines", "encoding": encoding_of(encoding)}
        if invalid_lines == "drop":
            form["invalid_lines"] = "drop"
        return _tabular(path, form, set_column_types, include_path, partition_format, validate)

    @staticmethod
    def from_sql_query(
        query: Union[DataPath, DataReference, Tuple[AbstractDatastore, str]],
        validate: bool = True,
        set_column_types: Optional[Mapping[str, Union[DataType, str]]] = None,
        query_timeout: int = 30,
    ) -> TabularDataset:
        """A dataset of the rows of a query. The studio asks the database when the dataset is registered or first used, and
        keeps what it answers; registered again, or read again on its page, it is asked anew.

        Args:
            query: `(datastore, 'SELECT ...')`: one statement that only reads, `WITH` too. Or a `SqlDataReference`, or a
                `DataPath` whose path is the query.
            validate: taken and not used: a query is always asked.
            set_column_types: other types than the columns have, by their names.
            query_timeout: seconds after which the database ends it, 120 at most.

        Returns:
            The dataset.

        Raises:
            UserErrorException: there is no datastore or no query.
        """
        datastore: Any
        if isinstance(query, SqlDataReference):
            datastore, sql = query.datastore, query.query()
        elif isinstance(query, DataPath):
            datastore, sql = query.datastore, query.path_on_datastore
        elif isinstance(query, (tuple, list)) and len(query) == 2:
            datastore, sql = query
        else:
            raise UserErrorException(f"{query!r} is no query: give (datastore, 'SELECT ...').")
        if not isinstance(sql, str) or not sql.strip():
            raise UserErrorException("The query is empty: give (datastore, 'SELECT ...').")
        source = {"datastore": datastore.name, "query": sql, "seconds": int(query_timeout)}
        form: Dict[str, Any] = {"type": "parquet", "columns": columns_of(set_column_types)}
        definition = {"sources": [source], "format": form, "operations": []}
        return TabularDataset._of(definition, datastore.workspace, validate=validate)

    @staticmethod
    def register_pandas_dataframe(
        dataframe: pandas.DataFrame,
        target: Target,
        name: str,
        description: Optional[str] = None,
        tags: Optional[Mapping[str, object]] = None,
        show_progress: bool = True,
        row_group_size: Optional[int] = None,
        make_target_path_unique: bool = True,
    ) -> TabularDataset:
        """Write a pandas frame to a datastore as parquet (CSV without a parquet library) and register it.

        An index of times, or one with names, is kept as columns and is the index again in `to_pandas_dataframe()`; of
        another index nothing is kept, with a warning where it holds more than places.

        Args:
            dataframe: the frame, rows × columns.
            target: `(datastore, path)`, a `DataPath`, or a datastore for the folder `managed-dataset` on it.
            name: name of the dataset; another version where there is one.
            description: description of the version.
            tags: tags of the version.
            show_progress: taken and not used.
            row_group_size: rows of a group of the parquet file; None leaves that to the library.
            make_target_path_unique: write into a folder named by the content's digest, so that no other data are
                touched; False replaces what lies at the path.

        Returns:
            The registered dataset.

        Raises:
            UserErrorException: the index has the name of a column.
        """
        datastore, path = target_of(target)
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
        dataframe: sql.DataFrame,
        target: Target,
        name: str,
        description: Optional[str] = None,
        tags: Optional[Mapping[str, object]] = None,
        show_progress: bool = True,
    ) -> TabularDataset:
        """Write a frame of Spark to a datastore and register it, as `register_pandas_dataframe` does: the rows come to the
        driver.

        Args:
            dataframe: the frame.
            target: as for `register_pandas_dataframe`.
            name: name of the dataset; another version where there is one.
            description: description of the version.
            tags: tags of the version.
            show_progress: taken and not used.

        Returns:
            The registered dataset.
        """
        return TabularDatasetFactory.register_pandas_dataframe(dataframe.toPandas(), target, name, description, tags)

    @staticmethod
    def register_dask_dataframe(
        dataframe: dask.dataframe.DataFrame,
        target: Target,
        name: str,
        description: Optional[str] = None,
        tags: Optional[Mapping[str, object]] = None,
        show_progress: bool = True,
    ) -> TabularDataset:
        """Upload a frame of Dask as parquet and register it. It is computed first, and has to fit into memory.

        Args:
            dataframe: the rows.
            target: a datastore, or `(datastore, "folder")`.
            name: name of the dataset.
            description: description of the version.
            tags: tags of the version.
            show_progress: taken and not used.

        Returns:
            The registered dataset.
        """
        frame: pandas.DataFrame = dataframe.compute()  # type: ignore[no-untyped-call]
        return TabularDatasetFactory.register_pandas_dataframe(frame, target, name, description, tags)


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
        elif isinstance(item, str) and ":/" in item and (advice := instead_of(item)):
            raise UserErrorException(f"{item!r} is no place for data here: {advice}")
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
    types: Optional[Mapping[str, Union[DataType, str]]],
    include_path: bool,
    partition_format: Optional[str],
    validate: bool,
) -> TabularDataset:
    sources, workspace = sources_of(path)
    form["columns"] = columns_of(types)
    if include_path:
        form["include_path"] = True
    if partition_format:
        form["partition_format"] = partition_format
    return TabularDataset._of({"sources": sources, "format": form, "operations": []}, workspace, validate=validate)


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
