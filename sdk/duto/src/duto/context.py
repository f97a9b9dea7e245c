"""Where this process runs: the variables that a step gets, and the run that they mean."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Set

_NEEDED = (
    "AZUREML_ARM_SUBSCRIPTION",
    "AZUREML_ARM_RESOURCEGROUP",
    "AZUREML_ARM_WORKSPACE_NAME",
    "AZUREML_ARM_PROJECT_NAME",
    "AZUREML_RUN_ID",
    "AZUREML_RUN_TOKEN",
    "AZUREML_SERVICE_ENDPOINT",
)


@dataclass(frozen=True)
class Context:
    """The run around this process."""

    run_id: str
    root_id: str
    experiment: str

    @classmethod
    def of_process(cls) -> Optional[Context]:
        """The context, None outside a run: when one of the seven variables that Azure ML looks at is not
        set."""
        if not all(os.environ.get(name) for name in _NEEDED):
            return None
        run_id = os.environ["AZUREML_RUN_ID"]
        return cls(run_id, os.environ.get("AZUREML_ROOT_RUN_ID") or run_id, os.environ["AZUREML_ARM_PROJECT_NAME"])


_RUNS: Dict[str, Any] = {}
_READ: Set[str] = set()


def context_run(context: Context) -> Any:
    """The run of a context, without a request; the same object each time."""
    if context.run_id not in _RUNS:
        from duto.experiment import Experiment
        from duto.pipeline_run import StepRun
        from duto.run import Run
        from duto.workspace import workspace_of_step

        experiment = Experiment(workspace_of_step(), context.experiment, True)
        if context.root_id != context.run_id:
            _RUNS[context.run_id] = StepRun(experiment, context.run_id, context.root_id, "")
        else:
            _RUNS[context.run_id] = Run(experiment, context.run_id)
    return _RUNS[context.run_id]


def input_datasets(run: Any) -> Dict[str, Any]:
    """The inputs of the step around this process, from `AZUREML_DATASET_ENVIRONMENT_VARS` (`name:mode,...`).

    A dataset that is put in becomes an input of the run: its lineage names it.
    """
    from duto.local_tabular import local_table

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


def note_read(workspace: Any, dataset: Any) -> None:
    """A registered dataset that the script of a step asks for by its name is an input of the run, told once."""
    from duto.spec.status import READ_DATASET

    context = Context.of_process()
    if context is None or workspace.name != os.environ["AZUREML_ARM_WORKSPACE_NAME"] or dataset.id in _READ:
        return
    _READ.add(dataset.id)
    context_run(context).add_properties({f"{READ_DATASET}{dataset.name[:200]}:{dataset.version}": dataset.id})


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
        from duto.dataset import Dataset

        return Dataset.get_by_id(self.run.experiment.workspace, self.id)


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
        from duto.dataset import AbstractDataset
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
