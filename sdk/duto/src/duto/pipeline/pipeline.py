"""A pipeline: steps, and the graph that they make."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional

import duto
from duto.not_built import not_built, passed_over
from duto.pipeline import submission
from duto.pipeline.graph_builder import GraphBuilder
from duto.pipeline.published import NO_PARENT, published_of
from duto.spec.errors import Problem
from duto.spec.graph import Graph
from duto.spec.units import counted


class Pipeline:
    """Steps to be run together. Making one touches nothing: files and data travel when it is submitted."""

    def __init__(
        self,
        workspace: Any,
        steps: Any,
        description: Optional[str] = None,
        default_datastore: Any = None,
        default_source_directory: Optional[str] = None,
        resolve_closure: bool = True,
        _workflow_provider: Any = None,
        _service_endpoint: Any = None,
        **kwargs: Any,
    ) -> None:
        """`steps`: a step, a `StepSequence`, or nested lists; with `resolve_closure` all that is upstream
        joins.

        Raises `UserErrorException` for what is no step, `ValueError` for an argument that there is not.
        """
        _known("Pipeline", kwargs, ("enable_email_notification",))
        passed_over("Pipeline", "a studio sends no mail.", **kwargs)
        self._workspace = workspace
        self._builder = GraphBuilder(
            workspace, steps, description, default_source_directory, resolve_closure, default_datastore
        )
        self.description = description
        self._name: Optional[str] = None

    def _set_experiment_name(self, name: str) -> None:
        """What programs call to give the pipeline a name; `publish` takes it where it is given none."""
        self._name = self._name or name

    @property
    def graph(self) -> Graph:
        """The graph as it is now, without ids of what is not uploaded yet."""
        return self._builder.build()

    def validate(self) -> List[str]:
        """Everything that is wrong, as texts, printed as well; an empty list when the pipeline may be
        submitted.

        Looks at files of this machine and at the names of compute targets; uploads nothing.
        """
        problems = self.problems()
        for problem in problems:
            print(problem.message)
        if not problems:
            print(f"The pipeline of {counted(len(self._builder.steps), 'step')} is valid.")
        return [problem.message for problem in problems]

    def problems(self) -> List[Problem]:
        """What `validate` found, with code and step."""
        graph = self._builder.build()
        found = self._builder.problems + graph.problems() + submission.missing_scripts(self._builder)
        return found + submission.missing_targets(self._workspace, graph)

    def submit(
        self,
        experiment_name: str,
        pipeline_parameters: Optional[Mapping[str, Any]] = None,
        continue_on_step_failure: Optional[bool] = False,
        regenerate_outputs: bool = False,
        parent_run_id: Optional[str] = None,
        credential_passthrough: Optional[bool] = None,
        **kwargs: Any,
    ) -> Any:
        """The submitted `PipelineRun`. `regenerate_outputs` runs every step, whatever could be reused.

        Raises `UserErrorException` naming every problem.
        """
        passed_over("Pipeline.submit", NO_PARENT, parent_run_id=parent_run_id)
        passed_over(
            "Pipeline.submit", "steps speak with their run's token.", credential_passthrough=credential_passthrough
        )
        _known("Pipeline.submit", kwargs, ("tags", "priority"))
        return submission.submit_pipeline(
            duto.Experiment(self._workspace, experiment_name),
            self._builder,
            pipeline_parameters,
            bool(continue_on_step_failure),
            regenerate_outputs,
            tags=kwargs.get("tags"),
            priority=kwargs.get("priority"),
        )

    def publish(
        self,
        name: Optional[str] = None,
        description: Optional[str] = None,
        version: Optional[str] = None,
        continue_on_step_failure: Optional[bool] = None,
    ) -> Any:
        """The pipeline with an address of its own, its graph and files frozen. Raises
        `UserErrorException`."""
        graph = submission.prepare(self._builder, bool(continue_on_step_failure))
        body: Dict[str, Any] = {
            "name": name or self._name or "pipeline",
            "description": description or self.description or "",
            "version": version,
            "graph": graph.to_document(),
            "continue_on_step_failure": bool(continue_on_step_failure),
        }
        workspace = self._workspace
        return published_of(workspace, workspace._client.post(workspace._path("pipelines/"), body))

    @staticmethod
    def load_yaml(workspace: Any, filename: str, _workflow_provider: Any = None, _service_endpoint: Any = None) -> Any:
        """Not built. Raises `NotBuiltException`."""
        raise not_built("Pipeline.load_yaml", "Write the pipeline as a program.")

    def service_endpoint(self) -> str:
        """The studio's address."""
        return str(self._workspace.studio_url)

    def __repr__(self) -> str:
        return f"Pipeline(steps={[step.name for step in self._builder.steps]})"


def _known(where: str, given: Mapping[str, Any], names: Any) -> None:
    unknown = [name for name in given if name not in names]
    if unknown:
        raise ValueError(f"{where} has no argument '{unknown[0]}'.")
