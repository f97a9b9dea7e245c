"""Datasets that were not saved yet, in graphs that are only to be looked at."""

from __future__ import annotations

import uuid
from typing import Any, Dict, Tuple, Union


class Drafts:
    """Gives datasets that are not saved ids that stand for them in one graph, and keeps their definitions."""

    def __init__(self) -> None:
        self.documents: Dict[str, Dict[str, Any]] = {}
        # By the object, which is held so that no other one gets its number.
        self._ids: Dict[int, Tuple[str, Any]] = {}

    def id_of(self, dataset: Any) -> str:
        """The id of the version, or the one that stands for it."""
        if dataset._saved is not None:
            return str(dataset._saved["id"])
        if id(dataset) not in self._ids:
            key = str(uuid.uuid4())
            self._ids[id(dataset)] = key, dataset
            self.documents[key] = {"kind": dataset.kind, "definition": dataset._definition}
        return self._ids[id(dataset)][0]


# Whether datasets of a graph are saved for their ids: yes, no, or told of beside it.
Save = Union[bool, Drafts]


def dataset_id(dataset: Any, workspace: Any, save: Save) -> str:
    """What a graph holds of a dataset."""
    if isinstance(save, Drafts):
        return save.id_of(dataset)
    return str(dataset.save(workspace)["id"]) if save else "unsaved"
