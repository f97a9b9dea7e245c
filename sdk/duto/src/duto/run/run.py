"""Runs: what was submitted, how it goes, what it left."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional

import duto
from duto import html
from duto.client.http import segment, waiting
from duto.client.step_context import Context
from duto.exceptions import ActivityFailedException, NotFoundException, RunEnvironmentException
from duto.not_built import not_built, passed_over, refusing
from duto.run import metrics
from duto.run.context import context_run, input_datasets, output_datasets
from duto.run.details import details_of
from duto.run.files import RunFiles
from duto.run.lookup import PROVIDERS, failure_text, fits, list_runs, run_of
from duto.run.metric_logging import RunLogging
from duto.run.offline import _OfflineRun
from duto.spec import status as statuses


@refusing(
    "get_docs_url list_by_compute",
    "AmlCompute.get_active_runs() gives the runs of a cluster, get_portal_url() the page.",
)
class Run(RunFiles, RunLogging):
    """A run of any kind. Its facts are fetched when first asked for, and again by `get_status` and
    `get_details`."""

    def __init__(self, experiment: Any, run_id: str, outputs: Optional[str] = None, **kwargs: Any) -> None:
        self.experiment = experiment
        self.id = str(run_id)
        self._workspace = experiment.workspace
        self._outputs = outputs
        self._inputs: Optional[Dict[str, Any]] = None
        self._document: Optional[Dict[str, Any]] = kwargs.get("_document")

    @classmethod
    def get_context(cls, allow_offline: bool = True, used_for_context_manager: bool = False, **kwargs: Any) -> Any:
        """The run around this script; outside one an `_OfflineRun`.

        Which of the two is decided by the seven variables that Azure ML sets, and costs no request. Raises
        `RunEnvironmentException` outside a run when `allow_offline` is False.
        """
        found = Context.of_process()
        if found is not None:
            return context_run(found)
        if not allow_offline:
            raise RunEnvironmentException()
        return _OfflineRun()

    @classmethod
    def get_submitted_run(cls, **kwargs: Any) -> Any:
        """The old spelling of `get_context(allow_offline=False)`."""
        return cls.get_context(allow_offline=False)

    @staticmethod
    def get(workspace: Any, run_id: str) -> Any:
        """The run of this id, of its own class. Raises `NotFoundException`."""
        try:
            found = workspace._client.get(workspace._path(f"runs/{segment(run_id)}/"))
        except NotFoundException as error:
            raise _no_run(run_id, workspace) from error
        return run_of(workspace, found)

    @staticmethod
    def list(
        experiment: Any,
        type: Optional[str] = None,
        tags: Any = None,
        properties: Any = None,
        status: Optional[str] = None,
        include_children: bool = False,
        _rehydrate_runs: bool = True,
    ) -> Iterator[Any]:
        """The experiment's runs, newest first."""
        return list_runs(experiment, type, tags, properties, status, include_children)

    @staticmethod
    def add_type_provider(runtype: str, run_factory: Callable[..., Any]) -> None:
        """Make runs of a type with a factory `(experiment, document)`."""
        PROVIDERS[runtype] = run_factory

    @property
    def name(self) -> str:
        return str(self._facts()["name"])

    @property
    def display_name(self) -> str:
        return str(self._facts().get("display_name") or self.name)

    @display_name.setter
    def display_name(self, value: str) -> None:
        self._change({"display_name": value})

    @property
    def description(self) -> str:
        return str(self._facts().get("description") or "")

    @description.setter
    def description(self, value: str) -> None:
        self._change({"description": value})

    @property
    def number(self) -> int:
        """The run's number within its workspace."""
        return int(self._facts()["number"])

    @property
    def identity(self) -> str:
        return self.id

    @property
    def type(self) -> str:
        """Azure ML's name of the kind of run."""
        facts = self._facts()
        return statuses.run_type(str(facts.get("kind")), bool(facts.get("is_reused")))

    @property
    def status(self) -> str:
        """The status as the record has it: a success is Completed, in every class of run."""
        return str(self._fresh()["status"])

    @property
    def tags(self) -> Dict[str, str]:
        return self.get_tags()

    @property
    def properties(self) -> Dict[str, str]:
        return self.get_properties()

    @property
    def parent(self) -> Any:
        """The run that this one belongs to, None for a run of its own."""
        parent = self._facts().get("parent")
        return None if not parent else Run.get(self._workspace, parent)

    @property
    def portal_url(self) -> str:
        return self.get_portal_url()

    @property
    def input_datasets(self) -> Dict[str, Any]:
        """Inside a step: a path for each mounted or downloaded input, the dataset for a direct one.

        A dataset that is put in stays there, and `get_details()` tells it among the run's `inputDatasets`.
        """
        if self._inputs is None:
            self._inputs = input_datasets(self)
        return self._inputs

    @property
    def output_datasets(self) -> Mapping[str, str]:
        """Inside a step: the folder of each `OutputFileDatasetConfig`."""
        return output_datasets()

    def get_portal_url(self) -> str:
        """The run's page."""
        known = (self._document or {}).get("url")
        return str(known or f"{self._workspace.studio_url}/w/{segment(self._workspace.name)}/runs/{self.id}/")

    def get_status(self) -> str:
        """The status now."""
        return str(self._fresh()["status"])

    def get_detailed_status(self) -> Dict[str, Any]:
        """The status now, with what it waits for."""
        facts = self._fresh()
        return {"status": facts["status"], "details": (facts.get("step") or {}).get("waiting") or []}

    def get_details(self) -> Dict[str, Any]:
        """Status, times, error, properties, datasets, definition and log files, under Azure ML's keys."""
        return details_of(self, self._fresh(graph=True))

    def get_details_with_logs(self) -> Dict[str, Any]:
        """The details, with the text of each log."""
        details = self.get_details()
        details["logFiles"] = {name: self._log().decode("utf-8", "replace") for name in details["logFiles"]}
        return details

    def get_tags(self) -> Dict[str, str]:
        """The tags, those included that were just set."""
        self.flush()
        return dict(self._fresh().get("tags") or {})

    def get_properties(self) -> Dict[str, str]:
        self.flush()
        return dict(self._fresh().get("properties") or {})

    def remove_tags(self, tags: Any) -> None:
        """Take tags away."""
        gone = [tags] if isinstance(tags, str) else list(tags)
        self._change({"tags": {key: value for key, value in self.get_tags().items() if key not in gone}})

    def get_metrics(
        self,
        name: Optional[str] = None,
        recursive: bool = False,
        run_type: Optional[str] = None,
        populate: bool = False,
    ) -> Dict[str, Any]:
        """The metrics by name; with `recursive` by the ids of the run and its children, then by name.

        What this process logged before is in it.
        """
        passed_over(
            "Run.get_metrics", "runs of every type are in it; those of one have get_children(type=).", run_type=run_type
        )
        self.flush()
        series = self._workspace._client.pages(self._place + "metrics/points/", name=name, recursive=recursive or None)
        return metrics.fold_by_run(series) if recursive else metrics.fold(series)

    def get_children(
        self,
        recursive: bool = False,
        tags: Any = None,
        properties: Any = None,
        type: Optional[str] = None,
        status: Optional[str] = None,
        _rehydrate_runs: bool = True,
    ) -> Iterator[Any]:
        """The runs that belong to this one, newest first."""
        items = list(self._workspace._client.pages(self._place + "children/"))
        for item in sorted(items, key=lambda each: str(each.get("created_at")), reverse=True):
            child = run_of(self._workspace, item, self.experiment)
            if fits(child, item, type, tags, properties, status):
                yield child
            if recursive:
                yield from child.get_children(True, tags, properties, type, status)

    def child_run(self, name: Optional[str] = None, run_id: Optional[str] = None, outputs: Optional[str] = None) -> Any:
        """A new interactive run below this one. It ends by `complete()` or `fail()`, at the end of a `with` block, and
        with this one at the latest. The studio gives the ids, so that `run_id` is passed over with a warning."""
        passed_over("Run.child_run", "the studio gives runs their ids.", run_id=run_id)
        body = {
            "experiment": self.experiment.name,
            "kind": "interactive",
            "parent": self.id,
            "display_name": name,
            "parameters": {},
            "tags": {},
            "properties": {},
        }
        document = self._workspace._client.post(self._workspace._path("runs/"), body)
        run = run_of(self._workspace, document, self.experiment)
        run._outputs = outputs
        return run

    def create_children(
        self, count: Optional[int] = None, tag_key: Optional[str] = None, tag_values: Any = None
    ) -> List[Any]:
        """Several interactive runs below this one, tagged one by one."""
        values = list(tag_values) if tag_values else [None] * int(count or 0)
        children = []
        for value in values:
            child = self.child_run()
            if tag_key:
                child.tag(tag_key, value)
            children.append(child)
        return children

    def submit_child(self, config: Any, tags: Optional[Mapping[str, str]] = None, **kwargs: Any) -> Any:
        """Submit a script to the same experiment."""
        return self.experiment.submit(config, tags=tags, **kwargs)

    def register_model(
        self,
        model_name: str,
        model_path: Optional[str] = None,
        tags: Any = None,
        properties: Any = None,
        model_framework: Optional[str] = None,
        model_framework_version: Optional[str] = None,
        description: Optional[str] = None,
        datasets: Any = None,
        sample_input_dataset: Any = None,
        sample_output_dataset: Any = None,
        resource_configuration: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Register a file or folder of this run as a model. Raises `UserErrorException`,
        `ModelPathNotFoundException`.

        `model_path` names an artifact of the run, such as `outputs/model.pkl`; a file of that path which the
        script has just written is uploaded first.
        """
        passed_over(
            "Run.register_model", "a studio serves no models.", sample_input_dataset=sample_input_dataset,
            sample_output_dataset=sample_output_dataset, resource_configuration=resource_configuration, **kwargs,
        )  # fmt: skip
        return duto.Model._from_run(
            self,
            model_name,
            model_path,
            tags,
            properties,
            description,
            model_framework,
            model_framework_version,
            datasets,
        )

    def complete(self, _set_status: bool = True) -> None:
        """Say that the run is done. Of the step around this process and its run it only waits for what was
        logged: the end of the script ends them. A run that a program opened itself ends here, and so do the runs
        that are still open below it.

        Raises `ConflictException` for a run that is still at work and ends with its script.
        """
        self.flush()
        around = Context.of_process()
        if around is None or self.id not in (around.run_id, around.root_id):
            self._upload_outputs()
            self._document = self._workspace._client.post(self._place + "complete/")

    def fail(self, error_details: Any = None, error_code: Any = None, _set_status: bool = True) -> None:
        """Say that the run has failed, and why: `error_details` is its error's message, `error_code` its code.

        A run that a program opened itself ends here. The script of a step goes on, and the step has failed when that
        ends, however it ends. Raises `ConflictException` for a step whose script does not run.
        """
        self.flush()
        body = {
            "message": "" if error_details is None else str(error_details),
            "code": "" if error_code is None else str(error_code),
        }
        self._document = self._workspace._client.post(self._place + "fail/", body)

    def cancel(self) -> None:
        """Ask for the run, and all below it, to be stopped."""
        self._document = self._workspace._client.post(self._place + "cancel/")

    @waiting()
    def wait_for_completion(
        self, show_output: bool = False, wait_post_processing: bool = False, raise_on_error: bool = True
    ) -> Any:
        """Wait for the end; the details. With `show_output` the log is printed as it comes.

        Raises `ActivityFailedException` when the run did not complete and `raise_on_error`.
        """
        from duto.run.watching import watch_run

        watch_run(self, show_output)
        details = self.get_details()
        if raise_on_error and details["status"] != statuses.COMPLETED:
            raise ActivityFailedException(failure_text(self))
        return details

    def take_snapshot(self, file_or_folder_path: str) -> str:
        """Keep the files of a folder with the run; the digest of the snapshot."""
        from pathlib import Path

        from duto.run import snapshots  # what only it needs would cost each step some of its start

        manifest = snapshots.take(Path(file_or_folder_path).resolve())
        snapshots.upload(self._workspace, Path(file_or_folder_path), manifest)
        self.add_properties({statuses.SNAPSHOT_ID: manifest.digest})
        return manifest.digest

    def get_snapshot_id(self) -> Optional[str]:
        """The digest of the run's snapshot."""
        return self.get_properties().get(statuses.SNAPSHOT_ID)

    def restore_snapshot(self, snapshot_id: Optional[str] = None, path: Optional[str] = None) -> str:
        """Copy the run's snapshot to a zip file; its path."""
        from pathlib import Path

        digest = snapshot_id or self.get_snapshot_id()
        target = Path(path or ".") / f"{digest}.zip"
        self._workspace._client.download(self._workspace._path(f"snapshots/{segment(digest)}/archive/"), target)
        return str(target)

    def get_environment(self) -> Any:
        """The environment that the run has. Raises `NotFoundException` when it has none by name."""
        from duto.environment.environment import Environment
        from duto.run.details import step_document

        reference = (step_document(self) or {}).get("environment") or {}
        if "python" in reference:
            from duto.environment.environment import environment_of

            return environment_of({"name": reference.get("name"), "definition": reference})
        return Environment.get(self._workspace, reference.get("name") or "AzureML-Tutorial", reference.get("version"))

    def get_secret(self, name: str) -> str:
        """Not built. Raises `NotBuiltException`."""
        raise not_built("Run.get_secret", "Pass secrets as environment variables of the run configuration.")

    def get_secrets(self, secrets: Any) -> Dict[str, str]:
        """Not built. Raises `NotBuiltException`."""
        raise not_built("Run.get_secrets", "Pass secrets as environment variables of the run configuration.")

    def start(self) -> None:
        """Kept for its name: a run of one's own starts when it is made."""

    def clean(self) -> None:
        """Kept for its name: nothing of a run is left on this machine."""

    def _upload_outputs(self) -> None:
        from pathlib import Path

        if self._outputs and Path(self._outputs).is_dir():
            self.upload_folder("outputs", self._outputs)

    def _facts(self) -> Dict[str, Any]:
        return self._document if self._document is not None else self._fresh()

    def _fresh(self, graph: bool = False) -> Dict[str, Any]:
        """The run as it is now. Its graph, which may be large and never changes, comes only where it is asked for."""
        known = (self._document or {}).get("graph")
        wanted = {} if graph else {"graph": "0"}
        try:
            self._document = dict(self._workspace._client.get(self._place, **wanted))
        except NotFoundException as error:
            raise _no_run(self.id, self._workspace) from error
        if known is not None:
            self._document.setdefault("graph", known)
        return self._document

    def _change(self, body: Mapping[str, Any]) -> None:
        self._document = self._workspace._client.patch(self._place, body) or None

    def __enter__(self) -> Run:
        return self

    def __exit__(self, exit_type: Any, value: Any, traceback: Any) -> None:
        if value is None or (isinstance(value, SystemExit) and value.code in (None, 0)):
            self.complete()
        else:
            self.fail(f"{exit_type.__name__}: {value}")

    def _repr_html_(self) -> str:
        """How a notebook shows the run; `RunDetails(run).show()` shows more, and live."""
        told = html.known(self._fresh) or self._document or {}
        error = told.get("error") or {}
        rows = [
            ("Experiment", self.experiment.name),
            ("Id", self.id),
            ("Type", type(self).__name__),
            ("Status", told.get("status")),
            ("Started", html.moment(told.get("started_at"))),
            ("Ended", html.moment(told.get("finished_at"))),
            ("Error", error.get("message")),
            ("Tags", told.get("tags")),
        ]
        number = f" #{told['number']}" if told.get("number") and not told.get("parent") else ""
        name = told.get("display_name") or told.get("name") or self.id
        return html.facts("Run", f"{name}{number}", self.get_portal_url(), rows)

    def __repr__(self) -> str:
        return f"Run(Experiment: {self.experiment.name},\nId: {self.id},\nType: {type(self).__name__})"


def get_run(experiment: Any, run_id: str, rehydrate: bool = True, clean_up: bool = True) -> Any:
    """The run of this id in an experiment."""
    return Run.get(experiment.workspace, run_id)


def _no_run(run_id: str, workspace: Any) -> NotFoundException:
    return NotFoundException(f"There is no run '{run_id}' in workspace '{workspace.name}'.")
