"""What a sweep is to do: a script, its hyperparameters, what is compared, and when it is enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Mapping, Optional, Tuple, Union

import duto
from duto.configuration.estimator import Estimator
from duto.configuration.resources import PrimaryMetricGoal
from duto.exceptions import HyperDriveConfigException
from duto.not_built import passed_over
from duto.spec.sweeps import Made, Policy, Sweep
from duto.sweep.policy import EarlyTerminationPolicy
from duto.sweep.sampling import HyperParameterSampling

if TYPE_CHECKING:
    from duto.run.run import Run
    from duto.steps.compute_step import ComputeStep

MAX_DURATION_MINUTES = 10080


class HyperDriveConfig:
    """A sweep: trials of one script or command with different arguments. Submit it to an `Experiment`, or make a
    `HyperDriveStep` of it. See docs/sweeps.md.
    """

    def __init__(
        self,
        hyperparameter_sampling: HyperParameterSampling,
        primary_metric_name: str,
        primary_metric_goal: PrimaryMetricGoal,
        max_total_runs: int,
        max_concurrent_runs: Optional[int] = None,
        max_duration_minutes: float = MAX_DURATION_MINUTES,
        policy: Optional[EarlyTerminationPolicy] = None,
        estimator: Optional[Estimator] = None,
        run_config: Optional[duto.ScriptRunConfig] = None,
        resume_from: Union[Run, str, Iterable[Union[Run, str]], None] = None,
        resume_child_runs: Union[Run, str, Iterable[Union[Run, str]], None] = None,
        pipeline: object = None,
        debug_flag: object = None,
        custom_run_id: object = None,
    ) -> None:
        """One of `estimator` and `run_config` is given. Nothing is sent before it is submitted.

        Args:
            hyperparameter_sampling: which arguments are tried, and how their values are chosen.
            primary_metric_name: the metric that trials are compared by; their script logs it with `run.log`.
            primary_metric_goal: whether more of it is better, or less.
            max_total_runs: the most trials, from 1 to 1000; there are fewer where there are fewer values.
            max_concurrent_runs: the most trials at once; None for all.
            max_duration_minutes: after so many minutes trials that still run are stopped, and no more are started.
            policy: when a trial is stopped early; None lets all run to their end.
            estimator: script, folder, compute target and environment.
            run_config: the same as a `ScriptRunConfig`, of a script or of a command.
            resume_from: up to five earlier sweeps over the same hyperparameters: a Bayesian search begins with what they
                have found, the others leave out what they have tried; see `HyperDriveRun.get_best_run_by_primary_metric`.
            resume_child_runs: trials of an earlier sweep that are run again first, with the same values; their script
                gets the files that they had kept below `outputs/` as the argument `--resume-from`.
            pipeline: a sweep over pipelines is not built.
            debug_flag: passed over with a warning.
            custom_run_id: passed over with a warning: the studio gives the ids.

        Raises:
            HyperDriveConfigException: what is wrong with it, every problem by name. It is a `UserErrorException`.
        """
        passed_over("HyperDriveConfig", "nothing follows from it.", debug_flag=debug_flag, custom_run_id=custom_run_id)
        if pipeline is not None:
            raise HyperDriveConfigException("A sweep runs a script: give it run_config= or estimator=, not pipeline=.")
        if (estimator is None) == (run_config is None):
            raise HyperDriveConfigException("A HyperDriveConfig takes one of run_config and estimator.")
        if run_config is not None and not isinstance(run_config, duto.ScriptRunConfig):
            raise HyperDriveConfigException(f"run_config is a ScriptRunConfig, not {run_config!r:.80}.")
        if estimator is not None and not isinstance(estimator, Estimator):
            raise HyperDriveConfigException(f"estimator is an Estimator, not {estimator!r:.80}.")
        if not isinstance(hyperparameter_sampling, HyperParameterSampling):
            raise HyperDriveConfigException(
                "hyperparameter_sampling is RandomParameterSampling, GridParameterSampling or BayesianParameterSampling, "
                f"not {hyperparameter_sampling!r:.80}."
            )
        if policy is not None and not isinstance(policy, EarlyTerminationPolicy):
            raise HyperDriveConfigException(f"policy is a BanditPolicy or another policy, not {policy!r:.80}.")
        self.estimator, self.run_config = estimator, run_config
        self.hyperparameter_sampling, self.policy = hyperparameter_sampling, policy
        self._sweep = Sweep(
            hyperparameter_sampling._space,
            hyperparameter_sampling._kind,
            str(primary_metric_name),
            _goal(primary_metric_goal),
            _whole("max_total_runs", max_total_runs),
            _whole("max_concurrent_runs", max_total_runs if max_concurrent_runs is None else max_concurrent_runs),
            _minutes(max_duration_minutes),
            Policy() if policy is None else policy._policy,
            hyperparameter_sampling.seed,
            resume_from=_ids(resume_from),
            resume_trials=_ids(resume_child_runs),
        )
        wrong = list(self._sweep.problems())
        if wrong:
            raise HyperDriveConfigException("\n".join(f"{each[0].upper()}{each[1:]}." for each in wrong))

    @property
    def pipeline(self) -> None:
        """None: a sweep runs a script."""
        return

    @property
    def source_directory(self) -> str:
        """Folder that goes along with each trial."""
        found = self._script_config.source_directory
        return str(found)

    @property
    def _script_config(self) -> duto.ScriptRunConfig:
        if self.run_config is not None:
            return self.run_config
        if self.estimator is None:
            raise HyperDriveConfigException("A HyperDriveConfig takes one of run_config and estimator.")
        return duto.ScriptRunConfig(self.estimator.source_directory, run_config=self.estimator.run_config)

    def _inner(self) -> ComputeStep:
        """The script or command as a step of its own, without the hyperparameters."""
        return self._script_config.to_step()

    def _document(self, made: Mapping[str, Made]) -> Dict[str, Any]:
        from dataclasses import replace

        return replace(self._sweep, made=made).to_document()


class HyperDriveRunConfig(HyperDriveConfig):
    """The old name of `HyperDriveConfig`."""


def _goal(given: Any) -> str:
    if isinstance(given, PrimaryMetricGoal):
        return given.value.lower()
    if str(given).upper() in PrimaryMetricGoal.__members__:
        return str(given).lower()
    raise HyperDriveConfigException(
        f"primary_metric_goal is PrimaryMetricGoal.MAXIMIZE or PrimaryMetricGoal.MINIMIZE, not {given!r:.80}."
    )


def _whole(name: str, given: Any) -> int:
    try:
        if isinstance(given, bool) or int(given) != given:
            raise ValueError(given)
    except (TypeError, ValueError) as error:
        raise HyperDriveConfigException(f"{name} is {given!r:.80}, and no whole number.") from error
    return int(given)


def _minutes(given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        raise HyperDriveConfigException(f"max_duration_minutes is {given!r:.80}, and no number.")
    return given


def _ids(given: Any) -> Tuple[str, ...]:
    """Ids of runs that are given one or several, each as a run or its id."""
    several: List[Any] = [] if given is None else list(given) if isinstance(given, (list, tuple, set)) else [given]
    return tuple(str(getattr(each, "id", each)) for each in several)
