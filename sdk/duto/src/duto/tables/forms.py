"""How a table is to be read: the `format` of a dataset's definition, checked and made into one value."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional, Tuple

TYPES = ("delimited", "json_lines", "parquet")
COLUMN_TYPES = ("bool", "datetime", "float", "long", "string")
MARKS = (".", ",")
LONGEST_TEXT = 1000
MOST_COLUMNS = 20_000
# The names of Azure ML, and those that people write, as Python knows them.
ENCODINGS = {
    "utf8": "utf-8-sig", "utf-8": "utf-8-sig", "utf8bom": "utf-8-sig", "utf-8-sig": "utf-8-sig", "utf_8": "utf-8-sig",
    "ascii": "ascii", "us-ascii": "ascii", "iso88591": "latin-1", "latin1": "latin-1",
    "windows1252": "cp1252", "utf16": "utf-16", "utf32": "utf-32",
}  # fmt: skip
# Python lists them among its texts, but they are ways to write names, escapes and errors, or change with the machine.
_NO_TEXTS = frozenset({"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape", "mbcs", "oem", "utf-7"})
_KEYS = frozenset({
    "type", "separator", "header", "encoding", "infer", "multi_line", "empty_as_string", "columns", "include_path",
    "partition_format", "invalid_lines", "glob", "extension", "index", "decimal",
})  # fmt: skip
_FLAGS = ("infer", "multi_line", "empty_as_string", "include_path")
_TEXTS = ("partition_format", "glob", "extension")
_DIRECTIVE = re.compile(r"%[aAwdbBmyYHIMSfpzZjUWcxXGuV%]|[^%]")


@dataclass(frozen=True)
class Wanted:
    """The type that a column is to have. `formats` are those of `strptime`, the first that fits is taken."""

    type: str
    formats: Tuple[str, ...] = ()
    decimal: str = "."


@dataclass(frozen=True)
class Form:
    """`header`: True, False, or "first" when only the first file has one. `encoding`: as Python names it.

    `decimal`: the mark in the numbers of delimited text, whether their type is found or declared.
    """

    type: str = "delimited"
    separator: str = ","
    header: Any = True
    encoding: str = "utf-8-sig"
    infer: bool = True
    empty_as_string: bool = False
    columns: Mapping[str, Wanted] = field(default_factory=dict)
    include_path: bool = False
    partition_format: Optional[str] = None
    drop_invalid: bool = False
    glob: Optional[str] = None
    extension: Optional[str] = None
    index: Tuple[str, ...] = ()
    decimal: str = "."

    @property
    def encoding_name(self) -> str:
        """As people write it."""
        return "utf8" if self.encoding == "utf-8-sig" else self.encoding


def form_of(given: Any) -> Form:
    """The form of a definition's `format`. Raises ValueError that says what is wrong."""
    if not isinstance(given, Mapping):
        raise ValueError("'format' is an object.")
    _check_keys(given)
    kind = given.get("type", "delimited")
    if not isinstance(kind, str) or kind not in TYPES:
        raise ValueError(f"The format of a table is one of {', '.join(TYPES)}, not {_short(kind)}.")
    header = given.get("header", True)
    if header is not True and header is not False and header != "first":
        raise ValueError("'header' is true, false, or 'first' when only the first file has one.")
    decimal = given.get("decimal") or "."
    if decimal not in MARKS:
        raise ValueError("'decimal' is '.' or ','.")
    invalid = given.get("invalid_lines") or "error"
    if invalid not in ("error", "drop"):
        raise ValueError("'invalid_lines' is 'error' or 'drop'.")
    return Form(
        type=kind,
        separator=_separator(given.get("separator")),
        header=header,
        encoding=encoding_of(given.get("encoding")),
        infer=given.get("infer") is not False,
        empty_as_string=bool(given.get("empty_as_string")),
        columns=_columns(given.get("columns"), decimal),
        include_path=bool(given.get("include_path")),
        partition_format=given.get("partition_format") or None,
        drop_invalid=invalid == "drop",
        glob=given.get("glob") or None,
        extension=given.get("extension") or None,
        index=_index(given.get("index")),
        decimal=decimal,
    )


def _index(given: Any) -> Tuple[str, ...]:
    """The columns that were the index of a frame, and are it again."""
    if given is None:
        return ()
    if not isinstance(given, list) or not all(isinstance(each, str) and len(each) <= LONGEST_TEXT for each in given):
        raise ValueError("'index' is a list of names of columns.")
    return tuple(given)


def encoding_of(given: Any) -> str:
    """An encoding of text, as Python names it. Raises ValueError for one that does not exist or is none of text."""
    if given is None or given == "":
        return "utf-8-sig"
    text = f"There is no encoding of text {_short(given)}. Take utf8, utf16, latin-1, cp1252 or another of Python's."
    if not isinstance(given, str) or len(given) > 40:
        raise ValueError(text)
    name = ENCODINGS.get(given.strip().lower().replace(" ", ""), given.strip())
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError) as error:
        raise ValueError(text) from error
    if not getattr(found, "_is_text_encoding", True) or found.name.replace("_", "-") in _NO_TEXTS:
        raise ValueError(text)
    return "utf-8-sig" if found.name == "utf-8" else found.name


def type_name(wanted: Any) -> str:
    """`"float"` of `"float"` and of `{"type": "float", ...}`."""
    return str(wanted.get("type")) if isinstance(wanted, Mapping) else str(wanted)


def _check_keys(given: Mapping[str, Any]) -> None:
    unknown = sorted(str(key) for key in given if key not in _KEYS)
    if unknown:
        raise ValueError(f"'format' has no {_short(unknown[0])}; it has {', '.join(sorted(_KEYS))}.")
    for key in _FLAGS:
        if not isinstance(given.get(key), (bool, type(None))):
            raise ValueError(f"'{key}' is true or false.")
    for key in _TEXTS:
        value = given.get(key)
        if value is not None and (not isinstance(value, str) or len(value) > LONGEST_TEXT):
            raise ValueError(f"'{key}' is a text of at most {LONGEST_TEXT} characters.")


def _separator(given: Any) -> str:
    if given is None or given == "":
        return ","
    if not isinstance(given, str) or not 1 <= len(given) <= 4:
        raise ValueError("'separator' is a text of 1 to 4 characters.")
    if any(sign in '"\r\n\0' or 0xD800 <= ord(sign) < 0xE000 for sign in given):
        raise ValueError("'separator' has no quotes, no line breaks and no half characters.")
    return given


def _columns(given: Any, decimal: str) -> Dict[str, Wanted]:
    if given is None:
        return {}
    if not isinstance(given, Mapping) or len(given) > MOST_COLUMNS:
        raise ValueError(f"'columns' is an object of at most {MOST_COLUMNS} names and types.")
    return {str(name): _wanted(str(name), each, decimal) for name, each in given.items()}


def _wanted(name: str, given: Any, mark: str) -> Wanted:
    kind = type_name(given)
    if kind not in COLUMN_TYPES or not isinstance(given, (str, Mapping)):
        raise ValueError(f"The type of column {_short(name)} is one of {', '.join(COLUMN_TYPES)}, not {_short(kind)}.")
    if isinstance(given, str):
        return Wanted(kind, decimal=mark)
    formats, decimal = given.get("formats") or [], given.get("decimal") or mark
    if not isinstance(formats, (list, tuple)) or not all(_is_format(each) for each in formats) or len(formats) > 20:
        raise ValueError(
            f"The formats of column {_short(name)} are texts such as '%d.%m.%Y', of strptime's signs alone."
        )
    if decimal not in MARKS:
        raise ValueError(f"The decimal mark of column {_short(name)} is '.' or ','.")
    return Wanted(kind, tuple(formats), decimal)


def _is_format(given: Any) -> bool:
    return isinstance(given, str) and 0 < len(given) <= 100 and "".join(_DIRECTIVE.findall(given)) == given


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
