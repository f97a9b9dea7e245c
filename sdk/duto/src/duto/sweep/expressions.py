"""The ten expressions of hyperparameters, in the form that Azure ML gives them: a name and a list of values."""

from __future__ import annotations

import warnings
from typing import Any, List

from duto.configuration.arguments import as_value
from duto.exceptions import HyperDriveConfigException
from duto.spec.sweeps import Hyperparameter


def choice(*options: object) -> List[object]:
    """One of several values.

    Args:
        options: the values, each a text, a number or a truth value; or one list, range or array of them. One that is there
            twice counts once, with a warning.

    Returns:
        The expression.

    Raises:
        HyperDriveConfigException: there are none, or one is something else.
    """
    first: Any = options[0] if len(options) == 1 else None
    if isinstance(first, (list, tuple, range, set)) or getattr(first, "ndim", 0) == 1:
        options = tuple(first)
    given: List[object] = [as_value(each) for each in options]
    values = list({repr(each): each for each in given}.values())
    if len(values) < len(given):
        twice = next(each for place, each in enumerate(given) if repr(each) in map(repr, given[:place]))
        warnings.warn(f"choice has the option {twice!r} more than once; it counts once.", stacklevel=2)
    expression_of("choice", values)
    return ["choice", [values]]


def randint(upper: int) -> List[object]:
    """A whole number from 0 on, below `upper`.

    Args:
        upper: the first number that is too large.

    Returns:
        The expression.

    Raises:
        HyperDriveConfigException: it is no whole number of at least 1.
    """
    return _of("randint", upper)


def uniform(min_value: float, max_value: float) -> List[object]:
    """A number between two others, each as likely as the next.

    Args:
        min_value: the smallest.
        max_value: the largest.

    Returns:
        The expression.

    Raises:
        HyperDriveConfigException: they are no numbers, or the first is not below the second.
    """
    return _of("uniform", min_value, max_value)


def quniform(min_value: float, max_value: float, q: float) -> List[object]:
    """`round(uniform(min_value, max_value) / q) * q`; whole numbers where `q` is whole.

    Args:
        min_value: the smallest.
        max_value: the largest.
        q: what values are multiples of.

    Returns:
        The expression.

    Raises:
        HyperDriveConfigException: they are no numbers that go together.
    """
    return _of("quniform", min_value, max_value, q)


def loguniform(min_value: float, max_value: float) -> List[object]:
    """`exp(uniform(min_value, max_value))`: a number whose logarithm is uniform.

    Args:
        min_value: the natural logarithm of the smallest.
        max_value: the natural logarithm of the largest.

    Returns:
        The expression.

    Raises:
        HyperDriveConfigException: they are no numbers, or the first is not below the second.
    """
    return _of("loguniform", min_value, max_value)


def qloguniform(min_value: float, max_value: float, q: float) -> List[object]:
    """`round(exp(uniform(min_value, max_value)) / q) * q`; whole numbers where `q` is whole.

    Args:
        min_value: the natural logarithm of the smallest.
        max_value: the natural logarithm of the largest.
        q: what values are multiples of.

    Returns:
        The expression.

    Raises:
        HyperDriveConfigException: they are no numbers that go together.
    """
    return _of("qloguniform", min_value, max_value, q)


def normal(mu: float, sigma: float) -> List[object]:
    """A number of the normal distribution.

    Args:
        mu: its mean.
        sigma: its standard deviation.

    Returns:
        The expression.

    Raises:
        HyperDriveConfigException: they are no numbers, or `sigma` is not above 0.
    """
    return _of("normal", mu, sigma)


def qnormal(mu: float, sigma: float, q: float) -> List[object]:
    """`round(normal(mu, sigma) / q) * q`; whole numbers where `q` is whole.

    Args:
        mu: the mean.
        sigma: the standard deviation.
        q: what values are multiples of.

    Returns:
        The expression.

    Raises:
        HyperDriveConfigException: they are no numbers that go together.
    """
    return _of("qnormal", mu, sigma, q)


def lognormal(mu: float, sigma: float) -> List[object]:
    """`exp(normal(mu, sigma))`: a number whose logarithm is of the normal distribution.

    Args:
        mu: mean of the logarithm.
        sigma: standard deviation of the logarithm.

    Returns:
        The expression.

    Raises:
        HyperDriveConfigException: they are no numbers, or `sigma` is not above 0.
    """
    return _of("lognormal", mu, sigma)


def qlognormal(mu: float, sigma: float, q: float) -> List[object]:
    """`round(exp(normal(mu, sigma)) / q) * q`; whole numbers where `q` is whole.

    Args:
        mu: mean of the logarithm.
        sigma: standard deviation of the logarithm.
        q: what values are multiples of.

    Returns:
        The expression.

    Raises:
        HyperDriveConfigException: they are no numbers that go together.
    """
    return _of("qlognormal", mu, sigma, q)


def expression_of(name: str, values: List[Any], hyperparameter: str = "x") -> Hyperparameter:
    """The hyperparameter of an expression. Raises `HyperDriveConfigException` for what is wrong with it."""
    found = Hyperparameter(hyperparameter, name, tuple(values))
    if found.problem:
        raise HyperDriveConfigException(f"{found.problem[0].upper()}{found.problem[1:]}.")
    return found


def _of(name: str, *values: object) -> List[object]:
    given: List[object] = [each if isinstance(each, (int, float)) else _number(each) for each in values]
    expression_of(name, given)
    return [name, given]


def _number(value: Any) -> Any:
    """A number of a library (numpy) as Python's own."""
    item = getattr(value, "item", None)
    return item() if callable(item) else value
