"""The SDK that every step can import: a read-only folder of pure Python, made once per version."""

from __future__ import annotations

import compileall
import hashlib
import importlib.util
import os
import py_compile
import shutil
from pathlib import Path

from duto_agent.environments.builder import make_read_only
from duto_agent.files import remove_tree

PACKAGES = ("duto", "azureml")
UNCHECKED = py_compile.PycInvalidationMode.UNCHECKED_HASH
# As if it were installed, for whoever looks for plugins: MLflow asks ours for tags (duto.run.mlflow_notice).
ENTERED = {
    "duto-0.dist-info/METADATA": "Metadata-Version: 2.1\nName: duto\nVersion: 0\n",
    "duto-0.dist-info/entry_points.txt": "[mlflow.run_context_provider]\nduto = duto.run.mlflow_notice:Notice\n",
}
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", "tests", "*.toml")


def sdk_folder(home: Path) -> Path:
    """The folder for PYTHONPATH, made from the packages that are installed beside the agent."""
    sources = {name: place for name in PACKAGES if (place := _place_of(name)) is not None}
    path = home / "sdk" / _digest(sources)
    if path.is_dir():
        return path
    new = path.with_name(f"{path.name}.tmp.{os.getpid()}")
    remove_tree(new)
    new.mkdir(parents=True)
    for name, place in sources.items():
        shutil.copytree(place, new / name, ignore=LEFT_OUT)
    for name, text in ENTERED.items():
        (new / name).parent.mkdir(exist_ok=True)
        (new / name).write_text(text)
    # The paths in the code objects are those of the final place; unchecked, so that no step compares times.
    compileall.compile_dir(
        new, quiet=2, stripdir=str(new), prependdir=str(path), invalidation_mode=UNCHECKED, workers=1
    )
    make_read_only(new)
    try:
        new.rename(path)
    except OSError:  # another agent of this home was as quick
        remove_tree(new)
    return path


def _place_of(name: str) -> Path | None:
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    places = list(found.submodule_search_locations or ()) if found else []
    return Path(places[0]) if places else None


def _digest(sources: dict[str, Path]) -> str:
    total = hashlib.sha256(repr(sorted(ENTERED.items())).encode())
    for name, place in sorted(sources.items()):
        for file in sorted(place.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                total.update(f"{name}/{file.relative_to(place)}\0".encode())
                total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()[:16]
