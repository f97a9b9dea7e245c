"""What steps share that run something on a node of a compute target."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Collection, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from duto.configuration.run_configuration import RunConfiguration
from duto.exceptions import UserErrorException
from duto.spec.values import Distribution
from duto.steps.base import PipelineStep, entries

if TYPE_CHECKING:
    import duto

RUN_CONFIGURATION = frozenset(
    {"NodeCount", "MpiProcessCountPerNode", "TensorflowWorkerCount", "TensorflowParameterServerCount"}
)


class ComputeStep(PipelineStep):
    """A step on one node of a compute target. Programs make one of its kinds.

    A class of step is one module, and one entry of `duto.spec.kinds`, which its `kind` names. It says what differs by
    `script_name`, by `_settings`, and by `folder` or `_snapshot` where no source directory goes along.
    """

    kind: ClassVar[str]
    script_name: str
    # Whether the studio writes outputs of it (`TrainingOutput`).
    _takes_training_output: ClassVar[bool] = False
    # The digest of code that the studio has already, of a step without a folder of its own.
    _snapshot: Optional[str] = None

    def __init__(
        self,
        name: str,
        arguments: Union[str, Sequence[object], None],
        compute_target: Union[duto.ComputeTarget, str, Tuple[str, str], None],
        runconfig: Optional[RunConfiguration],
        runconfig_pipeline_params: Optional[Mapping[str, object]],
        inputs: Optional[Collection[object]],
        outputs: Optional[Collection[object]],
        params: Optional[Mapping[str, object]],
        source_directory: Optional[str],
        allow_reuse: bool,
        version: Optional[str],
        hash_paths: Union[str, List[str], None],
        retries: Optional[int],
        retry_delay: Optional[float],
        timeout: Optional[float],
    ) -> None:
        configured: Tuple[List[Any], List[Any]] = (runconfig.inputs, runconfig.outputs) if runconfig else ([], [])
        inputs = [*entries("inputs", name, inputs), *configured[0]]
        outputs = [*entries("outputs", name, outputs), *configured[1]]
        super().__init__(name, inputs, outputs, arguments)
        self.compute_target = compute_target
        self.runconfig = runconfig
        self._configured = _of_run_configuration(runconfig_pipeline_params)
        self.params: Dict[str, Any] = {**dict(params or {}), **self._configured}
        self.source_directory = None if source_directory is None else str(source_directory)
        self.allow_reuse = bool(allow_reuse)
        self.version = None if version is None else str(version)
        self.hash_paths = [hash_paths] if isinstance(hash_paths, str) else hash_paths
        self.retries, self.retry_delay, self.timeout = retries, retry_delay, timeout

    @property
    def compute(self) -> Optional[str]:
        """Name of the compute target; None when neither step nor run configuration names one."""
        target: Any = self.compute_target
        if isinstance(target, (tuple, list)):
            target = target[0]
        if target is None:
            return self.runconfig.compute if self.runconfig else None
        return target if isinstance(target, str) else str(target.name)

    @property
    def _distribution(self) -> Optional[Distribution]:
        """The processes of the script, as the run configuration and the parameters of it say; None for a script that runs
        once. Raises `UserErrorException` for a number that is none."""
        return self.runconfig._distribution(self._configured) if self.runconfig else None

    def limit(self, name: str) -> Optional[float]:
        """One of the step's limits: its own, else that of its run configuration.

        Args:
            name: `retries`, `retry_delay` or `timeout`.

        Returns:
            The number, or None.
        """
        own = getattr(self, name)
        other = "max_run_duration_seconds" if name == "timeout" else name
        value: Optional[float] = own if own is not None or self.runconfig is None else getattr(self.runconfig, other)
        return value

    @property
    def _refusal(self) -> str:
        """Why no studio runs it, and what to do instead; empty where one does."""
        return ""

    @property
    def _environment(self) -> Optional[Mapping[str, Any]]:
        """The environment of a step without a run configuration, as the graph has it; None for the host's."""
        return None

    @property
    def _settings(self) -> Mapping[str, Any]:
        """What its kind alone knows, by name: texts, numbers, flags, lists and parameters; part of its identity."""
        return {}

    def folder(self, default: Optional[str]) -> Optional[Path]:
        """The source directory.

        Args:
            default: the pipeline's.

        Returns:
            The folder; the current one when nothing names one, as in Azure ML. None of a step that brings no folder:
            its code is what the studio has already, or there is none.
        """
        return Path(self.source_directory or default or ".")


def _of_run_configuration(wanted: Optional[Mapping[str, Any]]) -> Dict[str, Any]:
    """The properties of the run configuration that parameters set.

    The script is told their values as `AML_PARAMETER_<property>`, too, and a change of one is a change of the step.
    Raises `UserErrorException` for a property that Azure ML does not know here either.
    """
    unknown = sorted(set(wanted or ()) - RUN_CONFIGURATION)
    if unknown:
        known = ", ".join(sorted(RUN_CONFIGURATION))
        raise UserErrorException(f"runconfig_pipeline_params knows {known}; not {', '.join(unknown)}.")
    return dict(wanted or {})
