"""A step that runs a script of R."""

from __future__ import annotations

import copy
from typing import Any, Collection, List, Mapping, Optional, Sequence, Tuple, Union

import duto
from duto.configuration.run_configuration import RunConfiguration
from duto.environment.sections import RSection
from duto.exceptions import UserErrorException
from duto.not_built import passed_over
from duto.steps.compute_step import ComputeStep


class RScriptStep(ComputeStep):
    """A script of R on one node of a compute target, on a host that has R. See docs/r.md.

    It is started by `Rscript`, with its arguments; the packages of `runconfig.environment.r` are on its library path.
    `retries`, `retry_delay` and `timeout` are additions of this studio, as for `PythonScriptStep`.

    Attributes:
        kind: the kind of the step in the graph.
        script_name: the script, relative to the source directory.
        hash_paths: None: the whole source directory counts when a result is to be reused.
    """

    kind = "r_script"

    def __init__(
        self,
        script_name: Optional[str] = None,
        name: Optional[str] = None,
        arguments: Union[str, Sequence[object], None] = None,
        compute_target: Union[duto.ComputeTarget, str, Tuple[str, str], None] = None,
        runconfig: Optional[RunConfiguration] = None,
        runconfig_pipeline_params: Optional[Mapping[str, object]] = None,
        inputs: Optional[Collection[object]] = None,
        outputs: Optional[Collection[object]] = None,
        params: Optional[Mapping[str, object]] = None,
        source_directory: Optional[str] = None,
        use_gpu: bool = False,
        custom_docker_image: Optional[str] = None,
        cran_packages: Optional[List[object]] = None,
        github_packages: Optional[List[object]] = None,
        custom_url_packages: Optional[List[str]] = None,
        allow_reuse: bool = True,
        version: Optional[str] = None,
        retries: Optional[int] = None,
        retry_delay: Optional[float] = None,
        timeout: Optional[float] = None,
    ) -> None:
        """Nothing is read or sent before the pipeline is validated or submitted.

        Args:
            script_name: the script, relative to the source directory.
            name: name of the step; None for that of the script.
            arguments: texts, numbers, parameters, inputs, outputs, and lists of these; one text is split as a shell
                does. The script reads them by `commandArgs(trailingOnly = TRUE)`.
            compute_target: a cluster, its name, or a pair of a name and a type; None for that of the run
                configuration, else the workspace's default.
            runconfig: environment, compute target and limits; the packages of R are those of its `environment.r`. None
                for an environment that has no packages of Python.
            runconfig_pipeline_params: as for `PythonScriptStep`.
            inputs: what the step reads: datasets, `DatasetConsumptionConfig`, data of other steps, references.
            outputs: what the step writes: `PipelineData`, `OutputFileDatasetConfig`.
            params: values that the script gets as the variables `AML_PARAMETER_<name>`.
            source_directory: folder that goes along with the step; None for the pipeline's, else the current folder.
            use_gpu: passed over with a warning where it is True: what its compute target has, the step gets.
            custom_docker_image: passed over with a warning: R steps run by the R of their host.
            cran_packages: more packages, as in `RSection`.
            github_packages: more packages, as in `RSection`.
            custom_url_packages: more packages, as in `RSection`.
            allow_reuse: take the result of an earlier run of the same step, with the same code, inputs and
                parameters.
            version: a text that is part of the step's identity: another one runs it again.
            retries: how many more attempts there are after one that failed; None for the policy of the cause.
            retry_delay: seconds before each of them; None for the policy of the cause.
            timeout: seconds that the script of one attempt may take, its time in the queue not counted; None for no
                limit.

        Raises:
            ValueError: there is no script.
            UserErrorException: `inputs` or `outputs` is no list, something in them cannot be read or written, a
                property is not of those that `runconfig_pipeline_params` knows, or the run configuration asks for
                several processes.
        """
        if not script_name:
            raise ValueError("An RScriptStep names its script.")
        passed_over(
            "RScriptStep",
            "R steps run by the R of their host, with what their compute target has.",
            use_gpu=use_gpu,
            custom_docker_image=custom_docker_image,
        )
        more = {
            "cran_packages": cran_packages,
            "github_packages": github_packages,
            "custom_url_packages": custom_url_packages,
        }
        super().__init__(
            name or str(script_name), arguments, compute_target, _with_r(runconfig, more), runconfig_pipeline_params, inputs,
            outputs, params, source_directory, allow_reuse, version, None, retries, retry_delay, timeout,
        )  # fmt: skip
        if self._distribution is not None:
            raise UserErrorException("An RScriptStep runs its script once: its run configuration names a communicator.")
        self.script_name = str(script_name)

    @property
    def _settings(self) -> Mapping[str, Any]:
        section: Any = self.runconfig and self.runconfig.environment.r
        return {"rscript": str(section.rscript_path or "Rscript")}


def _with_r(given: Optional[RunConfiguration], more: Mapping[str, Optional[List[Any]]]) -> RunConfiguration:
    """The run configuration with a section of R and the further packages in it; other steps may have the one that was given,
    too."""
    made = RunConfiguration() if given is None else copy.copy(given)
    made.environment = copy.deepcopy(made.environment)
    if made.environment.has_no_runtime:  # no Python is needed to run R
        made.environment.python.user_managed_dependencies = True
    section = made.environment.r = made.environment.r or RSection()
    for name, packages in more.items():
        if packages:
            setattr(section, name, [*(getattr(section, name) or []), *packages])
    return made
