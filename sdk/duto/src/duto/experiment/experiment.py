"""Experiments: names that runs are gathered under."""

from __future__ import annotations

import os
from typing import Any, Dict, Iterator, List, Mapping, Optional

from duto import html
from duto.client.http import segment
from duto.exceptions import NotFoundException, UserErrorException
from duto.not_built import passed_over, refusing
from duto.run.lookup import has
from duto.spec.names import check_name


@refusing(
    "delete from_directory get_docs_url",
    "Archive an experiment with archive(); the studio's REST deletes runs.",
)
class Experiment:
    """An experiment of a workspace; it comes to be with its first run."""

    def __init__(
        self,
        workspace: Any,
        name: str,
        _skip_name_validation: bool = False,
        _id: Any = None,
        _archived_time: Any = None,
        _create_in_cloud: bool = True,
        _experiment_dto: Any = None,
        **kwargs: Any,
    ) -> None:
        """Raises `SpecError`, a `ValueError`, for a name with a slash or a line break."""
        self.workspace = workspace
        self.name = name if _skip_name_validation else check_name("experiment", name)
        self._document: Optional[Dict[str, Any]] = dict(_experiment_dto) if _experiment_dto else None

    def submit(self, config: Any, tags: Optional[Mapping[str, str]] = None, **kwargs: Any) -> Any:
        """Run a `Pipeline`, a `PublishedPipeline` or a `ScriptRunConfig`; the run.

        For pipelines: `pipeline_parameters`, `regenerate_outputs`, `continue_on_step_failure`, and `resume_from`:
        a failed or canceled `PipelineRun`, or its id, whose finished steps are adopted where they are still the
        same. For pipelines and scripts `priority` from -100 to 100, an addition of this studio: of several steps
        that wait the higher goes first; a script's run configuration may name it too. Raises
        `UserErrorException` naming every problem.
        """
        from duto.experiment.script_run_config import ScriptRunConfig
        from duto.pipeline.pipeline import Pipeline
        from duto.pipeline.published import PublishedPipeline

        _pass_over(config, kwargs)
        parameters = kwargs.get("pipeline_parameters") or kwargs.get("pipeline_params")
        going_on = kwargs.get("continue_on_step_failure")
        priority = kwargs.get("priority")
        if kwargs.get("resume_from") is not None and not isinstance(config, Pipeline):
            raise UserErrorException(f"Only a Pipeline takes resume_from; a {type(config).__name__} has none.")
        if isinstance(config, Pipeline):
            from duto.pipeline import submission

            run = submission.submit_pipeline(
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
        elif isinstance(config, ScriptRunConfig):
            run = self._submit_script(config, tags, config.run_config.priority if priority is None else priority)
        else:
            raise UserErrorException(f"{type(config).__name__} cannot be submitted to an experiment.")
        if kwargs.get("show_output"):
            run.wait_for_completion(show_output=True)
        return run

    def _submit_script(self, config: Any, tags: Optional[Mapping[str, str]], priority: Optional[int] = None) -> Any:
        from duto.pipeline import submission
        from duto.pipeline.graph_builder import GraphBuilder

        builder = GraphBuilder(self.workspace, config.to_step())
        return submission.submit_pipeline(self, builder, tags=tags, kind="script", priority=priority)

    def start_logging(self, *args: Any, **kwargs: Any) -> Any:
        """An interactive run: this process logs to it until `complete()` or the end of a `with`.

        `outputs` names a folder that is uploaded at the end, `snapshot_directory` one whose files are kept
        with the run, `display_name` the run's name on the pages.
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
        run = run_of(self.workspace, document, self)
        run._outputs = kwargs.get("outputs")
        snapshot = kwargs.get("snapshot_directory")
        if snapshot and os.path.isdir(snapshot):  # noqa: PTH112
            run.take_snapshot(snapshot)
        return run

    def get_runs(
        self, type: Optional[str] = None, tags: Any = None, properties: Any = None, include_children: bool = False
    ) -> Iterator[Any]:
        """The experiment's runs, newest first, each of its own class."""
        from duto.run.lookup import list_runs

        return list_runs(self, type, tags, properties, None, include_children)

    @staticmethod
    def list(
        workspace: Any, experiment_name: Optional[str] = None, view_type: str = "ActiveOnly", tags: Any = None
    ) -> List[Experiment]:
        """The workspace's experiments, or the one of a name; `view_type` "ActiveOnly", "ArchivedOnly" or "All", `tags` a
        key or keys with values. Raises `UserErrorException` for another view."""
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
        """The experiment's id; it is created when it does not exist."""
        return str(self._load()["id"])

    @property
    def identity(self) -> str:
        return self.id

    @property
    def workspace_object(self) -> Any:
        return self.workspace

    @property
    def tags(self) -> Dict[str, str]:
        return dict(self._load().get("tags") or {})

    @property
    def archived_time(self) -> Optional[str]:
        return self._load().get("archived_at")

    def get_portal_url(self) -> str:
        """The experiment's page."""
        return f"{self.workspace.studio_url}/w/{segment(self.workspace.name)}/experiments/{segment(self.name)}/"

    @property
    def portal_url(self) -> str:
        return self.get_portal_url()

    def tag(self, key: str, value: Any = None) -> None:
        self.set_tags({key: value})

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        self._change({"tags": {**self.tags, **{key: str(value or "") for key, value in tags.items()}}})

    def remove_tags(self, tags: Any) -> None:
        self._change({"tags": {key: value for key, value in self.tags.items() if key not in tags}})

    def archive(self) -> None:
        """Hide the experiment from lists."""
        self._change({"archived": True})

    def reactivate(self, new_name: Optional[str] = None) -> None:
        self._change({"archived": False, **({"name": new_name} if new_name else {})})

    def refresh(self) -> None:
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
        told = self._document or html.known(lambda: self.workspace._client.get(self._place)) or {}
        rows = [
            ("Workspace", self.workspace.name),
            ("Runs", told.get("run_count")),
            ("Last run", html.moment(told.get("last_run_at"))),
            ("Description", told.get("description")),
            ("Tags", told.get("tags")),
            ("Archived", html.moment(told.get("archived_at"))),
        ]
        return html.facts("Experiment", self.name, self.get_portal_url(), rows)

    def __repr__(self) -> str:
        return f"Experiment(Name: {self.name},\nWorkspace: {self.workspace.name})"


_OF_ALL = {"pipeline_parameters", "pipeline_params", "continue_on_step_failure", "resume_from", "show_output"}
_OF_GRAPHS = {"regenerate_outputs", "priority"}


def _pass_over(config: Any, given: Mapping[str, Any]) -> None:
    from duto.pipeline.published import PublishedPipeline

    known = _OF_ALL if isinstance(config, PublishedPipeline) else _OF_ALL | _OF_GRAPHS
    unknown = {name: value for name, value in given.items() if name not in known}
    passed_over("Experiment.submit", f"a {type(config).__name__} has no use for it.", **unknown)


def _id_of(run: Any) -> Optional[str]:
    """The id of a run that may be named by its id."""
    return None if run is None else str(getattr(run, "id", run))
