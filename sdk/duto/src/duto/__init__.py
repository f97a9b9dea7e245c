"""What a pipeline and its steps import to speak with a Duto studio.

Names load on first use: `import duto` costs nothing, and `duto.spec`, which the studio and its agents share,
never pulls in the client.
"""

from __future__ import annotations

from typing import Any, List

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    import importlib

    from duto._names import PUBLIC

    module = PUBLIC.get(name)
    if module is None:
        raise AttributeError(f"module 'duto' has no attribute {name!r}")
    value = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> List[str]:
    from duto._names import PUBLIC

    return sorted({*globals(), *PUBLIC})
