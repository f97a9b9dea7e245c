"""Published pipelines: a frozen graph with an address of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional

from duto.client.http import segment
from duto.client.tags import texts
from duto.exceptions import NotFoundException, UserErrorException
from duto.not_built import passed_over
from duto.pipeline.plan import RunPlan
from duto.spec.graph import Graph

if TYPE_CHECKING:
    from duto.pipeline.pipeline_run import PipelineRun
    from duto.workspace.workspace import Workspace

NO_PARENT = "a pipeline run stands for itself. Tag it to find it again."


class PublishedPipeline:
    """A pipeline that is started by its address, with values for its parameters. Graph and files never change.

    Attributes:
        id: its id.
    """

    def __init__(
        self,
        name: str,
        graph_id: str,
        description: Optional[str],
        version: Optional[str],
        published_pipeline_id: str,
        status: str,
        endpoint: str,
        total_run_steps: int,
        workspace: Workspace,
        continue_on_step_failure: Optional[bool] = None,
        _pipeline_provider: Any = None,
        **kwargs: Any,
    ) -> None:
        """Programs get one by `Pipeline.publish` or `PublishedPipeline.get`.

        Args:
            name: its name.
            graph_id: id of its graph.
            description: its description.
            version: the text that it was published with.
            published_pipeline_id: its id, the attribute `id`.
            status: `Active` or `Disabled`.
            endpoint: its address, which takes POST.
            total_run_steps: count of its steps.
            workspace: the workspace.
            continue_on_step_failure: whether steps run that do not need the one that failed.
            kwargs: taken and not used.
        """
        self.name = name
        self.graph_id = graph_id
        self.description = description
        self.version = version
        self.id = published_pipeline_id
        self.status = status
        self.endpoint = endpoint
        self.total_run_steps = total_run_steps
        self.continue_on_step_failure = continue_on_step_failure
        self._workspace = workspace
        self._document: Dict[str, Any] = kwargs.get("_document") or {}

    @staticmethod
    def get(
        workspace: Workspace, id: str, _workflow_provider: Any = None, _service_endpoint: Any = None
    ) -> PublishedPipeline:
        """The published pipeline of this id.

        Args:
            workspace: the workspace.
            id: its id.

        Returns:
            The published pipeline.

        Raises:
            NotFoundException: there is none with this id. It is a `UserErrorException`.
        """
        try:
            found = workspace._client.get(workspace._path(f"pipelines/{segment(id)}/"))
        except NotFoundException as error:
            raise NotFoundException(f"There is no published pipeline {id} in '{workspace.name}'.") from error
        return published_of(workspace, found)

    @staticmethod
    def list(workspace: Workspace, active_only: bool = True, _service_endpoint: Any = None) -> List[PublishedPipeline]:
        """The workspace's published pipelines.

        Args:
            workspace: the workspace.
            active_only: leave those out that are disabled.

        Returns:
            The published pipelines.
        """
        found = [published_of(workspace, item) for item in workspace._pages("pipelines/")]
        return [each for each in found if each.status == "Active" or not active_only]

    @staticmethod
    def get_all(
        workspace: Workspace, active_only: bool = True, _service_endpoint: Any = None
    ) -> List[PublishedPipeline]:
        """The old spelling of `list`.

        Args:
            workspace: as there.
            active_only: as there.

        Returns:
            The published pipelines.
        """
        return PublishedPipeline.list(workspace, active_only)

    def submit(
        self,
        workspace: Workspace,
        experiment_name: str,
        pipeline_parameters: Optional[Mapping[str, object]] = None,
        _workflow_provider: Any = None,
        _service_endpoint: Any = None,
        parent_run_id: Optional[str] = None,
        continue_on_step_failure: Optional[bool] = None,
    ) -> PipelineRun:
        """Start it as a run of the experiment.

        Args:
            workspace: the workspace.
            experiment_name: name of the experiment, which is made if need be.
            pipeline_parameters: values of parameters by name; others have their defaults.
            parent_run_id: passed over with a warning: a pipeline run stands for itself.
            continue_on_step_failure: let steps run that do not need the one that failed; None for what it was
                published with.

        Returns:
            The run, which goes on when this returns.

        Raises:
            UserErrorException: a parameter is not declared or has a value of another type, or the pipeline has no
                address.
            ConflictException: it is disabled.
        """
        passed_over("PublishedPipeline.submit", NO_PARENT, parent_run_id=parent_run_id)
        run: PipelineRun = self._start(workspace, experiment_name, pipeline_parameters, continue_on_step_failure, None)
        return run

    def plan(
        self,
        experiment_name: Optional[str] = None,
        pipeline_parameters: Optional[Mapping[str, object]] = None,
        continue_on_step_failure: Optional[bool] = None,
        regenerate_outputs: bool = False,
    ) -> RunPlan:
        """What `submit` with the same arguments would do. Nothing is started. An addition of ours.

        Args:
            experiment_name: name of the experiment; None for any.
            pipeline_parameters: values of parameters by name; others have their defaults.
            continue_on_step_failure: as of `submit`.
            regenerate_outputs: run every step, whatever could be reused.

        Returns:
            The plan; printed, it is a table.

        Raises:
            UserErrorException: a parameter is not declared or has a value of another type.
            ConflictException: it is disabled.
        """
        body = plan_body(self, experiment_name, pipeline_parameters, continue_on_step_failure, regenerate_outputs)
        return RunPlan(self._workspace._client.post(f"{self._place}plan/", body))

    def _start(
        self,
        workspace: Any,
        experiment_name: str,
        pipeline_parameters: Optional[Mapping[str, Any]],
        continue_on_step_failure: Optional[bool],
        tags: Optional[Mapping[str, Any]],
    ) -> Any:
        from duto.pipeline.submission import bound
        from duto.run.run import Run

        # The address takes undeclared parameters and leaves them aside; a program is told.
        values = bound(self.get_graph(), pipeline_parameters, workspace) if pipeline_parameters else {}
        body: Dict[str, Any] = {
            "ExperimentName": experiment_name,
            "ParameterAssignments": values,
            "RunSource": "SDK",
            "Tags": texts(tags),
        }
        if continue_on_step_failure is not None:
            body["ContinueRunOnStepFailure"] = bool(continue_on_step_failure)
        answer = workspace._client.post(self._route, body)
        run = Run.get(workspace, str(answer["Id"]))
        print(f"Submitted PipelineRun {run.id}\nLink to the studio: {run.get_portal_url()}", flush=True)
        return run

    def disable(self) -> None:
        """Refuse to be started, and leave the list of active ones."""
        self._set("Disabled")

    def enable(self) -> None:
        """Be started again."""
        self._set("Active")

    def get_graph(self, _workflow_provider: Any = None) -> Graph:
        """The frozen graph.

        Returns:
            The graph.
        """
        if not self._document.get("graph"):
            self._document = dict(self._workspace._client.get(self._place))
        return Graph.from_document(self._document["graph"])

    def save(self, path: Optional[str] = None, _workflow_provider: Any = None) -> str:
        """Write the graph document to a file, as JSON. Azure ML writes YAML.

        Args:
            path: the file; None for `<id>.json` in the current folder.

        Returns:
            Path of the file.
        """
        import json
        from pathlib import Path

        self.get_graph()
        target = Path(path or f"{self.id}.json")
        target.write_text(json.dumps(self._document["graph"], indent=2), encoding="utf-8")
        return str(target)

    def get_step_names(self, _workflow_provider: Any = None) -> List[str]:
        """The names of the steps.

        Returns:
            The names, in the order of the graph.
        """
        return [step.name for step in self.get_graph().steps]

    def get_portal_url(self) -> str:
        """The page of the published pipeline.

        Returns:
            Its address.
        """
        known = self._document.get("url")
        return str(known or f"{self._workspace.studio_url}/w/{segment(self._workspace.name)}/pipelines/{self.id}/")

    @property
    def portal_url(self) -> str:
        """Address of the page of the published pipeline."""
        return self.get_portal_url()

    @property
    def _route(self) -> str:
        """The path of the address, so that a studio that has moved is still found."""
        from urllib.parse import urlsplit

        path = urlsplit(self.endpoint).path
        if not path:
            raise UserErrorException(f"The published pipeline {self.id} has no address.")
        return path

    @property
    def _place(self) -> str:
        return str(self._workspace._path(f"pipelines/{segment(self.id)}/"))

    def _set(self, status: str) -> None:
        self._workspace._client.patch(self._place, {"status": status})
        self.status = status

    def __repr__(self) -> str:
        return f"Pipeline(Name: {self.name},\nId: {self.id},\nStatus: {self.status},\nEndpoint: {self.endpoint})"


def plan_body(
    pipeline: PublishedPipeline,
    experiment_name: Optional[str],
    parameters: Optional[Mapping[str, Any]],
    going_on: Optional[bool],
    regenerate_outputs: bool,
) -> Dict[str, Any]:
    """What is asked for a plan of a published pipeline; datasets that are not saved are told of."""
    from duto.pipeline.submission import bound
    from duto.steps.unsaved import Drafts

    drafts = Drafts()
    values = bound(pipeline.get_graph(), parameters, pipeline._workspace, drafts) if parameters else {}
    body: Dict[str, Any] = {
        "ExperimentName": experiment_name or "",
        "ParameterAssignments": values,
        "RegenerateOutputs": bool(regenerate_outputs),
        "Datasets": drafts.documents,
    }
    if going_on is not None:
        body["ContinueRunOnStepFailure"] = bool(going_on)
    return body


def published_of(workspace: Any, item: Mapping[str, Any]) -> PublishedPipeline:
    """The published pipeline of a document."""
    graph = item.get("graph") or {}
    return PublishedPipeline(
        str(item["name"]),
        item.get("graph_id") or item["id"],
        item.get("description"),
        item.get("version"),
        str(item["id"]),
        str(item.get("status") or "Active"),
        str(item.get("endpoint") or ""),
        int(item.get("total_run_steps") or len(graph.get("steps") or ())),
        workspace,
        bool(item.get("continue_on_step_failure")),
        _document=dict(item),
    )
