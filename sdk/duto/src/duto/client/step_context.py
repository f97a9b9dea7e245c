"""Whether this process is a step of a run, by the variables that a step gets."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Optional, Set

import duto

_NEEDED = (
    "AZUREML_ARM_SUBSCRIPTION",
    "AZUREML_ARM_RESOURCEGROUP",
    "AZUREML_ARM_WORKSPACE_NAME",
    "AZUREML_ARM_PROJECT_NAME",
    "AZUREML_RUN_ID",
    "AZUREML_RUN_TOKEN",
    "AZUREML_SERVICE_ENDPOINT",
)

# What tells a step how to read an input as a table, before the input's name.
TABULAR = "DUTO_TABULAR_"
# Of the name of a dataset or model so much stands in the key of a property.
NAME_KEPT = 200
# What the script around this process has read: each is told once.
_NOTED: Set[str] = set()


def variable_of(name: str) -> str:
    """The variable that tells a step how to read its input of this name."""
    return TABULAR + name


@dataclass(frozen=True)
class Context:
    """The run around this process."""

    run_id: str
    root_id: str
    experiment: str
    workspace: str

    @classmethod
    def of_process(cls) -> Optional[Context]:
        """The context, None outside a run: when one of the seven variables that Azure ML looks at is not
        set."""
        if not all(os.environ.get(name) for name in _NEEDED):
            return None
        run_id = os.environ["AZUREML_RUN_ID"]
        return cls(
            run_id,
            os.environ.get("AZUREML_ROOT_RUN_ID") or run_id,
            os.environ["AZUREML_ARM_PROJECT_NAME"],
            os.environ["AZUREML_ARM_WORKSPACE_NAME"],
        )


def note(workspace: Any, key: str, value: str) -> None:
    """What the script of a step reads becomes a property of the run; of another workspace it is no use of anything here."""
    context = Context.of_process()
    if context is None or workspace.name != context.workspace or value in _NOTED:
        return
    _NOTED.add(value)
    duto.Run.get_context().add_properties({key: value})
