"""Inputs cut into mini-batches. Pure: of files their paths, of rows where they stand."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from duto.spec.parallel import BYTES_DEFAULT, FILES_DEFAULT, BatchSize


class NotCut(ValueError):
    """The settings do not fit the data."""


@dataclass(frozen=True)
class File:
    """A file of an input: where it lies, its path in the input, its bytes."""

    place: str
    name: str
    size: int


@dataclass(frozen=True)
class MiniBatch:
    """What one call of `run` gets. `files` are paths, `rows` places in the table of its input. `key` is the same for the
    same content, so that a later run knows what was done."""

    input: str
    count: int
    key: str
    files: Tuple[str, ...] = ()
    rows: Optional[Tuple[int, ...]] = None
    span: Optional[Tuple[int, int]] = None
    partition: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Stretch:
    """Rows of a table that come from one file, from `start` to before `stop`, and the file's bytes."""

    start: int
    stop: int
    size: int


def cut_files(
    name: str, files: Sequence[File], size: Optional[BatchSize], keys: Sequence[str] = (), form: str = ""
) -> List[MiniBatch]:
    """Files in their order: so many each, so many bytes each (a larger one alone), or one mini-batch for each value of the
    keys. Raises `NotCut`."""
    if keys:
        return _by_keys(name, files, keys, form)
    if size is not None and size.has_unit:
        return [_of_files(name, group) for group in _by_bytes(files, size.bytes)]
    most = FILES_DEFAULT if size is None else size.amount
    return [_of_files(name, files[start : start + most]) for start in range(0, len(files), most)]


def cut_rows(stretches: Iterable[Stretch], size: Optional[BatchSize]) -> List[Tuple[int, int]]:
    """Spans of rows of about so many bytes of their file, none over a file's border."""
    wanted = BYTES_DEFAULT if size is None else size.bytes
    spans: List[Tuple[int, int]] = []
    for each in stretches:
        rows = each.stop - each.start
        most = max(1, int(rows * wanted / each.size)) if each.size > 0 else max(rows, 1)
        spans += [(start, min(start + most, each.stop)) for start in range(each.start, each.stop, most)]
    return spans


def _by_bytes(files: Sequence[File], most: int) -> Iterable[List[File]]:
    group: List[File] = []
    held = 0
    for file in files:
        if group and held + file.size > most:
            yield group
            group, held = [], 0
        group.append(file)
        held += file.size
    if group:
        yield group


def _by_keys(name: str, files: Sequence[File], keys: Sequence[str], form: str) -> List[MiniBatch]:
    from duto.tables.partitions import keys_of, values_of  # the readers of tables come along

    known = keys_of(form)
    if unknown := [key for key in keys if key not in known]:
        has = f"it has {', '.join(known)}" if known else "it has none: its dataset has no partition_format"
        raise NotCut(f"The input '{name}' has no partition key '{unknown[0]}'; {has}.")
    groups: Dict[str, Tuple[Dict[str, Any], List[File]]] = {}
    for file in files:
        values = values_of(form, file.name)
        if values is None:
            raise NotCut(f"The path '{file.name}' of the input '{name}' is not of the form '{form}'.")
        chosen = {key: values.get(key) for key in keys}
        groups.setdefault(repr(chosen), (chosen, []))[1].append(file)
    return [_of_files(name, group, chosen) for chosen, group in groups.values()]


def _of_files(name: str, files: Sequence[File], partition: Optional[Mapping[str, Any]] = None) -> MiniBatch:
    content = repr((name, [(file.name, file.size) for file in files], partition or {}))
    key = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return MiniBatch(name, len(files), key, tuple(file.place for file in files), partition=dict(partition or {}))
