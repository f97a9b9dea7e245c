"""Makes modules from the table: each name in them is the very object that `duto` defines."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from types import ModuleType
from typing import Any, List, Optional, Sequence

from azureml._beyond import CONSTANTS
from azureml._table import ANOTHER, MODULES, OTHER_NAMES


def resolve(module: str, name: str) -> Any:
    """The object that a name of the table means: the very one of `duto`, a plain value, or one that says what to do."""
    from duto import later
    from duto._names import PUBLIC

    wanted = OTHER_NAMES.get(name, name)
    if name in ANOTHER.get(module, ""):
        return later.of_place(module, name)
    if wanted in CONSTANTS:
        return CONSTANTS[wanted]
    if wanted in PUBLIC:
        return getattr(importlib.import_module(PUBLIC[wanted]), wanted)
    try:
        return getattr(later, wanted)
    except AttributeError:
        return later.of_place(module, wanted)


class _Loader(importlib.abc.Loader):
    """Fills a module on demand, so that importing one name loads only what defines it."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        module.__doc__ = "Names of Azure ML's SDK, answered by Duto."
        module.__path__ = []
        module.__all__ = MODULES[module.__name__].split()


class _Module(ModuleType):
    def __getattr__(self, name: str) -> Any:
        names = MODULES[self.__name__].split()
        if name in names:
            value = resolve(self.__name__, name)
            setattr(self, name, value)
            return value
        below = f"{self.__name__}.{name}"
        if below in MODULES:
            return importlib.import_module(below)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

    def __dir__(self) -> List[str]:
        return sorted({*super().__dir__(), *MODULES[self.__name__].split()})


class Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of the table; the last to be asked, so that what is installed wins (`msrest`)."""

    def find_spec(
        self, fullname: str, path: Optional[Sequence[str]] = None, target: Optional[ModuleType] = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        if fullname not in MODULES:
            return None
        return importlib.machinery.ModuleSpec(fullname, _Loader(), is_package=True)


def install() -> None:
    """Make the table's modules importable, once."""
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.append(Finder())
