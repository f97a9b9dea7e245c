"""Pipeline parameters: values that a submit may change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Union

from duto.data.references import DataPath
from duto.spec.graph import Parameter
from duto.spec.names import check_name
from duto.spec.parameters import type_of
from duto.steps.unsaved import dataset_id

if TYPE_CHECKING:
    from duto.data.dataset import AbstractDataset
    from duto.workspace.workspace import Workspace


class PipelineParameter:
    """A named value with a default, which a submit may change. The default gives it its type: str, int, float, bool,
    a `DataPath` or a dataset.
    """

    def __init__(self, name: str, default_value: Union[str, float, bool, DataPath, AbstractDataset]) -> None:
        """
        Args:
            name: 1 to 255 characters, without `=` and line breaks; unique in the pipeline.
            default_value: its value where a submit gives none.

        Raises:
            SpecError: the name is another. It is a `ValueError`.
            ValueError: the default is of another type, None included.
        """
        self.name = check_name("parameter", name)
        self.default_value = default_value
        if not isinstance(default_value, DataPath) and not _is_dataset(default_value):
            type_of(default_value)

    @property
    def type(self) -> str:
        """`string`, `int`, `float`, `bool`, `data_path` or `dataset`."""
        if isinstance(self.default_value, DataPath):
            return "data_path"
        return "dataset" if _is_dataset(self.default_value) else type_of(self.default_value)

    def declare(self, workspace: Workspace, save: object) -> Parameter:
        """The parameter as the graph declares it.

        Args:
            workspace: where a dataset is saved.
            save: save a dataset that was not, for its id; or what keeps those that are not saved.

        Returns:
            Name, type and value as JSON.
        """
        return Parameter(self.name, self.type, value_of(self.default_value, workspace, save))

    def __str__(self) -> str:
        return f"PipelineParameter_Name:{self.name}_Default:{self.default_value}"


def value_of(value: Any, workspace: Any, save: Any) -> Any:
    """A parameter's value as JSON: a dataset by the id of its version, a data path by datastore and path."""
    if isinstance(value, DataPath):
        return value.to_value()
    if _is_dataset(value):
        return dataset_id(value, workspace, save)
    return value


def _is_dataset(value: Any) -> bool:
    from duto.data.dataset import AbstractDataset

    return isinstance(value, AbstractDataset)


Bound = Union[str, int, float, PipelineParameter]
