"""The definition of a dataset (docs/wire.md), normal and checked: pure.

Everything is checked here, on arrival: what is stored can be read later, by whatever reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

from core.errors import Invalid
from core.storage import safe
from duto.spec import canonical, conditions
from duto.spec.selection import FILE_TYPES, timestamps
from duto.tables import form_of
from duto.tables.errors import Misfit
from duto.tables.moments import any_moment

KINDS = ("file", "tabular")
MOST_SOURCES = 1000
MOST_OPERATIONS = 100
MOST_NAMES = 20_000
LONGEST, LONGEST_QUERY = 4000, 100_000
LARGEST = 2**63 - 1
# Of a query: until its first rows nobody hears of it, and a worker that is silent for longer is taken for gone.
USUAL_SECONDS, MOST_SECONDS = 30, 120


def read(kind: str, given: object) -> dict[str, Any]:
    """The definition as it is stored. Raises Invalid that says what is wrong."""
    if not isinstance(kind, str) or kind not in KINDS:
        raise Invalid(_("A dataset is 'file' or 'tabular', not %(kind)r.") % {"kind": kind}, code="bad_definition")
    if not isinstance(given, Mapping):
        raise _bad("The definition of a dataset is an object with 'sources'.")
    sources = given.get("sources")
    if not isinstance(sources, list) or not sources:
        raise _bad("A dataset needs at least one source: a path on a datastore, or a web address.")
    if len(sources) > MOST_SOURCES:
        raise _bad(f"A dataset may have {MOST_SOURCES} sources at most. Name a folder or a pattern instead.")
    if unknown := [key for key in given if key not in ("sources", "format", "operations")]:
        raise _bad(f"A definition has no {_short(unknown[0])}; it has sources, format and operations.")
    form, operations = given.get("format"), given.get("operations")
    form, operations = {} if form is None else form, [] if operations is None else operations
    if not isinstance(operations, list) or len(operations) > MOST_OPERATIONS:
        raise _bad(f"'operations' is a list of at most {MOST_OPERATIONS}.")
    made: dict[str, Any] = {
        "sources": [_source(each) for each in sources],
        "format": _format(form) if kind == "tabular" else _of_files(form),
        "operations": [_operation(kind, each) for each in operations],
    }
    _check_times(made["operations"])
    is_table = kind == "tabular" and made["format"].get("type") == "parquet"
    if not is_table and any(each.get("query") for each in made["sources"]):
        raise _bad("What a query answers is kept as Parquet: its dataset is 'tabular', and its format 'parquet'.")
    return made


def digest_of(kind: str, definition: Mapping[str, Any]) -> str:
    return canonical.digest({"kind": kind, "definition": definition})


def _source(each: object) -> dict[str, Any]:
    if not isinstance(each, Mapping):
        raise _bad("A source is an object: {'datastore', 'path'} or {'url'}.")
    if unknown := [key for key in each if key not in ("datastore", "path", "url", "query", "seconds")]:
        raise _bad(
            f"A source has no {_short(unknown[0])}: it is {{'datastore', 'path'}}, {{'url'}} or {{'datastore', 'query'}}."
        )
    if each.get("url"):
        url = _text(each["url"], "url").strip()
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise _bad(f"{url!r} is no web address: {error}.") from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise _bad(f"{url!r} is no web address that starts with http:// or https://.")
        return {"url": url}
    if not isinstance(each.get("datastore"), str) or not each["datastore"]:
        raise _bad("A source needs 'datastore' and 'path', or 'url'.")
    _text(each["datastore"], "datastore")
    if each.get("query"):
        return _query(each)
    path = _text(each.get("path") or "", "path").replace("\\", "/").lstrip("/")
    return {"datastore": each["datastore"], "path": safe(path) + ("/" if path.endswith("/") and safe(path) else "")}


def _query(each: Mapping[str, Any]) -> dict[str, Any]:
    seconds = each.get("seconds", USUAL_SECONDS)
    if type(seconds) is not int or not 1 <= seconds <= MOST_SECONDS:
        raise _bad(f"A query ends after 1 to {MOST_SECONDS} seconds: 'seconds' is such a whole number.")
    if each.get("path"):
        raise _bad("A source has a path or a query, not both.")
    text = _text(each["query"], "query", LONGEST_QUERY).strip()
    return {"datastore": each["datastore"], "query": text, "seconds": seconds}


def _of_files(given: object) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise _bad("'format' is an object.")
    if unknown := [key for key in given if key != "partition_format"]:
        raise _bad(f"The 'format' of a dataset of files has no {_short(unknown[0])}; it may have 'partition_format'.")
    return {key: _text(value, key) for key, value in given.items()}


def _format(given: object) -> dict[str, Any]:
    try:
        form = form_of(given)
    except ValueError as error:
        raise _bad(str(error)) from error
    assert isinstance(given, Mapping)
    for value in (form.separator, form.partition_format, form.glob, form.extension):
        _text(value or "", "format")
    for name, wanted in form.columns.items():
        for text in (name, *wanted.formats):
            _text(text, "columns")
    return dict(given)


def _operation(kind: str, each: object) -> dict[str, Any]:
    name = each.get("op") if isinstance(each, Mapping) else None
    if not isinstance(each, Mapping) or not isinstance(name, str) or name not in OPERATIONS:
        raise _bad(f"An operation is an object whose 'op' is one of {', '.join(OPERATIONS)}.")
    if kind == "file" and name not in OF_FILES:
        raise _bad(f"'{name}' is an operation of tables; this dataset is one of files.")
    needed, checks = OPERATIONS[name]
    if missing := [key for key in needed if key not in each]:
        raise _bad(f"The operation '{name}' needs '{missing[0]}'.")
    for key, value in each.items():
        if key == "op":
            continue
        if key not in checks:
            raise _bad(f"The operation '{name}' has no {_short(key)}; it has {', '.join(checks)}.")
        checks[key](value, f"'{key}' of '{name}'")
    if kind == "file" and name == "filter":
        _check_files(each["where"])
    return dict(each)


def _check_files(condition: Mapping[str, Any]) -> None:
    """Of a table's columns only its files tell; what is known of files is known now."""
    unknown = [name for name in conditions.columns_of(condition) if name not in FILE_TYPES]
    if unknown:
        raise _bad(f"Of files {', '.join(FILE_TYPES)} are known, and no {_short(unknown[0])}.")
    try:
        conditions.check(condition, FILE_TYPES)
    except conditions.ConditionError as error:
        raise _bad(f"A filter of files: {error}.") from error


def _count(value: object, what: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST:
        raise _bad(f"{what} is a whole number from 0 to {LARGEST}.")


def _seed(value: object, what: str) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or abs(value) > LARGEST):
        raise _bad(f"{what} is a whole number from -{LARGEST} to {LARGEST}.")


def _part(value: object, what: str) -> None:
    if type(value) is not int or value not in (0, 1):
        raise _bad(f"{what} is 0 for the share itself, 1 for the rest.")


def _share(value: object, what: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise _bad(f"{what} is a number from 0 to 1.")


def _names(value: object, what: str) -> None:
    if not isinstance(value, list) or len(value) > MOST_NAMES:
        raise _bad(f"{what} is a list of at most {MOST_NAMES} names.")
    for name in value:
        _text(name, what)


def _name(value: object, what: str) -> None:
    if value is not None:
        _text(value, what)


def _moment(value: object, what: str) -> None:
    try:
        if value is not None:
            any_moment(_text(value, what))
    except Misfit as error:
        raise _bad(f"{what} is a time by ISO 8601, such as 2021-03-04T05:06:07Z, or null.") from error


def _condition(value: object, what: str) -> None:
    if problem := conditions.problem(value):
        raise _bad(f"{what}: {problem}.")
    assert isinstance(value, Mapping)
    for text in conditions.texts_of(value):
        _text(text, what)
    for moment in conditions.times_of(value):
        _moment(moment, what)


def _flag(value: object, what: str) -> None:
    if not isinstance(value, bool):
        raise _bad(f"{what} is true or false.")


Check = Callable[[object, str], None]
# Each operation: the keys that it cannot do without, and all keys with how each is checked.
OPERATIONS: dict[str, tuple[tuple[str, ...], dict[str, Check]]] = {
    "keep_columns": (("columns",), {"columns": _names}),
    "drop_columns": (("columns",), {"columns": _names}),
    "take": (("count",), {"count": _count}),
    "skip": (("count",), {"count": _count}),
    "sample": (("probability",), {"probability": _share, "seed": _seed}),
    "random_split": (("percentage", "part"), {"percentage": _share, "seed": _seed, "part": _part}),
    "filter": (("where",), {"where": _condition}),
    "timestamp_columns": ((), {"timestamp": _name, "partition_timestamp": _name}),
    "time": ((), {"start": _moment, "end": _moment, "include_boundary": _flag}),
}
OF_FILES = frozenset({"take", "skip", "sample", "random_split", "filter"})


def _check_times(operations: list[dict[str, Any]]) -> None:
    """A span of time is looked for in a column that was named before."""
    for place, each in enumerate(operations):
        if each["op"] == "time" and not any(timestamps(operations[:place])):
            raise _bad("The operation 'time' needs 'timestamp_columns' with a column before it that is still there.")


def _text(value: object, what: str, longest: int = LONGEST) -> str:
    """A text that a database and a page can hold."""
    if not isinstance(value, str) or len(value) > longest:
        raise _bad(f"{what} is a text of at most {longest} characters.")
    if "\0" in value or any("\ud800" <= sign <= "\udfff" for sign in value):
        raise _bad(f"{what} has a character that is none of a text: {_short(value)}.")
    return value


def _short(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _bad(text: str) -> Invalid:
    return Invalid(text, code="bad_definition")
