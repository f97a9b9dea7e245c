"""Datasets of rows and columns."""

from __future__ import annotations

import hashlib
import importlib
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional, Tuple, Union

import duto
from duto.client.http import digest_of, path_of, segment
from duto.client.local_files import each_of, place_of
from duto.data.dataset import AbstractDataset
from duto.data.expressions import Expression, condition_of
from duto.data.file_dataset import MountContext
from duto.data.profile import profile_of
from duto.data.references import target_of
from duto.data.spark_frames import spark_frame
from duto.exceptions import DatasetTimestampMissingError, NotFoundException, UserErrorException
from duto.spec.selection import timestamps

if TYPE_CHECKING:
    import dask.dataframe
    import pandas
    from pyspark import sql

    from duto.data.references import Target

# Of a part of a frame of Dask.
_DASK_ROWS = 100_000
# How a column names a file of a datastore.
_STREAM = "AmlDatastore://"


class TabularDataset(AbstractDataset):
    """Rows read from files; operations are kept in the definition and done when the rows are read."""

    kind = "tabular"

    def to_pandas_dataframe(self, on_error: str = "null", out_of_range_datetime: str = "null") -> pandas.DataFrame:
        """The rows as a pandas frame.

        Missing, blank and not-a-number cells are null, as Azure ML has it. Whole numbers are `int64`, with gaps
        `float64` (objects where that does not hold them); numbers are `float64`; times are `datetime64[ns]` without a
        zone, in UTC; texts, and truths with gaps, are objects with None.

        Args:
            on_error: a value that is not of its column's type: `null` for null, `fail` to raise.
            out_of_range_datetime: a time outside of the years 1678 to 2261: `null` for null, `fail` to raise.

        Returns:
            A frame of rows × columns; its index is 0 to rows - 1, or the one that `register_pandas_dataframe` kept.

        Raises:
            UserErrorException: pandas is not installed, the dataset finds no file, or a file cannot be read as it
                says.
        """
        from duto.data.tabular_reading import read_frame

        return read_frame(self, on_error, out_of_range_datetime)

    def keep_columns(self, columns: Union[str, List[str]], validate: bool = False) -> TabularDataset:
        """These columns alone, in this order.

        Args:
            columns: one name, or several.
            validate: taken and not used: a column that is not there raises when the rows are read.

        Returns:
            Another dataset.
        """
        return self._with(op="keep_columns", columns=_names(columns))

    def drop_columns(self, columns: Union[str, List[str]]) -> TabularDataset:
        """All columns but these.

        Args:
            columns: one name, or several.

        Returns:
            Another dataset.
        """
        return self._with(op="drop_columns", columns=_names(columns))

    def with_timestamp_columns(
        self,
        timestamp: Optional[str] = None,
        partition_timestamp: Optional[str] = None,
        validate: bool = False,
        **kwargs: object,
    ) -> TabularDataset:
        """The dataset with the columns that `time_before` and its companions look at.

        Args:
            timestamp: column of the time of each row.
            partition_timestamp: column of the coarser time that the paths tell.
            validate: taken and not used.
            kwargs: `fine_grain_timestamp` and `coarse_grain_timestamp`, the older names of the two.

        Returns:
            Another dataset.
        """
        column = timestamp or kwargs.get("fine_grain_timestamp")
        coarse = partition_timestamp or kwargs.get("coarse_grain_timestamp")
        return self._with(op="timestamp_columns", timestamp=column, partition_timestamp=coarse)

    @property
    def timestamp_columns(self) -> Tuple[Optional[str], Optional[str]]:
        """The names of the timestamp and the partition timestamp column; None for one that was not named or was
        dropped since.
        """
        return timestamps(self._definition.get("operations", ()))

    def time_before(self, end_time: datetime, include_boundary: bool = True, validate: bool = True) -> TabularDataset:
        """The rows up to a time.

        Args:
            end_time: the time; without a zone it is compared as it stands.
            include_boundary: take rows of exactly this time.
            validate: taken and not used.

        Returns:
            Another dataset.

        Raises:
            DatasetTimestampMissingError: no column of times is named, or it was dropped.
            UserErrorException: the time is no `datetime`.
        """
        return self._between(None, end_time, include_boundary)

    def time_after(self, start_time: datetime, include_boundary: bool = True, validate: bool = True) -> TabularDataset:
        """The rows from a time on.

        Args:
            start_time: the time; without a zone it is compared as it stands.
            include_boundary: take rows of exactly this time.
            validate: taken and not used.

        Returns:
            Another dataset.

        Raises:
            DatasetTimestampMissingError: no column of times is named, or it was dropped.
            UserErrorException: the time is no `datetime`.
        """
        return self._between(start_time, None, include_boundary)

    def time_between(
        self, start_time: datetime, end_time: datetime, include_boundary: bool = True, validate: bool = True
    ) -> TabularDataset:
        """The rows between two times.

        Args:
            start_time: the first time; without a zone it is compared as it stands.
            end_time: the last time.
            include_boundary: take rows of exactly these times.
            validate: taken and not used.

        Returns:
            Another dataset.

        Raises:
            DatasetTimestampMissingError: no column of times is named, or it was dropped.
            UserErrorException: a time is no `datetime`.
        """
        return self._between(start_time, end_time, include_boundary)

    def time_recent(
        self, time_delta: timedelta, include_boundary: bool = True, validate: bool = True
    ) -> TabularDataset:
        """The rows of the last while, counted from this call, in UTC.

        Args:
            time_delta: how far back.
            include_boundary: take rows of exactly the first time.
            validate: taken and not used.

        Returns:
            Another dataset.

        Raises:
            DatasetTimestampMissingError: no column of times is named, or it was dropped.
        """
        return self._between(datetime.now(timezone.utc).replace(tzinfo=None) - time_delta, None, include_boundary)

    def to_csv_files(self, separator: str = ",") -> duto.FileDataset:
        """The rows as CSV files in UTF-8 with a line of names. They are written now, to a folder below `converted/` of the
        workspace's default datastore that is named by their content; Azure ML writes them when they are read.

        Args:
            separator: one character between two values. What is missing is an empty value, as an empty text is.

        Returns:
            The dataset of the files.

        Raises:
            UserErrorException: the rows cannot be read, or the separator is no single character.
        """
        return self._converted("csv", separator)

    def to_parquet_files(self) -> duto.FileDataset:
        """The rows as Parquet files, written as `to_csv_files` says.

        Returns:
            The dataset of the files.

        Raises:
            UserErrorException: the rows cannot be read, or pyarrow is not installed.
        """
        return self._converted("parquet", ",")

    def to_spark_dataframe(self) -> sql.DataFrame:
        """The rows as a frame of Spark, in a script of a Spark step. They are read by pandas, on the driver: what does not
        fit into its memory is read by Spark from a file dataset (`as_hdfs()`).

        Returns:
            The frame.

        Raises:
            UserErrorException: there is no pyspark.
        """
        return spark_frame(self.to_pandas_dataframe())

    def to_dask_dataframe(
        self,
        sample_size: int = 10000,
        dtypes: Optional[Mapping[str, object]] = None,
        on_error: str = "null",
        out_of_range_datetime: str = "null",
    ) -> dask.dataframe.DataFrame:
        """The rows as a frame of Dask, in parts of 100,000 rows. They are read by pandas and have to fit into memory.

        Args:
            sample_size: taken and not used: types are those of all rows.
            dtypes: types of pandas by column, for others than `to_pandas_dataframe` gives; None for none.
            on_error: as for `to_pandas_dataframe`.
            out_of_range_datetime: as for `to_pandas_dataframe`.

        Returns:
            The frame.

        Raises:
            UserErrorException: dask is not installed, or the rows cannot be read.
        """
        try:
            frames = importlib.import_module("dask.dataframe")
        except ImportError as error:
            raise UserErrorException(
                "to_dask_dataframe() needs the package dask with its frames: pip install 'dask[dataframe]'."
            ) from error
        frame = self.to_pandas_dataframe(on_error, out_of_range_datetime)
        made: dask.dataframe.DataFrame = frames.from_pandas(
            frame.astype(dict(dtypes)) if dtypes else frame, chunksize=_DASK_ROWS
        )
        return made

    def filter(self, expression: Expression) -> TabularDataset:
        """The rows of which a condition is true: `dataset.filter(dataset["age"] > 30)`.

        Args:
            expression: a condition on columns, as `dataset["column"]` makes them. A comparison with a value that is missing is
                neither true nor false, and leaves the row out.

        Returns:
            Another dataset.

        Raises:
            UserErrorException: the expression is none. What is wrong with it for the types of the columns is told when the
                rows are read, or the dataset is registered.
        """
        return self._with(**condition_of(expression))

    def __getitem__(self, key: Union[str, List[str]]) -> Any:
        """A column, for conditions of `filter`; a list of names gives a dataset of these columns.

        Args:
            key: a name, or several.

        Returns:
            An `Expression`, or another dataset.
        """
        return Expression({"column": key}) if isinstance(key, str) else self.keep_columns(list(key))

    def get_profile(self, workspace: Optional[duto.Workspace] = None) -> duto.DatasetProfile:
        """The newest profile of this dataset: the statistics of its columns. `submit_profile_run` has it computed.

        Args:
            workspace: for a dataset of web addresses that was not saved; as in `save`.

        Returns:
            The profile.

        Raises:
            UserErrorException: none was computed yet.
        """
        try:
            found = self._profiled("profile/", workspace)
        except NotFoundException as error:
            raise UserErrorException(
                "This dataset has no profile yet. Have it computed: `dataset.submit_profile_run().wait_for_completion()`."
            ) from error
        return profile_of(self._home, found)

    def get_profile_runs(self, workspace: Optional[duto.Workspace] = None) -> Iterator[duto.DatasetProfileRun]:
        """The computations of this dataset's profile.

        Args:
            workspace: as in `get_profile`.

        Returns:
            The runs, newest first. Of a version the last 20 are kept.
        """
        at = self._home_of(workspace)._path(f"dataset-versions/{segment(self.id)}/profile-runs/")
        for each in self._home._client.pages(at):
            yield duto.DatasetProfileRun(self._home, self, each)

    def submit_profile_run(
        self, compute_target: object = None, experiment: object = None, cache_datastore_name: Optional[str] = None
    ) -> duto.DatasetProfileRun:
        """Have the profile computed anew. While that is under way it is the same run.

        Args:
            compute_target: taken and not used: a worker of the studio does it.
            experiment: one of the workspace in which a dataset of web addresses is saved; the run is none of it.
            cache_datastore_name: taken and not used: nothing is kept but the profile.

        Returns:
            The run.

        Raises:
            UserErrorException: the dataset cannot be read, or was fetched from nowhere yet.
        """
        made = self._home_of(getattr(experiment, "workspace", None))._client.post(
            self._home._path(f"dataset-versions/{segment(self.id)}/profile-runs/"), {}
        )
        return duto.DatasetProfileRun(self._home, self, made)

    def _generate_profile(
        self, compute_target: object = None, workspace: Optional[duto.Workspace] = None
    ) -> duto.DatasetProfile:
        """Compute the profile now, and wait for it."""
        self._home_of(workspace)
        return self.submit_profile_run(compute_target).wait_for_completion().get_profile()

    def _profiled(self, place: str, workspace: Optional[duto.Workspace]) -> Any:
        at = f"dataset-versions/{segment(str(self.save(workspace)['id']))}/{place}"
        return self._home._client.get(self._home._path(at))

    def _home_of(self, workspace: Optional[duto.Workspace]) -> duto.Workspace:
        """The workspace that it is saved in, or saves it."""
        self.save(workspace)
        return self._home

    @property
    def _home(self) -> duto.Workspace:
        home: duto.Workspace = self._workspace  # which save() has set
        return home

    def download(
        self,
        stream_column: str,
        target_path: Optional[str] = None,
        overwrite: bool = False,
        ignore_not_found: bool = True,
    ) -> List[str]:
        """Copy the files that a column names to a folder, as labelled data have them: each value is
        `AmlDatastore://<datastore>/<path>`.

        Args:
            stream_column: the column.
            target_path: the folder, which is made; None for a new temporary one.
            overwrite: replace files that are there.
            ignore_not_found: leave out files that are not on their datastore; else that is an error.

        Returns:
            The paths of the copies, each file once, below a folder of its datastore's name.

        Raises:
            UserErrorException: there is no such column, a value is no such place, or some files could not be copied: it
                names them when all others have been.
        """
        root = Path(target_path) if target_path else Path(tempfile.mkdtemp(prefix="duto-streams-"))
        places = {f"{store}/{path}": (store, path) for store, path in self._streams(stream_column)}
        copies, client, workspace = {name: place_of(root, name) for name in places}, self._client, self._workspace

        def base(store: str) -> str:
            return str(workspace._path(f"datastores/{segment(store)}/files/"))

        def copy(name: str) -> None:
            store, path = places[name]
            if copies[name].exists() and not overwrite:
                raise UserErrorException(f"'{copies[name]}' exists already; copy with overwrite=True.")
            try:
                client.download(base(store) + path_of(path), copies[name])
            except NotFoundException:
                if not ignore_not_found:
                    raise

        each_of(places, copy)
        return [str(copies[name]) for name in places if copies[name].exists()]

    def mount(self, stream_column: str, mount_point: Optional[str] = None) -> MountContext:
        """The same files in a folder, inside `with`; they are copied there when the block is entered.

        Args:
            stream_column: the column.
            mount_point: the folder; None for a temporary one, which goes with the end of the block.

        Returns:
            A context manager whose `mount_point` is the folder, with `start()` and `stop()` as Azure ML has it.
        """
        return MountContext(lambda target: self.download(stream_column, target, overwrite=True), mount_point)

    def _streams(self, column: str) -> List[Tuple[str, str]]:
        """The places that a column names, as (datastore, path), each once."""
        frame = self.to_pandas_dataframe()
        if column not in frame.columns:
            raise UserErrorException(
                f"The dataset has no column '{column}'. It has: {', '.join(map(str, frame.columns))}."
            )
        found: Dict[Tuple[str, str], None] = {}
        for value in frame[column].dropna():
            store, slash, path = str(value)[len(_STREAM) :].partition("/")
            if not str(value).startswith(_STREAM) or not store or not slash or not path:
                raise UserErrorException(
                    f"The column '{column}' has {str(value)[:200]!r}, which names no file: '{_STREAM}<datastore>/<path>' does."
                )
            found[(store, path)] = None
        return list(found)

    def partition_by(
        self,
        partition_keys: List[str],
        target: Target,
        name: Optional[str] = None,
        show_progress: bool = True,
        partition_as_file_dataset: bool = False,
    ) -> Union[TabularDataset, duto.FileDataset]:
        """Write the rows to a datastore as Parquet files, in a folder for each combination of the keys' values:
        `<key 1>/<key 2>/part-00000.parquet`. The values are told by the folders, and have the types that they had.

        Args:
            partition_keys: the columns whose values make the folders.
            target: `(datastore, path)`, a `DataPath`, or a datastore for the folder `managed-dataset` on it; no file may lie
                there yet.
            name: name to register the new dataset under; another version where there is one. None leaves it without.
            show_progress: print one line with what was written.
            partition_as_file_dataset: give a dataset of files with these keys.

        Returns:
            The new dataset, with `partition_keys`.

        Raises:
            UserErrorException: there are files in the folder; a key is no column; a value is missing or cannot be the name of
                a folder; pyarrow is not installed.
        """
        from duto.data.table_files import write_partitions

        datastore, path = target_of(target)
        for each in datastore._list(path):
            raise UserErrorException(
                f"'{each['path']}' lies in that folder of '{datastore.name}' already, and would be read with the new files. "
                "Name an empty folder."
            )
        with tempfile.TemporaryDirectory(prefix="duto-partitions-") as folder:
            written = write_partitions(self, list(dict.fromkeys(partition_keys)), Path(folder))
            datastore.upload(folder, path, overwrite=True, show_progress=show_progress)
        made: Union[TabularDataset, duto.FileDataset]
        if partition_as_file_dataset:
            made = duto.FileDatasetFactory.from_files((datastore, f"{path}/"), partition_format=written.form)
        else:
            made = duto.TabularDatasetFactory.from_parquet_files(
                (datastore, f"{path}/"), set_column_types=written.types, partition_format=written.form
            )
        return made.register(datastore.workspace, name, create_new_version=True) if name else made

    def _converted(self, suffix: str, separator: str) -> duto.FileDataset:
        from duto.data.table_files import write_parts

        workspace = self._workspace or duto.Workspace._around()
        with tempfile.TemporaryDirectory(prefix="duto-converted-") as folder:
            write_parts(self, Path(folder), suffix, separator)
            digest = hashlib.sha256()
            for part in sorted(Path(folder).iterdir()):
                digest.update(digest_of(part).encode())
            place = f"converted/{suffix}-{digest.hexdigest()[:16]}"
            store: Any = workspace.get_default_datastore()
            store.upload(folder, place, overwrite=True, show_progress=False)
        return duto.FileDatasetFactory.from_files((store, f"{place}/"))

    def _between(self, start: Optional[datetime], end: Optional[datetime], include: bool) -> TabularDataset:
        if not any(self.timestamp_columns):
            gone = any(each["op"] == "timestamp_columns" for each in self._definition.get("operations", ()))
            raise DatasetTimestampMissingError(
                "The dataset's time column was dropped: choose the rows by time before that, or keep the column."
                if gone
                else "Name the time column with `with_timestamp_columns` first."
            )
        return self._with(op="time", start=_written(start), end=_written(end), include_boundary=include)


def _written(moment: Optional[datetime]) -> Optional[str]:
    if moment is None:
        return None
    if isinstance(moment, datetime):
        return moment.isoformat()
    raise UserErrorException(f"A time is a datetime, such as datetime(2021, 3, 4), not {moment!r}.")


def _names(columns: Union[str, List[str]]) -> List[str]:
    return [columns] if isinstance(columns, str) else list(columns)
