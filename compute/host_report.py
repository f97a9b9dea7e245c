"""What an agent tells of its machine, read with care: it is another machine's word, and may be of another version.

What is understood becomes columns of the host. What is of another type, out of its bounds or too long is left out and
named by its path, and costs the rest nothing. Names that are not known here are ignored (docs/wire.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from core.clock import parse
from core.text import cleaned

Note = Callable[[str], None]
# Takes a value, its path, and whom to tell of what is wrong with it; gives the value as it is kept, or WRONG.
Read = Callable[[Any, str, Note], Any]
WRONG: Any = object()

BYTES_MOST = (1 << 63) - 1  # what a column holds
TEXT_MOST = 255
STORED_MOST = 10_000


def columns_of(told: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Columns of `Host` with their values, and the paths of what was not understood."""
    wrong: list[str] = []
    found = {
        _COLUMN.get(name, name): read(told[name], name, wrong.append) for name, read in _HOST.items() if name in told
    }
    return {name: value for name, value in found.items() if value is not WRONG}, wrong


def _number(least: float, most: float, *, is_whole: bool = False) -> Read:
    def read(value: Any, path: str, note: Note) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return _ignored(path, note)
        # A whole number may be larger than any float.
        if (isinstance(value, float) and not isfinite(value)) or not least <= value <= most:
            return _ignored(path, note)
        return int(value) if is_whole else value

    return read


def _text(most: int = TEXT_MOST, *, cut: int | None = None) -> Read:
    def read(value: Any, path: str, note: Note) -> Any:
        if not isinstance(value, str) or len(value) > most:
            return _ignored(path, note)
        return cleaned(value)[:cut]

    return read


def _choice(*words: str) -> Read:
    def read(value: Any, path: str, note: Note) -> Any:
        return value if isinstance(value, str) and value in words else _ignored(path, note)

    return read


def _yes_or_no(value: Any, path: str, note: Note) -> Any:
    return value if isinstance(value, bool) else _ignored(path, note)


def _moment(value: Any, path: str, note: Note) -> Any:
    found = parse(value) if isinstance(value, str) and len(value) <= TEXT_MOST else None
    return _ignored(path, note) if found is None else found


def _moment_text(value: Any, path: str, note: Note) -> Any:
    return value if _moment(value, path, note) is not WRONG else WRONG


def _or_none(read: Read, otherwise: Any = None) -> Read:
    return lambda value, path, note: otherwise if value is None else read(value, path, note)


def _each(read: Read, most: int, key: str = "") -> Read:
    """A list without what is wrong in it; with `key` the first of each value of that key."""

    def read_all(value: Any, path: str, note: Note) -> Any:
        if not isinstance(value, list):
            return _ignored(path, note)
        if len(value) > most:
            note(f"{path}[{most}:]")
        found = [(f"{path}[{place}]", read(each, f"{path}[{place}]", note)) for place, each in enumerate(value[:most])]
        kept = {each[key] if key else at: each for at, each in reversed(found) if each is not WRONG}
        return [*reversed(kept.values())]

    return read_all


def _parts(parts: Mapping[str, Read], needs: str = "") -> Read:
    """An object without what is wrong in it; all of it is wrong without what it `needs`."""

    def read_all(value: Any, path: str, note: Note) -> Any:
        if not isinstance(value, dict):
            return _ignored(path, note)
        found = {name: read(value[name], f"{path}.{name}", note) for name, read in parts.items() if name in value}
        kept = {name: each for name, each in found.items() if each is not WRONG}
        if needs and not kept.get(needs):
            return _ignored(f"{path}.{needs}", note)
        return kept

    return read_all


def _ignored(path: str, note: Note) -> Any:
    note(path)
    return WRONG


_bytes = _number(0, BYTES_MOST, is_whole=True)
_share = _number(0, 1)
_device = {"uuid": _text(64), "index": _number(0, 1024, is_whole=True), "name": _text(128), "memory": _bytes}
_reading = {
    "uuid": _text(64),
    "utilization": _or_none(_share),
    "memory": _or_none(_bytes),
    "temperature": _or_none(_number(-100, 1000)),
}
_item = {"key": _text(), "bytes": _bytes, "used_at": _or_none(_moment_text), "in_use": _yes_or_no}
_stored = _each(_parts(_item, needs="key"), STORED_MOST)
_engine = {
    "name": _text(),
    "version": _text(64),
    "api": _text(64),
    "runtimes": _each(_text(64), 32),
    "cdi": _yes_or_no,
}
_sample = {
    "at": _moment_text,
    "cpu": _share,
    "memory": _bytes,
    "disk_free": _bytes,
    "gpus": _each(_parts(_reading, needs="uuid"), 64, key="uuid"),
}
_facts = {
    "disk_total": _bytes,
    "engine": _or_none(_parts(_engine)),
    "storage": _parts({"attempts": _stored, "environments": _stored, "images": _stored}),
    "isolation": _parts({"bwrap": _yes_or_no, "cgroup": _or_none(_choice("v1", "v2")), "root": _yes_or_no}),
    "sample": _parts(_sample),
    "conda": _text(),
}
_COLUMN = {"agent": "agent_version", "started_at": "agent_started_at"}
_HOST: dict[str, Read] = {
    "cores": _number(0, 65_536),
    "memory": _bytes,
    "disk_free": _bytes,
    "gpus": _each(_parts(_device, needs="uuid"), 64, key="uuid"),
    "pythons": _each(_text(32), 64),
    "environments": _each(_text(), STORED_MOST),
    "agent": _text(cut=32),
    "launcher": _choice("process", "docker"),
    "started_at": _moment,
    "store_marker": _or_none(_text(64), ""),
    "facts": _parts(_facts),
}
