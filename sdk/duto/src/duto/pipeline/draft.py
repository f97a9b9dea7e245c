"""Drafts of pipelines: graphs in the studio that are changed there and by programs, submitted, and published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Union

from duto.client.http import segment
from duto.client.tags import texts
from duto.exceptions import NotFoundException, UserErrorException
from duto.pipeline.plan import RunPlan
from duto.spec.graph import Graph, read_graph
from duto.steps.parameter import value_of

if TYPE_CHECKING:
    from duto.pipeline.pipeline import Pipeline
    from duto.pipeline.pipeline_run import PipelineRun
    from duto.pipeline.published import PublishedPipeline
    from duto.run.run import Run
    from duto.workspace.workspace import Workspace


class PipelineDraft:
    """A pipeline that may still be changed. Follows Azure ML's `PipelineDraft`.

    Programs get one by `PipelineDraft.create`, `PipelineDraft.get` or `PipelineDraft.list`.
    """

    def __init__(
        self,
        workspace: Workspace,
        id: str,
        name: Optional[str] = None,
        description: Optional[str] = None,
        experiment_name: Optional[str] = None,
        tags: Optional[Mapping[str, str]] = None,
        properties: Optional[Mapping[str, str]] = None,
        graph_draft_id: Optional[str] = None,
        parent_pipeline_id: Optional[str] = None,
        parent_pipeline_run_id: Optional[str] = None,
        parent_step_run_ids: Optional[List[str]] = None,
        parent_pipeline_draft_id: Optional[str] = None,
        last_submitted_pipeline_run_id: Optional[str] = None,
        _pipeline_draft_provider: Any = None,
    ) -> None:
        """
        Args:
            workspace: the workspace.
            id: its id.
            name: its name.
            description: its description.
            experiment_name: the experiment of its runs; empty for one that is called as the draft.
            tags: its tags, which its runs get.
            properties: its properties, which its runs get.
            graph_draft_id: taken and not used: a draft has one graph.
            parent_pipeline_id: id of the published pipeline that it was copied from.
            parent_pipeline_run_id: id of the run that it was copied from.
            parent_step_run_ids: ids of the step runs that it was copied from; none are here.
            parent_pipeline_draft_id: id of the draft that it was copied from.
            last_submitted_pipeline_run_id: id of its newest run.
        """
        self._workspace = workspace
        self._document: Dict[str, Any] = {
            "id": id,
            "name": name or "",
            "description": description or "",
            "experiment": experiment_name or "",
            "tags": dict(tags or {}),
            "properties": dict(properties or {}),
            "of_pipeline_id": parent_pipeline_id,
            "of_run_id": parent_pipeline_run_id,
            "of_draft_id": parent_pipeline_draft_id,
            "of_step_run_ids": parent_step_run_ids,
            "last_run_id": last_submitted_pipeline_run_id,
        }

    @property
    def id(self) -> str:
        """Its id."""
        return str(self._document["id"])

    @property
    def name(self) -> str:
        """Its name."""
        return str(self._document["name"])

    @property
    def description(self) -> str:
        """Its description."""
        return str(self._document["description"])

    @property
    def experiment_name(self) -> str:
        """The experiment of its runs; empty for one that is called as the draft. An addition of ours."""
        return str(self._document["experiment"])

    @property
    def tags(self) -> Dict[str, str]:
        """Its tags, which its runs get."""
        return dict(self._document["tags"])

    @property
    def properties(self) -> Dict[str, str]:
        """Its properties, which its runs get."""
        return dict(self._document["properties"])

    @property
    def parameters(self) -> Dict[str, object]:
        """Values of its parameters where they are others than the defaults of its graph. An addition of ours."""
        return dict(self._fresh()["parameters"])

    @property
    def graph(self) -> Graph:
        """Its graph as it is now. It need not be able to run. An addition of ours."""
        return self.get_graph()

    @property
    def last_submitted_pipeline_run_id(self) -> Optional[str]:
        """Id of its newest run; None where it has none."""
        return self._id_of("last_run_id")

    @property
    def parent_pipeline_id(self) -> Optional[str]:
        """Id of the published pipeline that it was copied from."""
        return self._id_of("of_pipeline_id")

    @property
    def parent_pipeline_run_id(self) -> Optional[str]:
        """Id of the run that it was copied from."""
        return self._id_of("of_run_id")

    @property
    def parent_pipeline_draft_id(self) -> Optional[str]:
        """Id of the draft that it was copied from."""
        return self._id_of("of_draft_id")

    @property
    def parent_step_run_ids(self) -> List[str]:
        """Empty for all that a studio has: a draft is copied as a whole."""
        return list(self._document.get("of_step_run_ids") or ())

    @staticmethod
    def create(
        workspace: Workspace,
        pipeline: Union[Pipeline, PublishedPipeline, Run, PipelineDraft],
        name: Optional[str] = None,
        description: Optional[str] = None,
        experiment_name: Optional[str] = None,
        pipeline_parameters: Optional[Mapping[str, object]] = None,
        continue_on_step_failure: Optional[bool] = None,
        tags: Optional[Mapping[str, object]] = None,
        properties: Optional[Mapping[str, object]] = None,
        _workflow_provider: Any = None,
        _service_endpoint: Any = None,
    ) -> PipelineDraft:
        """Make a draft. What is not said here is as in what it is made of.

        Args:
            workspace: the workspace.
            pipeline: a `Pipeline`, whose files are uploaded, a published pipeline, a run, or another draft.
            name: its name.
            description: its description.
            experiment_name: the experiment of its runs.
            pipeline_parameters: values of parameters by name; others have their defaults.
            continue_on_step_failure: let steps run that do not need the one that failed.
            tags: its tags.
            properties: its properties.

        Returns:
            The draft.

        Raises:
            UserErrorException: what is wrong, every problem by name, or `pipeline` is none of these.
            SnapshotException: a source directory cannot be read.
        """
        body = {
            **_source(pipeline),
            **_words(
                workspace,
                name,
                description,
                experiment_name,
                pipeline_parameters,
                continue_on_step_failure,
                tags,
            ),
        }
        if properties is not None:
            body["properties"] = texts(properties, "properties")
        return _draft_of(workspace, workspace._client.post(workspace._path("drafts/"), body))

    @staticmethod
    def get(
        workspace: Workspace, id: str, _workflow_provider: Any = None, _service_endpoint: Any = None
    ) -> PipelineDraft:
        """The draft of this id.

        Args:
            workspace: the workspace.
            id: its id.

        Returns:
            The draft.

        Raises:
            NotFoundException: there is none with this id. It is a `UserErrorException`.
        """
        try:
            return _draft_of(workspace, workspace._client.get(workspace._path(f"drafts/{segment(str(id))}/")))
        except NotFoundException as error:
            raise NotFoundException(f"There is no pipeline draft {id} in '{workspace.name}'.") from error

    @staticmethod
    def list(
        workspace: Workspace, tags: Optional[Mapping[str, Optional[str]]] = None, _workflow_provider: Any = None
    ) -> List[PipelineDraft]:
        """The drafts of the workspace.

        Args:
            workspace: the workspace.
            tags: those that drafts must have; None as a value is any value.

        Returns:
            The drafts, newest first.
        """
        wanted = dict(tags or {})
        found = [_draft_of(workspace, item) for item in workspace._pages("drafts/")]
        return [
            each
            for each in found
            if all(key in each.tags and value in (None, each.tags[key]) for key, value in wanted.items())
        ]

    def update(
        self,
        pipeline: Optional[Pipeline] = None,
        name: Optional[str] = None,
        description: Optional[str] = None,
        experiment_name: Optional[str] = None,
        tags: Optional[Mapping[str, object]] = None,
        pipeline_parameters: Optional[Mapping[str, object]] = None,
        continue_on_step_failure: Optional[bool] = None,
        _workflow_provider: Any = None,
    ) -> None:
        """Change what is named; all else stays.

        Args:
            pipeline: a `Pipeline` whose graph stands for the present one, its files uploaded.
            name: its name.
            description: its description.
            experiment_name: the experiment of its runs.
            tags: all of its tags.
            pipeline_parameters: all values that are others than the defaults.
            continue_on_step_failure: let steps run that do not need the one that failed.

        Raises:
            ConflictException: another has changed it since this object was made. Nothing is saved; get it anew.
            UserErrorException: what is wrong, every problem by name.
        """
        body = _words(
            self._workspace, name, description, experiment_name, pipeline_parameters, continue_on_step_failure, tags
        )
        if pipeline is not None:
            body.update(_graph_of(pipeline))
        if self._document.get("version"):
            body["version"] = self._document["version"]
        self._document = dict(self._workspace._client.patch(self._place, body))

    def delete(self, _workflow_provider: Any = None) -> None:
        """Remove it. Its runs, and what was published of it, stay."""
        self._workspace._client.delete(self._place)

    def submit_run(
        self,
        _workflow_provider: Any = None,
        *,
        experiment_name: Optional[str] = None,
        pipeline_parameters: Optional[Mapping[str, object]] = None,
        regenerate_outputs: bool = False,
    ) -> PipelineRun:
        """Run it as it now is in the studio. Azure ML has none of these options.

        Args:
            experiment_name: the experiment; None for that of the draft.
            pipeline_parameters: values that stand before those of the draft, for this run alone.
            regenerate_outputs: run every step, whatever could be reused.

        Returns:
            The run, which goes on when this returns.

        Raises:
            UserErrorException: what is wrong, every problem by name.
        """
        from duto.run.lookup import run_of

        body = self._asked(experiment_name, pipeline_parameters, regenerate_outputs)
        run: PipelineRun = run_of(self._workspace, self._workspace._client.post(f"{self._place}submit/", body))
        self._document["last_run_id"] = run.id
        print(f"Submitted {type(run).__name__} {run.id}\nLink to the studio: {run.get_portal_url()}", flush=True)
        return run

    def plan(
        self,
        experiment_name: Optional[str] = None,
        pipeline_parameters: Optional[Mapping[str, object]] = None,
        regenerate_outputs: bool = False,
    ) -> RunPlan:
        """What `submit_run` with the same options would do. Nothing is started. An addition of ours.

        Args:
            experiment_name: as of `submit_run`.
            pipeline_parameters: as of `submit_run`.
            regenerate_outputs: as of `submit_run`.

        Returns:
            The plan; printed, it is a table.

        Raises:
            UserErrorException: what is wrong, every problem by name.
        """
        body = self._asked(experiment_name, pipeline_parameters, regenerate_outputs)
        return RunPlan(self._workspace._client.post(f"{self._place}plan/", body))

    def validate(self) -> List[str]:
        """All for which it could not be submitted as it is. An addition of ours.

        Returns:
            What is wrong, as texts; an empty list when it may be submitted.
        """
        found = self._workspace._client.post(f"{self._place}check/", {})["problems"]
        return [str(each["message"]) for each in found]

    def publish(
        self,
        _workflow_provider: Any = None,
        *,
        name: Optional[str] = None,
        description: Optional[str] = None,
        version: Optional[str] = None,
    ) -> PublishedPipeline:
        """Freeze it as it now is in the studio, with an address of its own. The values of its parameters become the
        defaults. Azure ML has none of these options.

        Args:
            name: its name; None for that of the draft.
            description: its description; None for that of the draft.
            version: a text.

        Returns:
            The published pipeline.

        Raises:
            UserErrorException: what is wrong, every problem by name.
        """
        from duto.pipeline.published import published_of

        body = {"name": name or "", "description": description, "version": version or ""}
        return published_of(self._workspace, self._workspace._client.post(f"{self._place}publish/", body))

    def get_graph(self, _workflow_provider: Any = None) -> Graph:
        """Its graph as it is now. It need not be able to run.

        Returns:
            The graph.
        """
        return read_graph(self._fresh()["graph"])

    def save(self, path: Optional[str] = None, _workflow_provider: Any = None) -> str:
        """Write the graph document to a file, as JSON. Azure ML writes YAML.

        Args:
            path: the file; None for `<id>.json` in the current folder.

        Returns:
            Path of the file.
        """
        import json
        from pathlib import Path

        target = Path(path or f"{self.id}.json")
        target.write_text(json.dumps(self._fresh()["graph"], indent=2), encoding="utf-8")
        return str(target)

    def get_portal_url(self) -> str:
        """The page of the draft. An addition of ours.

        Returns:
            Its address.
        """
        return f"{self._workspace.studio_url}/w/{segment(self._workspace.name)}/drafts/{self.id}/"

    def _asked(
        self, experiment: Optional[str], parameters: Optional[Mapping[str, object]], regenerate_outputs: bool
    ) -> Dict[str, Any]:
        return {
            "experiment": experiment or "",
            "parameters": _values(self._workspace, parameters or {}),
            "regenerate_outputs": bool(regenerate_outputs),
        }

    def _fresh(self) -> Dict[str, Any]:
        """What the studio knows of it now; what this object has seen of it stays as it is."""
        return dict(self._workspace._client.get(self._place))

    def _id_of(self, name: str) -> Optional[str]:
        found = self._document[name]
        return str(found) if found else None

    @property
    def _place(self) -> str:
        return str(self._workspace._path(f"drafts/{segment(self.id)}/"))

    def __repr__(self) -> str:
        return f"PipelineDraft(Name: {self.name},\nId: {self.id})"


def _source(pipeline: object) -> Dict[str, Any]:
    """What to make a draft of, as the studio is told. Raises UserErrorException for anything else."""
    from duto.pipeline.published import PublishedPipeline
    from duto.run.run import Run

    for kind, name in ((PublishedPipeline, "pipeline_id"), (Run, "run_id"), (PipelineDraft, "draft_id")):
        if isinstance(pipeline, kind):
            return {name: pipeline.id}
    return _graph_of(pipeline)


def _graph_of(pipeline: object) -> Dict[str, Any]:
    """The checked graph of a pipeline, its files in the studio."""
    from duto.pipeline import submission
    from duto.pipeline.pipeline import Pipeline

    if not isinstance(pipeline, Pipeline):
        raise UserErrorException(
            "A draft is made of a Pipeline, a PublishedPipeline, a run or a PipelineDraft, and changed to a Pipeline; "
            f"not {type(pipeline).__name__}."
        )
    found: Dict[str, Any] = {"graph": submission.prepare(pipeline._builder).to_document()}
    return found


def _words(
    workspace: Workspace,
    name: Optional[str],
    description: Optional[str],
    experiment: Optional[str],
    parameters: Optional[Mapping[str, object]],
    going_on: Optional[bool],
    tags: Optional[Mapping[str, object]],
) -> Dict[str, Any]:
    """What is said of a draft; None leaves it as it is."""
    said = {
        "name": name,
        "description": description,
        "experiment": experiment,
        "parameters": None if parameters is None else _values(workspace, parameters),
        "continue_on_step_failure": None if going_on is None else bool(going_on),
        "tags": None if tags is None else texts(tags),
    }
    return {key: value for key, value in said.items() if value is not None}


def _values(workspace: Workspace, parameters: Mapping[str, object]) -> Dict[str, Any]:
    return {name: value_of(value, workspace, True) for name, value in parameters.items()}


def _draft_of(workspace: Workspace, item: Mapping[str, Any]) -> PipelineDraft:
    """The draft of a document."""
    found = PipelineDraft(workspace, str(item["id"]))
    found._document = {key: value for key, value in item.items() if key != "graph"}
    return found
