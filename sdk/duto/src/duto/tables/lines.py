"""The lines of a text, of which none may be as long as memory."""

from __future__ import annotations

import io
from functools import partial
from typing import Iterator

from duto.spec.sentences import Said, said
from duto.spec.units import size_text

# Characters.
LONGEST_LINE = 128 << 20


def lines_of(text: io.TextIOWrapper) -> Iterator[str]:
    """Its lines; one that is too long comes cut, one character longer than is allowed, for whoever reads it to refuse."""
    return iter(partial(text.readline, LONGEST_LINE + 1), "")


def long_line(number: int) -> Said:
    return said("endless_line", line=number, most=size_text(LONGEST_LINE))
