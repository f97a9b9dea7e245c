"""What programs give as inputs and outputs of a step, brought to one form."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, Iterable, Mapping, Match, Optional

from duto.data.consumption import DatasetConsumptionConfig
from duto.data.dataset import AbstractDataset
from duto.data.output_config import (
    LinkFileOutputDatasetConfig,
    LinkTabularOutputDatasetConfig,
    OutputDatasetConfig,
    OutputFileDatasetConfig,
    OutputTabularDatasetConfig,
)
from duto.data.pipeline_data import (
    InputPortBinding,
    OutputPortBinding,
    PipelineData,
    PipelineOutputAbstractDataset,
)
from duto.data.references import DataPath, DataPathComputeBinding, DataReference, NamedDataset, port_name
from duto.exceptions import UserErrorException
from duto.spec.filenames import place_on, placed
from duto.spec.graph import Input, Output
from duto.steps.parameter import PipelineParameter
from duto.steps.unsaved import Save, dataset_id

LINKS = (LinkFileOutputDatasetConfig, LinkTabularOutputDatasetConfig)


@dataclass(frozen=True)
class InPort:
    """An input: `source` is the producing output, a dataset, a `DataPath` or a `PipelineParameter`."""

    name: str
    source: Any
    mode: str = "mount"
    path_on_compute: Optional[str] = None
    tabular: Optional[Mapping[str, Any]] = None

    def build(self, step_of: Any, workspace: Any, save: Save) -> Input:
        """The input of the graph. `step_of` gives the id of a producing step; with `save` datasets get their
        ids."""
        common: Dict[str, Any] = {
            "name": self.name,
            "mode": self.mode,
            "path_on_compute": self.path_on_compute,
            "tabular": self.tabular,
        }
        source: Any = self.source
        if isinstance(source, PipelineParameter):
            return Input(parameter=source.name, **common)
        if isinstance(source, DataPath):
            return Input(datastore=source.datastore_name, path=place_on(source.path_on_datastore), **common)
        if isinstance(source, NamedDataset) and save:
            source = source.find(workspace)
        if isinstance(source, (AbstractDataset, NamedDataset)):
            return Input(dataset=dataset_id(source, workspace, save), **common)
        return Input(step=step_of(source), output=output_name(source), **common)


def in_port(item: Any) -> InPort:
    """The input that an entry of `inputs` means. Raises `UserErrorException` for what is none."""
    if isinstance(item, InPort):
        return item
    if isinstance(item, InputPortBinding):
        return _bound(item)
    if isinstance(item, PipelineData):
        return InPort(item.name, item)
    if isinstance(item, OutputPortBinding):
        return InPort(item.name, item)
    if isinstance(item, PipelineOutputAbstractDataset):
        return _bound(item.create_input_binding())
    if isinstance(item, DatasetConsumptionConfig):
        return _consumed(item)
    if isinstance(item, AbstractDataset):
        # A dataset without a name of its own in the step: files by path, rows as an object.
        name = port_name(item.name) if item.name else _file_input_name(item)
        return InPort(name, item, "mount" if item.kind == "file" else "direct")
    if isinstance(item, OutputDatasetConfig):
        return _consumed(item.as_input())
    if isinstance(item, DataReference):
        if item.mode == "upload":
            raise UserErrorException(
                f"{item!r} is to be written to (as_upload), and an input is read: give the step an OutputFileDatasetConfig "
                "with destination=(datastore, path) instead."
            )
        place = DataPath(item.datastore, item.path_on_datastore)
        mode = item.mode if item.mode in ("mount", "download") else "mount"
        return InPort(item.data_reference_name, place, mode, item.path_on_compute)
    if isinstance(item, tuple) and len(item) == 2 and isinstance(item[1], DataPathComputeBinding):
        parameter, binding = item
        return InPort(port_name(parameter.name), parameter, binding.mode, binding.path_on_compute)
    if _is_earlier(item):
        return InPort(port_name(item.name), DataPath(item.datastore_name, item.path_on_datastore))
    raise UserErrorException(f"{item!r} cannot be an input of a step.")


def is_input(item: Any) -> bool:
    """Whether an entry of `arguments` can only be an input."""
    return isinstance(
        item,
        (
            InputPortBinding,
            PipelineOutputAbstractDataset,
            DatasetConsumptionConfig,
            AbstractDataset,
            DataReference,
            tuple,
        ),
    ) or _is_earlier(item)


def same_source(one: Any, other: Any) -> bool:
    """Whether two inputs read the same: objects may be made twice for one dataset, path or parameter."""
    if type(one) is not type(other):
        return False
    if isinstance(one, DataPath):
        return bool(one.to_value() == other.to_value())
    if isinstance(one, PipelineParameter):
        return bool(one.name == other.name)
    if isinstance(one, AbstractDataset):
        return bool(one._definition == other._definition)
    return one is other


def _is_earlier(item: Any) -> bool:
    """Whether it is the output of an earlier run."""
    return hasattr(item, "path_on_datastore") and hasattr(item, "datastore_name") and not isinstance(item, DataPath)


def output_root(item: Any) -> Any:
    """The object that stands for an output in steps that write and read it; None for what is no output."""
    if isinstance(item, PipelineOutputAbstractDataset):
        return item._data
    if isinstance(item, OutputTabularDatasetConfig):
        return item._base
    return item if isinstance(item, (PipelineData, OutputFileDatasetConfig, OutputPortBinding, *LINKS)) else None


def output_name(root: Any) -> str:
    """The name of an output within its step."""
    return str(getattr(root, "output_name", None) or root.name)


_PLACEHOLDER = r"(\$\{?AZUREML_DATAREFERENCE_|DatasetOutputConfig:|DatasetConsumptionConfig:)(%s)"


def renamed(text: str, inputs: Iterable[InPort], outputs: Iterable[Any]) -> str:
    """A text whose placeholders name data by the names that they have in the step.

    An output that another step wrote may be called otherwise where it is read, and `output_name` otherwise than the data.
    """
    names = {port.name: port.name for port in inputs}
    names.update({output_name(root): output_name(root) for root in outputs})
    for root in outputs:
        names.setdefault(root.name, output_name(root))
    for port in inputs:
        names.setdefault(str(getattr(port.source, "name", None) or port.name), port.name)
    if all(name == known for name, known in names.items()):
        return text

    def rename(found: Match[str]) -> str:
        prefix = found[1] if found[1].startswith("$") else "$AZUREML_DATAREFERENCE_"
        return found[0] if names[found[2]] == found[2] else prefix + names[found[2]]

    # The longest name first: `data` must not eat the head of `data_test`.
    known = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.sub(_PLACEHOLDER % known, rename, text)


def build_output(root: Any) -> Output:
    """The output of the graph."""
    if isinstance(root, OutputFileDatasetConfig):
        return Output(
            output_name(root),
            "file_dataset",
            root.datastore_name,
            _arriving(root.mode),
            True,
            root.source,
            root.overwrite if root.mode == "upload" else None,
            placed(root.path),
            root._register,
            tuple(root.source_globs or ()) if root.mode == "upload" else (),
        )
    if isinstance(root, LINKS):
        return Output(output_name(root), f"{root.kind}_link", mode="upload", register=root._register)
    mode: str = getattr(root, "output_mode", None) or root.bind_mode
    path = getattr(root, "output_path_on_compute", None) or getattr(root, "path_on_compute", None)
    overwrite = root.output_overwrite if isinstance(root, PipelineData) else root.overwrite
    datastore = root.datastore
    name = datastore if isinstance(datastore, str) or datastore is None else datastore.name
    return Output(
        output_name(root),
        "pipeline_data",
        name,
        mode,
        root.is_directory,
        path,
        overwrite,
        placed(getattr(root, "destination", None)),
        getattr(root, "_register", None),
    )


def _bound(binding: InputPortBinding) -> InPort:
    inner = binding.bind_object
    root = output_root(inner)
    if root is not None:
        source: Any = root
    elif isinstance(inner, DataReference):
        source = DataPath(inner.datastore, inner.path_on_datastore)
    else:
        source = in_port(inner).source
    return InPort(binding.name, source, binding.bind_mode, binding.path_on_compute, binding.additional_transformations)


def _consumed(config: DatasetConsumptionConfig) -> InPort:
    inner = config.dataset
    tabular = inner._definition if isinstance(inner, OutputTabularDatasetConfig) else None
    root = output_root(inner)
    if root is None and not isinstance(inner, (AbstractDataset, NamedDataset, DataPath, PipelineParameter)):
        raise UserErrorException(f"The input '{config.name}' is {inner!r}, and no dataset.")
    return InPort(config.name, inner if root is None else root, _arriving(config.mode), config.path_on_compute, tabular)


def _arriving(mode: str) -> str:
    """The mode that an agent knows: what Spark is to read or to write is a path on the node."""
    return "mount" if mode == "hdfs" else mode


def _file_input_name(dataset: Any) -> str:
    from duto.spec import canonical

    return "input_" + canonical.digest(dataset._definition)[:8]
