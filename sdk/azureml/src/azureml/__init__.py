"""The import names of azureml, answered by Duto: `azureml.core.Workspace is duto.Workspace`.

The modules below this package are made from one table, `azureml._table`, when they are imported.
"""

from __future__ import annotations

import importlib
from typing import Any

from azureml import _finder
from azureml._table import MODULES

__version__ = "0.1.0"

_finder.install()
_finder.look_for_another()


def __getattr__(name: str) -> Any:
    """A module of the table on its first use: Azure's own packages import each other, so `import azureml.core` gives `azureml.data`."""
    below = f"{__name__}.{name}"
    if below in MODULES:
        return importlib.import_module(below)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
