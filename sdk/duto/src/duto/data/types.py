"""The small values around datasets: column types, header rules, scenarios."""

from __future__ import annotations

from enum import Enum
from typing import Any, Dict, List, Optional, Union


class PromoteHeadersBehavior(Enum):
    """Which lines of delimited files are headers; the numbers are Azure ML's."""

    NO_HEADERS = 0
    ONLY_FIRST_FILE_HAS_HEADERS = 1
    COMBINE_ALL_FILES_HEADERS = 2
    ALL_FILES_HAVE_SAME_HEADERS = 3


class FileEncoding(Enum):
    """Encodings by the names that programs use."""

    UTF8 = 0
    ISO88591 = 1
    LATIN1 = 2
    ASCII = 3
    WINDOWS1252 = 4
    UTF16 = 5


_ENCODINGS = {"ISO88591": "latin-1", "LATIN1": "latin-1", "WINDOWS1252": "cp1252", "UTF16": "utf-16"}


def encoding_of(value: Any) -> str:
    """An encoding as Python names it."""
    name = value.name if isinstance(value, FileEncoding) else str(value or "utf8")
    return _ENCODINGS.get(name.upper(), name.lower())


def header_of(value: Any) -> Union[bool, str]:
    """Whether files start with a header: True, False, or "first" when only the first one does."""
    if isinstance(value, PromoteHeadersBehavior):
        if value is PromoteHeadersBehavior.ONLY_FIRST_FILE_HAS_HEADERS:
            return "first"
        return value is not PromoteHeadersBehavior.NO_HEADERS
    return bool(value)


class DataType:
    """The type that a column is to have."""

    def __init__(self, name: str, formats: Optional[List[str]] = None, decimal_mark: str = ".") -> None:
        self.name = name
        self.formats = formats
        self.decimal_mark = decimal_mark

    @staticmethod
    def to_string() -> DataType:
        return DataType("string")

    @staticmethod
    def to_long() -> DataType:
        return DataType("long")

    @staticmethod
    def to_float(decimal_mark: str = ".") -> DataType:
        return DataType("float", decimal_mark=decimal_mark)

    @staticmethod
    def to_bool() -> DataType:
        return DataType("bool")

    @staticmethod
    def to_datetime(formats: Any = None) -> DataType:
        """A date and time; `formats` are those of `strptime`, the first that fits is taken."""
        return DataType("datetime", [formats] if isinstance(formats, str) else list(formats or ()) or None)

    @staticmethod
    def to_stream(workspace: Any, escaped: bool = False) -> DataType:
        """A path as a stream; kept as its text."""
        return DataType("string")

    def to_value(self) -> Any:
        """The type in a dataset's definition: its name, or an object when there is more to say."""
        if self.formats:
            return {"type": self.name, "formats": self.formats}
        if self.decimal_mark != ".":
            return {"type": self.name, "decimal": self.decimal_mark}
        return self.name

    def __repr__(self) -> str:
        return f"DataType.to_{self.name}()"


def columns_of(types: Optional[Dict[str, Any]]) -> Dict[str, Any]:
    """`set_column_types` as a definition holds it."""
    return {name: kind.to_value() if isinstance(kind, DataType) else str(kind) for name, kind in (types or {}).items()}


class Scenario:
    """What a dataset served for, beside a registered model."""

    TRAINING = "training"
    VALIDATION = "validation"
    INFERENCING = "inferencing"
