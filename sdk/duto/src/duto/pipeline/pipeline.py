"""A pipeline: steps, and the graph that they make."""

from __future__ import annotations

from typing import Any, Collection, Dict, List, Mapping, NoReturn, Optional, Union

import duto
from duto.not_built import not_built, passed_over
from duto.pipeline import submission
from duto.pipeline.graph_builder import GraphBuilder
from duto.pipeline.published import NO_PARENT, published_of
from duto.spec.errors import Problem
from duto.spec.graph import Graph
from duto.spec.units import counted


class Pipeline:
    """Steps to be run together. Making one touches nothing: files and data travel when it is submitted.

    Attributes:
        description: its description.
    """

    def __init__(
        self,
        workspace: duto.Workspace,
        steps: Union[duto.PipelineStep, duto.StepSequence, Collection[object]],
        description: Optional[str] = None,
        default_datastore: Union[duto.AbstractDatastore, str, None] = None,
        default_source_directory: Optional[str] = None,
        resolve_closure: bool = True,
        _workflow_provider: Any = None,
        _service_endpoint: Any = None,
        **kwargs: object,
    ) -> None:
        """The graph follows from what the steps read and write; the order of the list does not matter.

        Args:
            workspace: the workspace.
            steps: a step, a `StepSequence`, or nested lists of these.
            description: its description.
            default_datastore: where outputs go that name none; None for the workspace's.
            default_source_directory: folder of steps that name none; None for the current one.
            resolve_closure: let all steps join that the given ones wait for.
            kwargs: `enable_email_notification`, which is passed over with a warning.

        Raises:
            UserErrorException: something of `steps` is no step.
            ValueError: an argument that there is not.
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
        """Look for all that is wrong, and print it.

        Looks at files of this machine and at the names of compute targets; uploads nothing.

        Returns:
            What is wrong, as texts; an empty list when the pipeline may be submitted. Azure ML gives errors by steps.
        """
        problems = self.problems()
        for problem in problems:
            print(problem.message)
        if not problems:
            print(f"The pipeline of {counted(len(self._builder.steps), 'step')} is valid.")
        return [problem.message for problem in problems]

    def problems(self) -> List[Problem]:
        """What `validate` finds, without printing. An addition of ours.

        Returns:
            What is wrong, each with code, message and step.
        """
        graph = self._builder.build()
        found = self._builder.problems + graph.problems() + submission.missing_scripts(self._builder)
        return found + submission.missing_targets(self._workspace, graph)

    def submit(
        self,
        experiment_name: str,
        pipeline_parameters: Optional[Mapping[str, object]] = None,
        continue_on_step_failure: Optional[bool] = False,
        regenerate_outputs: bool = False,
        parent_run_id: Optional[str] = None,
        credential_passthrough: Optional[bool] = None,
        **kwargs: Any,
    ) -> duto.PipelineRun:
        """Upload what this machine has to give, and start the pipeline. The run goes on when this returns.

        Args:
            experiment_name: name of the experiment, which is made if need be.
            pipeline_parameters: values of parameters by name; others have their defaults.
            continue_on_step_failure: let steps run that do not need the one that failed.
            regenerate_outputs: run every step, whatever could be reused.
            parent_run_id: passed over with a warning: a pipeline run stands for itself.
            credential_passthrough: passed over with a warning: steps speak with their run's token.
            kwargs: `tags` of the run, and `priority` (-100 to 100: of several steps that wait the higher goes first),
                an addition of ours.

        Returns:
            The run.

        Raises:
            UserErrorException: what is wrong, every problem by name.
            SnapshotException: a source directory cannot be read.
            ValueError: an argument that there is not.
        """
        passed_over("Pipeline.submit", NO_PARENT, parent_run_id=parent_run_id)
        passed_over(
            "Pipeline.submit", "steps speak with their run's token.", credential_passthrough=credential_passthrough
        )
        _known("Pipeline.submit", kwargs, ("tags", "priority"))
        run: duto.PipelineRun = submission.submit_pipeline(
            duto.Experiment(self._workspace, experiment_name),
            self._builder,
            pipeline_parameters,
            bool(continue_on_step_failure),
            regenerate_outputs,
            tags=kwargs.get("tags"),
            priority=kwargs.get("priority"),
        )
        return run

    def plan(
        self,
        experiment_name: Optional[str] = None,
        pipeline_parameters: Optional[Mapping[str, object]] = None,
        continue_on_step_failure: Optional[bool] = False,
        regenerate_outputs: bool = False,
        priority: Optional[int] = None,
        resume_from: Union[duto.PipelineRun, str, None] = None,
    ) -> duto.RunPlan:
        """What `submit` with the same arguments would do. Nothing is uploaded, saved or started. An addition of ours.

        Args:
            experiment_name: name of the experiment; None for any.
            pipeline_parameters: values of parameters by name; others have their defaults.
            continue_on_step_failure: as of `submit`.
            regenerate_outputs: run every step, whatever could be reused.
            priority: as of `submit`.
            resume_from: a failed or canceled run, or its id, that is to be resumed.

        Returns:
            The plan; printed, it is a table.

        Raises:
            UserErrorException: what is wrong, every problem by name, as `submit` would say it.
            SnapshotException: a source directory cannot be read.
            NotFoundException: there is no run to resume.
        """
        return submission.plan_pipeline(
            self._builder,
            experiment_name or "Default",
            pipeline_parameters,
            bool(continue_on_step_failure),
            regenerate_outputs,
            priority=priority,
            resume_from=None if resume_from is None else str(getattr(resume_from, "id", resume_from)),
        )

    def publish(
        self,
        name: Optional[str] = None,
        description: Optional[str] = None,
        version: Optional[str] = None,
        continue_on_step_failure: Optional[bool] = None,
    ) -> duto.PublishedPipeline:
        """The pipeline with an address of its own, its graph and files frozen.

        Args:
            name: its name; None for `pipeline`.
            description: its description; None for the pipeline's.
            version: a text; publishing the same name again makes another one in any case.
            continue_on_step_failure: let steps run that do not need the one that failed.

        Returns:
            The published pipeline.

        Raises:
            UserErrorException: what is wrong, every problem by name.
            SnapshotException: a source directory cannot be read.
        """
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
    def load_yaml(
        workspace: object, filename: str, _workflow_provider: Any = None, _service_endpoint: Any = None
    ) -> NoReturn:
        """Not built.

        Args:
            workspace: taken and not used.
            filename: taken and not used.

        Raises:
            NotBuiltException: always; it says what to do instead.
        """
        raise not_built("Pipeline.load_yaml", "Write the pipeline as a program.")

    def service_endpoint(self) -> str:
        """The studio's address.

        Returns:
            The address, without a slash at the end.
        """
        return str(self._workspace.studio_url)

    def __repr__(self) -> str:
        return f"Pipeline(steps={[step.name for step in self._builder.steps]})"


def _known(where: str, given: Mapping[str, Any], names: Any) -> None:
    unknown = [name for name in given if name not in names]
    if unknown:
        raise ValueError(f"{where} has no argument '{unknown[0]}'.")
