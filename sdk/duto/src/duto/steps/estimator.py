"""A step that runs an estimator's script."""

from __future__ import annotations

from typing import Collection, Mapping, Optional, Sequence, Tuple, Union

import duto
from duto.configuration.estimator import Estimator
from duto.exceptions import UserErrorException
from duto.steps.python_script import PythonScriptStep


class EstimatorStep(PythonScriptStep):
    """An estimator's script, in its environment, as a step."""

    def __init__(
        self,
        name: Optional[str] = None,
        estimator: Optional[Estimator] = None,
        estimator_entry_script_arguments: Union[str, Sequence[object], None] = None,
        runconfig_pipeline_params: Optional[Mapping[str, object]] = None,
        inputs: Optional[Collection[object]] = None,
        outputs: Optional[Collection[object]] = None,
        compute_target: Union[duto.ComputeTarget, str, Tuple[str, str], None] = None,
        allow_reuse: bool = True,
        version: Optional[str] = None,
    ) -> None:
        """Nothing is read or sent before the pipeline is validated or submitted.

        Args:
            name: name of the step; None for that of the script.
            estimator: script, folder, environment and limits; its `inputs` are inputs of the step, too.
            estimator_entry_script_arguments: texts, numbers, parameters, inputs, outputs, and lists of these; None for
                the estimator's `script_params`.
            runconfig_pipeline_params: as for `PythonScriptStep`.
            inputs: what the step reads: datasets, `DatasetConsumptionConfig`, data of other steps, references.
            outputs: what the step writes: `PipelineData`, `OutputFileDatasetConfig`.
            compute_target: a cluster, its name, or a pair of a name and a type; None for that of the estimator, else
                the workspace's default.
            allow_reuse: take the result of an earlier run of the same step, with the same code, inputs and
                parameters.
            version: a text that is part of the step's identity: another one runs it again.

        Raises:
            UserErrorException: there is no estimator, it has `script_params` beside the arguments given here, `inputs`
                or `outputs` is no list, something in them cannot be read or written, or a property is not of those
                that `runconfig_pipeline_params` knows.
        """
        if not isinstance(estimator, Estimator):
            raise UserErrorException(f"EstimatorStep(estimator=...) takes an Estimator, not {estimator!r}.")
        config = estimator.run_config
        given = estimator_entry_script_arguments
        if given is not None and config.arguments:
            raise UserErrorException(
                "The arguments stand in estimator_entry_script_arguments and in the estimator's script_params: leave one "
                "of them out."
            )
        super().__init__(
            str(config.script),
            name,
            config.arguments if given is None else given,
            compute_target,
            config,
            runconfig_pipeline_params,
            inputs,
            outputs,
            source_directory=estimator.source_directory,
            allow_reuse=allow_reuse,
            version=version,
        )
        self.estimator = estimator
