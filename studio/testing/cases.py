"""Many small cases of one kind in one test: every worker's bookkeeping of a test costs more than such a case itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

Test = Callable[..., None]


def in_one(
    names: str, given: Iterable[Any] | Callable[[], Iterable[Any]], ids: Callable[[Any], str] = str
) -> Callable[[Test], Test]:
    """As `pytest.mark.parametrize`, in a single test without fixtures. All cases are tried, and all that fail are named.

    `names`: the arguments, with commas between; `given`: a value for each case, a tuple for several arguments, or
    `pytest.param`; or what gives them when the test runs, where every worker would take long to find them; `ids`: how a
    value is named.
    """
    words = [name.strip() for name in names.split(",")]

    def decorate(test: Test) -> Test:
        def tries_all() -> None:
            cases = [_case(each, len(words), ids) for each in (given() if callable(given) else given)]
            failed = []
            for name, values in cases:
                try:
                    test(**dict(zip(words, values, strict=True)))
                except (Exception, pytest.fail.Exception) as error:
                    failed.append(f"{name}: {type(error).__name__}: {error}")
            if failed:
                pytest.fail(f"{len(failed)} of {len(cases)} cases:\n" + "\n".join(failed), pytrace=False)

        # Not by functools.wraps: pytest would read the arguments of the cases as names of fixtures.
        tries_all.__name__, tries_all.__qualname__ = test.__name__, test.__qualname__
        tries_all.__module__, tries_all.__doc__ = test.__module__, test.__doc__
        return tries_all

    return decorate


def _case(given: Any, count: int, ids: Callable[[Any], str]) -> tuple[str, tuple[Any, ...]]:
    """Its name and its values."""
    if hasattr(given, "values") and hasattr(given, "marks"):  # pytest.param
        return given.id or "-".join(map(ids, given.values)), tuple(given.values)
    values = tuple(given) if count > 1 else (given,)
    return "-".join(map(ids, values)), values
