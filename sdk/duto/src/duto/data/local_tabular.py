"""Rows of files that lie beside the script: another step's output, read as a table."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, List, Optional

from duto.client.local_files import files_below
from duto.client.step_context import variable_of
from duto.data.tabular_dataset import TabularDataset


def local_table(name: str, path: str) -> Optional[LocalTabularDataset]:
    """The table of an input, None for an input that is plain files."""
    text = os.environ.get(variable_of(name))
    if not text:
        return None
    made: LocalTabularDataset = LocalTabularDataset._of(json.loads(text), None)
    made.path = path
    return made


class LocalTabularDataset(TabularDataset):
    """A table over a file or a folder of this node; it has no id until it is registered."""

    path = ""

    def to_pandas_dataframe(self, on_error: str = "null", out_of_range_datetime: str = "null") -> Any:
        """The rows as a pandas frame. Raises `UserErrorException` when pandas is not installed or a file is
        unreadable."""
        from duto.data.tabular_reading import read_local

        return read_local(self._sources(), self._definition, on_error, out_of_range_datetime)

    def _with(self, **operation: Any) -> Any:
        made = super()._with(**operation)
        made.path = self.path
        return made

    def _sources(self) -> List[Any]:
        """The files by their paths inside the output, as the studio names them."""
        from duto.data.tabular_reading import source_of

        root = Path(self.path)
        if root.is_file():
            return [source_of(root.name, root)]
        return [source_of(name, place) for name, place in files_below(root)]
