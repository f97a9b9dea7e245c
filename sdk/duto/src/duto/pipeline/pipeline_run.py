"""Runs of pipelines and of their steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, NoReturn, Optional

from duto.client.http import waiting
from duto.exceptions import ActivityFailedException, UserErrorException
from duto.pipeline.port_data import PortDataReference, StepRunOutput
from duto.run.lookup import failure_text, run_of
from duto.run.run import Run
from duto.spec import status as statuses
from duto.spec.graph import Graph
from duto.steps.parameter import value_of

if TYPE_CHECKING:
    from duto.experiment.experiment import Experiment
    from duto.pipeline.published import PublishedPipeline
    from duto.workspace.workspace import Workspace

_FOREVER = 9223372036854775807


class PipelineRun(Run):
    """The run of a pipeline. `get_status()` says Finished where `status` says Completed, as in Azure ML."""

    def __init__(self, experiment: Experiment, run_id: str, _service_endpoint: Any = None, **kwags: Any) -> None:
        """The run of this id; `PipelineRun.get` needs no experiment.

        Args:
            experiment: the experiment.
            run_id: id of the run.
            kwags: as in `Run`.
        """
        super().__init__(experiment, run_id, **kwags)

    @staticmethod
    def get(workspace: Workspace, run_id: str, _service_endpoint: Any = None) -> PipelineRun:
        """The pipeline run of this id.

        Args:
            workspace: the workspace.
            run_id: id of the run.

        Returns:
            The run.

        Raises:
            NotFoundException: the workspace has no such run.
            UserErrorException: it is a run of another kind.
        """
        run = Run.get(workspace, run_id)
        if not isinstance(run, PipelineRun):
            raise UserErrorException(f"The run {run_id} is no pipeline run.")
        return run

    @staticmethod
    def get_pipeline_runs(workspace: Workspace, pipeline_id: str, _service_endpoint: Any = None) -> List[PipelineRun]:
        """The runs of a published pipeline.

        Args:
            workspace: the workspace.
            pipeline_id: id of the published pipeline.

        Returns:
            The runs, newest first.
        """
        return [run_of(workspace, item) for item in workspace._pages("runs/", kind="pipeline", pipeline=pipeline_id)]

    def get_status(self) -> str:
        """How the run stands now, in the words of Azure ML's pipelines.

        Returns:
            `NotStarted`, `Running`, `Failed`, `Finished` or `Canceled`.
        """
        return statuses.pipeline_status(str(self._fresh()["status"]))

    def get_steps(self) -> Iterator[StepRun]:
        """The runs of the steps, asked for while they are taken.

        Returns:
            The runs, in the order of the graph; each has one from the beginning.
        """
        for item in self._workspace._client.pages(self._place + "steps/"):
            yield run_of(self._workspace, item, self.experiment)

    def find_step_run(self, name: str) -> List[StepRun]:
        """The runs of the steps of this name.

        Args:
            name: name of the step; one that was given none has its script's.

        Returns:
            The runs; empty for none.
        """
        return [step for step in self.get_steps() if step.name == name]

    def get_graph(self) -> Graph:
        """The graph of the run.

        Returns:
            The graph, as it was submitted.
        """
        return Graph.from_document(self._detail()["graph"])

    def get_pipeline_output(self, pipeline_output_name: str) -> PortDataReference:
        """The output that the pipeline offers under a name (`pipeline_output_name`).

        Args:
            pipeline_output_name: the name.

        Returns:
            Where it lies; `download` copies it.

        Raises:
            UserErrorException: the pipeline offers none such (the text names those that there are), or its step has
                written none yet.
        """
        outputs = self._detail()["graph"].get("pipeline_outputs") or {}
        if pipeline_output_name not in outputs:
            known = ", ".join(outputs) or "none"
            raise UserErrorException(f"The pipeline has no output '{pipeline_output_name}'; it has: {known}.")
        wanted = outputs[pipeline_output_name]
        for step in self.get_steps():
            if step._node_id == wanted["step"]:
                return step.get_output_data(wanted["output"])
        raise UserErrorException(f"The step '{wanted['step']}' has no run.")

    @waiting()
    def wait_for_completion(  # type: ignore[override]  # Azure ML gives the status here, the details elsewhere
        self,
        show_output: bool = True,
        timeout_seconds: float = _FOREVER,
        raise_on_error: bool = True,
    ) -> str:
        """Wait for the end.

        Args:
            show_output: print steps and logs as they come.
            timeout_seconds: seconds to wait at most; then the status as it is.
            raise_on_error: raise when the run did not complete.

        Returns:
            The status, in the words of `get_status`.

        Raises:
            ActivityFailedException: the run failed or was canceled, and `raise_on_error` is True.
        """
        from duto.run.watching import watch_pipeline

        watch_pipeline(self, show_output, min(timeout_seconds, 1e9))
        return _outcome(self, raise_on_error)

    def resume(self, pipeline_parameters: Optional[Mapping[str, object]] = None) -> PipelineRun:
        """A new run of the same graph that adopts the steps that were finished and runs the others. An addition of
        ours.

        With changed code, use `Experiment.submit(pipeline, resume_from=run)`.

        Args:
            pipeline_parameters: values that change; steps that read them run, too.

        Returns:
            The new run.

        Raises:
            UserErrorException: a value is of another type or no parameter's.
            ConflictException: the run is not over, or nothing failed in it.
        """
        given = {name: value_of(value, self._workspace, True) for name, value in (pipeline_parameters or {}).items()}
        document = self._workspace._client.post(self._place + "resume/", {"parameters": given})
        run: PipelineRun = run_of(self._workspace, document, self.experiment)
        print(f"Resumed as {type(run).__name__} {run.id}\nLink to the studio: {run.get_portal_url()}", flush=True)
        return run

    def publish_pipeline(
        self,
        name: str,
        description: str,
        version: str,
        continue_on_step_failure: Optional[bool] = None,
        **kwargs: object,
    ) -> PublishedPipeline:
        """The run's pipeline with an address of its own, graph and files frozen as they ran.

        Args:
            name: its name.
            description: its description.
            version: a text.
            continue_on_step_failure: let steps run that do not need the one that failed.
            kwargs: taken and not used.

        Returns:
            The published pipeline.
        """
        from duto.pipeline.published import published_of

        body = {
            "name": name,
            "description": description or "",
            "version": version,
            "run_id": self.id,
            "continue_on_step_failure": bool(continue_on_step_failure),
        }
        return published_of(self._workspace, self._workspace._client.post(self._workspace._path("pipelines/"), body))

    def save(self, path: Optional[str] = None) -> str:
        """Write the graph document to a file, as JSON. Azure ML writes YAML.

        Args:
            path: the file; None for `<id>.json` in the current folder.

        Returns:
            Path of the file.
        """
        import json
        from pathlib import Path

        target = Path(path or f"{self.id}.json")
        target.write_text(json.dumps(self._detail()["graph"], indent=2), encoding="utf-8")
        return str(target)

    def child_run(
        self, name: Optional[str] = None, run_id: Optional[str] = None, outputs: Optional[str] = None
    ) -> NoReturn:
        """A pipeline's children are its steps.

        Args:
            name: taken and not used.
            run_id: taken and not used.
            outputs: taken and not used.

        Raises:
            NotImplementedError: always, as in Azure ML.
        """
        raise NotImplementedError("A pipeline run has its steps as children and no others.")

    def complete(self, _set_status: bool = True) -> NoReturn:
        """A pipeline ends with its steps.

        Raises:
            NotImplementedError: always, as in Azure ML.
        """
        raise NotImplementedError("A pipeline run ends when its steps do.")

    def fail(self, error_details: object = None, error_code: object = None, _set_status: bool = True) -> NoReturn:
        """A pipeline fails with its steps; `cancel()` stops it.

        Args:
            error_details: taken and not used.
            error_code: taken and not used.

        Raises:
            NotImplementedError: always, as in Azure ML.
        """
        raise NotImplementedError("A pipeline run fails when a step does; cancel() stops it.")

    def _detail(self) -> Dict[str, Any]:
        facts = self._facts()
        return facts if facts.get("graph") else self._fresh(graph=True)


class StepRun(Run):
    """The run of a step. `get_status()` says Finished where `status` says Completed, as in Azure ML."""

    def __init__(
        self,
        experiment: Experiment,
        step_run_id: str,
        pipeline_run_id: str,
        node_id: str,
        _service_endpoint: Any = None,
        _is_reused: bool = False,
        _current_node_id: Any = None,
        _reused_run_id: Any = None,
        _reused_node_id: Any = None,
        _reused_pipeline_run_id: Any = None,
        **kwargs: Any,
    ) -> None:
        """Programs get one by `PipelineRun.get_steps` or `find_step_run`.

        Args:
            experiment: the experiment.
            step_run_id: id of the step's run.
            pipeline_run_id: id of the pipeline's run.
            node_id: id of the step in the graph.
            kwargs: as in `Run`.
        """
        super().__init__(experiment, step_run_id, **kwargs)
        self.pipeline_run_id = pipeline_run_id
        self._node = node_id
        self._is_reused = _is_reused

    @property
    def _node_id(self) -> str:
        return self._node or str((self._facts().get("step") or {}).get("id"))

    @property
    def parent(self) -> PipelineRun:
        """The pipeline's run, without a request."""
        return PipelineRun(self.experiment, self.pipeline_run_id)

    def get_status(self) -> str:
        """How the step stands now, in the words of Azure ML's steps.

        Returns:
            `NotStarted`, `Queued`, `Running`, `Failed`, `Finished` or `Canceled`.
        """
        return statuses.step_status(str(self._fresh()["status"]))

    def get_job_log(self) -> str:
        """The log so far.

        Returns:
            What the script printed, both streams in order; what is no UTF-8 is replaced.
        """
        return self._log().decode("utf-8", "replace")

    def get_stdout_log(self) -> str:
        """The log so far.

        Returns:
            The same as `get_job_log`: both streams are in it.
        """
        return self.get_job_log()

    def get_stderr_log(self) -> str:
        """The log so far.

        Returns:
            The same as `get_job_log`: both streams are in it.
        """
        return self.get_job_log()

    def get_outputs(self) -> Dict[str, StepRunOutput]:
        """What the step has written.

        Returns:
            The outputs by name; empty before the step has ended.
        """
        return {
            name: StepRunOutput(None, self.pipeline_run_id, self, name, item)
            for name, item in self._outputs_by_name().items()
        }

    def get_output(self, name: str) -> StepRunOutput:
        """The output of this name.

        Args:
            name: name of the output.

        Returns:
            The output.

        Raises:
            UserErrorException: there is none; the text names those that there are.
        """
        found = self.get_outputs()
        if name not in found:
            known = ", ".join(found) or "none"
            raise UserErrorException(f"Step '{self.name}' has no output '{name}'; it has: {known}.")
        return found[name]

    def get_output_data(self, name: str) -> PortDataReference:
        """Where the output of this name lies.

        Args:
            name: name of the output.

        Returns:
            The place; `download` copies it.

        Raises:
            UserErrorException: there is none; the text names those that there are.
        """
        return self.get_output(name).get_port_data_reference()

    def get_reuse_explanation(self) -> Dict[str, Any]:
        """Why the step was reused or adopted, or runs. An addition of ours.

        Returns:
            `reused`, `text` in plain words, and what is known beyond, as REST has it.
        """
        return dict(self._workspace._client.get(self._place + "reuse/"))

    @waiting()
    def wait_for_completion(  # type: ignore[override]  # Azure ML gives the status here, the details elsewhere
        self,
        show_output: bool = True,
        timeout_seconds: float = _FOREVER,
        raise_on_error: bool = True,
    ) -> str:
        """Wait for the end.

        Args:
            show_output: print the log as it comes.
            timeout_seconds: seconds to wait at most; then the status as it is.
            raise_on_error: raise when the step did not complete.

        Returns:
            The status, in the words of `get_status`.

        Raises:
            ActivityFailedException: the step failed or was canceled, and `raise_on_error` is True.
        """
        from duto.run.watching import watch_run

        watch_run(self, show_output, min(timeout_seconds, 1e9))
        return _outcome(self, raise_on_error)

    def _outputs_by_name(self) -> Dict[str, Dict[str, Any]]:
        items = self._workspace._client.pages(self._place + "outputs/")
        return {str(item["name"]): item for item in items}


def _outcome(run: Any, raise_on_error: bool) -> str:
    """The status of a run that is over. Raises `ActivityFailedException` for one that failed or was cancelled."""
    status: str = run.get_status()
    if raise_on_error and status in (statuses.FAILED, statuses.CANCELED):
        raise ActivityFailedException(failure_text(run))
    return status
