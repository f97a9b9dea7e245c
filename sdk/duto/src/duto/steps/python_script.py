"""A step that runs a Python script."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple, Union

from duto.configuration.run_configuration import RunConfiguration
from duto.exceptions import UserErrorException
from duto.steps.base import PipelineStep, entries

RUN_CONFIGURATION = frozenset(
    {"NodeCount", "MpiProcessCountPerNode", "TensorflowWorkerCount", "TensorflowParameterServerCount"}
)


class PythonScriptStep(PipelineStep):
    """A script on one node of a compute target.

    `compute_target` is an object, a name, or a pair of a name and a type; `params` become the variables
    `AML_PARAMETER_<name>`; `arguments` may hold texts, numbers, parameters, inputs, outputs, and lists of
    these.

    Additions of this studio, which win over the run configuration's: `retries`, how many more attempts there
    are after one that failed; `retry_delay`, the seconds before each; `timeout`, the seconds that one
    attempt's script may take, its time in the queue not counted. None of them is part of the step's
    identity: a change of one does not keep a step from being reused.
    """

    def __init__(
        self,
        script_name: str,
        name: Optional[str] = None,
        arguments: Optional[Union[str, List[Any]]] = None,
        compute_target: Any = None,
        runconfig: Optional[RunConfiguration] = None,
        runconfig_pipeline_params: Optional[Mapping[str, Any]] = None,
        inputs: Optional[List[Any]] = None,
        outputs: Optional[List[Any]] = None,
        params: Optional[Mapping[str, Any]] = None,
        source_directory: Optional[str] = None,
        allow_reuse: bool = True,
        version: Optional[str] = None,
        hash_paths: Optional[List[str]] = None,
        retries: Optional[int] = None,
        retry_delay: Optional[float] = None,
        timeout: Optional[float] = None,
    ) -> None:
        """Raises `ValueError` without a script, `UserErrorException` for what cannot be an input or
        output."""
        if not script_name:
            raise ValueError("A PythonScriptStep names its script.")
        configured: Tuple[List[Any], List[Any]] = (runconfig.inputs, runconfig.outputs) if runconfig else ([], [])
        label = name or str(script_name)
        inputs = [*entries("inputs", label, inputs), *configured[0]]
        outputs = [*entries("outputs", label, outputs), *configured[1]]
        super().__init__(label, inputs, outputs, arguments)
        self.script_name = str(script_name)
        self.compute_target = compute_target
        self.runconfig = runconfig
        self.params: Dict[str, Any] = {**dict(params or {}), **_of_run_configuration(runconfig_pipeline_params)}
        self.source_directory = None if source_directory is None else str(source_directory)
        self.allow_reuse = bool(allow_reuse)
        self.version = None if version is None else str(version)
        self.hash_paths = [hash_paths] if isinstance(hash_paths, str) else hash_paths
        self.retries, self.retry_delay, self.timeout = retries, retry_delay, timeout

    @property
    def compute(self) -> Optional[str]:
        """The name of the compute target; None when neither step nor run configuration names one."""
        target = self.compute_target
        if isinstance(target, (tuple, list)):
            target = target[0]
        if target is None:
            return self.runconfig.compute if self.runconfig else None
        return target if isinstance(target, str) else str(target.name)

    def limit(self, name: str) -> Any:
        """`retries`, `retry_delay` or `timeout`: the step's own, else its run configuration's, else None."""
        own = getattr(self, name)
        other = "max_run_duration_seconds" if name == "timeout" else name
        return own if own is not None or self.runconfig is None else getattr(self.runconfig, other)

    def folder(self, default: Optional[str]) -> Path:
        """The source directory; the current folder when nothing names one, as in Azure ML."""
        return Path(self.source_directory or default or ".")


def _of_run_configuration(wanted: Optional[Mapping[str, Any]]) -> Dict[str, Any]:
    """The properties of the run configuration that parameters set.

    One step runs on one node, so they change nothing about where it runs; the script is told their values as
    `AML_PARAMETER_<property>`, and a change of one is a change of the step. Raises `UserErrorException` for
    a property that Azure ML does not know here either.
    """
    unknown = sorted(set(wanted or ()) - RUN_CONFIGURATION)
    if unknown:
        known = ", ".join(sorted(RUN_CONFIGURATION))
        raise UserErrorException(f"runconfig_pipeline_params knows {known}; not {', '.join(unknown)}.")
    return dict(wanted or {})
