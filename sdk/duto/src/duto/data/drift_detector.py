"""Monitors of drift: how far the rows of each window of time are from a baseline."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from duto.client.http import segment
from duto.data.dataset import identified
from duto.data.drift_run import DataDriftRun, line_of
from duto.data.performance import PerformanceConfiguration
from duto.exceptions import NotFoundException, UserErrorException

if TYPE_CHECKING:
    import duto
    from duto.data.tabular_dataset import TabularDataset
    from duto.workspace.workspace import Workspace

# What is not given to `update`, where None means something.
_UNSET: Any = ...


class AlertConfiguration:
    """Who is told by mail of drift, and of a model that has degraded: by a rule of notifications, which is made with the monitor."""

    def __init__(self, email_addresses: Sequence[str]) -> None:
        """
        Args:
            email_addresses: addresses; a single one as a text.
        """
        self._addresses = [email_addresses] if isinstance(email_addresses, str) else list(email_addresses)

    @property
    def email_addresses(self) -> List[str]:
        """The addresses."""
        return list(self._addresses)

    def __repr__(self) -> str:
        return f"AlertConfiguration(email_addresses={self._addresses})"


class DataDriftDetector:
    """Compares each window of a dataset with times with a baseline, and says how far it has drifted.

    Programs get one by `create_from_datasets` or `get_by_name`.
    """

    def __init__(self, workspace: Workspace, name: str) -> None:
        """The monitor of this name, as `get_by_name` gives it.

        Args:
            workspace: the workspace.
            name: its name.

        Raises:
            NotFoundException: there is none.
        """
        found = next(iter(workspace._pages("monitors/", name=str(name))), None)
        if found is None:
            raise NotFoundException(f"There is no monitor '{name}' in workspace '{workspace.name}'.")
        self._workspace, self._document = workspace, dict(found)

    @classmethod
    def _of(cls, workspace: Workspace, document: Mapping[str, Any]) -> DataDriftDetector:
        made = cls.__new__(cls)
        made._workspace, made._document = workspace, dict(document)
        return made

    @staticmethod
    def create_from_datasets(
        workspace: Workspace,
        name: str,
        baseline_dataset: TabularDataset,
        target_dataset: TabularDataset,
        compute_target: Union[duto.ComputeTarget, str, None] = None,
        frequency: Optional[str] = None,
        feature_list: Optional[Sequence[str]] = None,
        alert_config: Optional[AlertConfiguration] = None,
        drift_threshold: Optional[float] = None,
        latency: Optional[int] = None,
        *,
        time_zone: Optional[str] = None,
        pipeline_id: Optional[str] = None,
        experiment_name: Optional[str] = None,
        performance: Optional[PerformanceConfiguration] = None,
    ) -> DataDriftDetector:
        """Make a monitor. It looks at windows by itself from `enable_schedule` on.

        Args:
            workspace: the workspace.
            name: its name.
            baseline_dataset: what is compared with: a table, also a window of the target, such as `target.time_before(...)`.
            target_dataset: the table whose windows are compared; `with_timestamp_columns` says which column tells the time of a
                row. Of a registered one the newest version is read.
            compute_target: kept and not used: the studio compares.
            frequency: `Day`, `Week` or `Month`; None for `Day`.
            feature_list: names of the columns that are compared; None for all.
            alert_config: who is told by mail. Owners may name any address, others those of a channel that there is.
            drift_threshold: from this magnitude on (above 0, at most 1) data have drifted; None for 0.2.
            latency: hours after its end at which a window is looked at; None for 0.
            time_zone: zone of days, weeks and months, by IANA's name; None for UTC.
            pipeline_id: id of a published pipeline that is run once for each window that has drifted or in which the model has
                degraded.
            experiment_name: experiment of these runs; None for that of the pipeline.
            performance: how a model is measured by labels that come later; None for no model.

        Returns:
            The monitor.

        Raises:
            UserErrorException: the target names no column of times, or a value cannot be meant.
            ConflictException: there is a monitor of this name, or there are addresses and no mail server.
            ForbiddenException: there are addresses to which only an owner may have the workspace write.
        """
        body: Dict[str, Any] = {
            "name": name,
            "baseline": baseline_dataset.id,
            "target": target_dataset.id,
            "compute_target": _name_of(compute_target),
            "frequency": frequency or "Day",
            "features": None if feature_list is None else list(feature_list),
            "alert_emails": alert_config.email_addresses if alert_config else [],
            "time_zone": time_zone or "UTC",
            "latency_hours": latency or 0,
            "pipeline": str(pipeline_id) if pipeline_id is not None else None,
            "experiment_name": experiment_name or "",
        }
        if drift_threshold is not None:
            body["threshold"] = drift_threshold
        if performance is not None:
            body["performance"] = performance._document()
        return DataDriftDetector._of(workspace, workspace._client.post(workspace._path("monitors/"), body))

    @staticmethod
    def get_by_name(workspace: Workspace, name: str) -> DataDriftDetector:
        """The monitor of this name.

        Args:
            workspace: the workspace.
            name: its name.

        Returns:
            The monitor.

        Raises:
            NotFoundException: there is none.
        """
        return DataDriftDetector(workspace, name)

    @staticmethod
    def list(
        workspace: Workspace,
        baseline_dataset: Optional[TabularDataset] = None,
        target_dataset: Optional[TabularDataset] = None,
    ) -> List[DataDriftDetector]:
        """The monitors of the workspace.

        Args:
            workspace: the workspace.
            baseline_dataset: those alone that compare with this version of a dataset.
            target_dataset: those alone that were made for this version of a dataset.

        Returns:
            The monitors, newest first.
        """
        asked = {}
        if baseline_dataset is not None:
            asked["baseline"] = baseline_dataset.id
        if target_dataset is not None:
            asked["target"] = target_dataset.id
        return [DataDriftDetector._of(workspace, each) for each in workspace._pages("monitors/", **asked)]

    @property
    def workspace(self) -> Workspace:
        """Its workspace."""
        return self._workspace

    @property
    def id(self) -> str:
        """Its id."""
        return str(self._document["id"])

    @property
    def name(self) -> str:
        """Its name."""
        return str(self._document["name"])

    @property
    def baseline_dataset(self) -> TabularDataset:
        """What is compared with."""
        return self._dataset("baseline")

    @property
    def target_dataset(self) -> TabularDataset:
        """The table whose windows are compared, in the version that it was made for."""
        return self._dataset("target")

    @property
    def compute_target(self) -> Optional[str]:
        """The name of the compute target that was given."""
        return self._document["compute_target"] or None

    @property
    def frequency(self) -> str:
        """`Day`, `Week` or `Month`."""
        return str(self._document["frequency"])

    @property
    def interval(self) -> int:
        """Of how many days, weeks or months a window is: one."""
        return 1

    @property
    def feature_list(self) -> Optional[List[str]]:
        """Names of the columns that are compared; None for all."""
        found = self._document["features"]
        return None if found is None else [str(each) for each in found]

    @property
    def drift_threshold(self) -> float:
        """From this magnitude on, 0 to 1, data have drifted."""
        return float(self._document["threshold"])

    @property
    def drift_type(self) -> str:
        """`DatasetBased`."""
        return "DatasetBased"

    @property
    def latency(self) -> int:
        """Hours after its end at which a window is looked at."""
        return int(self._document["latency_hours"])

    @property
    def alert_config(self) -> Optional[AlertConfiguration]:
        """The addresses that were given; None without any."""
        found = self._document["alert_emails"]
        return AlertConfiguration(found) if found else None

    @property
    def performance(self) -> Optional[PerformanceConfiguration]:
        """How a model is measured; None where none is."""
        found = self._document["performance"]
        if found is None:
            return None
        more = {name: value for name, value in found.items() if name != "labels"}
        return PerformanceConfiguration(self._of_version(found["labels"]), **more)

    @property
    def enabled(self) -> bool:
        """Whether windows are looked at by themselves."""
        return bool(self._document["is_enabled"])

    @property
    def state(self) -> str:
        """`Enabled`, `Disabled` or `Deleted`."""
        if self._document.get("is_deleted"):
            return "Deleted"
        return "Enabled" if self.enabled else "Disabled"

    @property
    def schedule_start(self) -> Optional[datetime]:
        """The start of the next window that is looked at by itself, in UTC; None while it is disabled."""
        found = self._document["next_start"]
        return _moment(found) if found else None

    def update(
        self,
        compute_target: Union[duto.ComputeTarget, str, None] = _UNSET,
        feature_list: Optional[Sequence[str]] = _UNSET,
        schedule_start: Optional[datetime] = _UNSET,
        alert_config: Optional[AlertConfiguration] = _UNSET,
        drift_threshold: Optional[float] = _UNSET,
        *,
        pipeline_id: Optional[str] = _UNSET,
        experiment_name: Optional[str] = _UNSET,
        performance: Optional[PerformanceConfiguration] = None,
    ) -> DataDriftDetector:
        """Change it; what is left out stays. Name, datasets, frequency and latency stay as they were made.

        Args:
            compute_target: another one, kept and not used.
            feature_list: other columns; None for all.
            schedule_start: taken and not used: windows are those of the calendar.
            alert_config: other addresses; None for none.
            drift_threshold: another threshold; None for 0.2.
            pipeline_id: another published pipeline that drift runs; None for none.
            experiment_name: another experiment of these runs.
            performance: how a model is measured. Of a monitor that measures one, metric, threshold, lateness and the share of labels
                that is needed may be others.

        Returns:
            Itself.

        Raises:
            UserErrorException: the baseline has no such column, or the threshold is not above 0 and at most 1.
            ConflictException: there are addresses and no mail server.
            ForbiddenException: there are addresses to which only an owner may have the workspace write.
        """
        body: Dict[str, Any] = {}
        if compute_target is not _UNSET:
            body["compute_target"] = _name_of(compute_target)
        if feature_list is not _UNSET:
            body["features"] = None if feature_list is None else [*feature_list]
        if alert_config is not _UNSET:
            body["alert_emails"] = alert_config.email_addresses if alert_config else []
        if drift_threshold is not _UNSET:
            body["threshold"] = 0.2 if drift_threshold is None else drift_threshold
        if pipeline_id is not _UNSET:
            body["pipeline"] = pipeline_id
        if experiment_name is not _UNSET:
            body["experiment_name"] = experiment_name or ""
        if performance is not None:
            body["performance"] = performance._document()
        return self._changed(body)

    def enable_schedule(self, create_compute_target: bool = False) -> None:
        """Look at each window by itself, the one that is under way being the first.

        Args:
            create_compute_target: taken and not used: the studio compares.
        """
        self._changed({"is_enabled": True})

    def disable_schedule(self) -> None:
        """Look at no window by itself."""
        self._changed({"is_enabled": False})

    def run(
        self,
        target_date: Optional[datetime] = None,
        services: object = None,
        compute_target: Union[duto.ComputeTarget, str, None] = None,
        create_compute_target: bool = False,
        feature_list: Optional[Sequence[str]] = None,
        drift_threshold: Optional[float] = None,
    ) -> DataDriftRun:
        """Look at the window of a moment now, once more where it has been looked at.

        Args:
            target_date: a moment of the window, in UTC where it has no zone; None for the last window that is over.
            services: taken and not used: there are no web services.
            compute_target: taken and not used: the studio compares.
            create_compute_target: taken and not used.
            feature_list: must be those of the monitor, as what a window says is compared with the others; None for these.
            drift_threshold: must be that of the monitor; None for it.

        Returns:
            What can be waited for.

        Raises:
            UserErrorException: features or threshold are others than those of the monitor, or the window has not begun.
        """
        if feature_list is not None and sorted(feature_list) != sorted(self.feature_list or []):
            raise UserErrorException(
                "The windows of a monitor compare the same columns: change them by `update` first."
            )
        if drift_threshold is not None and drift_threshold != self.drift_threshold:
            raise UserErrorException("The windows of a monitor have its threshold: change it by `update` first.")
        body = {"at": None if target_date is None else _text(target_date)}
        found = self._workspace._client.post(f"{self._place}run/", body)
        return DataDriftRun(self._workspace, f"{self._place}windows/", [found])

    def backfill(
        self,
        start_date: datetime,
        end_date: datetime,
        compute_target: Union[duto.ComputeTarget, str, None] = None,
        create_compute_target: bool = False,
    ) -> DataDriftRun:
        """Look at the windows between two moments that are over, 31 at most.

        Args:
            start_date: a moment of the first window, in UTC where it has no zone.
            end_date: the moment before which the last window begins.
            compute_target: taken and not used: the studio compares.
            create_compute_target: taken and not used.

        Returns:
            What can be waited for.

        Raises:
            UserErrorException: there are more than 31 windows, or none is over.
        """
        body = {"start": _text(start_date), "end": _text(end_date)}
        found = self._workspace._client.post(f"{self._place}backfill/", body)
        return DataDriftRun(self._workspace, f"{self._place}windows/", found["windows"])

    def get_output(
        self, start_time: Optional[datetime] = None, end_time: Optional[datetime] = None, run_id: Optional[str] = None
    ) -> Tuple[List[Dict[str, object]], List[Dict[str, object]]]:
        """What was found, of windows that were compared, oldest first.

        Args:
            start_time: windows that reach beyond this moment; None for all.
            end_time: windows that begin before this moment; None for all.
            run_id: the window alone of which `DataDriftRun.id` is, without the two others.

        Returns:
            Results and metrics, each a list of one entry with `drift_type`. The entry of results has `result`: for each window
            `has_drift`, `drift_threshold`, `start_date`, `end_date`, `base_dataset_id`, `target_dataset_id`. That of metrics has
            `metrics`: for each window `start_date`, `end_date`, the two ids, `dataset_metrics` with `datadrift_coefficient` (the
            magnitude, 0 to 1), and `column_metrics`: for each feature its measures by `name` and `value`, of which
            `datadrift_contribution` tells how well the two can be told apart by it alone, 0 to 1.

        Raises:
            UserErrorException: a bound is no datetime, or `run_id` is given with one.
        """
        if run_id is not None and (start_time is not None or end_time is not None):
            raise UserErrorException("`run_id` names one window: give no `start_time` and `end_time` with it.")
        results: List[Dict[str, object]] = []
        metrics: List[Dict[str, object]] = []
        for each in self._windows(start_time, end_time):
            if each["magnitude"] is None or (run_id is not None and each["id"] != str(run_id)):
                continue
            whole = self._workspace._client.get(f"{self._place}windows/{segment(each['id'])}/")
            span = {"start_date": each["start_date"], "end_date": each["end_date"]}
            target = each["target"] or self._document["target"]
            ids = {"target_dataset_id": target}
            threshold = {"has_drift": each["has_drifted"], "drift_threshold": each["threshold"]}
            results.append({**threshold, **span, "base_dataset_id": self._document["baseline"], **ids})
            found = {
                "schema_version": "0.1",
                **span,
                "baseline_dataset_id": self._document["baseline"],
                **ids,
                "dataset_metrics": [{"name": "datadrift_coefficient", "value": each["magnitude"]}],
                "column_metrics": [{feature["name"]: _measures(feature)} for feature in whole["features"]],
            }
            metrics.append(found)
        kind = {"drift_type": self.drift_type}
        return [{**kind, "result": results}], [{**kind, "metrics": metrics}]

    def get_performance(
        self, start_time: Optional[datetime] = None, end_time: Optional[datetime] = None
    ) -> List[Dict[str, object]]:
        """How good the model was, of windows in which it was looked at, oldest first.

        Args:
            start_time: windows that reach beyond this moment; None for all.
            end_time: windows that begin before this moment; None for all.

        Returns:
            For each window `start_date`, `end_date`, `metrics` by name (None where there are none, and `reason` says why), `metric`
            and `threshold`, `has_degraded`, `predictions`, `labelled`, `without_key`, `without_prediction`, `notes` on metrics that are
            None, `labels` (the id of the version that was read) and `measured_at`.

        Raises:
            UserErrorException: a bound is no datetime.
        """
        found = self._windows(start_time, end_time)
        span = ("start_date", "end_date")
        return [{**{name: each[name] for name in span}, **each["performance"]} for each in found if each["performance"]]

    def show(self, start_time: Optional[datetime] = None, end_time: Optional[datetime] = None) -> Dict[str, object]:
        """Print the windows with their magnitudes, and draw them where matplotlib is installed.

        Args:
            start_time: windows that reach beyond this moment; None for all.
            end_time: windows that begin before this moment; None for all.

        Returns:
            By the monitor's name a figure; empty without matplotlib.

        Raises:
            UserErrorException: a bound is no datetime.
        """
        found = self._windows(start_time, end_time)
        print("\n".join(map(line_of, found)) or "No window was looked at.")
        try:
            from matplotlib.figure import Figure
        except ImportError:
            return {}
        figure = Figure()
        axes = figure.subplots()
        shown = [each for each in found if each["magnitude"] is not None]
        axes.plot([each["start_date"] for each in shown], [each["magnitude"] for each in shown], marker="o")
        axes.axhline(self.drift_threshold, linestyle="--")
        axes.set(title=self.name, ylabel="drift magnitude", ylim=(0, 1))
        return {self.name: figure}

    def delete(self, wait_for_completion: bool = True) -> None:
        """Remove it with its windows. Datasets, and runs that it started, stay.

        Args:
            wait_for_completion: taken and not used: it is gone when this returns.
        """
        self._workspace._client.delete(self._place)
        self._document["is_deleted"] = True

    def _changed(self, body: Mapping[str, Any]) -> DataDriftDetector:
        self._document = dict(self._workspace._client.patch(self._place, dict(body)))
        return self

    def _dataset(self, which: str) -> TabularDataset:
        return self._of_version(self._document[which])

    def _of_version(self, key: object) -> TabularDataset:
        found: Any = identified(self._workspace, str(key))
        return found  # type: ignore[no-any-return]

    def _windows(self, start: Optional[datetime], end: Optional[datetime]) -> List[Dict[str, Any]]:
        given = {"start": start, "end": end}
        asked = {name: _text(moment) for name, moment in given.items() if moment is not None}
        return [*self._workspace._client.pages(f"{self._place}windows/", **asked)][::-1]

    @property
    def _place(self) -> str:
        return str(self._workspace._path(f"monitors/{segment(self.id)}/"))

    def __repr__(self) -> str:
        return f"DataDriftDetector(Name: {self.name}, Frequency: {self.frequency}, State: {self.state})"


def _measures(feature: Mapping[str, Any]) -> List[Dict[str, Any]]:
    """By Azure ML's names where it has one."""
    found = {"datadrift_contribution": feature["magnitude"], **feature["metrics"]}
    names = {each: f"{each}_distance" for each in ("wasserstein", "energy", "euclidean")}
    return [{"name": names.get(name, name), "value": value} for name, value in found.items()]


def _name_of(compute_target: Any) -> str:
    return str(getattr(compute_target, "name", compute_target) or "")


def _text(moment: datetime) -> str:
    if not isinstance(moment, datetime):
        raise UserErrorException(f"A datetime is wanted, not {moment!r}.")
    aware = moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment
    return aware.isoformat()


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
