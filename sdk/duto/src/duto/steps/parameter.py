"""Pipeline parameters: values that a submit may change."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Union

from duto.data.references import DataPath
from duto.spec.declarations import declared
from duto.spec.graph import Parameter
from duto.spec.names import check_name
from duto.spec.parameters import type_of
from duto.steps.unsaved import dataset_id

if TYPE_CHECKING:
    from duto.data.dataset import AbstractDataset
    from duto.workspace.workspace import Workspace


class PipelineParameter:
    """A named value with a default, which a submit may change. The default gives it its type: str, int, float, bool,
    a `DataPath` or a dataset; of ours also a list, a dict (JSON) and a datetime.
    """

    def __init__(
        self,
        name: str,
        default_value: Union[
            str,
            float,
            bool,
            datetime,
            Sequence[Union[str, float, bool]],
            Mapping[str, object],
            DataPath,
            AbstractDataset,
        ],
        *,
        choices: Optional[Sequence[Union[str, float, datetime]]] = None,
        minimum: Union[str, float, datetime, None] = None,
        maximum: Union[str, float, datetime, None] = None,
        help: str = "",
        secret: bool = False,
    ) -> None:
        """
        Args:
            name: 1 to 255 characters, without `=` and line breaks; unique in the pipeline.
            default_value: its value where a submit gives none.
            choices: all values that it takes (text, number, datetime); of a list, those of each element. An addition of
                ours, as all that follows.
            minimum: the least value that it takes (number, datetime); of a list of numbers, of each element.
            maximum: the most.
            help: what people are told of it where they give a value.
            secret: whether its values are encrypted and shown nowhere; its default is `""`, and a submit has to give it.

        Raises:
            SpecError: the name is another; the default is none of the choices or out of bounds; choices or bounds cannot
                be meant. It is a `ValueError`.
            ValueError: the default is of another type, None included.
        """
        self.name = check_name("parameter", name)
        self.default_value = default_value
        self._allowed: Dict[str, Any] = {
            "choices": choices if choices is None or isinstance(choices, str) else [_plain(each) for each in choices],
            "minimum": _plain(minimum),
            "maximum": _plain(maximum),
            "help": help,
            "secret": bool(secret),
        }
        self._declared = self.declare(None, False)

    @property
    def type(self) -> str:
        """`string`, `int`, `float`, `bool`, `list`, `json`, `datetime`, `data_path` or `dataset`."""
        if isinstance(self.default_value, DataPath):
            return "data_path"
        return "dataset" if _is_dataset(self.default_value) else type_of(self.default_value)

    @property
    def choices(self) -> Optional[List[Union[str, float]]]:
        """All values that it takes, or None. An addition of ours."""
        return None if self._declared.choices is None else list(self._declared.choices)

    @property
    def minimum(self) -> Union[str, float, None]:
        """The least value that it takes, or None. An addition of ours."""
        found: Union[str, float, None] = self._declared.minimum
        return found

    @property
    def maximum(self) -> Union[str, float, None]:
        """The most that it takes, or None. An addition of ours."""
        found: Union[str, float, None] = self._declared.maximum
        return found

    @property
    def secret(self) -> bool:
        """Whether its values are encrypted and shown nowhere. An addition of ours."""
        return self._declared.secret

    @property
    def help(self) -> str:
        """What people are told of it. An addition of ours."""
        return self._declared.help

    def declare(self, workspace: Optional[Workspace], save: object) -> Parameter:
        """The parameter as the graph declares it.

        Args:
            workspace: where a dataset is saved.
            save: save a dataset that was not, for its id; or what keeps those that are not saved.

        Returns:
            Name, type, value and what it takes, as JSON.
        """
        default = value_of(self.default_value, workspace, save)
        return declared(self.name, self.type, default, **self._allowed)

    def __str__(self) -> str:
        return f"PipelineParameter_Name:{self.name}_Default:{self.default_value}"


def value_of(value: Any, workspace: Any, save: Any) -> Any:
    """A parameter's value as JSON: a dataset by the id of its version, a data path by datastore and path, a datetime as
    ISO 8601."""
    if isinstance(value, DataPath):
        return value.to_value()
    if _is_dataset(value):
        return dataset_id(value, workspace, save)
    return _plain(value)


def _plain(value: Any) -> Any:
    """A datetime as ISO 8601, and a tuple as a list."""
    if isinstance(value, date):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value


def _is_dataset(value: Any) -> bool:
    from duto.data.dataset import AbstractDataset

    return isinstance(value, AbstractDataset)


Bound = Union[str, int, float, PipelineParameter]
