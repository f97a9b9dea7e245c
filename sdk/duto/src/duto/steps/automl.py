"""A step that is automated machine learning."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Collection, Dict, List, Mapping, Optional, Union

from duto.automl.config import AutoMLConfig
from duto.data.pipeline_data import PipelineData
from duto.data.references import port_name
from duto.exceptions import UserErrorException
from duto.not_built import passed_over
from duto.spec import automl
from duto.steps import ports
from duto.steps.base import entries
from duto.steps.compute_step import ComputeStep
from duto.sweep.training_output import TrainingOutput

MODEL_PREFIX, METRICS_PREFIX = "default_model_", "default_metrics_"


class AutoMLStep(ComputeStep):
    """A search over learners and their hyperparameters as a step. See docs/automl.md.

    Attributes:
        DEFAULT_MODEL_PREFIX: what the name of the output begins with that the best model becomes where none is asked for.
        DEFAULT_METRICS_PREFIX: the same of the metrics.
        AUTOML_CONFIG_PARAM_NAME: kept for its name.
        kind: the kind of the step in the graph.
        script_name: empty: the step runs a driver of its own.
        compute_target: that of the configuration.
        runconfig: None: trials run in the curated environment `AzureML-AutoML`.
        params: empty.
        source_directory: None: no folder goes along.
        hash_paths: None.
        retries: None: an attempt that failed is tried again by the policy of its cause.
        retry_delay: None, as `retries`.
        timeout: None: the configuration says how long it takes.
    """

    kind = automl.KIND
    script_name = ""
    DEFAULT_MODEL_PREFIX = MODEL_PREFIX
    DEFAULT_METRICS_PREFIX = METRICS_PREFIX
    AUTOML_CONFIG_PARAM_NAME = "AutoMLConfig"
    _takes_training_output = True

    def __init__(
        self,
        name: str,
        automl_config: AutoMLConfig,
        inputs: Optional[Collection[object]] = None,
        outputs: Optional[Collection[object]] = None,
        script_repl_params: Optional[Mapping[str, object]] = None,
        allow_reuse: bool = True,
        version: Optional[str] = None,
        hash_paths: Union[str, List[str], None] = None,
        enable_default_model_output: bool = True,
        enable_default_metrics_output: bool = True,
        **kwargs: Any,
    ) -> None:
        """Nothing is read or sent before the pipeline is validated or submitted.

        Args:
            name: name of the step.
            automl_config: the search.
            inputs: what the step waits for and reads beside the data of the configuration.
            outputs: `PipelineData` with a `TrainingOutput`: the best model, or the metrics of all trials.
            script_repl_params: passed over with a warning: there is no script.
            allow_reuse: take the result of an earlier run of the same step, with the same settings and data.
            version: a text that is part of the step's identity: another one runs it again.
            hash_paths: passed over with a warning: no folder goes along.
            enable_default_model_output: the best model becomes an output where none of `outputs` is one; see
                `AutoMLStepRun.get_default_model_output`.
            enable_default_metrics_output: the same of the metrics.
            kwargs: passed over with a warning.

        Raises:
            UserErrorException: it is no `AutoMLConfig`, an output has no `TrainingOutput`, or something in `inputs` cannot
                be read.
        """
        if not isinstance(automl_config, AutoMLConfig):
            raise UserErrorException(f"AutoMLStep(automl_config=...) takes an AutoMLConfig, not {automl_config!r:.80}.")
        passed_over(
            "AutoMLStep", "no script and no folder go along.", script_repl_params=script_repl_params,
            hash_paths=hash_paths, **kwargs,
        )  # fmt: skip
        given = entries("outputs", name, outputs)
        made = {ports.output_name(ports.output_root(each)): _made(name, each) for each in given}
        defaults = (
            (automl.MODEL, MODEL_PREFIX, enable_default_model_output),
            (automl.METRICS, METRICS_PREFIX, enable_default_metrics_output),
        )
        for kind, prefix, wanted in defaults:
            if wanted and kind not in [each["kind"] for each in made.values()]:
                given = [*given, PipelineData(prefix + port_name(name))]
                made[prefix + port_name(name)] = {"kind": kind}
        super().__init__(
            name, None, automl_config.compute_target, None, None, [*automl_config._inputs, *entries("inputs", name, inputs)],
            given, None, None, allow_reuse, version, None, None, None, None,
        )  # fmt: skip
        self.automl_config = automl_config
        self._made: Dict[str, Any] = made

    @property
    def _settings(self) -> Mapping[str, Any]:
        return {**self.automl_config._settings, "outputs": self._made}

    @property
    def _environment(self) -> Optional[Mapping[str, Any]]:
        return {"name": automl.ENVIRONMENT, "version": None}

    def folder(self, default: Optional[str]) -> Optional[Path]:
        """The source directory: it has none.

        Args:
            default: not used.

        Returns:
            None.
        """
        return None


def _made(step: str, item: Any) -> Dict[str, Any]:
    """What an output holds, as a graph has it. Raises `UserErrorException`."""
    wanted = getattr(ports.output_root(item), "training_output", None)
    if not isinstance(wanted, TrainingOutput):
        raise UserErrorException(
            f"Step '{step}': {item!r} is written by automated machine learning: give it a training_output, "
            "TrainingOutput('Model') or TrainingOutput('Metrics')."
        )
    if wanted.model_file is not None:
        raise UserErrorException(f"Step '{step}': the model_file of a TrainingOutput is of a sweep.")
    found = {"kind": wanted.type.lower(), "iteration": wanted.iteration, "metric": wanted.metric}
    return {name: value for name, value in found.items() if value is not None}
