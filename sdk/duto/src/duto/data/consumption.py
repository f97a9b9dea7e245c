"""A dataset as an input of a step: its name there, and how it arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Union

from duto.spec.names import check_name

if TYPE_CHECKING:
    from duto.data.dataset import AbstractDataset
    from duto.data.pipeline_data import WrittenData
    from duto.data.references import NamedDataset
    from duto.steps.parameter import PipelineParameter

    Consumed = Union[AbstractDataset, PipelineParameter, WrittenData, NamedDataset]


class DatasetConsumptionConfig:
    """A dataset, or a `PipelineParameter` whose value is one, as an input of a step.

    Inside a longer text it reads `DatasetConsumptionConfig:<name>`.
    """

    def __init__(
        self, name: str, dataset: Consumed, mode: str = "direct", path_on_compute: Optional[str] = None
    ) -> None:
        """Nothing is looked up before the pipeline is submitted.

        Args:
            name: name of the input in the step, also the key of `run.input_datasets`: letters, digits and
                underscores.
            dataset: the dataset, a parameter whose value is one, or the output of another step.
            mode: `direct` passes the dataset's id and gives the script the dataset object; `mount` and `download`
                pass a path; `hdfs` passes the path of `mount`.
            path_on_compute: path below the working directory where the files are to lie; None leaves that to the
                host.

        Raises:
            SpecError: the name is not of letters, digits and underscores.
            ValueError: the mode is another.
        """
        self.name = check_name("port", name)
        if mode not in ("direct", "mount", "download", "hdfs"):
            raise ValueError(f"The mode {mode!r} is none of direct, mount, download, hdfs.")
        self.dataset = dataset
        self.mode = mode
        self.path_on_compute = path_on_compute

    def as_mount(self, path_on_compute: Optional[str] = None) -> DatasetConsumptionConfig:
        """The same input as a path, mounted read-only.

        Args:
            path_on_compute: path below the working directory where the files are to lie; None leaves that to the
                host.

        Returns:
            A copy that arrives so.
        """
        return DatasetConsumptionConfig(self.name, self.dataset, "mount", path_on_compute)

    def as_download(self, path_on_compute: Optional[str] = None) -> DatasetConsumptionConfig:
        """The same input as a path, copied before the script starts.

        Args:
            path_on_compute: path below the working directory where the files are to lie; None leaves that to the
                host.

        Returns:
            A copy that arrives so.
        """
        return DatasetConsumptionConfig(self.name, self.dataset, "download", path_on_compute)

    def as_hdfs(self) -> DatasetConsumptionConfig:
        """The same input as a path that Spark reads. Here that is the path of `as_mount()`.

        Returns:
            A copy that arrives so.
        """
        return DatasetConsumptionConfig(self.name, self.dataset, "hdfs")

    @property
    def arg_val(self) -> str:
        """How it reads inside a longer text: `DatasetConsumptionConfig:<name>`."""
        return f"DatasetConsumptionConfig:{self.name}"

    def __str__(self) -> str:
        return self.arg_val
