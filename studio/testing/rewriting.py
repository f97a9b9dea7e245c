"""The assertions of all tests, rewritten once for all workers.

pytest rewrites a file when it is imported, and keeps what came of it for the next process. On a fresh checkout all workers would
import all files at the same time and each rewrite all of them, which took a minute of processor time. What is kept is pytest's own:
these are the functions that its import hook calls.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from _pytest.assertion.rewrite import PYC_TAIL, _read_pyc, _rewrite_test, _write_pyc, get_cache_dir, try_makedirs

from studio.bootstrap import ROOT


def rewrite_all() -> None:
    """Those of all tests whose files have changed, on all cores."""
    files = sorted((ROOT / "tests").rglob("*.py"), key=lambda path: path.stat().st_size, reverse=True)
    with ProcessPoolExecutor() as cores:
        list(cores.map(rewrite, [file for file in files if is_rewritten(file)], chunksize=4))


def is_rewritten(file: Path) -> bool:
    """What pytest does with a file by its name."""
    return file.name.startswith("test_") or file.name == "conftest.py"


def kept_at(file: Path) -> Path:
    """Where pytest keeps what came of a file."""
    return get_cache_dir(file) / (file.name.removesuffix(".py") + PYC_TAIL)


def rewrite(file: Path) -> None:
    """One file's, unless what is kept of it still holds."""
    kept, no_config = kept_at(file), None
    silent: Any = SimpleNamespace(trace=lambda _text: None)
    if _read_pyc(file, kept, silent.trace) is None and try_makedirs(kept.parent):
        digest, code = _rewrite_test(file, no_config)  # type: ignore[arg-type]
        _write_pyc(silent, code, digest, kept)
