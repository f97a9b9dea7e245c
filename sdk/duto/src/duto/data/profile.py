"""What is known of the columns of a table: its profile, and the run that computes it."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional

import duto
from duto import html
from duto.client.http import segment, waiting
from duto.exceptions import UserErrorException
from duto.not_built import refusing

if TYPE_CHECKING:
    import pandas

_POLL = 1.0
_OVER = ("completed", "failed", "canceled")
# What Azure calls the types of columns.
_TYPES = {"string": "STRING", "long": "INTEGER", "float": "DECIMAL", "bool": "BOOLEAN", "datetime": "DATE"}


@dataclass(frozen=True)
class ValueCount:
    """A value of a column, and in how many rows it is."""

    value: Any
    count: int


@dataclass(frozen=True)
class TypeCount:
    """A type, and how many values of a column are of it."""

    type: str
    count: int


@dataclass(frozen=True)
class HistogramBucket:
    """How many values lie from the lower bound up to the upper one, which belongs to the next bucket unless it is the last."""

    lower_bound: Any
    upper_bound: Any
    count: int


class ColumnProfile:
    """The statistics of a column. What has no meaning for its type is None, or empty; docs/data.md says how each is computed.

    Attributes:
        name: name of the column.
        column_name: the same.
        type: STRING, INTEGER, DECIMAL, BOOLEAN or DATE.
        count: number of rows.
        missing_count: rows without a value, and those of which it is NaN.
        not_missing_count: the other rows.
        percent_missing: the missing ones, from 0 to 100; None of no rows.
        error_count: values that were not of the declared type, and are missing.
        empty_count: texts without a character.
        nan_count: values that are NaN.
        infinite_count: values that are infinite; what follows but `unique_values` leaves them out.
        unique_values: number of different values.
        min: smallest value: a number, a text, a truth, or a `datetime` in UTC without a zone.
        max: largest value.
        mean: mean of the numbers.
        std: their deviation, of a sample.
        variance: its square.
        skewness: skewness of a sample, bias corrected.
        kurtosis: excess kurtosis of a sample, bias corrected.
        quantiles: values by their share: 0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999.
        lower_quartile: the quantile of 0.25.
        median: that of 0.5.
        upper_quartile: that of 0.75.
        value_counts: the ten most frequent values, as `ValueCount`.
        type_counts: how many values are of which type, as `TypeCount`.
        histogram: at most 20 `HistogramBucket`; None for texts and truths.
        approximate: which of these are not exact, as the studio calls them: `distinct`, `quantiles`, `top`.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Made by `DatasetProfile`.

        Args:
            document: the column as REST has it.
        """
        self._document = dict(document)
        kind = str(document["type"])

        def value(given: Any) -> Any:
            return datetime.fromisoformat(given) if kind == "datetime" and isinstance(given, str) else given

        self.name = self.column_name = str(document["name"])
        self.type = _TYPES.get(kind, kind.upper())
        self.count = int(document["count"])
        self.missing_count = int(document["missing"])
        self.not_missing_count = self.count - self.missing_count
        self.percent_missing = 100 * self.missing_count / self.count if self.count else None
        self.error_count = int(document["error"])
        self.empty_count = int(document["empty"])
        self.nan_count = int(document["nan"])
        self.infinite_count = int(document["infinite"])
        self.unique_values = int(document["distinct"])
        self.min, self.max = value(document["minimum"]), value(document["maximum"])
        self.mean: Optional[float] = document["mean"]
        self.std: Optional[float] = document["standard_deviation"]
        self.variance: Optional[float] = None if self.std is None else self.std**2
        self.skewness: Optional[float] = document["skewness"]
        self.kurtosis: Optional[float] = document["kurtosis"]
        found = sorted((float(name), value(each)) for name, each in (document["quantiles"] or {}).items())
        self.quantiles: Dict[float, Any] = OrderedDict(found)
        self.lower_quartile, self.median = self.quantiles.get(0.25), self.quantiles.get(0.5)
        self.upper_quartile = self.quantiles.get(0.75)
        self.value_counts: List[ValueCount] = [
            ValueCount(value(each["value"]), each["count"]) for each in document["top"]
        ]
        nulls = int(document["null"]) - self.error_count
        counted = (
            (self.type, self.not_missing_count),
            ("NULL", nulls),
            ("NAN", self.nan_count),
            ("ERROR", self.error_count),
        )
        self.type_counts: List[TypeCount] = [TypeCount(name, count) for name, count in counted if count]
        bins = document["histogram"]
        self.histogram: Optional[List[HistogramBucket]] = bins and [
            HistogramBucket(value(low), value(high), count)
            for low, high, count in zip(bins["edges"][:-1], bins["edges"][1:], bins["counts"])
        ]
        self.approximate: List[str] = list(document["approximate"])

    def __repr__(self) -> str:
        shown = ("type", "count", "missing_count", "unique_values", "min", "max", "mean")
        return f"ColumnProfile({self.name!r}, {', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"


class DatasetProfile:
    """The profile of a dataset version, as `TabularDataset.get_profile` gives it.

    Attributes:
        columns: a `ColumnProfile` by name of the column, in the table's order.
        dtypes: the types by name of the column.
        row_count: number of rows.
        saved_dataset_id: id of the version that it is of.
        run_id: id of the run that computed it.
        experiment_name: None: it is no run of an experiment.
        workspace: where it was computed.
    """

    def __init__(
        self,
        saved_dataset_id: str,
        run_id: str,
        experiment_name: Optional[str],
        workspace: duto.Workspace,
        profile: Mapping[str, Any],
    ) -> None:
        """Made by `TabularDataset.get_profile`.

        Args:
            saved_dataset_id: id of the version that it is of.
            run_id: id of the run that computed it.
            experiment_name: None: it is no run of an experiment.
            workspace: where it was computed.
            profile: the profile as REST has it.
        """
        self.workspace, self.experiment_name = workspace, experiment_name
        self.saved_dataset_id, self.run_id = saved_dataset_id, run_id
        self.row_count = int(profile["row_count"])
        self.columns: Dict[str, ColumnProfile] = OrderedDict(
            (str(each["name"]), ColumnProfile(each)) for each in profile["columns"]
        )
        self.dtypes: Dict[str, str] = OrderedDict((name, each.type) for name, each in self.columns.items())

    def get_producing_run(self) -> DatasetProfileRun:
        """The run that computed it.

        Returns:
            The run.

        Raises:
            NotFoundException: it was removed; of a version the last 20 are kept.
        """
        place = f"profile-runs/{segment(self.run_id)}/"
        found = self.workspace._client.get(self.workspace._path(place))
        return DatasetProfileRun(self.workspace, self.saved_dataset_id, found)

    def is_stale(self) -> bool:
        """Whether the files of the dataset are others than those that it was computed of.

        Returns:
            True for a profile that should be computed anew.
        """
        at = f"dataset-versions/{segment(self.saved_dataset_id)}/profile/"
        return bool(self.workspace._client.get(self.workspace._path(at), check_files="true")["is_stale"])

    def as_dataframe(self) -> pandas.DataFrame:
        """The profile as a frame, one row a column, without histograms and most frequent values.

        Returns:
            A frame of columns × statistics.

        Raises:
            ImportError: pandas is not installed.
        """
        import pandas

        names = [
            "type",
            "min",
            "max",
            "count",
            "missing_count",
            "not_missing_count",
            "percent_missing",
            "error_count",
            "empty_count",
            "unique_values",
            "mean",
            "std",
            "variance",
            "skewness",
            "kurtosis",
        ]
        rows = {
            name: {**{each: getattr(column, each) for each in names}, **{f"{100 * q:g}%": v for q, v in column.quantiles.items()}}
            for name, column in self.columns.items()
        }  # fmt: skip
        return pandas.DataFrame.from_dict(rows, orient="index")

    def _repr_html_(self) -> str:
        rows = [("Rows", self.row_count), ("Columns", len(self.columns)), ("Dataset", self.saved_dataset_id)]
        return html.facts("DatasetProfile", self.run_id, "", rows)

    def __repr__(self) -> str:
        return f"DatasetProfile(rows={self.row_count}, columns={list(self.columns)})"


@refusing(
    "add_properties add_type_provider child_run clean complete create_children description display_name "
    "download_file download_files experiment fail flush get get_all_logs get_children get_context "
    "get_detailed_status get_details get_details_with_logs get_docs_url get_environment get_file_names "
    "get_metrics get_properties get_secret get_secrets get_snapshot_id get_submitted_run get_tags identity "
    "list list_by_compute log log_accuracy_table log_confusion_matrix log_image log_list log_predictions "
    "log_residuals log_row log_table name number parent properties register_model remove_tags "
    "restore_snapshot set_tags start submit_child tag tags take_snapshot upload_file upload_files "
    "upload_folder",
    "A profile is computed by the studio, in no run of an experiment: wait for it and use get_profile().",
)
class DatasetProfileRun:
    """One computation of a profile. A worker of the studio does it, so it takes no compute target.

    Attributes:
        id: id of the run, a GUID.
        workspace: where it is computed.
        dataset: the dataset, or the id of its version.
        type: `dataset_profile`.
    """

    type = "dataset_profile"

    def __init__(self, workspace: duto.Workspace, dataset: object, run: Mapping[str, Any]) -> None:
        """Made by `TabularDataset.submit_profile_run`.

        Args:
            workspace: where it is computed.
            dataset: the dataset, or the id of its version.
            run: the run as REST has it.
        """
        self.workspace, self.dataset, self._document = workspace, dataset, dict(run)
        self.id = str(run["id"])

    def __enter__(self) -> DatasetProfileRun:
        return self

    def __exit__(self, exit_type: object, value: object, traceback: object) -> None:
        pass

    @property
    def status(self) -> str:
        """The last known status: Queued, Running, Completed, Failed or Canceled; `get_status()` asks for it."""
        return str(self._document["status"]).capitalize()

    def get_status(self) -> str:
        """Ask the studio for the status.

        Returns:
            Queued, Running, Completed, Failed or Canceled.
        """
        self._document = dict(self.workspace._client.get(self._path))
        return self.status

    @waiting()
    def wait_for_completion(
        self, show_output: bool = False, wait_post_processing: bool = False, raise_on_error: bool = True
    ) -> DatasetProfileRun:
        """Wait until it is over.

        Args:
            show_output: print how far it is, in percent.
            wait_post_processing: taken and not used: nothing comes after it.
            raise_on_error: raise where it failed or was canceled.

        Returns:
            This object.

        Raises:
            UserErrorException: it failed or was canceled; the message says why.
        """
        shown: Optional[int] = None
        while self.get_status().lower() not in _OVER:
            if show_output and self._document["progress"] != shown:
                shown = self._document["progress"]
                print(f"{shown} %", flush=True)
            time.sleep(_POLL)
        if raise_on_error and self._document["error"]:
            error = UserErrorException(str(self._document["error"].get("message")))
            error.code = self._document["error"].get("code")
            raise error
        return self

    def cancel(self) -> None:
        """End it.

        Raises:
            AzureMLException: it has ended already.
        """
        self._document = dict(self.workspace._client.post(self._path + "cancel/", {}))

    def get_profile(self) -> DatasetProfile:
        """What it has found.

        Returns:
            The profile.

        Raises:
            UserErrorException: it has not completed.
        """
        if self.get_status() != "Completed":
            raise UserErrorException(
                f"This profile run is {self.status.lower()}. Wait for it with `wait_for_completion()`."
            )
        return profile_of(self.workspace, self.workspace._client.get(self._path + "profile/"))

    def get_portal_url(self) -> str:
        """The page of the datasets.

        Returns:
            Its address.
        """
        return f"{self.workspace.studio_url}/w/{segment(self.workspace.name)}/data/"

    @property
    def portal_url(self) -> str:
        """The same."""
        return self.get_portal_url()

    @property
    def _path(self) -> str:
        return str(self.workspace._path(f"profile-runs/{segment(self.id)}/"))

    def __repr__(self) -> str:
        return f"DatasetProfileRun(id={self.id!r}, status={self.status!r})"


def profile_of(workspace: duto.Workspace, document: Mapping[str, Any]) -> DatasetProfile:
    """The profile of a document of REST."""
    return DatasetProfile(str(document["version"]), str(document["run"]), None, workspace, document)
