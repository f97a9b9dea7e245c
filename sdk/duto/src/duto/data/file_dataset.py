"""Datasets of files of any kind."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Dict, List, Optional

from duto.client.local_files import each_of, place_of
from duto.data.consumption import DatasetConsumptionConfig
from duto.data.dataset import AbstractDataset
from duto.exceptions import UserErrorException
from duto.not_built import not_built, refusing
from duto.spec import canonical
from duto.spec.selection import CHOOSING, select


@refusing(
    "as_cache file_metadata hydrate",
    "Use as_mount() or as_download().",
)
class FileDataset(AbstractDataset):
    """Files by path, pattern or web address."""

    kind = "file"

    def as_mount(self, path_on_compute: Optional[str] = None) -> DatasetConsumptionConfig:
        """An input of a step, mounted; its name follows from the definition, so that it is the same each
        time."""
        return DatasetConsumptionConfig(self._input_name, self, "mount", path_on_compute)

    def as_download(self, path_on_compute: Optional[str] = None) -> DatasetConsumptionConfig:
        """An input of a step, copied to the node."""
        return DatasetConsumptionConfig(self._input_name, self, "download", path_on_compute)

    def to_path(self) -> List[str]:
        """The paths of the files, each with a slash before it, relative to the dataset's root."""
        return ["/" + str(item["path"]).lstrip("/") for item in self._chosen()]

    def download(
        self, target_path: Optional[str] = None, overwrite: bool = False, ignore_not_found: bool = False
    ) -> List[str]:
        """Copy the files to a folder, by default a new temporary one; the paths of the copies.

        Raises `UserErrorException` that names those that could not be copied, when all others have been: also where one
        is there already and `overwrite` is not set. The same when the dataset finds no file and `ignore_not_found` is
        not set.
        """
        root = Path(target_path) if target_path else Path(tempfile.mkdtemp(prefix="duto-dataset-"))
        files = self._chosen()
        if not files and not ignore_not_found:
            raise UserErrorException(f"The dataset finds no file: {self}")
        copies = {str(item["path"]): place_of(root, str(item["path"]).lstrip("/")) for item in files}

        def copy(path: str) -> None:
            if copies[path].exists() and not overwrite:
                raise UserErrorException(f"'{copies[path]}' exists already; copy with overwrite=True.")
            self._client.download(self._content(), copies[path], path=path)

        each_of(copies, copy)
        return [str(target) for target in copies.values()]

    def mount(self, mount_point: Optional[str] = None, **kwargs: Any) -> MountContext:
        """The files in a folder, inside `with`; outside a step they are copied there."""
        return MountContext(self, mount_point)

    def as_hdfs(self) -> Any:
        raise not_built("FileDataset.as_hdfs", "Use `as_mount()` or `as_download()`.")

    def filter(self, expression: Any) -> Any:
        raise not_built("FileDataset.filter", "Name the files by a pattern, such as `(datastore, 'raw/*.csv')`.")

    @property
    def _input_name(self) -> str:
        return "input_" + canonical.digest(self._definition)[:8]

    def _chosen(self) -> List[Dict[str, Any]]:
        operations = [each for each in self._definition.get("operations", ()) if each.get("op") in CHOOSING]
        return select(self._files(), operations)


class MountContext:
    """A dataset's files in a folder: `with dataset.mount() as context: context.mount_point`."""

    def __init__(self, dataset: FileDataset, mount_point: Optional[str]) -> None:
        self._dataset = dataset
        self._temporary: Optional[tempfile.TemporaryDirectory] = None  # type: ignore[type-arg]
        if mount_point is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="duto-mount-")
        self.mount_point = mount_point or str(self._temporary and self._temporary.name)

    def start(self) -> None:
        self._dataset.download(self.mount_point, overwrite=True)

    def stop(self) -> None:
        if self._temporary is not None:
            self._temporary.cleanup()

    def __enter__(self) -> MountContext:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
