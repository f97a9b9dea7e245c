"""Texts and what a language says for them, as Babel keeps them, without its dates and strict about what is wrong in a file."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import PoFileError, PoFileParser, write_po

# A text, or one and its plural; what is said for it, or nothing yet.
Texts = str | tuple[str, ...] | list[str]
# Babel takes the ends of a text for its quotes, whatever they are.
LINE = re.compile(r'\s*(#.*|(msg[a-z_]+(\[\d\])?\s+)?"(\\.|[^"\\])*"\s*)?')


class Catalogue(Catalog):
    """What the code says, or what a language says for it."""

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        """What programs need to know; a date or a version would change the file where no word did."""
        return [
            ("Language", str(self.locale_identifier)),
            ("MIME-Version", "1.0"),
            ("Content-Type", f"text/plain; charset={self.charset}"),
            ("Content-Transfer-Encoding", "8bit"),
            ("Plural-Forms", f"{self.plural_forms}\n"),
        ]

    @mime_headers.setter
    def mime_headers(self, headers: Iterable[tuple[str, str]]) -> None:
        self._set_mime_headers(headers)

    def __setitem__(self, id: Texts, message: Message) -> None:
        """Raises ValueError where one text has two plurals or two translations, of which Babel would keep the first."""
        known = self.get(id, message.context)
        if known and known.pluralizable and message.pluralizable and known.id != message.id:
            raise ValueError(f"{known.id[0]!r} has two plurals: {known.id[1]!r} and {message.id[1]!r}")
        if known and any(known.string or ()) and any(message.string or ()):
            raise ValueError(f"{known.id!r} stands in the file twice")
        super().__setitem__(id, message)


def read(content: str) -> Catalogue:
    """The catalogue of a .po file. Raises ValueError with the number of a line that says nothing known."""
    catalogue, lines = Catalogue(), content.split("\n")
    for number, line in enumerate(lines, 1):
        if not LINE.fullmatch(line):
            raise ValueError(f"line {number} is no line of a .po file: {line}")
    try:
        PoFileParser(catalogue, ignore_obsolete=True, abort_invalid=True).parse(lines)
    except PoFileError as wrong:
        reason = str(wrong).rpartition(" on ")[0]  # Babel counts lines from 0
        raise ValueError(f"line {wrong.lineno + 1} of the .po file: {reason}") from wrong
    if not catalogue.locale_identifier:
        raise ValueError("the header of the .po file names no Language")
    return catalogue


def write(catalogue: Catalogue) -> bytes:
    """A .po file that changes only where words do: no lines are wrapped, and no numbers of lines are told."""
    file = io.BytesIO()
    write_po(file, catalogue, width=0, include_lineno=False, ignore_obsolete=True)
    return file.getvalue().strip() + b"\n"


def each(texts: Texts | None) -> list[str]:
    """A text alone, or one and its plural, as a list."""
    return [texts] if isinstance(texts, str) else list(texts or ())


def forms(message: Message | None) -> list[str]:
    """How a language says a text: one form, or one for each plural; none where it leaves the text to English."""
    said = each(message.string) if message and not message.fuzzy else []
    return said if all(said) else []
