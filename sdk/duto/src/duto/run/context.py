"""The run around this process: its object, its inputs and its outputs."""

from __future__ import annotations

import os
from dataclasses import dataclass
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


def output_datasets() -> Mapping[str, str]:
    """The output folders of the step around this process, from `AZUREML_DATASET_FILE_OUTPUTS` (`;` between
    names)."""
    names = filter(None, os.environ.get("AZUREML_DATASET_FILE_OUTPUTS", "").split(";"))
    return {name: os.environ[name] for name in names if name in os.environ}


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
