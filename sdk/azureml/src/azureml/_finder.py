"""Makes modules from the table: each name in them is the very object that `duto` defines."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import os
import sys
import warnings
from types import ModuleType
from typing import Any, List, Optional, Sequence

from azureml._beyond import CONSTANTS
from azureml._table import ANOTHER, MODULES, OTHER_NAMES


def resolve(module: str, name: str) -> Any:
    """The object that a name of the table means: the very one of `duto`, a plain value, or one that says what to do."""
    from duto import not_built
    from duto._names import PUBLIC

    wanted = OTHER_NAMES.get(name, name)
    if name in ANOTHER.get(module, ""):
        return not_built.of_place(module, name)
    if wanted in CONSTANTS:
        return CONSTANTS[wanted]
    if wanted in PUBLIC:
        return getattr(importlib.import_module(PUBLIC[wanted]), wanted)
    try:
        return getattr(not_built, wanted)
    except AttributeError:
        return not_built.of_place(module, wanted)


class _Loader(importlib.abc.Loader):
    """Fills a module on demand, so that importing one name loads only what defines it."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        module.__doc__ = "Names of Azure ML's SDK, answered by Duto."
        module.__path__ = []
        vars(module).update(__all__=MODULES[module.__name__].split(), __version__=CONSTANTS["VERSION"])


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
            if fullname.rpartition(".")[0] in ("azureml", "azureml.contrib"):
                raise ModuleNotFoundError(
                    f"No module named {fullname!r}: Duto has no counterpart of this part of Azure ML's SDK. Do without it. "
                    "Azure's own package for it would bring azureml-core along, which knows no Duto studio.",
                    name=fullname,
                )
            return None
        return importlib.machinery.ModuleSpec(fullname, _Loader(), is_package=True)


def install() -> None:
    """Make the table's modules importable, once."""
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.append(Finder())


def look_for_another() -> None:
    """Azure's own SDK has the same import names: say which of the two a program gets. Both in one folder are a mixture."""
    own = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - each step imports this
    for place in dict.fromkeys([os.path.dirname(own), *sys.path]):  # noqa: PTH120
        core = os.path.join(place or os.curdir, "azureml", "core")  # noqa: PTH118
        if not os.path.isfile(os.path.join(core, "workspace.py")):  # noqa: PTH113, PTH118
            continue
        if os.path.dirname(core) == own:  # noqa: PTH120
            text = (
                f"Azure's own SDK lies in the same folder as Duto's, {own}: `azureml.core` is Azure's, and knows no Duto "
                "studio. Uninstall azureml-core, or install Duto's SDK into an environment of its own."
            )
        else:
            text = f"`azureml` is Duto's here, {own}. Azure's own SDK, {os.path.dirname(core)}, is not used."  # noqa: PTH120
        warnings.warn(text, stacklevel=3)
        return
