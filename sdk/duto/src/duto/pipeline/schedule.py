"""Schedules: what runs a published pipeline or an endpoint again and again."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Union

from duto.client.http import segment
from duto.exceptions import NotFoundException, UserErrorException
from duto.pipeline.backfill import Backfill
from duto.pipeline.schedule_recurrence import ScheduleRecurrence
from duto.pipeline.schedule_request import values_of, watch_of, when_of
from duto.pipeline.schedule_trigger import ScheduleTrigger
from duto.run.lookup import run_of

if TYPE_CHECKING:
    from duto.data.datastore import AbstractDatastore
    from duto.pipeline.pipeline_run import PipelineRun
    from duto.workspace.workspace import Workspace


class Schedule:
    """Runs a published pipeline, or the default version of an endpoint, again and again.

    Programs get one by `Schedule.create` or `Schedule.get`.
    """

    def __init__(
        self,
        workspace: Workspace,
        id: str,
        name: str,
        description: Optional[str],
        pipeline_id: Optional[str],
        status: str,
        recurrence: Optional[ScheduleRecurrence],
        datastore_name: Optional[str],
        polling_interval: Optional[int],
        data_path_parameter_name: Optional[str],
        continue_on_step_failure: Optional[bool],
        path_on_datastore: Optional[str],
        _schedule_provider: Any = None,
        pipeline_endpoint_id: Optional[str] = None,
    ) -> None:
        """
        Args:
            workspace: the workspace.
            id: its id.
            name: its name.
            description: its description.
            pipeline_id: id of the published pipeline; None where an endpoint runs.
            status: `Active` or `Disabled`.
            recurrence: when it runs.
            datastore_name: the datastore whose changes start it.
            polling_interval: minutes between two looks at it.
            data_path_parameter_name: the parameter that gets the path of what has changed.
            continue_on_step_failure: whether steps run that do not need the one that failed.
            path_on_datastore: where on the datastore.
            pipeline_endpoint_id: id of the endpoint; None where a published pipeline runs.
        """
        self._workspace = workspace
        self._id = id
        self._document: Dict[str, Any] = {
            "name": name,
            "description": description,
            "pipeline_id": pipeline_id,
            "endpoint_id": pipeline_endpoint_id,
            "status": status,
            "continue_on_step_failure": continue_on_step_failure,
            "datastore": datastore_name,
            "polling_interval": polling_interval,
            "data_path_parameter_name": data_path_parameter_name,
            "path_on_datastore": path_on_datastore,
        }
        self._recurrence = recurrence

    @property
    def id(self) -> str:
        """Its id."""
        return self._id

    @property
    def name(self) -> str:
        """Its name."""
        return str(self._document["name"])

    @property
    def description(self) -> Optional[str]:
        """Its description."""
        return self._text("description")

    @property
    def pipeline_id(self) -> Optional[str]:
        """Id of the published pipeline; None where an endpoint runs."""
        return self._text("pipeline_id")

    @property
    def pipeline_endpoint_id(self) -> Optional[str]:
        """Id of the endpoint; None where a published pipeline runs."""
        return self._text("endpoint_id")

    @property
    def status(self) -> str:
        """`Active` or `Disabled`."""
        return str(self._document["status"])

    @property
    def recurrence(self) -> Optional[ScheduleRecurrence]:
        """When it runs; None where a cron expression says so."""
        return self._recurrence

    @property
    def trigger(self) -> Optional[ScheduleTrigger]:
        """What starts it besides times and files."""
        found = self._document.get("trigger")
        return ScheduleTrigger(found) if found else None

    @property
    def values(self) -> Dict[str, str]:
        """Parameters that get facts of what starts a run, by name the fact."""
        return {str(name): str(fact) for name, fact in (self._document.get("values") or {}).items()}

    @property
    def continue_on_step_failure(self) -> Optional[bool]:
        """Whether steps run that do not need the one that failed; None for what the pipeline was published with."""
        found = self._document.get("continue_on_step_failure")
        return None if found is None else bool(found)

    @property
    def datastore_name(self) -> Optional[str]:
        """The datastore whose changes start it."""
        return self._text("datastore")

    @property
    def polling_interval(self) -> Optional[int]:
        """Minutes between two looks at the datastore."""
        found = self._document.get("polling_interval")
        return None if found is None else int(found)

    @property
    def data_path_parameter_name(self) -> Optional[str]:
        """The parameter that gets the path of what has changed."""
        return self._text("data_path_parameter_name")

    @property
    def path_on_datastore(self) -> Optional[str]:
        """Where on the datastore."""
        return self._text("path_on_datastore")

    @staticmethod
    def create(
        workspace: Workspace,
        name: str,
        pipeline_id: str,
        experiment_name: str,
        recurrence: Optional[ScheduleRecurrence] = None,
        description: Optional[str] = None,
        pipeline_parameters: Optional[Mapping[str, object]] = None,
        wait_for_provisioning: bool = False,
        wait_timeout: int = 3600,
        datastore: Optional[AbstractDatastore] = None,
        polling_interval: Optional[int] = 5,
        data_path_parameter_name: Optional[str] = None,
        continue_on_step_failure: Optional[bool] = None,
        path_on_datastore: Optional[str] = None,
        _workflow_provider: Any = None,
        _service_endpoint: Any = None,
        *,
        trigger: Optional[ScheduleTrigger] = None,
        values: Optional[Mapping[str, str]] = None,
    ) -> Schedule:
        """Run a published pipeline again and again. Without a start time it runs at once for the first time.

        Args:
            workspace: the workspace.
            name: name of the schedule.
            pipeline_id: id of the published pipeline.
            experiment_name: name of the experiment, which is made if need be.
            recurrence: when it runs.
            description: what it is for.
            pipeline_parameters: values of parameters by name; others have their defaults.
            wait_for_provisioning: taken and not used: a schedule is there when this returns.
            wait_timeout: taken and not used.
            datastore: a datastore whose changes start it, instead of a recurrence.
            polling_interval: minutes between two looks at the datastore; None for 5.
            data_path_parameter_name: the parameter, a `DataPath`, that gets the path of what has changed: then there is a run
                for each file; without it one for all that a look finds.
            continue_on_step_failure: let steps run that do not need the one that failed; None for what the pipeline was
                published with.
            path_on_datastore: the folder whose files are looked at, with those below; None for the whole datastore but the
                outputs of runs.
            trigger: what starts it, instead of a recurrence: the end of another run, or a new version of a dataset or a model.
            values: parameters that get facts of what starts a run, by name the fact: `due_at`; of a trigger also `id`, `name`, and
                `status` of a run, `version` of a dataset or a model.

        Returns:
            The schedule.

        Raises:
            UserErrorException: the recurrence cannot be meant, or a parameter does not fit.
            NotFoundException: there is no such pipeline.
            ConflictException: the pipeline is disabled.
        """
        when = when_of(
            name, recurrence, datastore, polling_interval, data_path_parameter_name, path_on_datastore, trigger, values
        )
        what = {"pipeline": str(pipeline_id), "continue_on_step_failure": continue_on_step_failure}
        return _created(workspace, name, experiment_name, description, pipeline_parameters, {**what, **when})

    @staticmethod
    def create_for_pipeline_endpoint(
        workspace: Workspace,
        name: str,
        pipeline_endpoint_id: str,
        experiment_name: str,
        recurrence: Optional[ScheduleRecurrence] = None,
        description: Optional[str] = None,
        pipeline_parameters: Optional[Mapping[str, object]] = None,
        wait_for_provisioning: bool = False,
        wait_timeout: int = 3600,
        datastore: Optional[AbstractDatastore] = None,
        polling_interval: Optional[int] = 5,
        data_path_parameter_name: Optional[str] = None,
        continue_on_step_failure: Optional[bool] = None,
        path_on_datastore: Optional[str] = None,
        _workflow_provider: Any = None,
        _service_endpoint: Any = None,
        *,
        trigger: Optional[ScheduleTrigger] = None,
        values: Optional[Mapping[str, str]] = None,
    ) -> Schedule:
        """Run the version of an endpoint that is the default at the time, again and again.

        Args:
            workspace: the workspace.
            name: name of the schedule.
            pipeline_endpoint_id: id of the endpoint.
            experiment_name: name of the experiment, which is made if need be.
            recurrence: when it runs.
            description: what it is for.
            pipeline_parameters: values of parameters by name; others have their defaults.
            wait_for_provisioning: taken and not used: a schedule is there when this returns.
            wait_timeout: taken and not used.
            datastore: a datastore whose changes start it, instead of a recurrence.
            polling_interval: minutes between two looks at the datastore; None for 5.
            data_path_parameter_name: the parameter, a `DataPath`, that gets the path of what has changed: then there is a run
                for each file; without it one for all that a look finds.
            continue_on_step_failure: as in `create`.
            path_on_datastore: the folder whose files are looked at, with those below; None for the whole datastore but the
                outputs of runs.
            trigger: what starts it, instead of a recurrence: the end of another run, or a new version of a dataset or a model.
            values: parameters that get facts of what starts a run, by name the fact: `due_at`; of a trigger also `id`, `name`, and
                `status` of a run, `version` of a dataset or a model.

        Returns:
            The schedule.

        Raises:
            UserErrorException: the recurrence cannot be meant, or a parameter does not fit.
            NotFoundException: there is no such endpoint.
            ConflictException: the endpoint or its pipeline is disabled.
        """
        when = when_of(
            name, recurrence, datastore, polling_interval, data_path_parameter_name, path_on_datastore, trigger, values
        )
        what = {"endpoint": str(pipeline_endpoint_id), "continue_on_step_failure": continue_on_step_failure}
        return _created(workspace, name, experiment_name, description, pipeline_parameters, {**what, **when})

    @staticmethod
    def get(workspace: Workspace, id: str, _workflow_provider: Any = None, _service_endpoint: Any = None) -> Schedule:
        """The schedule of this id.

        Args:
            workspace: the workspace.
            id: its id.

        Returns:
            The schedule.

        Raises:
            NotFoundException: there is none.
        """
        try:
            return _schedule_of(workspace, workspace._client.get(workspace._path(f"schedules/{segment(str(id))}/")))
        except NotFoundException as error:
            raise NotFoundException(f"There is no schedule {id} in '{workspace.name}'.") from error

    @staticmethod
    def list(
        workspace: Workspace,
        active_only: bool = True,
        pipeline_id: Optional[str] = None,
        pipeline_endpoint_id: Optional[str] = None,
        _workflow_provider: Any = None,
        _service_endpoint: Any = None,
    ) -> List[Schedule]:
        """The schedules of the workspace, of a published pipeline or of an endpoint.

        Args:
            workspace: the workspace.
            active_only: leave those out that are disabled.
            pipeline_id: those of this published pipeline alone.
            pipeline_endpoint_id: those of this endpoint alone.

        Returns:
            The schedules, newest first.
        """
        asked: Dict[str, str] = {"status": "Active"} if active_only else {}
        if pipeline_id is not None:
            asked["pipeline"] = str(pipeline_id)
        if pipeline_endpoint_id is not None:
            asked["endpoint"] = str(pipeline_endpoint_id)
        return [_schedule_of(workspace, item) for item in workspace._pages("schedules/", **asked)]

    @staticmethod
    def get_all(
        workspace: Workspace,
        active_only: bool = True,
        pipeline_id: Optional[str] = None,
        pipeline_endpoint_id: Optional[str] = None,
        _workflow_provider: Any = None,
        _service_endpoint: Any = None,
    ) -> List[Schedule]:
        """The old spelling of `list`.

        Args:
            workspace: as there.
            active_only: as there.
            pipeline_id: as there.
            pipeline_endpoint_id: as there.

        Returns:
            The schedules.
        """
        return Schedule.list(workspace, active_only, pipeline_id, pipeline_endpoint_id)

    @staticmethod
    def get_schedules_for_pipeline_id(
        workspace: Workspace, pipeline_id: str, _workflow_provider: Any = None, _service_endpoint: Any = None
    ) -> List[Schedule]:
        """All schedules of a published pipeline, disabled ones too.

        Args:
            workspace: the workspace.
            pipeline_id: id of the published pipeline.

        Returns:
            The schedules.
        """
        return Schedule.list(workspace, False, pipeline_id)

    @staticmethod
    def get_schedules_for_pipeline_endpoint_id(
        workspace: Workspace, pipeline_endpoint_id: str, _workflow_provider: Any = None, _service_endpoint: Any = None
    ) -> List[Schedule]:
        """All schedules of an endpoint, disabled ones too.

        Args:
            workspace: the workspace.
            pipeline_endpoint_id: id of the endpoint.

        Returns:
            The schedules.
        """
        return Schedule.list(workspace, False, pipeline_endpoint_id=pipeline_endpoint_id)

    @staticmethod
    def load_yaml(
        workspace: Workspace, filename: str, _workflow_provider: Any = None, _service_endpoint: Any = None
    ) -> Dict[str, object]:
        """Read a file whose key `Schedule` says how a schedule is made.

        Args:
            workspace: the workspace.
            filename: path of the YAML file.

        Returns:
            What the file says, by the names of the arguments of `Schedule.create`: `recurrence` as a `ScheduleRecurrence`, and what
            `datastore` takes as `datastore_name`, which is the datastore itself, as Azure ML has it.

        Raises:
            UserErrorException: it cannot be read, has keys that a schedule has not, or names no datastore that there is.
        """
        import yaml

        from duto.data.datastore import Datastore

        try:
            found = yaml.safe_load(Path(filename).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise UserErrorException(f"{filename} cannot be read: {error}") from error
        inner = found.get("Schedule") if isinstance(found, dict) else None
        if not isinstance(inner, dict):
            raise UserErrorException(f"{filename} has no key Schedule with what the schedule is.")
        given = {name: None if value == "None" else value for name, value in inner.items()}
        if unknown := sorted(set(given) - _OF_YAML):
            raise UserErrorException(f"{filename} says what a schedule has not: {', '.join(map(str, unknown))}.")
        if given.get("recurrence") is not None:
            try:
                given["recurrence"] = ScheduleRecurrence(**dict(given["recurrence"] or {}))
            except (TypeError, ValueError) as error:
                raise UserErrorException(f"The recurrence of {filename} cannot be read: {error}") from error
        if given.get("datastore_name") is not None:
            given["datastore_name"] = Datastore.get(workspace, str(given["datastore_name"]))
        return given

    def get_pipeline_runs(self) -> List[PipelineRun]:
        """The runs that it has started and that are still there.

        Returns:
            The runs, newest first.
        """
        items = self._workspace._client.pages(f"{self._place}ticks/", runs="true")
        return [run_of(self._workspace, each["run"]) for each in items if each.get("run")]

    def get_last_pipeline_run(self) -> Optional[PipelineRun]:
        """The newest run that it has started.

        Returns:
            The run; None where there is none.
        """
        for each in self._workspace._client.pages(f"{self._place}ticks/"):
            if each.get("run_id"):
                newest: PipelineRun = self._run(str(each["run_id"]))
                return newest
        return None

    def update(
        self,
        name: Optional[str] = None,
        description: Optional[str] = None,
        recurrence: Optional[ScheduleRecurrence] = None,
        pipeline_parameters: Optional[Mapping[str, object]] = None,
        status: Optional[str] = None,
        wait_for_provisioning: bool = False,
        wait_timeout: int = 3600,
        datastore: Optional[AbstractDatastore] = None,
        polling_interval: Optional[int] = None,
        data_path_parameter_name: Optional[str] = None,
        continue_on_step_failure: Optional[bool] = None,
        path_on_datastore: Optional[str] = None,
        *,
        trigger: Optional[ScheduleTrigger] = None,
        values: Optional[Mapping[str, str]] = None,
    ) -> None:
        """Change it; what is left out stays.

        Args:
            name: another name.
            description: another description.
            recurrence: another recurrence, from now on.
            pipeline_parameters: other values of parameters, instead of all before.
            status: `Active` or `Disabled`.
            wait_for_provisioning: taken and not used.
            wait_timeout: taken and not used.
            datastore: another datastore whose changes start it.
            polling_interval: other minutes between two looks.
            data_path_parameter_name: another parameter that gets the path of what has changed.
            continue_on_step_failure: let steps run that do not need the one that failed.
            path_on_datastore: another folder whose files are looked at.
            trigger: what starts it from now on, instead of times or files.
            values: other parameters that get facts of what starts a run, instead of all before.

        Raises:
            UserErrorException: the recurrence cannot be meant, or a parameter does not fit.
        """
        body: Dict[str, Any] = {
            "name": name,
            "description": description,
            "status": status,
            "continue_on_step_failure": continue_on_step_failure,
        }
        watch = self._document.get("watch") or {}
        looks = (polling_interval, data_path_parameter_name, path_on_datastore)
        if datastore is not None or (watch and any(each is not None for each in looks)):
            when = watch_of(
                watch.get("datastore") if datastore is None else datastore,
                self.polling_interval or 5 if polling_interval is None else polling_interval,
                self.data_path_parameter_name if data_path_parameter_name is None else data_path_parameter_name,
                self.path_on_datastore if path_on_datastore is None else path_on_datastore,
            )
            # What this class has no word for stays.
            kept = ("settle",) if data_path_parameter_name is not None else ("settle", "each_file")
            when["watch"].update({name: watch[name] for name in kept if name in watch})
            body.update(when)
        elif recurrence is not None:
            recurrence.validate()
            body["timetable"] = recurrence._document()
        if trigger is not None:
            body["trigger"] = dict(trigger._document)
        if values is not None:
            body["values"] = dict(values)
        if pipeline_parameters is not None:
            body["parameters"] = values_of(self._workspace, pipeline_parameters)
        self._change({key: value for key, value in body.items() if value is not None})

    def enable(self, wait_for_provisioning: bool = False, wait_timeout: int = 3600) -> None:
        """Run again from now on; what was due meanwhile is left out.

        Args:
            wait_for_provisioning: taken and not used.
            wait_timeout: taken and not used.

        Raises:
            ConflictException: its pipeline or endpoint is disabled.
        """
        self._change({"status": "Active"})

    def disable(self, wait_for_provisioning: bool = False, wait_timeout: int = 3600) -> None:
        """Run no more.

        Args:
            wait_for_provisioning: taken and not used.
            wait_timeout: taken and not used.
        """
        self._change({"status": "Disabled"})

    def plan_backfill(self, start: Union[str, datetime], end: Union[str, datetime]) -> List[Dict[str, object]]:
        """The times of a window, and which of them a backfill would run. Changes nothing.

        Args:
            start: the first moment, as a `datetime` or a text of ISO 8601; without a zone it is of UTC.
            end: the last moment.

        Returns:
            For each time `due_at`, `is_made` (a backfill runs it), `status` and `run_id` of the tick that it has.

        Raises:
            UserErrorException: a window that is none, is not over, or has more than 1000 times.
            ConflictException: something else than a timetable starts the schedule.
        """
        place = f"{self._place}backfills/plan/"
        found = self._workspace._client.post(place, {"start": _moment(start), "end": _moment(end)})
        return [dict(each) for each in found["times"]]

    def backfill(self, start: Union[str, datetime], end: Union[str, datetime], parallel: int = 1) -> Backfill:
        """Run the times of a window that have not run.

        Args:
            start: the first moment, as in `plan_backfill`.
            end: the last moment.
            parallel: runs that are under way at once, at most.

        Returns:
            The backfill.

        Raises:
            UserErrorException: as `plan_backfill`, or no time is left to run.
            ConflictException: something else than a timetable starts the schedule.
        """
        body = {"start": _moment(start), "end": _moment(end), "parallel": parallel}
        return Backfill(self._workspace, self._id, self._workspace._client.post(f"{self._place}backfills/", body))

    def get_backfills(self) -> List[Backfill]:
        """Its backfills.

        Returns:
            Them, the newest first.
        """
        found = self._workspace._client.pages(f"{self._place}backfills/")
        return [Backfill(self._workspace, self._id, each) for each in found]

    def _run(self, key: str) -> Any:
        return run_of(self._workspace, self._workspace._client.get(self._workspace._path(f"runs/{segment(key)}/")))

    def _change(self, changes: Mapping[str, object]) -> None:
        self._take(self._workspace._client.patch(self._place, changes))

    def _take(self, item: Mapping[str, Any]) -> None:
        self._document = dict(item)
        table, watch = item.get("timetable") or {}, item.get("watch")
        self._recurrence = ScheduleRecurrence(**table) if "frequency" in table and watch is None else None
        if watch is not None:
            self._document.update(
                datastore=watch.get("datastore"),
                path_on_datastore=watch.get("path"),
                data_path_parameter_name=watch.get("parameter") or None,
                polling_interval=table.get("interval"),
            )

    def _text(self, name: str) -> Optional[str]:
        found = self._document.get(name)
        return None if found is None else str(found)

    @property
    def _place(self) -> str:
        return str(self._workspace._path(f"schedules/{segment(self._id)}/"))

    def __repr__(self) -> str:
        return (
            f"Schedule(Name: {self.name},\nId: {self.id},\nStatus: {self.status},\nPipeline Id: {self.pipeline_id},\n"
            f"Pipeline Endpoint Id: {self.pipeline_endpoint_id},\nRecurrence Details: {self.recurrence})"
        )


_OF_YAML = {
    "description", "recurrence", "pipeline_parameters", "wait_for_provisioning", "wait_timeout", "datastore_name",
    "polling_interval", "data_path_parameter_name", "continue_on_step_failure", "path_on_datastore",
}  # fmt: skip


def _moment(at: Union[str, datetime]) -> str:
    return at.isoformat() if isinstance(at, datetime) else str(at)


def _schedule_of(workspace: Workspace, item: Mapping[str, Any]) -> Schedule:
    """The schedule of a document."""
    made = Schedule(
        workspace, str(item["id"]), str(item["name"]), None, None, "Active", None, None, None, None, None, None
    )
    made._take(item)
    return made


def _created(
    workspace: Workspace,
    name: str,
    experiment_name: str,
    description: Optional[str],
    parameters: Optional[Mapping[str, object]],
    more: Mapping[str, Any],
) -> Schedule:
    body = {
        "name": name,
        "experiment_name": experiment_name,
        "description": description or "",
        "parameters": values_of(workspace, parameters or {}),
        **more,
    }
    return _schedule_of(workspace, workspace._client.post(workspace._path("schedules/"), body))
