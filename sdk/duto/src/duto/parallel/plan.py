"""All mini-batches of a step, from its inputs as they lie on this node."""

from __future__ import annotations

import hashlib
import pickle
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from duto.exceptions import AzureMLException
from duto.parallel.batches import File, MiniBatch, NotCut, Stretch, cut_files, cut_rows
from duto.spec import trees
from duto.spec.filenames import spelled
from duto.spec.parallel import Settings


@dataclass(frozen=True)
class Plan:
    """The mini-batches in the order of the inputs, and the tables that those of rows are parts of."""

    batches: Tuple[MiniBatch, ...]
    tables: Mapping[str, Any]

    @property
    def items(self) -> int:
        """Files and rows of all mini-batches."""
        return sum(batch.count for batch in self.batches)

    def content(self, batch: MiniBatch) -> Any:
        """What `run` gets: paths, or a frame with an index of its own."""
        if batch.input not in self.tables:
            return list(batch.files)
        table = self.tables[batch.input]
        part = table.iloc[batch.span[0] : batch.span[1]] if batch.span else table.iloc[list(batch.rows or ())]
        return part.reset_index(drop=True)


def plan_of(settings: Settings, inputs: Mapping[str, Any], forms: Mapping[str, str], folder: Path) -> Plan:
    """Read the inputs and cut them.

    `inputs` are what `Run.input_datasets` holds: paths, or dataset objects; `forms` the `partition_format` of those that
    have one; `folder` takes what is copied. Raises `NotCut`.
    """
    made: List[MiniBatch] = []
    tables: Dict[str, Any] = {}
    for name in settings.inputs:
        if name not in inputs:
            raise NotCut(f"The step has no input '{name}'.")
        given = inputs[name]
        if getattr(given, "kind", None) == "tabular":
            tables[name], stretches = _table(name, given)
            made += _of_rows(name, tables[name], stretches, settings)
        else:
            files, form = _files(name, given, folder), forms.get(name, "")
            if getattr(given, "kind", None) == "file":
                form = str((given._definition.get("format") or {}).get("partition_format") or "")
            made += cut_files(name, files, settings.mini_batch_size, settings.partition_keys, form)
    return Plan(tuple(made), tables)


def apart(action: Any) -> Any:
    """Do it in a thread that is gone afterwards, with its connections: processes are forked from this one later."""
    found: List[Any] = []
    failed: List[BaseException] = []

    def work() -> None:
        try:
            found.append(action())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found[0]


def _files(name: str, given: Any, folder: Path) -> List[File]:
    if hasattr(given, "download"):  # a dataset that came by its id
        place = folder / name
        given.download(str(place), overwrite=True, ignore_not_found=True)
        given = place
    root = Path(str(given))
    if root.is_file():
        return [File(str(root), root.name, root.stat().st_size)]
    if not root.exists():
        raise NotCut(f"The input '{name}' is not there: {root}.")
    found = [
        File(each.path, spelled(f"{folder}/{each.name}" if folder else each.name), each.stat().st_size)
        for folder, entries in trees.walk(root)
        for each in entries
        if each.is_file()
    ]
    return sorted(found, key=lambda file: file.name)


def _table(name: str, given: Any) -> Tuple[Any, List[Stretch]]:
    from duto.data.tabular_reading import read_with_files

    try:
        frame, stretches = read_with_files(given)
    except AzureMLException as error:
        raise NotCut(f"The input '{name}' cannot be read: {error}") from error
    return frame, [Stretch(*each) for each in stretches]


def _of_rows(name: str, frame: Any, stretches: Sequence[Stretch], settings: Settings) -> List[MiniBatch]:
    if settings.partition_keys:
        return _by_keys(name, frame, settings.partition_keys)
    spans = cut_rows(stretches, settings.mini_batch_size)
    return [
        MiniBatch(name, stop - start, _digest(name, frame.iloc[start:stop]), span=(start, stop))
        for start, stop in spans
    ]


def _by_keys(name: str, frame: Any, keys: Sequence[str]) -> List[MiniBatch]:
    if unknown := [key for key in keys if key not in frame.columns]:
        known = ", ".join(map(str, frame.columns))
        raise NotCut(f"The input '{name}' has no column '{unknown[0]}' to be parted by; it has: {known}.")
    found: Dict[str, Tuple[Dict[str, Any], List[int]]] = {}
    for place, values in enumerate(zip(*(frame[key].tolist() for key in keys))):
        found.setdefault(repr(values), (dict(zip(keys, values)), []))[1].append(place)
    return [
        MiniBatch(name, len(rows), _digest(name, frame.iloc[rows]), rows=tuple(rows), partition=values)
        for values, rows in found.values()
    ]


def _digest(name: str, rows: Any) -> str:
    """The same for the same rows."""
    import pandas

    found = hashlib.sha256(repr([name, list(map(str, rows.columns)), len(rows)]).encode())
    try:
        found.update(pandas.util.hash_pandas_object(rows, index=False).to_numpy().tobytes())
    except TypeError:  # cells that have no hash
        found.update(pickle.dumps(rows.to_numpy().tolist(), protocol=4))
    return found.hexdigest()[:32]
