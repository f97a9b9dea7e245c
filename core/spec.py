"""What `duto.spec` refuses, said as a refusal of the studio."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from core.errors import Unprocessable
from duto.spec.errors import SpecError


@contextmanager
def refusing() -> Iterator[None]:
    """Turn a SpecError raised inside into Unprocessable: the first problem's code, all problems as facts."""
    try:
        yield
    except SpecError as error:
        raise unprocessable(error) from error


def unprocessable(error: SpecError) -> Unprocessable:
    problems = [problem.to_document() for problem in error.problems]
    code = error.problems[0].code if error.problems else ""
    return Unprocessable(str(error), code=code, problems=problems)
