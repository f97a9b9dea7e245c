"""A dataset as an input of a step: its name there, and how it arrives."""

from __future__ import annotations

from typing import Any, Optional

from duto.not_built import not_built
from duto.spec.names import check_name


class DatasetConsumptionConfig:
    """A dataset, or a `PipelineParameter` whose value is one, under a name.

    `mode`: direct passes the dataset's id and gives the script the dataset object; mount and download pass a
    path. Inside a longer text it reads `DatasetConsumptionConfig:<name>`.
    """

    def __init__(self, name: str, dataset: Any, mode: str = "direct", path_on_compute: Optional[str] = None) -> None:
        """Raises `SpecError` for a name that is not of letters, digits and underscores, `ValueError` for a
        mode."""
        self.name = check_name("port", name)
        if mode not in ("direct", "mount", "download", "hdfs"):
            raise ValueError(f"The mode {mode!r} is none of direct, mount, download.")
        self.dataset = dataset
        self.mode = mode
        self.path_on_compute = path_on_compute

    def as_mount(self, path_on_compute: Optional[str] = None) -> DatasetConsumptionConfig:
        """The same input as a path, mounted read-only."""
        return DatasetConsumptionConfig(self.name, self.dataset, "mount", path_on_compute)

    def as_download(self, path_on_compute: Optional[str] = None) -> DatasetConsumptionConfig:
        """The same input as a path, copied before the script starts."""
        return DatasetConsumptionConfig(self.name, self.dataset, "download", path_on_compute)

    def as_hdfs(self) -> DatasetConsumptionConfig:
        """Spark is not built. Raises `NotBuiltException`."""
        raise not_built("DatasetConsumptionConfig.as_hdfs", "Use `as_mount()` or `as_download()`.")

    @property
    def arg_val(self) -> str:
        return f"DatasetConsumptionConfig:{self.name}"

    def __str__(self) -> str:
        return self.arg_val
