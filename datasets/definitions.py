"""The definition of a dataset (docs/wire.md), normal and checked: pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

from core.errors import Invalid
from core.storage import safe
from duto.spec import canonical

KINDS = ("file", "tabular")
TYPES = frozenset({"delimited", "parquet", "json_lines"})
COLUMN_TYPES = frozenset({"string", "long", "float", "bool", "datetime"})
MOST_SOURCES = 1000
# Each operation with the keys that it cannot do without.
OPERATIONS: dict[str, tuple[str, ...]] = {
    "keep_columns": ("columns",),
    "drop_columns": ("columns",),
    "take": ("count",),
    "skip": ("count",),
    "sample": ("probability",),
    "random_split": ("percentage", "part"),
    "timestamp_columns": (),
    "time": (),
}
OF_FILES = frozenset({"take", "skip", "sample", "random_split"})


def read(kind: str, given: object) -> dict[str, Any]:
    """The definition as it is stored. Raises Invalid that says what is wrong."""
    if kind not in KINDS:
        raise Invalid(_("A dataset is 'file' or 'tabular', not %(kind)r.") % {"kind": kind}, code="bad_definition")
    if not isinstance(given, Mapping):
        raise _bad("The definition of a dataset is an object with 'sources'.")
    sources = given.get("sources")
    if not isinstance(sources, list) or not sources:
        raise _bad("A dataset needs at least one source: a path on a datastore, or a web address.")
    if len(sources) > MOST_SOURCES:
        raise _bad(f"A dataset may have {MOST_SOURCES} sources at most. Name a folder or a pattern instead.")
    operations = given.get("operations") or []
    if not isinstance(operations, list):
        raise _bad("'operations' is a list.")
    return {
        "sources": [_source(each) for each in sources],
        "format": _format(given.get("format") or {}) if kind == "tabular" else _plain(given.get("format") or {}),
        "operations": [_operation(kind, each) for each in operations],
    }


def digest_of(kind: str, definition: Mapping[str, Any]) -> str:
    return canonical.digest({"kind": kind, "definition": definition})


def _source(each: object) -> dict[str, str]:
    if not isinstance(each, Mapping):
        raise _bad("A source is an object: {'datastore', 'path'} or {'url'}.")
    if each.get("url"):
        url = str(each["url"]).strip()
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise _bad(f"{url!r} is no web address: {error}.") from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise _bad(f"{url!r} is no web address that starts with http:// or https://.")
        return {"url": url}
    if not isinstance(each.get("datastore"), str) or not each["datastore"]:
        raise _bad("A source needs 'datastore' and 'path', or 'url'.")
    path = str(each.get("path") or "").replace("\\", "/").lstrip("/")
    return {"datastore": each["datastore"], "path": safe(path) + ("/" if path.endswith("/") and safe(path) else "")}


def _plain(given: object) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise _bad("'format' is an object.")
    return dict(given)


def _format(given: object) -> dict[str, Any]:
    form = _plain(given)
    if form.get("type", "delimited") not in TYPES:
        raise _bad(f"The format of a table is one of {', '.join(sorted(TYPES))}, not {form['type']!r}.")
    separator = form.get("separator")
    if separator is not None and (not isinstance(separator, str) or not 1 <= len(separator) <= 4):
        raise _bad("'separator' is a text of 1 to 4 characters.")
    if form.get("header", True) not in (True, False, "first"):
        raise _bad("'header' is true, false, or 'first' when only the first file has one.")
    columns = form.get("columns") or {}
    if not isinstance(columns, Mapping):
        raise _bad("'columns' is an object of names and types.")
    for name, wanted in columns.items():
        if type_name(wanted) not in COLUMN_TYPES:
            known = ", ".join(sorted(COLUMN_TYPES))
            raise _bad(f"The type of column '{name}' is one of {known}, not {type_name(wanted)!r}.")
    return form


def type_name(wanted: object) -> str:
    """`"float"` of `"float"` and of `{"type": "float", ...}`."""
    return str(wanted.get("type")) if isinstance(wanted, Mapping) else str(wanted)


def _operation(kind: str, each: object) -> dict[str, Any]:
    if not isinstance(each, Mapping) or each.get("op") not in OPERATIONS:
        raise _bad(f"An operation is one of {', '.join(OPERATIONS)}.")
    name = each["op"]
    if kind == "file" and name not in OF_FILES:
        raise _bad(f"'{name}' is an operation of tables; this dataset is one of files.")
    missing = [key for key in OPERATIONS[name] if key not in each]
    if missing:
        raise _bad(f"The operation '{name}' needs '{missing[0]}'.")
    for key in ("count", "part"):
        if key in each and (isinstance(each[key], bool) or not isinstance(each[key], int) or each[key] < 0):
            raise _bad(f"'{key}' of '{name}' is a whole number from 0 on.")
    for key in ("probability", "percentage"):
        if key in each and (not isinstance(each[key], int | float) or not 0 <= each[key] <= 1):
            raise _bad(f"'{key}' of '{name}' is a number from 0 to 1.")
    if "columns" in each and not (
        isinstance(each["columns"], list) and all(isinstance(name, str) for name in each["columns"])
    ):
        raise _bad(f"'columns' of '{name}' is a list of names.")
    return dict(each)


def _bad(text: str) -> Invalid:
    return Invalid(text, code="bad_definition")
