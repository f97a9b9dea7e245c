"""The part of the .po format that the catalogues here use: comments, contexts, plurals, a header. No fuzzy guesses."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

CONTEXT_END = "\4"
KEYWORD = re.compile(r'(msgctxt|msgid|msgid_plural|msgstr|msgstr\[\d\])?\s*(".*")$')


@dataclass(frozen=True)
class Message:
    """What the code says: the text, its plural ("" for none), and where it stands.

    A text that means two things has a context before it: `f"{context}{CONTEXT_END}{text}"`, as in a .mo file.
    """

    text: str
    plural: str = ""
    places: tuple[str, ...] = ()


@dataclass
class Catalogue:
    """`words` maps a text to its forms in one language: one, or as many as the language has for plurals."""

    header: str = ""
    words: dict[str, tuple[str, ...]] = field(default_factory=dict)
    plurals: dict[str, str] = field(default_factory=dict)

    @property
    def plural_rule(self) -> str:
        """Which form a number takes, as an expression over `n`."""
        found = re.search(r"plural=([^;\n]+);", self.header)
        return found.group(1).strip() if found else "n != 1"

    @property
    def forms(self) -> int:
        """How many forms a plural has."""
        found = re.search(r"nplurals=(\d+)", self.header)
        return int(found.group(1)) if found else 2


def read(content: str) -> Catalogue:
    """The catalogue of a .po file. Raises ValueError with the number of a line that says nothing known."""
    catalogue = Catalogue()
    for entry in _entries(content):
        texts = tuple(entry[key] for key in sorted(entry) if key.startswith("msgstr"))
        if entry["msgid"] == "":
            catalogue.header = texts[0]
            continue
        text = f"{entry['msgctxt']}{CONTEXT_END}{entry['msgid']}" if "msgctxt" in entry else entry["msgid"]
        if text in catalogue.words:
            raise ValueError(f"{text!r} stands in the file twice")
        catalogue.words[text] = texts
        if "msgid_plural" in entry:
            catalogue.plurals[text] = entry["msgid_plural"]
    return catalogue


def _entries(text: str) -> Iterator[dict[str, str]]:
    entry: dict[str, str] = {}
    key = ""
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        found = KEYWORD.match(line)
        if found is None:
            raise ValueError(f"line {number} is no line of a .po file: {line}")
        if found[1] in ("msgctxt", "msgid") and "msgstr" in "".join(entry):
            yield entry
            entry = {}
        key = found[1] or key
        entry[key] = entry.get(key, "") + ast.literal_eval(found[2])
    if entry:
        yield entry


def write(catalogue: Catalogue, messages: Iterable[Message]) -> str:
    """A .po file with these messages and what the catalogue has for them; what the code no longer says is left out."""
    blocks = [_block({"msgid": "", "msgstr": catalogue.header}, ())]
    for message in messages:
        known = catalogue.words.get(message.text, ())
        context, _, text = message.text.rpartition(CONTEXT_END)
        entry = {"msgctxt": context, "msgid": text} if context else {"msgid": text}
        if message.plural:
            entry["msgid_plural"] = message.plural
            for form in range(catalogue.forms):
                entry[f"msgstr[{form}]"] = known[form] if len(known) == catalogue.forms else ""
        else:
            entry["msgstr"] = known[0] if known else ""
        blocks.append(_block(entry, message.places))
    return "\n".join(blocks)


def _block(entry: Mapping[str, str], places: Iterable[str]) -> str:
    lines = [f"#: {place}" for place in places]
    if "%" in entry["msgid"]:
        lines.append("#, python-format")
    for key, text in entry.items():
        parts = text.splitlines(keepends=True) if "\n" in text else [text]
        lines += [f"{key} {_quoted(parts[0])}"] if len(parts) == 1 else [f'{key} ""', *map(_quoted, parts)]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
