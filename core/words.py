"""Words that depend on who reads: most texts do, by Django's gettext; what is stored does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.utils import translation
from django.utils.formats import get_format


@contextmanager
def stored() -> Iterator[None]:
    """In here texts are in the language of the code: others than the one who caused them will read them."""
    with translation.override(settings.LANGUAGE_CODE):
        yield


def decimal(written: str) -> str:
    """A number that is written already, with the mark that the reader's language puts before its decimals."""
    return written.replace(".", str(get_format("DECIMAL_SEPARATOR")))


def size_text(size: float) -> str:
    """1.2 kB: decimal units, as disks and networks count."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(size) < 1000 or unit == "TB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{decimal(f'{size:.1f}')} {unit}"
        size /= 1000
    raise AssertionError("every size has a unit")


def is_of_the_code() -> bool:
    """Whether the reader's language is the one that the code is written in."""
    return translation.get_language() in (None, settings.LANGUAGE_CODE)
