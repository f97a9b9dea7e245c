"""How a sweep chooses the values of its trials."""

from __future__ import annotations

from typing import Any, ClassVar, Dict, List, Mapping, Optional, Sequence

from duto.exceptions import HyperDriveConfigException
from duto.not_built import passed_over
from duto.spec.sweeps import FINITE, Hyperparameter
from duto.sweep.expressions import expression_of


class HyperParameterSampling:
    """What the ways of sampling share. Programs make one of its kinds.

    Attributes:
        SAMPLING_NAME: Azure ML's name of it.
    """

    SAMPLING_NAME: ClassVar[str] = ""
    _kind: ClassVar[str] = ""

    def __init__(
        self,
        sampling_method_name: str,
        parameter_space: Mapping[str, Sequence[object]],
        properties: Optional[Mapping[str, int]] = None,
        supported_distributions: object = None,
        distributions_validators: object = None,
    ) -> None:
        """Programs make one of its kinds.

        Args:
            sampling_method_name: Azure ML's name of it.
            parameter_space: expressions by the names of arguments.
            properties: `seed`.
            supported_distributions: passed over with a warning.
            distributions_validators: passed over with a warning.

        Raises:
            HyperDriveConfigException: an expression is none, or `properties` holds something else.
        """
        passed_over(
            "HyperParameterSampling", "each kind knows its own.", supported_distributions=supported_distributions,
            distributions_validators=distributions_validators,
        )  # fmt: skip
        self._name = sampling_method_name
        if not isinstance(parameter_space, Mapping) or not parameter_space:
            raise HyperDriveConfigException("parameter_space is a dict of hyperparameters, and holds at least one.")
        self._parameter_space: Dict[str, Any] = dict(parameter_space)
        self._properties: Dict[str, int] = dict(properties or {})
        unknown = sorted(set(self._properties) - {"seed"})
        if unknown:
            raise HyperDriveConfigException(
                f"properties of {type(self).__name__} knows seed; not {', '.join(unknown)}."
            )
        self._space = tuple(_hyperparameter(str(name), given) for name, given in parameter_space.items())

    @property
    def seed(self) -> Optional[int]:
        """What all draws follow from; None for another each time. An addition of ours."""
        value = self._properties.get("seed")
        return None if value is None else int(value)

    def to_json(self) -> Dict[str, Any]:
        """The sampling as Azure ML writes it.

        Returns:
            Name, properties and space.
        """
        return {
            "name": self._name,
            "properties": self._properties or None,
            "parameter_space": self._parameter_space,
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HyperParameterSampling) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]  # as its dictionaries


class RandomParameterSampling(HyperParameterSampling):
    """Values at random, each by its expression. Where there are few enough no two trials are the same.

    Attributes:
        SAMPLING_NAME: Azure ML's name of it.
    """

    SAMPLING_NAME = "RANDOM"
    _kind = "random"

    def __init__(
        self, parameter_space: Mapping[str, Sequence[object]], properties: Optional[Mapping[str, int]] = None
    ) -> None:
        """Nothing is drawn before the sweep runs.

        Args:
            parameter_space: by the name of an argument of the script (`--lr` or `lr`) one of the ten expressions.
            properties: `seed`: a whole number that all draws follow from; an addition of ours.

        Raises:
            HyperDriveConfigException: an expression is none, or `properties` holds something else.
        """
        super().__init__(self.SAMPLING_NAME, parameter_space, properties)


class GridParameterSampling(HyperParameterSampling):
    """Every combination of finite sets of values; the last hyperparameter changes first.

    Attributes:
        SAMPLING_NAME: Azure ML's name of it.
    """

    SAMPLING_NAME = "GRID"
    _kind = "grid"

    def __init__(
        self, parameter_space: Mapping[str, Sequence[object]], properties: Optional[Mapping[str, int]] = None
    ) -> None:
        """Nothing is drawn before the sweep runs.

        Args:
            parameter_space: by the name of an argument of the script `choice`, `randint`, `quniform` or
                `qloguniform`.
            properties: `seed`: taken, and nothing follows from it.

        Raises:
            HyperDriveConfigException: an expression has no end of values, or is none.
        """
        super().__init__(self.SAMPLING_NAME, parameter_space, properties)
        for each in self._space:
            if each.count is None:
                raise HyperDriveConfigException(
                    f"A grid takes {', '.join(FINITE)}; {each.expression}, of {each.name!r}, has no end of values."
                )


class BayesianParameterSampling(HyperParameterSampling):
    """Values that promise most by what the trials before have given: a tree-structured Parzen estimator (Optuna).

    It learns from trials that are over: with few at once it finds more by the same number of them.

    Attributes:
        SAMPLING_NAME: Azure ML's name of it.
    """

    SAMPLING_NAME = "BayesianOptimization"
    _kind = "bayesian"

    def __init__(
        self, parameter_space: Mapping[str, Sequence[object]], properties: Optional[Mapping[str, int]] = None
    ) -> None:
        """Nothing is drawn before the sweep runs.

        Args:
            parameter_space: by the name of an argument of the script one of the ten expressions.
            properties: `seed`: a whole number that all draws follow from; an addition of ours.

        Raises:
            HyperDriveConfigException: an expression is none, or `properties` holds something else.
        """
        super().__init__(self.SAMPLING_NAME, parameter_space, properties)


def _hyperparameter(name: str, given: Any) -> Hyperparameter:
    """The hyperparameter of what an expression's function gives."""
    if not (isinstance(given, (list, tuple)) and len(given) == 2 and isinstance(given[1], (list, tuple))):
        raise HyperDriveConfigException(
            f"The hyperparameter {name!r} is {given!r:.80}, and no expression: write choice(...), uniform(...) or another "
            "of azureml.train.hyperdrive."
        )
    kind, values = str(given[0]), _values(str(given[0]), given[1])
    try:
        return expression_of(kind, values, name)
    except HyperDriveConfigException as error:
        raise HyperDriveConfigException(f"Hyperparameter {name!r}: {error.message}") from error


def _values(kind: str, given: Sequence[Any]) -> List[Any]:
    if kind == "choice" and len(given) == 1 and isinstance(given[0], (list, tuple)):
        return list(given[0])
    return list(given)
