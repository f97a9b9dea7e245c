"""The import names of azureml, answered by Duto: `azureml.core.Workspace is duto.Workspace`.

The modules below this package are made from one table, `azureml._table`, when they are imported.
"""

from __future__ import annotations

from azureml import _finder

__version__ = "0.1.0"

_finder.install()
_finder.look_for_another()
