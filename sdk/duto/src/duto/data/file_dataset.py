"""Datasets of files of any kind."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Callable, List, Optional

from duto.client.local_files import each_of, place_of
from duto.data.consumption import DatasetConsumptionConfig
from duto.data.dataset import AbstractDataset
from duto.data.expressions import Expression, condition_of
from duto.exceptions import UserErrorException
from duto.not_built import refusing
from duto.spec import canonical, conditions
from duto.spec.selection import FILE_TYPES


@refusing(
    "as_cache hydrate",
    "Use as_mount() or as_download().",
)
class FileDataset(AbstractDataset):
    """Files by path, pattern or web address."""

    kind = "file"

    def as_mount(self, path_on_compute: Optional[str] = None) -> DatasetConsumptionConfig:
        """An input of a step, mounted; its name follows from the definition, so that it is the same each time.

        Args:
            path_on_compute: path below the working directory where the files are to lie; None leaves that to the
                host.

        Returns:
            The input, for `inputs` or `arguments` of a step.
        """
        return DatasetConsumptionConfig(self._input_name, self, "mount", path_on_compute)

    def as_download(self, path_on_compute: Optional[str] = None) -> DatasetConsumptionConfig:
        """An input of a step, copied to the node.

        Args:
            path_on_compute: path below the working directory where the files are to lie; None leaves that to the
                host.

        Returns:
            The input, for `inputs` or `arguments` of a step.
        """
        return DatasetConsumptionConfig(self._input_name, self, "download", path_on_compute)

    def to_path(self) -> List[str]:
        """The paths of the files.

        Returns:
            Paths, each with a slash before it, relative to the dataset's root.

        Raises:
            UserErrorException: as in `save`.
        """
        return ["/" + str(item["path"]).lstrip("/") for item in self._files()]

    def download(
        self, target_path: Optional[str] = None, overwrite: bool = False, ignore_not_found: bool = False
    ) -> List[str]:
        """Copy the files to a folder.

        Args:
            target_path: the folder, which is made; None for a new temporary one.
            overwrite: replace files that are there.
            ignore_not_found: let a dataset that finds no file give an empty list.

        Returns:
            The paths of the copies.

        Raises:
            UserErrorException: some files could not be copied, also because one is there already and `overwrite` is
                False: it names them when all others have been. Or the dataset finds no file.
        """
        root = Path(target_path) if target_path else Path(tempfile.mkdtemp(prefix="duto-dataset-"))
        files = self._files()
        if not files and not ignore_not_found:
            raise UserErrorException(f"The dataset finds no file: {self}")
        copies = {str(item["path"]): place_of(root, str(item["path"]).lstrip("/")) for item in files}

        def copy(path: str) -> None:
            if copies[path].exists() and not overwrite:
                raise UserErrorException(f"'{copies[path]}' exists already; copy with overwrite=True.")
            self._client.download(self._content(), copies[path], path=path)

        each_of(copies, copy)
        return [str(target) for target in copies.values()]

    def mount(self, mount_point: Optional[str] = None, **kwargs: object) -> MountContext:
        """The files in a folder, inside `with`. Outside a step they are copied there when the block is entered.

        Args:
            mount_point: the folder; None for a temporary one, which goes with the end of the block.
            kwargs: taken and not used.

        Returns:
            A context manager whose `mount_point` is the folder, with `start()` and `stop()` as Azure ML has it.
        """
        return MountContext(lambda target: self.download(target, overwrite=True), mount_point)

    def as_hdfs(self) -> DatasetConsumptionConfig:
        """The files as an input of a Spark step: a path, as `as_mount()` gives it.

        Returns:
            The input.
        """
        return DatasetConsumptionConfig(self._input_name, self, "hdfs")

    def file_metadata(self, col: str) -> Expression:
        """What is known of each file, for `filter`: `dataset.file_metadata("Size") > 1024`.

        Args:
            col: `Size` in bytes, `LastModifiedTime`, `Extension` (`.csv`; empty without one), `CanSeek`, which is true of all,
                or `Path`, with a slash before it.

        Returns:
            The expression.

        Raises:
            UserErrorException: another one; `CreationTime` is not known here.
        """
        if col not in FILE_TYPES:
            raise UserErrorException(f"Of files {', '.join(FILE_TYPES)} are known, and no {col!r}.")
        return Expression({"column": col})

    def filter(self, expression: Expression) -> FileDataset:
        """The files of which a condition is true, when they are looked for.

        Args:
            expression: a condition on what `file_metadata` gives. A `datetime` without a zone is in UTC.

        Returns:
            Another dataset.

        Raises:
            UserErrorException: the expression is no condition on `file_metadata`.
        """
        operation = condition_of(expression)
        unknown = [name for name in conditions.columns_of(operation["where"]) if name not in FILE_TYPES]
        if unknown:
            raise UserErrorException(f"Of files {', '.join(FILE_TYPES)} are known, and no '{unknown[0]}'.")
        try:
            conditions.check(operation["where"], FILE_TYPES)
        except conditions.ConditionError as error:
            raise UserErrorException(f"Files cannot be chosen so: {error}.") from error
        return self._with(**operation)

    @property
    def _input_name(self) -> str:
        return "input_" + canonical.digest(self._definition)[:8]


class MountContext:
    """A dataset's files in a folder: `with dataset.mount() as context: context.mount_point`.

    Attributes:
        mount_point: the folder.
    """

    def __init__(self, copy: Callable[[str], object], mount_point: Optional[str]) -> None:
        """Programs get one by `FileDataset.mount`.

        Args:
            copy: copies the files to a folder.
            mount_point: the folder; None for a temporary one.
        """
        self._copy = copy
        self._temporary: Optional[tempfile.TemporaryDirectory] = None  # type: ignore[type-arg]
        if mount_point is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="duto-mount-")
        self.mount_point = mount_point or str(self._temporary and self._temporary.name)

    def start(self) -> None:
        """Copy the files to the folder; those that are there are replaced.

        Raises:
            UserErrorException: as in `FileDataset.download`.
        """
        self._copy(self.mount_point)

    def stop(self) -> None:
        """Take a temporary folder away; another one stays."""
        if self._temporary is not None:
            self._temporary.cleanup()

    def __enter__(self) -> MountContext:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
