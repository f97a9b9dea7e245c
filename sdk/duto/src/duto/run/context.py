"""The run around this process: its object, its inputs and its outputs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping

import duto
from duto.client.step_context import Context

_RUNS: Dict[str, Any] = {}


def context_run(context: Context) -> Any:
    """The run of a context, without a request; the same object each time."""
    if context.run_id not in _RUNS:
        from duto.workspace.workspace import workspace_of_step  # outside a run nobody needs it

        experiment = duto.Experiment(workspace_of_step(), context.experiment, True)
        if context.root_id != context.run_id:
            _RUNS[context.run_id] = duto.StepRun(experiment, context.run_id, context.root_id, "")
        else:
            _RUNS[context.run_id] = duto.Run(experiment, context.run_id)
    return _RUNS[context.run_id]


def input_datasets(run: Any) -> Dict[str, Any]:
    """The inputs of the step around this process, from `AZUREML_DATASET_ENVIRONMENT_VARS` (`name:mode,...`).

    A dataset that is put in becomes an input of the run: its lineage names it.
    """
    from duto.data.local_tabular import local_table

    found: Dict[str, Any] = {}
    for entry in filter(None, os.environ.get("AZUREML_DATASET_ENVIRONMENT_VARS", "").split(",")):
        name, _, mode = entry.partition(":")
        value = os.environ.get(name)
        if value is None:
            continue
        if mode.strip().lower() == "direct":
            found[name] = _Direct(run, value)
        else:
            found[name] = local_table(name, value) or value
    return _Inputs(run, found)


def output_datasets(run: Any) -> Mapping[str, str]:
    """The output folders of the step around this process, from `AZUREML_DATASET_FILE_OUTPUTS` (`;` between names), and
    the outputs that link a dataset, from `DUTO_DATASET_LINKS` (`name:kind,...`)."""
    names = filter(None, os.environ.get("AZUREML_DATASET_FILE_OUTPUTS", "").split(";"))
    found = {name: os.environ[name] for name in names if name in os.environ}
    for entry in filter(None, os.environ.get("DUTO_DATASET_LINKS", "").split(",")):
        name, _, kind = entry.partition(":")
        if name in os.environ:
            found[name] = _Link(run, name, kind, os.environ[name])
    return found


class _Link(str):
    """An output that becomes a dataset by naming it. As a text it is the path of the file that says so."""

    run: Any
    name: str
    kind: str

    def __new__(cls, run: Any, name: str, kind: str, path: str) -> _Link:
        made = super().__new__(cls, path)
        made.run, made.name, made.kind = run, name, kind
        return made

    def link(self, dataset: Any) -> None:
        """Make this dataset the output; one that was linked before is replaced.

        Args:
            dataset: a `FileDataset` or `TabularDataset`, as the output was declared. It need not be registered.

        Raises:
            UserErrorException: it is no dataset, or one of the other kind.
        """
        from duto.data.dataset import AbstractDataset
        from duto.exceptions import UserErrorException
        from duto.spec.links import text_of

        if not isinstance(dataset, AbstractDataset) or dataset.kind != self.kind:
            wanted = {"file": "FileDataset", "tabular": "TabularDataset"}[self.kind]
            raise UserErrorException(f"The output '{self.name}' links a {wanted}, and {dataset!r} is none.")
        version = str(dataset.save(self.run._workspace)["id"])
        beside = Path(f"{self}.new")
        beside.write_text(text_of(version))
        beside.replace(self)


@dataclass
class _Direct:
    """A dataset that is fetched when the script asks for it."""

    run: Any
    id: str

    def get(self) -> Any:
        from duto.data.dataset import identified

        return identified(self.run.experiment.workspace, self.id)


class _Inputs(Dict[str, Any]):
    """Inputs by name; a direct one turns into its dataset on first use."""

    def __init__(self, run: Any, found: Mapping[str, Any]) -> None:
        super().__init__(found)
        self._run = run

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        if isinstance(value, _Direct):
            value = value.get()
            super().__setitem__(name, value)
        return value

    def __setitem__(self, name: str, value: Any) -> None:
        from duto.data.dataset import AbstractDataset
        from duto.spec.status import INPUT_DATASET

        super().__setitem__(name, value)
        if isinstance(value, AbstractDataset):
            version = str(value.save(self._run._workspace)["id"])
            self._run.add_properties({INPUT_DATASET + name: version})

    def get(self, name: str, default: Any = None) -> Any:
        try:
            return self[name]
        except KeyError:
            return default

    def values(self) -> List[Any]:  # type: ignore[override]
        return [self[name] for name in self]

    def items(self) -> List[Any]:  # type: ignore[override]
        return [(name, self[name]) for name in self]
