"""Experiments: names that runs are gathered under."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple, Union, overload

from duto import html
from duto.client.http import segment
from duto.client.tags import texts, without
from duto.exceptions import NotFoundException, UserErrorException
from duto.not_built import passed_over, refusing
from duto.run.lookup import has
from duto.spec.names import check_name

if TYPE_CHECKING:
    from duto.automl.config import AutoMLConfig
    from duto.automl.run import AutoMLRun
    from duto.configuration.estimator import Estimator
    from duto.configuration.resources import ViewType
    from duto.experiment.script_run_config import ScriptRunConfig
    from duto.pipeline.graph_builder import GraphBuilder
    from duto.pipeline.pipeline import Pipeline
    from duto.pipeline.pipeline_endpoint import PipelineEndpoint
    from duto.pipeline.pipeline_run import PipelineRun
    from duto.pipeline.plan import RunPlan
    from duto.pipeline.published import PublishedPipeline
    from duto.run.run import Run
    from duto.sweep.config import HyperDriveConfig
    from duto.sweep.run import HyperDriveRun
    from duto.workspace.workspace import Workspace


@refusing(
    "delete from_directory get_docs_url",
    "Archive an experiment with archive(); the studio's REST deletes runs.",
)
class Experiment:
    """An experiment of a workspace: a name that runs are gathered under. It comes to be with its first run, or when
    its facts are asked for.
    """

    def __init__(
        self,
        workspace: Workspace,
        name: str,
        _skip_name_validation: bool = False,
        _id: Any = None,
        _archived_time: Any = None,
        _create_in_cloud: bool = True,
        _experiment_dto: Any = None,
        **kwargs: object,
    ) -> None:
        """Nothing is asked or made.

        Args:
            workspace: the workspace.
            name: its name.
            kwargs: taken and not used.

        Raises:
            SpecError: the name has a slash or a line break. It is a `ValueError`.
        """
        self.workspace = workspace
        self.name = name if _skip_name_validation else check_name("experiment", name)
        self._document: Optional[Dict[str, Any]] = dict(_experiment_dto) if _experiment_dto else None

    @overload
    def submit(
        self,
        config: Union[Pipeline, PublishedPipeline, PipelineEndpoint],
        tags: Optional[Mapping[str, object]] = None,
        **kwargs: Any,
    ) -> PipelineRun: ...

    @overload
    def submit(
        self,
        config: Union[ScriptRunConfig, Estimator],
        tags: Optional[Mapping[str, object]] = None,
        **kwargs: Any,
    ) -> Run: ...

    @overload
    def submit(
        self,
        config: HyperDriveConfig,
        tags: Optional[Mapping[str, object]] = None,
        **kwargs: Any,
    ) -> HyperDriveRun: ...

    @overload
    def submit(
        self,
        config: AutoMLConfig,
        tags: Optional[Mapping[str, object]] = None,
        **kwargs: Any,
    ) -> AutoMLRun: ...

    def submit(
        self,
        config: Union[
            Pipeline, PublishedPipeline, PipelineEndpoint, ScriptRunConfig, Estimator, HyperDriveConfig, AutoMLConfig
        ],
        tags: Optional[Mapping[str, object]] = None,
        **kwargs: Any,
    ) -> Run:
        """Run a pipeline or a script. What this machine has to give is uploaded; the run goes on when this returns.

        Args:
            config: what is to run.
            tags: tags of the run.
            kwargs: for pipelines `pipeline_parameters` (values by name), `continue_on_step_failure`,
                `regenerate_outputs` (run every step, whatever could be reused) and `resume_from` (a failed or
                canceled `PipelineRun` or its id, whose finished steps are adopted where they are still the same); for
                endpoints `pipeline_version` (None for the default); for
                pipelines and scripts `priority` (-100 to 100: of several steps that wait the higher goes first);
                `show_output` waits for the end. `priority` and `resume_from` are additions of ours. Others are
                passed over with a warning.

        Returns:
            A `PipelineRun` for pipelines, a `HyperDriveRun` for a sweep, an `AutoMLRun` for an `AutoMLConfig`, a `Run` for
            a script or an estimator.

        Raises:
            UserErrorException: what is wrong, every problem by name; or something that cannot be submitted.
            SnapshotException: the source directory cannot be read.
        """
        from duto.automl.config import AutoMLConfig
        from duto.configuration.estimator import Estimator
        from duto.experiment.script_run_config import ScriptRunConfig
        from duto.pipeline.pipeline import Pipeline
        from duto.pipeline.pipeline_endpoint import PipelineEndpoint
        from duto.pipeline.published import PublishedPipeline
        from duto.sweep.config import HyperDriveConfig

        if isinstance(config, Estimator):
            config = ScriptRunConfig(config.source_directory, run_config=config.run_config)
        _pass_over(config, kwargs)
        parameters = kwargs.get("pipeline_parameters") or kwargs.get("pipeline_params")
        going_on = kwargs.get("continue_on_step_failure")
        priority = kwargs.get("priority")
        if kwargs.get("resume_from") is not None and not isinstance(config, Pipeline):
            raise UserErrorException(f"Only a Pipeline takes resume_from; a {type(config).__name__} has none.")
        if isinstance(config, Pipeline):
            from duto.pipeline import submission

            run: Run = submission.submit_pipeline(
                self,
                config._builder,
                parameters,
                bool(going_on),
                bool(kwargs.get("regenerate_outputs", False)),
                tags=tags,
                priority=priority,
                resume_from=_id_of(kwargs.get("resume_from")),
            )
        elif isinstance(config, PublishedPipeline):
            run = config._start(self.workspace, self.name, parameters, going_on, tags)
        elif isinstance(config, PipelineEndpoint):
            run = config._start(self.name, parameters, kwargs.get("pipeline_version"), going_on, tags)
        elif isinstance(config, (HyperDriveConfig, AutoMLConfig, ScriptRunConfig)):
            run = self._submit_alone(config, tags, priority)
        else:
            raise _no_config(config)
        if kwargs.get("show_output"):
            run.wait_for_completion(show_output=True)
        return run

    def plan(
        self,
        config: Union[
            Pipeline, PublishedPipeline, PipelineEndpoint, ScriptRunConfig, Estimator, HyperDriveConfig, AutoMLConfig
        ],
        pipeline_parameters: Optional[Mapping[str, object]] = None,
        regenerate_outputs: bool = False,
        priority: Optional[int] = None,
        pipeline_version: Optional[str] = None,
        resume_from: Union[PipelineRun, str, None] = None,
    ) -> RunPlan:
        """What `submit` with the same arguments would do. Nothing is uploaded, saved or started. An addition of ours.

        Args:
            config: what would run.
            pipeline_parameters: of a pipeline: values of parameters by name; others have their defaults.
            regenerate_outputs: of a pipeline: run every step, whatever could be reused.
            priority: as of `submit`.
            pipeline_version: of an endpoint: the version; None for the default.
            resume_from: of a `Pipeline`: a failed or canceled run, or its id, that is to be resumed.

        Returns:
            The plan; printed, it is a table. A sweep or automated ML is one step of it, whose time is that of earlier ones.

        Raises:
            UserErrorException: what is wrong, every problem by name, as `submit` would say it; or an argument that `config` has
                no use for.
            SnapshotException: the source directory cannot be read.
        """
        from duto.configuration.estimator import Estimator
        from duto.experiment.script_run_config import ScriptRunConfig
        from duto.pipeline import submission
        from duto.pipeline.pipeline import Pipeline
        from duto.pipeline.pipeline_endpoint import PipelineEndpoint
        from duto.pipeline.published import PublishedPipeline

        if isinstance(config, Estimator):
            config = ScriptRunConfig(config.source_directory, run_config=config.run_config)
        parameters, again = pipeline_parameters, regenerate_outputs
        if isinstance(config, Pipeline):
            _no_use(config, pipeline_version=pipeline_version)
            return config.plan(
                self.name, parameters, regenerate_outputs=again, priority=priority, resume_from=resume_from
            )
        _no_use(config, resume_from=resume_from)
        if isinstance(config, PublishedPipeline):
            _no_use(config, pipeline_version=pipeline_version, priority=priority)
            return config.plan(self.name, parameters, regenerate_outputs=again)
        if isinstance(config, PipelineEndpoint):
            _no_use(config, priority=priority)
            return config.plan(self.name, parameters, pipeline_version=pipeline_version, regenerate_outputs=again)
        _no_use(config, pipeline_parameters=parameters, regenerate_outputs=again, pipeline_version=pipeline_version)
        builder, kind, given = self._alone(config, priority)
        return submission.plan_pipeline(builder, self.name, priority=given, kind=kind)

    def _submit_alone(
        self,
        config: Union[ScriptRunConfig, HyperDriveConfig, AutoMLConfig],
        tags: Optional[Mapping[str, object]],
        priority: Optional[int],
    ) -> Any:
        """A run of one step."""
        from duto.pipeline import submission
        from duto.sweep.config import HyperDriveConfig

        builder, kind, given = self._alone(config, priority)
        run: Any = submission.submit_pipeline(self, builder, tags=tags, kind=kind, priority=given)
        if isinstance(config, HyperDriveConfig):
            run._config = config
        return run

    def _alone(self, config: Any, priority: Optional[int]) -> Tuple[GraphBuilder, str, Optional[int]]:
        """What makes the graph of one step, the kind of its run, and its priority. Raises `UserErrorException`."""
        from duto.automl.config import AutoMLConfig
        from duto.experiment.script_run_config import ScriptRunConfig
        from duto.pipeline.graph_builder import GraphBuilder
        from duto.steps.automl import AutoMLStep
        from duto.steps.hyper_drive import HyperDriveStep
        from duto.sweep.config import HyperDriveConfig

        step: Any
        if isinstance(config, HyperDriveConfig):
            inner, kind = config._inner(), "sweep"
            step = HyperDriveStep(inner.name, config, allow_reuse=False)
            given = getattr(inner.runconfig, "priority", None)
        elif isinstance(config, AutoMLConfig):
            kind, given = "automl", None
            step = AutoMLStep(
                "automl",
                config,
                allow_reuse=False,
                enable_default_model_output=False,
                enable_default_metrics_output=False,
            )
        elif isinstance(config, ScriptRunConfig):
            step, kind, given = config.to_step(), "script", config.run_config.priority
        else:
            raise _no_config(config)
        return GraphBuilder(self.workspace, step), kind, given if priority is None else priority

    def start_logging(self, *args: object, **kwargs: Any) -> Run:
        """An interactive run: this process logs to it until `complete()` or the end of a `with`.

        Args:
            args: taken and not used.
            kwargs: `outputs`, a folder that is uploaded at the end; `snapshot_directory`, a folder whose files are
                kept with the run; `display_name`, the run's name on the pages; `tags`.

        Returns:
            The run.
        """
        from duto.run.lookup import run_of

        body = {
            "experiment": self.name,
            "kind": "interactive",
            "parameters": {},
            "tags": kwargs.get("tags") or {},
            "properties": {},
            "display_name": kwargs.get("display_name"),
        }
        document = self.workspace._client.post(self.workspace._path("runs/"), body)
        run: Run = run_of(self.workspace, document, self)
        run._outputs = kwargs.get("outputs")
        snapshot = kwargs.get("snapshot_directory")
        if snapshot and os.path.isdir(snapshot):  # noqa: PTH112
            run.take_snapshot(snapshot)
        return run

    def get_runs(
        self,
        type: Optional[str] = None,
        tags: Union[str, Mapping[str, object], None] = None,
        properties: Union[str, Mapping[str, object], None] = None,
        include_children: bool = False,
    ) -> Iterator[Run]:
        """The experiment's runs, newest first, asked for while they are taken.

        Args:
            type: only runs of this type, such as `azureml.PipelineRun`.
            tags: only runs that have this tag, or all of these with these values.
            properties: only runs that have this property, or all of these with these values.
            include_children: runs of steps and child runs, too.

        Returns:
            The runs, each of its own class.
        """
        from duto.run.lookup import list_runs

        return list_runs(self, type, tags, properties, None, include_children)

    @staticmethod
    def list(
        workspace: Workspace,
        experiment_name: Optional[str] = None,
        view_type: Union[str, ViewType] = "ActiveOnly",
        tags: Union[str, Mapping[str, object], None] = None,
    ) -> List[Experiment]:
        """The workspace's experiments.

        Args:
            workspace: the workspace.
            experiment_name: only the one of this name.
            view_type: `ActiveOnly`, `ArchivedOnly` or `All`.
            tags: only those that have this tag, or all of these with these values.

        Returns:
            The experiments.

        Raises:
            UserErrorException: another view.
        """
        wanted = str(getattr(view_type, "value", view_type))
        if wanted not in ("ActiveOnly", "ArchivedOnly", "All"):
            raise UserErrorException(f"view_type is 'ActiveOnly', 'ArchivedOnly' or 'All', not {view_type!r}.")
        found = [
            Experiment(workspace, item["name"], True, _experiment_dto=item) for item in workspace._pages("experiments/")
        ]
        views = {"ActiveOnly": (False,), "ArchivedOnly": (True,), "All": (False, True)}[wanted]
        return [
            each
            for each in found
            if experiment_name in (None, each.name) and bool(each.archived_time) in views and has(each.tags, tags)
        ]

    @property
    def id(self) -> str:
        """Its id, a GUID; it is made when it does not exist."""
        return str(self._load()["id"])

    @property
    def identity(self) -> str:
        """The same as `id`."""
        return self.id

    @property
    def workspace_object(self) -> Workspace:
        """The same as `workspace`."""
        return self.workspace

    @property
    def tags(self) -> Dict[str, str]:
        """Tags by name; it is made when it does not exist."""
        return dict(self._load().get("tags") or {})

    @property
    def archived_time(self) -> Optional[str]:
        """When it was archived, ISO 8601 in UTC; None for one that is not."""
        return self._load().get("archived_at")

    def get_portal_url(self) -> str:
        """The experiment's page.

        Returns:
            Its address.
        """
        return f"{self.workspace.studio_url}/w/{segment(self.workspace.name)}/experiments/{segment(self.name)}/"

    @property
    def portal_url(self) -> str:
        """Address of the experiment's page."""
        return self.get_portal_url()

    def tag(self, key: str, value: object = None) -> None:
        """Set one tag; others stay.

        Args:
            key: name of the tag.
            value: its value, which becomes text; None is empty.
        """
        self.set_tags({key: value})

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Set tags; others stay.

        Args:
            tags: tags by name; values become text.

        Raises:
            UserErrorException: they are no dict.
        """
        self._change({"tags": {**self.tags, **texts(tags)}})

    def remove_tags(self, tags: Union[str, Iterable[str]]) -> None:
        """Take tags away.

        Args:
            tags: one name, or several; one that is not there is no error.
        """
        self._change({"tags": without(self.tags, tags)})

    def archive(self) -> None:
        """Hide the experiment from lists. Its runs stay."""
        self._change({"archived": True})

    def reactivate(self, new_name: Optional[str] = None) -> None:
        """Show an archived experiment in lists again.

        Args:
            new_name: another name for it, which this object has from then on; None keeps its name.

        Raises:
            ConflictException: another experiment has the name.
        """
        self._change({"archived": False, **({"name": new_name} if new_name else {})})
        self.name = new_name or self.name

    def refresh(self) -> None:
        """Forget what is known, so that it is asked for anew."""
        self._document = None

    @property
    def _place(self) -> str:
        return str(self.workspace._path(f"experiments/{segment(self.name)}/"))

    def _load(self) -> Dict[str, Any]:
        if self._document is None:
            client = self.workspace._client
            try:
                self._document = dict(client.get(self._place))
            except NotFoundException:
                self._document = dict(client.post(self.workspace._path("experiments/"), {"name": self.name}))
        return self._document

    def _change(self, body: Mapping[str, Any]) -> None:
        self._load()
        self._document = dict(self.workspace._client.patch(self._place, body) or {})

    def _repr_html_(self) -> str:
        """How a notebook shows the experiment; it is not made for that."""
        document = self._document or html.known(lambda: self.workspace._client.get(self._place)) or {}
        rows = [
            ("Workspace", self.workspace.name),
            ("Runs", document.get("run_count")),
            ("Last run", html.moment(document.get("last_run_at"))),
            ("Description", document.get("description")),
            ("Tags", document.get("tags")),
            ("Archived", html.moment(document.get("archived_at"))),
        ]
        return html.facts("Experiment", self.name, self.get_portal_url(), rows)

    def __repr__(self) -> str:
        return f"Experiment(Name: {self.name},\nWorkspace: {self.workspace.name})"


_OF_ALL = {"pipeline_parameters", "pipeline_params", "continue_on_step_failure", "resume_from", "show_output"}
_OF_GRAPHS = {"regenerate_outputs", "priority"}
_OF_ENDPOINTS = {"pipeline_version"}


def _pass_over(config: Any, given: Mapping[str, Any]) -> None:
    from duto.pipeline.pipeline_endpoint import PipelineEndpoint
    from duto.pipeline.published import PublishedPipeline

    if isinstance(config, PipelineEndpoint):
        known = _OF_ALL | _OF_ENDPOINTS
    else:
        known = _OF_ALL if isinstance(config, PublishedPipeline) else _OF_ALL | _OF_GRAPHS
    unknown = {name: value for name, value in given.items() if name not in known}
    passed_over("Experiment.submit", f"a {type(config).__name__} has no use for it.", **unknown)


def _id_of(run: Any) -> Optional[str]:
    """The id of a run that may be named by its id."""
    return None if run is None else str(getattr(run, "id", run))


def _no_use(config: object, **given: object) -> None:
    """Raises `UserErrorException` for an argument that says something of another kind of run."""
    for name, value in given.items():
        if value not in (None, False):
            raise UserErrorException(f"A {type(config).__name__} has no use for {name}.")


def _no_config(config: object) -> UserErrorException:
    return UserErrorException(
        f"{type(config).__name__} cannot be submitted to an experiment: submit a Pipeline of steps, a "
        "PublishedPipeline, a PipelineEndpoint, a ScriptRunConfig, an Estimator, a HyperDriveConfig or an AutoMLConfig."
    )
