"""When a trial is stopped early, by the primary metric that it has logged so far."""

from __future__ import annotations

from typing import Any, ClassVar, Dict, Mapping, Optional

from duto.exceptions import HyperDriveConfigException
from duto.spec.sweeps import Policy


class EarlyTerminationPolicy:
    """What policies share. Programs make one of its kinds.

    Attributes:
        POLICY_NAME: Azure ML's name of it.
    """

    POLICY_NAME: ClassVar[str] = ""

    def __init__(self, name: str, properties: Optional[Mapping[str, object]] = None) -> None:
        """Programs make one of its kinds.

        Args:
            name: Azure ML's name of it.
            properties: its numbers, by the names of the arguments of its kind.

        Raises:
            HyperDriveConfigException: there is no such policy, or a number is out of its bounds.
        """
        if name not in _KINDS:
            raise HyperDriveConfigException(f"There is no policy {name!r}; there are {', '.join(_KINDS)}.")
        given: Dict[str, Any] = dict(properties or {})
        policy = Policy(_KINDS[name], **given)
        if policy.problem:
            raise HyperDriveConfigException(f"{policy.problem[0].upper()}{policy.problem[1:]}.")
        self._name, self._policy = name, policy

    def to_json(self) -> Dict[str, Any]:
        """The policy as Azure ML writes it.

        Returns:
            Name and properties.
        """
        found = {name: getattr(self._policy, name) for name in _PROPERTIES}
        return {
            "name": self._name,
            "properties": {name: value for name, value in found.items() if value is not None},
        }

    @property
    def evaluation_interval(self) -> int:
        """Each time that a trial has logged the metric so often again, the policy is applied to it."""
        return self._policy.evaluation_interval

    @property
    def delay_evaluation(self) -> int:
        """So often a trial has logged the metric at least when the policy is first applied to it."""
        return self._policy.delay_evaluation

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EarlyTerminationPolicy) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self._policy)


_KINDS = {
    "Bandit": "bandit",
    "MedianStopping": "median_stopping",
    "TruncationSelection": "truncation_selection",
    "Default": "none",
}
_PROPERTIES = ("evaluation_interval", "delay_evaluation", "slack_factor", "slack_amount", "truncation_percentage")


class BanditPolicy(EarlyTerminationPolicy):
    """Stops a trial whose best value is not within a slack of the best of all trials that have come as far.

    With a slack factor of 0.2 and 0.8 as the best to be maximized, one below 0.8 / 1.2 is stopped.

    Attributes:
        POLICY_NAME: Azure ML's name of it.
    """

    POLICY_NAME = "Bandit"

    def __init__(
        self,
        evaluation_interval: int = 1,
        slack_factor: Optional[float] = None,
        slack_amount: Optional[float] = None,
        delay_evaluation: int = 0,
    ) -> None:
        """One of the two slacks is given.

        Args:
            evaluation_interval: how often the metric is logged between two looks.
            slack_factor: the slack as a share of the best value.
            slack_amount: the slack as a number.
            delay_evaluation: how often the metric is logged before the first look.

        Raises:
            HyperDriveConfigException: no slack, or two; a number out of its bounds.
        """
        given = {
            "evaluation_interval": evaluation_interval,
            "slack_factor": slack_factor,
            "slack_amount": slack_amount,
            "delay_evaluation": delay_evaluation,
        }
        super().__init__(self.POLICY_NAME, given)

    @property
    def slack_factor(self) -> Optional[float]:
        """The slack as a share of the best value."""
        return self._policy.slack_factor

    @property
    def slack_amount(self) -> Optional[float]:
        """The slack as a number."""
        return self._policy.slack_amount


class MedianStoppingPolicy(EarlyTerminationPolicy):
    """Stops a trial whose best value is worse than the median of the running averages of all trials that have come as far.

    Attributes:
        POLICY_NAME: Azure ML's name of it.
    """

    POLICY_NAME = "MedianStopping"

    def __init__(self, evaluation_interval: int = 1, delay_evaluation: int = 0) -> None:
        """Both count how often a trial logs the metric.

        Args:
            evaluation_interval: how often the metric is logged between two looks.
            delay_evaluation: how often the metric is logged before the first look.

        Raises:
            HyperDriveConfigException: a number out of its bounds.
        """
        super().__init__(
            self.POLICY_NAME, {"evaluation_interval": evaluation_interval, "delay_evaluation": delay_evaluation}
        )


class TruncationSelectionPolicy(EarlyTerminationPolicy):
    """Stops a share of the trials at each interval: those with the lowest best value.

    Attributes:
        POLICY_NAME: Azure ML's name of it.
    """

    POLICY_NAME = "TruncationSelection"

    def __init__(
        self,
        truncation_percentage: int,
        evaluation_interval: int = 1,
        delay_evaluation: int = 0,
        exclude_finished_jobs: bool = False,
    ) -> None:
        """Both intervals count how often a trial logs the metric.

        Args:
            truncation_percentage: which share of the trials goes, from 1 to 99.
            evaluation_interval: how often the metric is logged between two looks.
            delay_evaluation: how often the metric is logged before the first look.
            exclude_finished_jobs: compare trials that still run alone.

        Raises:
            HyperDriveConfigException: a number out of its bounds.
        """
        given = {
            "truncation_percentage": truncation_percentage,
            "evaluation_interval": evaluation_interval,
            "delay_evaluation": delay_evaluation,
            "exclude_finished_jobs": exclude_finished_jobs,
        }
        super().__init__(self.POLICY_NAME, given)

    @property
    def truncation_percentage(self) -> Optional[int]:
        """Which share of the trials goes."""
        return self._policy.truncation_percentage


class NoTerminationPolicy(EarlyTerminationPolicy):
    """Lets every trial run to its end, as no policy does.

    Attributes:
        POLICY_NAME: Azure ML's name of it.
    """

    POLICY_NAME = "Default"

    def __init__(self) -> None:
        """There is nothing to be said of it."""
        super().__init__(self.POLICY_NAME)
