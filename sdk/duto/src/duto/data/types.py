"""The small values around datasets: column types, header rules, scenarios."""

from __future__ import annotations

from enum import Enum
from typing import Any, Dict, Iterable, List, Mapping, Optional, Union


class PromoteHeadersBehavior(Enum):
    """Which files of a delimited dataset begin with a line of names; the numbers are Azure ML's.

    Attributes:
        NO_HEADERS: none; columns are called `Column1`, `Column2` and so on.
        ONLY_FIRST_FILE_HAS_HEADERS: the first file; the others hold rows from their first line on.
        COMBINE_ALL_FILES_HEADERS: all; the dataset has the columns of all of them, by name.
        ALL_FILES_HAVE_SAME_HEADERS: all; read like COMBINE_ALL_FILES_HEADERS.
    """

    NO_HEADERS = 0
    ONLY_FIRST_FILE_HAS_HEADERS = 1
    COMBINE_ALL_FILES_HEADERS = 2
    ALL_FILES_HAVE_SAME_HEADERS = 3


class FileEncoding(Enum):
    """Encodings by the names that programs use. The name of a Python encoding as text is taken as well.

    Attributes:
        UTF8: with or without a byte order mark.
        ISO88591: the same as LATIN1.
        LATIN1: ISO 8859-1.
        ASCII: 7 bits.
        WINDOWS1252: code page 1252.
        UTF16: with a byte order mark.
    """

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
        """Made by the methods `to_...`.

        Args:
            name: `string`, `long`, `float`, `bool` or `datetime`.
            formats: how a date and time is written, in the signs of `strptime`.
            decimal_mark: what stands before the decimals: `.` or `,`.
        """
        self.name = name
        self.formats = formats
        self.decimal_mark = decimal_mark

    @staticmethod
    def to_string() -> DataType:
        """A text.

        Returns:
            The type.
        """
        return DataType("string")

    @staticmethod
    def to_long() -> DataType:
        """A whole number of 64 bits.

        Returns:
            The type.
        """
        return DataType("long")

    @staticmethod
    def to_float(decimal_mark: str = ".") -> DataType:
        """A number of 64 bits.

        Args:
            decimal_mark: what stands before the decimals: `.` or `,`.

        Returns:
            The type.
        """
        return DataType("float", decimal_mark=decimal_mark)

    @staticmethod
    def to_bool() -> DataType:
        """True or false.

        Returns:
            The type.
        """
        return DataType("bool")

    @staticmethod
    def to_datetime(formats: Union[str, Iterable[str], None] = None) -> DataType:
        """A date and time; those with a zone become UTC, those without are left as they are.

        Args:
            formats: how it is written, in the signs of `strptime`; of several the first that fits is taken. None
                takes ISO 8601 and its like.

        Returns:
            The type.
        """
        return DataType("datetime", [formats] if isinstance(formats, str) else list(formats or ()) or None)

    @staticmethod
    def to_stream(workspace: object, escaped: bool = False) -> DataType:
        """A path as a stream; kept as its text.

        Args:
            workspace: taken and not used.
            escaped: taken and not used.

        Returns:
            The type of a text.
        """
        return DataType("string")

    def to_value(self) -> Union[str, Dict[str, object]]:
        """The type in a dataset's definition.

        Returns:
            Its name, or a dictionary when there is more to say.
        """
        if self.formats:
            return {"type": self.name, "formats": self.formats}
        if self.decimal_mark != ".":
            return {"type": self.name, "decimal": self.decimal_mark}
        return self.name

    def __repr__(self) -> str:
        return f"DataType.to_{self.name}()"


def columns_of(types: Optional[Mapping[str, Union[DataType, str]]]) -> Dict[str, Any]:
    """`set_column_types` as a definition holds it."""
    return {name: kind.to_value() if isinstance(kind, DataType) else str(kind) for name, kind in (types or {}).items()}


class Scenario:
    """What a dataset served for, beside a registered model: `Model.register(datasets=[(Dataset.Scenario.TRAINING,
    dataset)])`.

    Attributes:
        TRAINING: the model learnt from it.
        VALIDATION: the model was chosen by it.
        INFERENCING: the model was applied to it.
    """

    TRAINING = "training"
    VALIDATION = "validation"
    INFERENCING = "inferencing"
