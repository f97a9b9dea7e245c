"""One script as a run of its own."""

from __future__ import annotations

from typing import Any, List, Optional, Union

from duto.configuration.arguments import as_list
from duto.configuration.run_configuration import RunConfiguration
from duto.exceptions import UserErrorException
from duto.not_built import not_built

MAX_DURATION_SECONDS = 2592000


class ScriptRunConfig:
    """A script, its folder, arguments, compute target and environment. Submit it to an `Experiment`."""

    MAX_DURATION_SECONDS_DEFAULT = MAX_DURATION_SECONDS

    def __init__(
        self,
        source_directory: Optional[str],
        script: Optional[str] = None,
        arguments: Optional[Union[str, List[Any]]] = None,
        run_config: Optional[RunConfiguration] = None,
        _telemetry_values: Any = None,
        compute_target: Any = None,
        environment: Any = None,
        distributed_job_config: Any = None,
        resume_from: Any = None,
        max_run_duration_seconds: Optional[float] = MAX_DURATION_SECONDS,
        command: Any = None,
        docker_runtime_config: Any = None,
        retries: Optional[int] = None,
        retry_delay: Optional[float] = None,
        timeout: Optional[float] = None,
    ) -> None:
        """`retries`, `retry_delay` and `timeout` are additions of this studio, as for `PythonScriptStep`.

        Raises `UserErrorException` without a script, `NotBuiltException` for a command or a distributed
        job."""
        if command is not None:
            raise not_built("ScriptRunConfig(command=...)", "Name a script.")
        if distributed_job_config is not None:
            raise not_built("ScriptRunConfig(distributed_job_config=...)", "Run on one node.")
        self.run_config = run_config or RunConfiguration()
        self.source_directory = str(source_directory or ".")
        self.script: str = script or self.run_config.script or ""
        if not self.script:
            raise UserErrorException("A ScriptRunConfig names a script.")
        self.arguments: List[Any] = as_list(self.run_config.arguments if arguments is None else arguments)
        self.compute_target, self.resume_from = compute_target, resume_from
        self.retries, self.retry_delay, self.timeout = retries, retry_delay, timeout
        if max_run_duration_seconds != MAX_DURATION_SECONDS:
            self.run_config.max_run_duration_seconds = max_run_duration_seconds
        told = {"target": compute_target, "environment": environment, "docker": docker_runtime_config}
        for name, value in {"script": self.script, **told}.items():
            if value is not None:
                setattr(self.run_config, name, value)

    def to_step(self) -> Any:
        """The script as the one step of a graph."""
        from duto.steps.python_script import PythonScriptStep

        return PythonScriptStep(
            self.script,
            name=self.script,
            arguments=self.arguments,
            runconfig=self.run_config,
            source_directory=self.source_directory,
            allow_reuse=False,
            retries=self.retries,
            retry_delay=self.retry_delay,
            timeout=self.timeout,
        )
