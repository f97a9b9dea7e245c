"""One script, or one command, as a run of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, List, Optional, Sequence, Union

from duto.configuration.arguments import as_list
from duto.configuration.resuming import resuming
from duto.configuration.run_configuration import RunConfiguration
from duto.exceptions import UserErrorException

if TYPE_CHECKING:
    from duto.compute.targets import ComputeTarget
    from duto.configuration.distributed import MpiConfiguration, PyTorchConfiguration, TensorflowConfiguration
    from duto.configuration.run_configuration import DockerConfiguration
    from duto.environment.environment import Environment
    from duto.steps.command import CommandStep
    from duto.steps.python_script import PythonScriptStep

MAX_DURATION_SECONDS = 2592000


class ScriptRunConfig:
    """A script with its arguments or a command, their folder, compute target and environment. Submit it to an `Experiment`.

    Attributes:
        MAX_DURATION_SECONDS_DEFAULT: 30 days, which stand for no limit here.
        distributed_job_config: what was given for it.
    """

    MAX_DURATION_SECONDS_DEFAULT = MAX_DURATION_SECONDS

    def __init__(
        self,
        source_directory: Optional[str],
        script: Optional[str] = None,
        arguments: Union[str, Sequence[object], None] = None,
        run_config: Optional[RunConfiguration] = None,
        _telemetry_values: Any = None,
        compute_target: Union[ComputeTarget, str, None] = None,
        environment: Optional[Environment] = None,
        distributed_job_config: Union[MpiConfiguration, PyTorchConfiguration, TensorflowConfiguration, None] = None,
        resume_from: object = None,
        max_run_duration_seconds: Optional[float] = MAX_DURATION_SECONDS,
        command: Union[str, Sequence[object], None] = None,
        docker_runtime_config: Optional[DockerConfiguration] = None,
        retries: Optional[int] = None,
        retry_delay: Optional[float] = None,
        timeout: Optional[float] = None,
    ) -> None:
        """`retries`, `retry_delay` and `timeout` are additions of this studio, as for `PythonScriptStep`.

        Args:
            source_directory: folder that goes along; None for the current one.
            script: the script, relative to the folder; None for that of `run_config`, or for a command.
            arguments: texts, numbers, inputs and outputs; one text is split as a shell does; None for those of
                `run_config`.
            run_config: environment, compute target and limits; what is given here is set on it.
            compute_target: a cluster or its name.
            environment: the environment.
            distributed_job_config: run the script by several processes on its node.
            resume_from: `DataPath` of a checkpoint's files; the script is given their path behind `--resume-from`.
            max_run_duration_seconds: seconds that the script may take; the default of 30 days leaves the run
                configuration's.
            command: a line for a shell instead of a script, as for `CommandStep`; None for that of `run_config`.
            docker_runtime_config: how a container is used.
            retries: how many more attempts there are after one that failed; None for the policy of the cause.
            retry_delay: seconds before each of them; None for the policy of the cause.
            timeout: seconds that the script of one attempt may take, its time in the queue not counted; None for the
                run configuration's.

        Raises:
            UserErrorException: neither a script nor a command is named, or both; `distributed_job_config` is none;
                `resume_from` is no path on a datastore, or stands beside a command.
        """
        self.run_config = run_config or RunConfiguration()
        self.distributed_job_config = distributed_job_config
        if distributed_job_config is not None:
            self.run_config._spread(distributed_job_config)
        self.source_directory = str(source_directory or ".")
        if command and (script or arguments):
            raise UserErrorException(
                "A ScriptRunConfig has a command, or a script with arguments: leave one of them out."
            )
        self.command = command or (None if script else self.run_config.command)
        self.script: str = "" if self.command else script or self.run_config.script or ""
        if not (self.script or self.command):
            raise UserErrorException("A ScriptRunConfig names a script or a command.")
        if self.command and resume_from is not None:
            raise UserErrorException(
                "A ScriptRunConfig with a command has no resume_from: name the checkpoint's files in the command, as "
                "`DataReference` in a list."
            )
        given_arguments = as_list(self.run_config.arguments if arguments is None else arguments)
        self.arguments: List[Any] = [*given_arguments, *resuming("ScriptRunConfig", resume_from)]
        self.compute_target, self.resume_from = compute_target, resume_from
        self.retries, self.retry_delay, self.timeout = retries, retry_delay, timeout
        if max_run_duration_seconds != MAX_DURATION_SECONDS:
            self.run_config.max_run_duration_seconds = max_run_duration_seconds
        given = {"target": compute_target, "environment": environment, "docker": docker_runtime_config}
        for name, value in {"script": self.script or None, "command": self.command, **given}.items():
            if value is not None:
                setattr(self.run_config, name, value)

    def to_step(self) -> Union[PythonScriptStep, CommandStep]:
        """The script or the command as the one step of a graph, which is never reused.

        Returns:
            The step.

        Raises:
            UserErrorException: something of the run configuration cannot be an input or output.
        """
        from duto.steps.command import CommandStep
        from duto.steps.python_script import PythonScriptStep

        if self.command:
            return CommandStep(
                self.command,
                runconfig=self.run_config,
                source_directory=self.source_directory,
                allow_reuse=False,
                retries=self.retries,
                retry_delay=self.retry_delay,
                timeout=self.timeout,
            )
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
