"""Datasets of rows and columns."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, List, Optional, Tuple, Union

from duto.data.dataset import AbstractDataset
from duto.exceptions import DatasetTimestampMissingError, UserErrorException
from duto.not_built import not_built, refusing
from duto.spec.selection import timestamps

Columns = Union[str, List[str]]


@refusing(
    "get_profile_runs submit_profile_run",
    "Use to_pandas_dataframe().describe().",
)
class TabularDataset(AbstractDataset):
    """Rows read from files; operations are kept in the definition and done when the rows are read."""

    kind = "tabular"

    def to_pandas_dataframe(self, on_error: str = "null", out_of_range_datetime: str = "null") -> Any:
        """The rows as a pandas frame. Raises `UserErrorException` when pandas is not installed or a file is
        unreadable.

        Missing, blank and not-a-number cells are null, as Azure ML has it. `on_error` and
        `out_of_range_datetime` are "null" or "fail".
        """
        from duto.data.tabular_reading import read_frame

        return read_frame(self, on_error, out_of_range_datetime)

    def keep_columns(self, columns: Columns, validate: bool = False) -> Any:
        """These columns alone, in this order."""
        return self._with(op="keep_columns", columns=_names(columns))

    def drop_columns(self, columns: Columns) -> Any:
        """All columns but these."""
        return self._with(op="drop_columns", columns=_names(columns))

    def with_timestamp_columns(
        self,
        timestamp: Optional[str] = None,
        partition_timestamp: Optional[str] = None,
        validate: bool = False,
        **kwargs: Any,
    ) -> Any:
        """The dataset with the columns that `time_before` and its companions look at."""
        column = timestamp or kwargs.get("fine_grain_timestamp")
        coarse = partition_timestamp or kwargs.get("coarse_grain_timestamp")
        return self._with(op="timestamp_columns", timestamp=column, partition_timestamp=coarse)

    @property
    def timestamp_columns(self) -> Tuple[Optional[str], Optional[str]]:
        """The names of the timestamp and the partition timestamp column; None for one that was dropped since."""
        return timestamps(self._definition.get("operations", ()))

    def time_before(self, end_time: datetime, include_boundary: bool = True, validate: bool = True) -> Any:
        """The rows up to a time. Raises `DatasetTimestampMissingError` without timestamp columns."""
        return self._between(None, end_time, include_boundary)

    def time_after(self, start_time: datetime, include_boundary: bool = True, validate: bool = True) -> Any:
        """The rows from a time on. Raises `DatasetTimestampMissingError` without timestamp columns."""
        return self._between(start_time, None, include_boundary)

    def time_between(
        self, start_time: datetime, end_time: datetime, include_boundary: bool = True, validate: bool = True
    ) -> Any:
        """The rows between two times. Raises `DatasetTimestampMissingError` without timestamp columns."""
        return self._between(start_time, end_time, include_boundary)

    def time_recent(self, time_delta: timedelta, include_boundary: bool = True, validate: bool = True) -> Any:
        """The rows of the last while. Raises `DatasetTimestampMissingError` without timestamp columns."""
        return self._between(datetime.now(timezone.utc).replace(tzinfo=None) - time_delta, None, include_boundary)

    def to_csv_files(self, separator: str = ",") -> Any:
        raise not_built("TabularDataset.to_csv_files", "Write the frame of `to_pandas_dataframe()`.")

    def to_parquet_files(self) -> Any:
        raise not_built("TabularDataset.to_parquet_files", "Write the frame of `to_pandas_dataframe()`.")

    def to_spark_dataframe(self) -> Any:
        raise not_built("TabularDataset.to_spark_dataframe", "Use `to_pandas_dataframe()`.")

    def to_dask_dataframe(
        self, sample_size: int = 10000, dtypes: Any = None, on_error: str = "null", out_of_range_datetime: str = "null"
    ) -> Any:
        raise not_built("TabularDataset.to_dask_dataframe", "Use `to_pandas_dataframe()`.")

    def filter(self, expression: Any) -> Any:
        raise not_built("TabularDataset.filter", "Filter the frame of `to_pandas_dataframe()`.")

    def get_profile(self, workspace: Any = None) -> Any:
        raise not_built("TabularDataset.get_profile", "Use `to_pandas_dataframe().describe()`.")

    def download(
        self,
        stream_column: str,
        target_path: Optional[str] = None,
        overwrite: bool = False,
        ignore_not_found: bool = True,
    ) -> Any:
        raise not_built("TabularDataset.download", "Use a file dataset of the same paths.")

    def mount(self, stream_column: str, mount_point: Optional[str] = None) -> Any:
        raise not_built("TabularDataset.mount", "Use a file dataset of the same paths.")

    def partition_by(
        self,
        partition_keys: List[str],
        target: Any,
        name: Optional[str] = None,
        show_progress: bool = True,
        partition_as_file_dataset: bool = False,
    ) -> Any:
        raise not_built("TabularDataset.partition_by", "Write one folder per key from a step.")

    def _between(self, start: Optional[datetime], end: Optional[datetime], include: bool) -> Any:
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


def _names(columns: Columns) -> List[str]:
    return [columns] if isinstance(columns, str) else list(columns)
