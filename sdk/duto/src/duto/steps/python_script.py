"""A step that runs a Python script."""

from __future__ import annotations

from typing import Collection, List, Mapping, Optional, Sequence, Tuple, Union

import duto
from duto.configuration.run_configuration import RunConfiguration
from duto.steps.compute_step import ComputeStep


class PythonScriptStep(ComputeStep):
    """A script on one node of a compute target.

    `retries`, `retry_delay` and `timeout` are additions of this studio, which win over the run configuration's. None
    of them is part of the step's identity: a change of one does not keep a step from being reused.

    Attributes:
        kind: the kind of the step in the graph.
        script_name: the script, relative to the source directory.
    """

    kind = "python_script"

    def __init__(
        self,
        script_name: str,
        name: Optional[str] = None,
        arguments: Union[str, Sequence[object], None] = None,
        compute_target: Union[duto.ComputeTarget, str, Tuple[str, str], None] = None,
        runconfig: Optional[RunConfiguration] = None,
        runconfig_pipeline_params: Optional[Mapping[str, object]] = None,
        inputs: Optional[Collection[object]] = None,
        outputs: Optional[Collection[object]] = None,
        params: Optional[Mapping[str, object]] = None,
        source_directory: Optional[str] = None,
        allow_reuse: bool = True,
        version: Optional[str] = None,
        hash_paths: Union[str, List[str], None] = None,
        retries: Optional[int] = None,
        retry_delay: Optional[float] = None,
        timeout: Optional[float] = None,
    ) -> None:
        """Nothing is read or sent before the pipeline is validated or submitted.

        Args:
            script_name: the script, relative to the source directory.
            name: name of the step; None for that of the script.
            arguments: texts, numbers, parameters, inputs, outputs, and lists of these; one text is split as a shell
                does.
            compute_target: a cluster, its name, or a pair of a name and a type; None for that of the run
                configuration, else the workspace's default.
            runconfig: environment, compute target and limits; its `data`, `data_references` and `output_data` are
                inputs and outputs.
            runconfig_pipeline_params: values for `NodeCount`, `MpiProcessCountPerNode`, `TensorflowWorkerCount` or
                `TensorflowParameterServerCount`, which go before those of the run configuration; the script is told them
                as `AML_PARAMETER_<property>`, too. A step has one node.
            inputs: what the step reads: datasets, `DatasetConsumptionConfig`, data of other steps, references.
            outputs: what the step writes: `PipelineData`, `OutputFileDatasetConfig`.
            params: values that the script gets as the variables `AML_PARAMETER_<name>`.
            source_directory: folder that goes along with the step; None for the pipeline's, else the current folder.
            allow_reuse: take the result of an earlier run of the same step, with the same code, inputs and
                parameters.
            version: a text that is part of the step's identity: another one runs it again.
            hash_paths: files and folders that count, beside the script, when a result is to be reused; None for the
                whole source directory.
            retries: how many more attempts there are after one that failed; None for the policy of the cause.
            retry_delay: seconds before each of them; None for the policy of the cause.
            timeout: seconds that the script of one attempt may take, its time in the queue not counted; None for no
                limit.

        Raises:
            ValueError: there is no script.
            UserErrorException: `inputs` or `outputs` is no list, something in them cannot be read or written, or a
                property is not of those that `runconfig_pipeline_params` knows.
        """
        if not script_name:
            raise ValueError("A PythonScriptStep names its script.")
        super().__init__(
            name or str(script_name),
            arguments,
            compute_target,
            runconfig,
            runconfig_pipeline_params,
            inputs,
            outputs,
            params,
            source_directory,
            allow_reuse,
            version,
            hash_paths,
            retries,
            retry_delay,
            timeout,
        )
        self.script_name = str(script_name)
