"""How files are read as a table, as a form says it: between its fields and the `format` of a definition."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.forms import Unmarked
from datasets import stored_messages, tables
from datasets.services.files import ResolvedFile, fingerprint
from datasets.services.inspection import AT_ONCE
from duto.tables.forms import COLUMN_TYPES, encoding_of, type_name
from workspaces.models import Workspace

ROWS = 20
COLUMNS = 100
# Of a value, in characters.
LONGEST = 200
TYPES = (
    ("delimited", gettext_lazy("CSV and the like")),
    ("json_lines", gettext_lazy("JSON lines")),
    ("parquet", gettext_lazy("Parquet")),
)
SEPARATORS = (
    (",", gettext_lazy("comma")),
    (";", gettext_lazy("semicolon")),
    ("\t", gettext_lazy("tab")),
    ("|", gettext_lazy("bar")),
    (" ", gettext_lazy("space")),
)
ENCODINGS = (
    ("utf8", "UTF-8"), ("windows1252", "Windows-1252"), ("latin1", "Latin-1 (ISO 8859-1)"), ("iso8859-15", "Latin-9 (ISO 8859-15)"),
    ("cp1250", "Windows-1250"), ("cp1251", "Windows-1251"), ("koi8-r", "KOI8-R"), ("mac-roman", "Mac Roman"), ("cp850", "DOS 850"),
    ("utf-16", "UTF-16"), ("utf-16-le", "UTF-16 LE"), ("utf-16-be", "UTF-16 BE"), ("utf-32", "UTF-32"),
    ("gb18030", "GB 18030"), ("big5", "Big5"), ("shift_jis", "Shift JIS"), ("euc-jp", "EUC-JP"), ("euc-kr", "EUC-KR"),
)  # fmt: skip
HEADERS = (
    ("yes", gettext_lazy("names the columns")),
    ("no", gettext_lazy("is a row like the others")),
    ("first", gettext_lazy("names them in the first file only")),
)
MARKS = ((".", gettext_lazy("point: 1.5")), (",", gettext_lazy("comma: 1,5")))
TIMES = (
    ("timestamp", gettext_lazy("Time stamp")),
    ("partition_timestamp", gettext_lazy("Time stamp of the folders")),
)
# By the end of a name, for what is not here to be looked at.
ENDINGS = {
    ".parquet": {"type": "parquet"}, ".pq": {"type": "parquet"}, ".jsonl": {"type": "json_lines"}, ".ndjson": {"type": "json_lines"},
    ".tsv": {"type": "delimited", "separator": "\t"}, ".tab": {"type": "delimited", "separator": "\t"},
}  # fmt: skip
ENCODED, DELIMITED = ("delimited", "json_lines"), ("delimited",)


class ReadingForm(forms.Form):
    """The fields that are about the files, without the columns' types."""

    bound_field_class = Unmarked

    format = forms.ChoiceField(label=gettext_lazy("Format"), choices=TYPES)
    separator = forms.CharField(label=gettext_lazy("Separator"), required=False, strip=False)
    encoding = forms.CharField(label=gettext_lazy("Encoding"), required=False)
    header = forms.ChoiceField(label=gettext_lazy("The first line"), choices=HEADERS, required=False)
    decimal = forms.ChoiceField(label=gettext_lazy("Decimal mark"), choices=MARKS, required=False)
    drop_invalid = forms.BooleanField(label=gettext_lazy("Leave out lines that are no objects"), required=False)

    def __init__(self, given: Mapping[str, Any] | None = None) -> None:
        super().__init__(initial=_initial(given or {}))
        if given is None:  # there is nothing to choose
            self.fields.clear()
            return
        kind = self.initial["format"]
        for name, choices in (("separator", SEPARATORS), ("encoding", ENCODINGS)):
            self.fields[name].widget = forms.Select(choices=_with(choices, self.initial[name]))
        for name, kinds in (
            ("separator", DELIMITED), ("header", DELIMITED), ("decimal", DELIMITED),
            ("encoding", ENCODED), ("drop_invalid", ("json_lines",)),
        ):  # fmt: skip
            if kind not in kinds:
                del self.fields[name]


@dataclass(frozen=True)
class Heading:
    """A column of the preview. `declared`: the type that the form asks for, or nothing; `missed`: values not of it."""

    name: str
    type: str
    declared: str
    missed: int

    @property
    def key(self) -> str:
        """The name as it travels in a form, which would change its line breaks."""
        return json.dumps(self.name)

    @property
    def label(self) -> str:
        return _("Type of %(name)s") % {"name": self.name}


@dataclass(frozen=True)
class Reading:
    """How files would be registered: the fields with what was guessed, and what that gives.

    `seen` stands for the files that were looked at; a form that carries another one is about other files.
    """

    form: ReadingForm
    format: dict[str, Any]
    seen: str
    headings: list[Heading]
    rows: list[list[Any]]
    column_count: int
    is_partial: bool = False
    error: str = ""
    types: tuple[str, ...] = COLUMN_TYPES
    is_read: bool = True
    # Why there is nothing to show yet, where that is known.
    why: str = ""
    # The columns of times that the dataset is to have, by what they are for.
    times: Mapping[str, str] = field(default_factory=dict)

    @property
    def time_fields(self) -> list[TimeField]:
        """What may be chosen for each; nothing where there are no times."""
        found = [each for each in self.headings if each.type == "datetime"]
        return [TimeField(name, label, self.times.get(name, ""), found) for name, label in TIMES] if found else []


@dataclass(frozen=True)
class TimeField:
    """A column of times by what it is for."""

    name: str
    label: Any
    chosen: str
    headings: list[Heading]


def times_of(operations: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The columns of times that operations name."""
    found = next((each for each in operations if each["op"] == "timestamp_columns"), {})
    return {name: found[name] for name, _label in TIMES if found.get(name)}


def with_times(operations: Sequence[Mapping[str, Any]], data: QueryDict) -> list[dict[str, Any]]:
    """The operations with the columns of times that a form names, in the place of those of before."""
    wanted = {name: column for name, _label in TIMES if (column := _name_of(data.get(name, "")))}
    made = [dict(each) for each in operations]
    at = next((n for n, each in enumerate(made) if each["op"] == "timestamp_columns"), len(made))
    made[at : at + 1] = [{"op": "timestamp_columns", **wanted}] if wanted else []
    return made


def look(workspace: Workspace, files: Sequence[ResolvedFile], definition: Mapping[str, Any]) -> Reading:
    """Read the first rows as the definition's format says, and guess what it does not say."""
    asked = tables.Question(workspace, files, definition, seconds=tables.GLANCE)
    found = tables.glimpse(asked, ROWS, COLUMNS, LONGEST, AT_ONCE)
    declared = found.format.get("columns") or {}
    headings = [
        Heading(name, kind, type_name(declared[name]) if name in declared else "", found.misfits.get(name, 0))
        for name, kind in found.columns[:COLUMNS]
    ]
    return Reading(
        ReadingForm(found.format), found.format, fingerprint(files), headings, found.rows, len(found.columns),
        found.is_partial, stored_messages.localized(stored_messages.in_form(found.error)),
        times=times_of(definition.get("operations") or ()),
    )  # fmt: skip


def answered(workspace: Workspace, files: Sequence[ResolvedFile], operations: Sequence[Any], seen: str) -> Reading:
    """The first rows that a database answered: types and names are those of the query, and there is nothing to choose."""
    found = look(workspace, files, {"format": {"type": "parquet"}, "operations": operations})
    return replace(found, form=ReadingForm(), format={"type": "parquet"}, seen=seen, types=())


def refused(error: str, seen: str) -> Reading:
    """Why a query gives nothing."""
    return Reading(ReadingForm(), {"type": "parquet"}, seen, [], [], 0, error=error, types=())


def unread(given: Mapping[str, Any], name: str, why: str = "") -> Reading:
    """The fields alone, for files that are not here yet: guessed by their name."""
    made = dict(given) or {"type": "delimited", **ENDINGS.get(PurePosixPath(name.lower()).suffix, {})}
    return Reading(ReadingForm(made), made, name, [], [], 0, is_read=False, why=why)


def format_of(data: QueryDict, base: Mapping[str, Any]) -> dict[str, Any]:
    """The `format` that the fields of a form say. What it has no field for stays as it is in `base`."""
    kind = data.get("format") or "delimited"
    made: dict[str, Any] = {key: value for key, value in base.items() if key not in _OF_FIELDS}
    made["type"] = kind
    if kind in ENCODED and data.get("encoding", "utf8") != "utf8":
        made["encoding"] = data["encoding"]
    if kind == "delimited":
        made["separator"] = data.get("separator") or ","
        made["header"] = {"no": False, "first": "first"}.get(data.get("header", ""), True)
        if data.get("decimal") == ",":
            made["decimal"] = ","
    if kind == "json_lines" and data.get("drop_invalid"):
        made["invalid_lines"] = "drop"
    if columns := _columns(data, base.get("columns") or {}):
        made["columns"] = columns
    return made


_OF_FIELDS = frozenset({"type", "encoding", "separator", "header", "decimal", "invalid_lines", "columns"})


def _columns(data: QueryDict, base: Mapping[str, Any]) -> dict[str, Any]:
    """The types that were chosen. A column that was not shown keeps its type, and one that was not changed its formats."""
    made = dict(base)
    for key, kind in zip(data.getlist("column"), data.getlist("type"), strict=False):
        name = _name_of(key)
        if name is None:
            continue
        if not kind:
            made.pop(name, None)
        elif name not in made or type_name(made[name]) != kind:
            made[name] = kind
    return made


def _name_of(key: str) -> str | None:
    """The name of a column as it travels in a form."""
    try:
        name = json.loads(key)
    except ValueError:
        return None
    return name if isinstance(name, str) else None


def _initial(given: Mapping[str, Any]) -> dict[str, Any]:
    header = given.get("header", True)
    return {
        "format": given.get("type", "delimited"),
        "separator": given.get("separator") or ",",
        "encoding": _encoding(given.get("encoding")),
        "header": "first" if header == "first" else "yes" if header else "no",
        "decimal": given.get("decimal") or ".",
        "drop_invalid": given.get("invalid_lines") == "drop",
    }


def _encoding(given: Any) -> str:
    """The name in the list that means the same encoding, if one does."""
    try:
        wanted = encoding_of(given)
        return next((name for name, _ in ENCODINGS if encoding_of(name) == wanted), wanted)
    except ValueError:
        return str(given)


def _with(choices: Sequence[tuple[str, Any]], value: str) -> list[tuple[str, Any]]:
    return [*choices] if any(key == value for key, _ in choices) else [*choices, (value, value)]
