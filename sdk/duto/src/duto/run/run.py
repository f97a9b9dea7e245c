"""Runs: what was submitted, how it goes, what it left."""

from __future__ import annotations

import os
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    Union,
)

import duto
from duto import html
from duto.client.http import segment, waiting
from duto.client.step_context import Context
from duto.exceptions import ActivityFailedException, NotFoundException, RunEnvironmentException, UserErrorException
from duto.not_built import passed_over, refusing
from duto.run import metrics
from duto.run.children import RunChildren
from duto.run.context import context_run, input_datasets, output_datasets
from duto.run.details import details_of
from duto.run.files import LOG_OF_RANK, RunFiles
from duto.run.lookup import PROVIDERS, failure_text, list_runs, run_of
from duto.run.metric_logging import RunLogging
from duto.run.offline import METRICS, _OfflineRun
from duto.spec import status as statuses
from duto.spec.text import cleaned

if TYPE_CHECKING:
    from duto.environment.environment import Environment
    from duto.experiment.experiment import Experiment


@refusing(
    "get_docs_url list_by_compute",
    "AmlCompute.get_active_runs() gives the runs of a cluster, get_portal_url() the page.",
)
class Run(RunChildren, RunFiles, RunLogging):
    """A run of any kind. Its facts are fetched when first asked for, and again by `get_status` and `get_details`.

    What is logged (`log` and its like, tags, properties) is sent in the background; `flush`, the end of the process
    and methods that read it wait for it. Also a context manager: the block's end calls `complete()`, an error in it
    `fail()`.

    Attributes:
        id: its id.
        experiment: its experiment.
    """

    def __init__(self, experiment: Experiment, run_id: str, outputs: Optional[str] = None, **kwargs: Any) -> None:
        """The run of this id; `Run.get` needs no experiment. Nothing is asked before its facts are.

        Args:
            experiment: the experiment.
            run_id: id of the run.
            outputs: a folder of this machine whose files are kept with the run by `complete()`.
            kwargs: taken and not used.
        """
        self.experiment = experiment
        self.id = str(run_id)
        self._workspace = experiment.workspace
        self._outputs = outputs
        self._inputs: Optional[Dict[str, Any]] = None
        self._document: Optional[Dict[str, Any]] = kwargs.get("_document")

    @classmethod
    def get_context(
        cls, allow_offline: bool = True, used_for_context_manager: bool = False, **kwargs: object
    ) -> Union[Run, _OfflineRun]:
        """The run around this script; outside one an `_OfflineRun`.

        Which of the two is decided by the seven variables that Azure ML sets, and costs no request.

        Args:
            allow_offline: outside a run give an `_OfflineRun`, which prints what it is told; in a step that `duto debug`
                has started, it writes that to a file.
            used_for_context_manager: taken and not used.
            kwargs: taken and not used.

        Returns:
            A `StepRun` in a pipeline, a `Run` in a script of its own; the same object each time.

        Raises:
            RunEnvironmentException: there is no run around, and `allow_offline` is False.
        """
        found = Context.of_process()
        if found is not None:
            around: Run = context_run(found)
            return around
        if not allow_offline:
            raise RunEnvironmentException()
        if os.environ.get(METRICS):
            from duto.run.debug import of_process  # outside of `duto debug` nobody needs it

            return of_process() or _OfflineRun()
        return _OfflineRun()

    @classmethod
    def get_submitted_run(cls, **kwargs: object) -> Union[Run, _OfflineRun]:
        """The old spelling of `get_context(allow_offline=False)`.

        Args:
            kwargs: taken and not used.

        Returns:
            The run around this script.

        Raises:
            RunEnvironmentException: there is no run around.
        """
        return cls.get_context(allow_offline=False)

    @staticmethod
    def get(workspace: duto.Workspace, run_id: str) -> Run:
        """The run of this id, in whatever experiment it is.

        Args:
            workspace: the workspace.
            run_id: id of the run.

        Returns:
            A `PipelineRun`, a `StepRun` or a `Run`, as the run is.

        Raises:
            NotFoundException: the workspace has no such run.
        """
        try:
            found = workspace._client.get(workspace._path(f"runs/{segment(run_id)}/"))
        except NotFoundException as error:
            raise _no_run(run_id, workspace) from error
        run: Run = run_of(workspace, found)
        return run

    @staticmethod
    def list(
        experiment: Experiment,
        type: Optional[str] = None,
        tags: Union[str, Mapping[str, object], None] = None,
        properties: Union[str, Mapping[str, object], None] = None,
        status: Optional[str] = None,
        include_children: bool = False,
        _rehydrate_runs: bool = True,
    ) -> Iterator[Run]:
        """The experiment's runs, asked for while they are taken.

        Args:
            experiment: the experiment.
            type: only runs of this type, such as `azureml.PipelineRun`.
            tags: only runs that have this tag, or all of these with these values.
            properties: only runs that have this property, or all of these with these values.
            status: only runs of this status.
            include_children: runs of steps and child runs, too.

        Returns:
            The runs, newest first, each of its own class.

        Raises:
            UserErrorException: it is no experiment.
        """
        if not isinstance(experiment, duto.Experiment):
            raise UserErrorException(
                f"Run.list takes an experiment, such as Experiment(workspace, 'name'), not {experiment!r}. "
                "`workspace.experiments` has those of a workspace."
            )
        return list_runs(experiment, type, tags, properties, status, include_children)

    @staticmethod
    def add_type_provider(runtype: str, run_factory: Callable[..., Run]) -> None:
        """Let another class stand for runs of a type.

        Args:
            runtype: the type, such as `azureml.scriptrun`.
            run_factory: makes the object of an experiment and the run's document.
        """
        PROVIDERS[runtype] = run_factory

    @property
    def name(self) -> str:
        """Its name: that of the step, else of the experiment."""
        return str(self._facts()["name"])

    @property
    def display_name(self) -> str:
        """Name that the pages show."""
        return str(self._facts().get("display_name") or self.name)

    @display_name.setter
    def display_name(self, value: str) -> None:
        self._change({"display_name": value})

    @property
    def description(self) -> str:
        """Its description; empty for none."""
        return str(self._facts().get("description") or "")

    @description.setter
    def description(self, value: str) -> None:
        self._change({"description": value})

    @property
    def number(self) -> int:
        """Its number within its workspace, from 1 on."""
        return int(self._facts()["number"])

    @property
    def identity(self) -> str:
        """The same as `id`."""
        return self.id

    @property
    def type(self) -> str:
        """Azure ML's name of the kind of run, such as `azureml.PipelineRun`, `azureml.StepRun` or
        `azureml.scriptrun`.
        """
        facts = self._facts()
        return statuses.run_type(str(facts.get("kind")), bool(facts.get("is_reused")))

    @property
    def status(self) -> str:
        """The status now, as the record has it: a success is `Completed`, in every class of run."""
        return str(self._fresh()["status"])

    @property
    def tags(self) -> Dict[str, str]:
        """The tags by name, those included that were just set."""
        return self.get_tags()

    @property
    def properties(self) -> Dict[str, str]:
        """The properties by name, those included that were just set."""
        return self.get_properties()

    @property
    def parent(self) -> Optional[Run]:
        """The run that this one belongs to; None for a run of its own."""
        parent = self._facts().get("parent")
        return None if not parent else Run.get(self._workspace, parent)

    @property
    def portal_url(self) -> str:
        """Address of the run's page."""
        return self.get_portal_url()

    @property
    def input_datasets(self) -> Dict[str, Union[str, duto.FileDataset, duto.TabularDataset]]:
        """Inside a step: by name a path for each mounted or downloaded input, the dataset for a direct one.

        A dataset that is put in stays there, and `get_details()` tells it among the run's `inputDatasets`.
        """
        if self._inputs is None:
            self._inputs = input_datasets(self)
        return self._inputs

    @property
    def output_datasets(self) -> Mapping[str, str]:
        """Inside a step: by name the folder of each `OutputFileDatasetConfig`."""
        return output_datasets(self)

    def get_portal_url(self) -> str:
        """The run's page.

        Returns:
            Its address.
        """
        known = (self._document or {}).get("url")
        return str(known or f"{self._workspace.studio_url}/w/{segment(self._workspace.name)}/runs/{self.id}/")

    def get_status(self) -> str:
        """The status now.

        Returns:
            `NotStarted`, `Queued`, `Preparing`, `Running`, `Finalizing`, `CancelRequested`, `NotResponding`,
            `Completed`, `Failed`, `Canceled` or `Skipped`.

        Raises:
            NotFoundException: the run is there no longer.
        """
        return str(self._fresh()["status"])

    def get_detailed_status(self) -> Dict[str, Any]:
        """The status now, with what it waits for.

        Returns:
            `status`, and `details`: what a step waits for.

        Raises:
            NotFoundException: the run is there no longer.
        """
        facts = self._fresh()
        return {"status": facts["status"], "details": (facts.get("step") or {}).get("waiting") or []}

    def get_details(self) -> Dict[str, Any]:
        """Status, times, error, properties, datasets, definition and log files.

        Of a step whose bytes came or went over a network, `transfers` tells how far they are, and how they came: by way
        (`inputs`, `uploads`, `outputs`) `done` of `total` bytes, `files` of `files_total`, what of them its host had
        already (`cached`, `files_cached`), `seconds`, and `rate` in bytes a second of late.

        Returns:
            A dictionary under Azure ML's keys; times are ISO 8601 in UTC.

        Raises:
            NotFoundException: the run is there no longer.
        """
        return details_of(self, self._fresh(graph=True))

    def get_details_with_logs(self) -> Dict[str, Any]:
        """The details, with the text of each log.

        Returns:
            What `get_details` gives; `logFiles` holds the texts in place of addresses.

        Raises:
            NotFoundException: the run is there no longer.
        """
        details = self.get_details()
        ranks = {LOG_OF_RANK.format(rank): rank for rank in range(len(details["logFiles"]))}
        details["logFiles"] = {
            name: self._log(rank=ranks.get(name)).decode("utf-8", "replace") for name in details["logFiles"]
        }
        return details

    def get_tags(self) -> Dict[str, str]:
        """The tags now, those included that were just set.

        Returns:
            Tags by name.

        Raises:
            NotFoundException: the run is there no longer.
        """
        self.flush()
        return dict(self._fresh().get("tags") or {})

    def get_properties(self) -> Dict[str, str]:
        """The properties now, those included that were just set.

        Returns:
            Properties by name.

        Raises:
            NotFoundException: the run is there no longer.
        """
        self.flush()
        return dict(self._fresh().get("properties") or {})

    def remove_tags(self, tags: Union[str, Iterable[str]]) -> None:
        """Take tags away.

        Args:
            tags: one name, or several; one that is not there is no error.
        """
        self.flush()
        self._change({"tags": dict.fromkeys([tags] if isinstance(tags, str) else tags)})

    def get_metrics(
        self,
        name: Optional[str] = None,
        recursive: bool = False,
        run_type: Optional[str] = None,
        populate: bool = False,
    ) -> Dict[str, Any]:
        """The metrics. What this process logged before is in it.

        Args:
            name: only the metric of this name.
            recursive: those of the runs below, too.
            run_type: passed over with a warning: `get_children(type=...)` gives runs of a type.
            populate: taken and not used: images are artifacts, named by their path.

        Returns:
            Metrics by name: a number or text logged once as it is, logged several times as a list; a list; a row as
            values by column, several rows and a table as lists by column, of one length. With `recursive` by the ids
            of the runs, then by name.
        """
        passed_over(
            "Run.get_metrics", "runs of every type are in it; those of one have get_children(type=).", run_type=run_type
        )
        self.flush()
        series = self._workspace._client.pages(self._place + "metrics/points/", name=name, recursive=recursive or None)
        return metrics.fold_by_run(series) if recursive else metrics.fold(series)

    def register_model(
        self,
        model_name: str,
        model_path: Optional[str] = None,
        tags: Optional[Mapping[str, object]] = None,
        properties: Optional[Mapping[str, object]] = None,
        model_framework: Optional[str] = None,
        model_framework_version: Optional[str] = None,
        description: Optional[str] = None,
        datasets: Optional[Sequence[Tuple[str, duto.AbstractDataset]]] = None,
        sample_input_dataset: object = None,
        sample_output_dataset: object = None,
        resource_configuration: object = None,
        **kwargs: object,
    ) -> duto.Model:
        """Register a file or folder of this run as a model.

        Args:
            model_name: name of the model; another version where there is one.
            model_path: an artifact of the run, such as `outputs/model.pkl`, or a folder of them; a file of that path
                which the script has just written is uploaded first. None for `model_name`.
            tags: tags of the version.
            properties: properties of the version, which stay.
            model_framework: the framework, one of `Model.Framework`.
            model_framework_version: its version.
            description: description of the version.
            datasets: what the model came from: pairs of a `Dataset.Scenario` and a dataset.
            sample_input_dataset: passed over with a warning: a studio serves no models.
            sample_output_dataset: passed over with a warning.
            resource_configuration: passed over with a warning.
            kwargs: passed over with a warning.

        Returns:
            The model.

        Raises:
            ModelPathNotFoundException: the run has no such artifact, and there is no such file here.
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
        """Say that the run is done.

        Of the step around this process and its run it only waits for what was logged: the end of the script ends
        them. A run that a program opened itself ends here, and so do the runs that are still open below it.

        Raises:
            ConflictException: the run is still at work and ends with its script.
        """
        self.flush()
        around = Context.of_process()
        if around is None or self.id not in (around.run_id, around.root_id):
            self._upload_outputs()
            self._document = self._workspace._client.post(self._place + "complete/")

    def fail(self, error_details: object = None, error_code: object = None, _set_status: bool = True) -> None:
        """Say that the run has failed, and why.

        A run that a program opened itself ends here. The script of a step goes on, and the step has failed when that
        ends, however it ends.

        Args:
            error_details: message of the run's error.
            error_code: code of the run's error.

        Raises:
            ConflictException: it is a step whose script does not run.
        """
        self.flush()
        body = {
            "message": "" if error_details is None else str(error_details),
            "code": "" if error_code is None else str(error_code),
        }
        self._document = self._workspace._client.post(self._place + "fail/", cleaned(body))

    def cancel(self) -> None:
        """Ask for the run, and all below it, to be stopped. It is over when its status says so."""
        self._document = self._workspace._client.post(self._place + "cancel/")

    @waiting()
    def wait_for_completion(
        self, show_output: bool = False, wait_post_processing: bool = False, raise_on_error: bool = True
    ) -> Dict[str, Any]:
        """Wait for the end, however long it takes.

        Args:
            show_output: print the log as it comes.
            wait_post_processing: taken and not used: outputs are kept before the run is over.
            raise_on_error: raise when the run did not complete.

        Returns:
            What `get_details` gives.

        Raises:
            ActivityFailedException: the run failed or was canceled, and `raise_on_error` is True.
        """
        from duto.run.watching import watch_run

        watch_run(self, show_output)
        details = self.get_details()
        if raise_on_error and details["status"] != statuses.COMPLETED:
            raise ActivityFailedException(failure_text(self))
        return details

    def take_snapshot(self, file_or_folder_path: str) -> str:
        """Keep the files of a folder with the run.

        Args:
            file_or_folder_path: the folder.

        Returns:
            The digest of the snapshot, which is its id.

        Raises:
            SnapshotException: it cannot be read, or is too large.
        """
        from pathlib import Path

        from duto.run import snapshots  # what only it needs would cost each step some of its start

        manifest = snapshots.take(Path(file_or_folder_path).resolve())
        snapshots.upload(self._workspace, Path(file_or_folder_path), manifest)
        self.add_properties({statuses.SNAPSHOT_ID: manifest.digest})
        return manifest.digest

    def get_snapshot_id(self) -> Optional[str]:
        """The digest of the run's snapshot.

        Returns:
            The digest; None for a run without one.
        """
        return self.get_properties().get(statuses.SNAPSHOT_ID)

    def restore_snapshot(self, snapshot_id: Optional[str] = None, path: Optional[str] = None) -> str:
        """Copy the run's snapshot to a zip file.

        Args:
            snapshot_id: digest of a snapshot; None for the run's own.
            path: folder for the file; None for the current one.

        Returns:
            Path of the file, `<digest>.zip`.

        Raises:
            NotFoundException: there is none.
        """
        from pathlib import Path

        digest = snapshot_id or self.get_snapshot_id()
        target = Path(path or ".") / f"{digest}.zip"
        self._workspace._client.download(self._workspace._path(f"snapshots/{segment(digest)}/archive/"), target)
        return str(target)

    def get_environment(self) -> Environment:
        """The environment that the run has.

        Returns:
            The environment; the studio's default where none was asked for.

        Raises:
            NotFoundException: it was registered and is there no longer.
        """
        from duto.environment.environment import Environment
        from duto.run.details import step_document

        reference = (step_document(self) or {}).get("environment") or {}
        if "python" in reference:
            from duto.environment.environment import environment_of

            return environment_of({"name": reference.get("name"), "definition": reference})
        return Environment.get(self._workspace, reference.get("name") or "AzureML-Tutorial", reference.get("version"))

    def get_secret(self, name: str) -> Optional[str]:
        """The value of a secret of the run's workspace, which the log of a step that asks for it does not show.

        Args:
            name: its name.

        Returns:
            The value; None where there is no secret of this name.

        Raises:
            UserErrorException: the name is none that a secret can have.
            ForbiddenException: these credentials are a reader's.
            ConflictException: it was encrypted under another key of the studio.
        """
        return duto.Keyvault(self._workspace).get_secret(name)

    def get_secrets(self, secrets: Iterable[str]) -> Dict[str, Optional[str]]:
        """The values of secrets of the run's workspace, as `get_secret` gives each.

        Args:
            secrets: names.

        Returns:
            By each name its value, None where there is no secret of this name.

        Raises:
            UserErrorException: a name is none that a secret can have.
            ForbiddenException: these credentials are a reader's.
            ConflictException: one was encrypted under another key of the studio.
        """
        return duto.Keyvault(self._workspace).get_secrets(secrets)

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
        self._document = self._workspace._client.patch(self._place, cleaned(body)) or None

    def __enter__(self) -> Run:
        return self

    def __exit__(self, exit_type: Any, value: Any, traceback: Any) -> None:
        if value is None or (isinstance(value, SystemExit) and value.code in (None, 0)):
            self.complete()
        else:
            self.fail(f"{exit_type.__name__}: {value}")

    def _repr_html_(self) -> str:
        """How a notebook shows the run; `RunDetails(run).show()` shows more, and live."""
        document = html.known(self._fresh) or self._document or {}
        error = document.get("error") or {}
        rows = [
            ("Experiment", self.experiment.name),
            ("Id", self.id),
            ("Type", type(self).__name__),
            ("Status", document.get("status")),
            ("Started", html.moment(document.get("started_at"))),
            ("Ended", html.moment(document.get("finished_at"))),
            ("Error", error.get("message")),
            ("Tags", document.get("tags")),
        ]
        number = f" #{document['number']}" if document.get("number") and not document.get("parent") else ""
        name = document.get("display_name") or document.get("name") or self.id
        return html.facts("Run", f"{name}{number}", self.get_portal_url(), rows)

    def __repr__(self) -> str:
        return f"Run(Experiment: {self.experiment.name},\nId: {self.id},\nType: {type(self).__name__})"


def get_run(experiment: Experiment, run_id: str, rehydrate: bool = True, clean_up: bool = True) -> Run:
    """The run of this id.

    Args:
        experiment: an experiment of the workspace.
        run_id: id of the run.
        rehydrate: taken and not used: the run is of its own class.
        clean_up: taken and not used.

    Returns:
        The run, of its own class.

    Raises:
        NotFoundException: the workspace has no such run.
    """
    return Run.get(experiment.workspace, run_id)


def _no_run(run_id: str, workspace: Any) -> NotFoundException:
    return NotFoundException(f"There is no run '{run_id}' in workspace '{workspace.name}'.")
