"""A step that is a sweep."""

from __future__ import annotations

from typing import Any, Collection, List, Mapping, Optional, Sequence, Union

from duto.data.pipeline_data import PipelineData
from duto.exceptions import UserErrorException
from duto.spec.sweeps import Made
from duto.steps import ports
from duto.steps.base import entries
from duto.steps.compute_step import ComputeStep
from duto.sweep.config import HyperDriveConfig
from duto.sweep.training_output import TrainingOutput


class HyperDriveStep(ComputeStep):
    """A sweep as a step: trials of one script or command with different arguments. See docs/sweeps.md.

    An output with a `TrainingOutput` is written by the studio when the sweep is over. Any other is one that each trial
    writes for itself; the step's is that of its best trial.

    Attributes:
        kind: the kind of the step in the graph.
        script_name: the script of each trial; empty where it is a command.
        compute_target: None: that of the run configuration counts.
        runconfig: environment, compute target and limits of each trial.
        params: empty: a sweep has hyperparameters.
        source_directory: folder that goes along with each trial.
        hash_paths: None: the whole source directory counts when a result is to be reused.
        retries: how many more attempts a trial has after one that failed.
        retry_delay: seconds before each of them.
        timeout: seconds that the script of one attempt may take.
    """

    kind = "sweep"
    _takes_training_output = True

    def __init__(
        self,
        name: str,
        hyperdrive_config: HyperDriveConfig,
        estimator_entry_script_arguments: Union[str, Sequence[object], None] = None,
        inputs: Optional[Collection[object]] = None,
        outputs: Optional[Collection[object]] = None,
        metrics_output: Union[PipelineData, Sequence[PipelineData], None] = None,
        allow_reuse: bool = True,
        version: Optional[str] = None,
    ) -> None:
        """Nothing is read or sent before the pipeline is validated or submitted.

        Args:
            name: name of the step.
            hyperdrive_config: the sweep.
            estimator_entry_script_arguments: what stands before the hyperparameters: texts, numbers, parameters,
                inputs, outputs, and lists of these; None for the arguments of the estimator or the run configuration.
            inputs: what each trial reads: datasets, `DatasetConsumptionConfig`, data of other steps, references.
            outputs: what the step writes.
            metrics_output: an output for the metrics of all trials, as JSON: by the id of each trial its metrics, each a
                list of values.
            allow_reuse: take the result of an earlier run of the same step, with the same sweep, code and inputs.
            version: a text that is part of the step's identity: another one runs it again.

        Raises:
            UserErrorException: it is no `HyperDriveConfig`, `inputs` or `outputs` is no list, something in them cannot be
                read or written, or a `TrainingOutput` is one of automated ML.
        """
        if not isinstance(hyperdrive_config, HyperDriveConfig):
            raise UserErrorException(
                f"HyperDriveStep(hyperdrive_config=...) takes a HyperDriveConfig, not {hyperdrive_config!r}."
            )
        inner = hyperdrive_config._inner()
        given: Any = inner._arguments if estimator_entry_script_arguments is None else estimator_entry_script_arguments
        metrics: List[Any] = list(metrics_output) if isinstance(metrics_output, (list, tuple)) else [metrics_output]
        metrics = [each for each in metrics if each is not None]
        super().__init__(
            name,
            given,
            None,
            inner.runconfig,
            None,
            inputs,
            [*entries("outputs", name, outputs), *metrics],
            None,
            inner.source_directory,
            allow_reuse,
            version,
            None,
            inner.retries,
            inner.retry_delay,
            inner.timeout,
        )
        self.script_name = inner.script_name
        self.hyperdrive_config = hyperdrive_config
        self._made = {ports.output_name(ports.output_root(each)): Made("metrics") for each in metrics}
        for root in self.out_roots:
            made = _made(name, root)
            if made is not None:
                self._made[ports.output_name(root)] = made

    @property
    def _settings(self) -> Mapping[str, Any]:
        return self.hyperdrive_config._document(self._made)


def _made(step: str, root: Any) -> Optional[Made]:
    """What of the sweep an output holds; None for one that the trials write."""
    wanted = getattr(root, "training_output", None)
    if wanted is None:
        return None
    if not isinstance(wanted, TrainingOutput):
        raise UserErrorException(f"Step '{step}': training_output is a TrainingOutput, not {wanted!r}.")
    if wanted.type == "Metrics":
        return Made("metrics")
    if wanted.iteration is not None or wanted.metric is not None:
        raise UserErrorException(
            f"Step '{step}': the iteration and the metric of a TrainingOutput are of automated ML. The model of a sweep is "
            "that of the best trial by the primary metric: name its file, TrainingOutput('Model', model_file='outputs/model.pkl')."
        )
    return Made("model", wanted.model_file)
