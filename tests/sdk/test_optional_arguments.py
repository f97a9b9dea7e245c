"""What stands for data in a program: each method is called without each of its optional arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from duto import (
    DataPath,
    DataPathComputeBinding,
    DataReference,
    DatasetConsumptionConfig,
    InputPortBinding,
    OutputFileDatasetConfig,
    OutputTabularDatasetConfig,
    PipelineData,
    PipelineOutputFileDataset,
    PipelineOutputTabularDataset,
    PromoteHeadersBehavior,
    UserErrorException,
)
from duto.spec.graph import Input, Output
from duto.steps import ports
from studio.testing.cases import in_one

# One value for each argument that has no default, or that is to be given: what a program would write.
GIVEN: dict[str, Any] = {
    "name": "given",
    "dataset": DataPath("store", "folder"),
    "mode": "download",
    "path_on_compute": "data/here",
    "datastore": "store",
    "output_name": "written",
    "output_mode": "upload",
    "output_path_on_compute": "data/there",
    "output_overwrite": True,
    "data_type": "text",
    "is_directory": True,
    "pipeline_output_name": "offered",
    "training_output": None,
    "input_name": "read",
    "overwrite": True,
    "create_new_version": False,
    "include_path": True,
    "separator": ";",
    "header": PromoteHeadersBehavior.NO_HEADERS,
    "partition_format": "/{year:yyyy}/",
    "file_extension": ".txt",
    "path_glob": "*.txt",
    "set_column_types": {"a": "string"},
    "quoted_line_breaks": True,
    "columns": ["a"],
    "percentage": 0.5,
    "seed": 3,
    "destination": ("store", "folder/{run-id}"),
    "source": "produced",
    "disable_metadata_cache": True,
    "source_globs": None,
    "description": "Numbers",
    "tags": {"of": "tests"},
    "data_reference_name": "reference",
    "path_on_datastore": "folder",
    "path": "below",
    "datapath": DataPath("store", "folder", "place"),
    "datapath_compute_binding": DataPathComputeBinding("download", "data/here"),
}
MADE: dict[type, Callable[[], Any]] = {
    PipelineData: lambda: PipelineData("data"),
    PipelineOutputFileDataset: lambda: PipelineData("data").as_dataset(),
    PipelineOutputTabularDataset: lambda: PipelineData("data").as_dataset().parse_delimited_files(),
    OutputFileDatasetConfig: OutputFileDatasetConfig,
    OutputTabularDatasetConfig: lambda: OutputFileDatasetConfig().read_delimited_files(),
    DatasetConsumptionConfig: lambda: DatasetConsumptionConfig("data", DataPath("store", "folder")),
    DataReference: lambda: DataReference("store", "reference"),
}
# Without a path there is nothing that a reference could be made of.
NEEDED = {("DataReference.create", "datapath")}
INSIDE = {
    "PipelineOutputTabularDataset.__init__",
    "OutputTabularDatasetConfig.__init__",
    "PipelineOutputFileDataset.__init__",
}


def _calls() -> Iterator[Any]:
    for kind in MADE:
        for name, _ in inspect.getmembers(kind, callable):
            if (name.startswith("_") and name != "__init__") or f"{kind.__name__}.{name}" in INSIDE:
                continue
            signature = inspect.signature(kind if name == "__init__" else getattr(MADE[kind](), name))
            optional = [each.name for each in signature.parameters.values() if each.default is not each.empty]
            for left_out in ([], *([each] for each in optional), optional):
                yield pytest.param(kind, name, left_out, id=f"{kind.__name__}.{name}-{'+'.join(left_out) or 'all'}")


def _build(item: Any) -> list[Any]:
    """The parts of a graph that something makes as an input and as an output of a step."""
    parts: list[Any] = []
    if isinstance(item, (OutputFileDatasetConfig, PipelineData)):
        parts.append(ports.build_output(item))
    if not isinstance(item, DataPath):
        parts.append(ports.in_port(item).build(lambda _: "writer", None, False))
    return parts


@in_one("kind,name,left_out", [*_calls()])
def test_an_optional_argument_may_be_left_out(kind: type, name: str, left_out: list[str]) -> None:
    call = kind if name == "__init__" else getattr(MADE[kind](), name)
    given = {each: GIVEN[each] for each in inspect.signature(call).parameters if each not in left_out}
    if any((f"{kind.__name__}.{name}", each) in NEEDED for each in left_out):
        with pytest.raises(ValueError, match="made of a DataPath"):
            call(**given)
        return
    made = call(**given)
    if (kind, name) == (DataReference, "as_upload"):
        with pytest.raises(UserErrorException, match="OutputFileDatasetConfig"):
            _build(made)
        return
    if name == "get_env_variable_name":
        assert made == "AZUREML_DATAREFERENCE_data"
        return
    for each in made if isinstance(made, tuple) else (made,):
        parts = _build(each)
        assert parts and all(isinstance(part, (Input, Output)) and part.name for part in parts)
        assert str(each)
    if isinstance(made, InputPortBinding) and "input_name" in left_out:
        assert made.name == "data"
