"""Published pipelines: a frozen graph with an address of its own."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional

from duto.client.http import segment
from duto.exceptions import NotFoundException, UserErrorException
from duto.not_built import passed_over
from duto.spec.graph import Graph

NO_PARENT = "a pipeline run stands for itself. Tag it to find it again."


class PublishedPipeline:
    """A pipeline that is started by its address, with values for its parameters. Graph and files never
    change."""

    def __init__(
        self,
        name: str,
        graph_id: Any,
        description: Optional[str],
        version: Optional[str],
        published_pipeline_id: str,
        status: str,
        endpoint: str,
        total_run_steps: int,
        workspace: Any,
        continue_on_step_failure: Optional[bool] = None,
        _pipeline_provider: Any = None,
        **kwargs: Any,
    ) -> None:
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
        workspace: Any, id: str, _workflow_provider: Any = None, _service_endpoint: Any = None
    ) -> PublishedPipeline:
        """The published pipeline of this id. Raises `NotFoundException`, a `UserErrorException`."""
        try:
            found = workspace._client.get(workspace._path(f"pipelines/{segment(id)}/"))
        except NotFoundException as error:
            raise NotFoundException(f"There is no published pipeline {id} in '{workspace.name}'.") from error
        return published_of(workspace, found)

    @staticmethod
    def list(workspace: Any, active_only: bool = True, _service_endpoint: Any = None) -> List[PublishedPipeline]:
        """The workspace's published pipelines, the disabled ones only without `active_only`."""
        found = [published_of(workspace, item) for item in workspace._pages("pipelines/")]
        return [each for each in found if each.status == "Active" or not active_only]

    @staticmethod
    def get_all(workspace: Any, active_only: bool = True, _service_endpoint: Any = None) -> Any:
        """The old spelling of `list`."""
        return PublishedPipeline.list(workspace, active_only)

    def submit(
        self,
        workspace: Any,
        experiment_name: str,
        pipeline_parameters: Optional[Mapping[str, Any]] = None,
        _workflow_provider: Any = None,
        _service_endpoint: Any = None,
        parent_run_id: Optional[str] = None,
        continue_on_step_failure: Optional[bool] = None,
    ) -> Any:
        """Start it as a run of the experiment. Raises `UserErrorException` for undeclared or mistyped
        parameters."""
        passed_over("PublishedPipeline.submit", NO_PARENT, parent_run_id=parent_run_id)
        return self._start(workspace, experiment_name, pipeline_parameters, continue_on_step_failure, None)

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
            "Tags": {key: str(value) for key, value in (tags or {}).items()},
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
        """The frozen graph."""
        if not self._document.get("graph"):
            self._document = dict(self._workspace._client.get(self._place))
        return Graph.from_document(self._document["graph"])

    def save(self, path: Optional[str] = None, _workflow_provider: Any = None) -> str:
        """Write the graph document to a file; its path."""
        import json
        from pathlib import Path

        self.get_graph()
        target = Path(path or f"{self.id}.json")
        target.write_text(json.dumps(self._document["graph"], indent=2), encoding="utf-8")
        return str(target)

    def get_step_names(self, _workflow_provider: Any = None) -> Any:
        """The names of the steps, in order."""
        return [step.name for step in self.get_graph().steps]

    def get_portal_url(self) -> str:
        """The page of the published pipeline."""
        known = self._document.get("url")
        return str(known or f"{self._workspace.studio_url}/w/{segment(self._workspace.name)}/pipelines/{self.id}/")

    @property
    def portal_url(self) -> str:
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
