"""Reads a message with care: it is another machine's word, and may be of another version.

What is right as a whole, as nearly always, is read in one pass. Else what is of another type, out of its bounds or too
long is left out and named by its path, and so is what is not known here; the rest is kept.
"""

from __future__ import annotations

import json
import re
import threading
import types
from collections.abc import Hashable
from functools import cache
from typing import Annotated, Any, Generic, NamedTuple, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Raw, Struct

from duto.spec.text import cleaned, is_deep
from duto_protocol.values import decoded, encoded

T = TypeVar("T")
WRONG: Any = object()
# Characters that no database takes, as JSON spells them.
_ESCAPES = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
# Paths that are told of one message; a flood of them says no more.
NAMED, PATH_MOST = 100, 200
# MsgspecError and UnicodeDecodeError are ValueErrors.
FAULTS = (ValueError, RecursionError, OverflowError)


class Reading(NamedTuple, Generic[T]):
    """A message, the paths of what was not understood in it, and of what is not known here."""

    message: T
    wrong: list[str]
    unknown: list[str]

    @property
    def ignored(self) -> list[str]:
        return [*self.wrong, *self.unknown]


class NotUnderstood(ValueError):
    """It is no JSON, or nothing of the message that it should be."""


_decoders: dict[Hashable, msgspec.json.Decoder[Any]] = {}
_one_at_a_time = threading.Lock()


def _decoder(kind: Hashable) -> msgspec.json.Decoder[Any]:
    """Reads that type, in any thread.

    msgspec learns the fields of a Struct when it is first read, into the class and in steps: a second thread would take
    what is half learned, and the process ends by a segmentation fault. So whoever reads a type learns it here first.
    """
    found = _decoders.get(kind)
    if found is None:
        with _one_at_a_time:
            found = _decoders.setdefault(kind, msgspec.json.Decoder(cast(type, kind), dec_hook=decoded))
    return found


def _converted(value: Any, kind: Any) -> Any:
    _decoder(kind)
    return msgspec.convert(value, kind, dec_hook=decoded)


def read(data: bytes | Raw, kind: type[T]) -> Reading[T]:
    """The message of these bytes. Raises NotUnderstood."""
    plain = bytes(data)
    if not _ESCAPES.search(plain):
        try:
            return Reading(_decoder(cast(Hashable, kind)).decode(plain), [], [])
        except FAULTS:
            pass
    return of_document(document_of(plain), kind)


def document_of(data: bytes) -> Any:
    """JSON whose texts every database takes; what lies too deep becomes an ellipsis. Raises NotUnderstood."""
    try:
        document = json.loads(data.decode("utf-8", "replace"))
        return cleaned(document) if _ESCAPES.search(data) or is_deep(document) else document
    except (ValueError, RecursionError) as error:
        raise NotUnderstood(f"It is no JSON: {error}") from error


def of_document(document: Any, kind: type[T]) -> Reading[T]:
    """The message of a JSON document. Raises NotUnderstood."""
    wrong: list[str] = []
    unknown: list[str] = []
    found = _Reader(wrong, unknown).kept(document, kind, "")
    if found is WRONG:
        raise NotUnderstood(f"It is no {kind.__name__}: {', '.join(wrong[:NAMED]) or 'it is no object'}")
    return Reading(found, wrong[:NAMED], unknown[:NAMED])


def written(message: Any) -> bytes:
    """A message as JSON. Raises TypeError, RecursionError for what cannot be said."""
    try:
        return msgspec.json.encode(message, enc_hook=encoded)
    except UnicodeEncodeError:  # halves of surrogate pairs, which names of files may have
        return msgspec.json.encode(cleaned(builtins_of(message)))


def builtins_of(message: Any) -> Any:
    """A message as dicts and lists, as JSON documents keep it."""
    return msgspec.to_builtins(message, enc_hook=encoded)


class _Reader:
    """Goes down where a whole is not right, and keeps what is."""

    def __init__(self, wrong: list[str], unknown: list[str]) -> None:
        self.wrong, self.unknown = wrong, unknown

    def kept(self, value: Any, kind: Any, path: str) -> Any:
        if kind is Raw:
            return Raw(msgspec.json.encode(value))
        try:
            return _converted(value, kind)
        except FAULTS:
            pass
        for one, most in _variants(kind):
            if isinstance(value, dict) and isinstance(one, type) and issubclass(one, Struct):
                return self._object(value, one, path)
            if isinstance(value, dict) and get_origin(one) is dict:
                return self._mapping(value, get_args(one)[1], path)
            if isinstance(value, list) and get_origin(one) is list:
                return self._list(value, get_args(one)[0], most, path)
        self.wrong.append(path or "it")
        return WRONG

    def _object(self, value: dict[str, Any], kind: type[Struct], path: str) -> Any:
        fields, dot = _fields(kind), f"{path}." if path else ""
        if more := value.keys() - fields.keys():
            self.unknown += (f"{dot}{name}"[:PATH_MOST] for name in sorted(more))
            value = {name: each for name, each in value.items() if name not in more}
            try:  # of a later version, and right otherwise
                return _converted(value, kind)
            except FAULTS:
                pass
        found = {name: self.kept(value[name], each, f"{dot}{name}") for name, each in fields.items() if name in value}
        found = {name: each for name, each in found.items() if each is not WRONG}
        if missing := [name for name in _required(kind) if name not in found]:
            self.wrong += (f"{dot}{name}" for name in missing if name not in value)
            return WRONG
        return kind(**found)

    def _mapping(self, value: dict[str, Any], kind: Any, path: str) -> dict[str, Any]:
        found = {name: self.kept(each, kind, f"{path}.{name}"[:PATH_MOST]) for name, each in value.items()}
        return {name: each for name, each in found.items() if each is not WRONG}

    def _list(self, value: list[Any], kind: Any, most: int | None, path: str) -> list[Any]:
        if most is not None and len(value) > most:
            self.wrong.append(f"{path}[{most}:]")
        found = [self.kept(each, kind, f"{path}[{place}]") for place, each in enumerate(value[:most])]
        return [each for each in found if each is not WRONG]


@cache
def _fields(kind: type[Struct]) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


@cache
def _required(kind: type[Struct]) -> tuple[str, ...]:
    return tuple(each.name for each in msgspec.structs.fields(kind) if each.required)


@cache
def _variants(kind: Any, most: int | None = None) -> list[tuple[Any, int | None]]:
    """What a value of this type may be, each with how many entries it may have."""
    if get_origin(kind) is Annotated:
        inner, *constraints = get_args(kind)
        return _variants(inner, next((each.max_length for each in constraints if isinstance(each, msgspec.Meta)), most))
    if get_origin(kind) in (Union, types.UnionType):
        return [found for each in get_args(kind) for found in _variants(each)]
    return [(kind, most)]
