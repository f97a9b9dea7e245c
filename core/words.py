"""Words that depend on who reads: most texts do, by Django's gettext; what is stored does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.utils import translation
from django.utils.formats import get_format

from duto.spec import units

_EPOCH = datetime.fromtimestamp(0, UTC)


@contextmanager
def stored() -> Iterator[None]:
    """In here texts are in the language of the code: others than the one who caused them will read them."""
    with translation.override(settings.LANGUAGE_CODE):
        yield


def other_languages() -> Iterator[str]:
    """The languages of readers but that of the code, one after the other; while one is looked at texts are in it."""
    for language, _name in settings.LANGUAGES:
        if language != settings.LANGUAGE_CODE:
            with translation.override(language):
                yield language


def decimal(written: str) -> str:
    """A number that is written already, with the mark that the reader's language puts before its decimals."""
    return written.replace(".", str(get_format("DECIMAL_SEPARATOR")))


def size_text(size: float) -> str:
    """Bytes as `duto.spec.units` writes them: 1.2 KiB."""
    return decimal(units.size_text(size))


def duration_text(seconds: float) -> str:
    """Seconds as `duto.spec.units` writes them: 2.0 s, 4 min 12 s."""
    return decimal(units.duration_text(seconds))


def seconds_between(start: datetime, end: datetime) -> float:
    """Of whole milliseconds, which is what a page knows of a moment: both then write the same duration."""
    began, ended = ((moment - _EPOCH) // timedelta(milliseconds=1) for moment in (start, end))
    return (ended - began) / 1000


def number_text(value: float) -> str:
    """A measured number as `duto.spec.units` writes it: 0.3142, 12,345, 1e-05."""
    text = units.number_text(value)
    return text if is_of_the_code() else decimal(text.replace(",", "\u00a0"))


def percent_text(share: float) -> str:
    """A share in per cent, with one decimal at most: 12.5 %, 0 %."""
    written = f"{round(share * 100, 1) + 0:.1f}"  # + 0: no minus before a nought
    return f"{decimal(written.removesuffix('.0'))}\u00a0%"


def is_of_the_code() -> bool:
    """Whether the reader's language is the one that the code is written in."""
    return translation.get_language() in (None, settings.LANGUAGE_CODE)
