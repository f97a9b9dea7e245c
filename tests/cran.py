"""A repository of R packages in a folder, as CRAN is laid out, made by R itself."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

needs_r = pytest.mark.skipif(
    shutil.which("Rscript") is None and not os.environ.get("DUTO_REQUIRE_R"), reason="there is no Rscript here"
)
MEANS = "means_of <- function(table) stats::aggregate(height ~ kind, table, function(x) {factor} * mean(x))"


TWICE = "#include <Rinternals.h>\nSEXP twice(SEXP x) { return Rf_ScalarReal(2 * Rf_asReal(x)); }\n"


def package(folder: Path, name: str, version: str, code: str, needs: str = "", c: str = "") -> Path:
    """A package of one file of code, as source, and perhaps one in C."""
    description = f"Package: {name}\nVersion: {version}\nTitle: T\nDescription: D.\nLicense: CC0\nAuthor: A\nMaintainer: M <m@example.org>\n"
    files = {
        "DESCRIPTION": description + (f"Imports: {needs}\n" if needs else ""),
        "NAMESPACE": 'exportPattern("^[a-z]")\n' + "".join(f"import({each})\n" for each in needs.split()),
        "R/code.R": code + "\n",
    }
    if c:
        files["src/code.c"] = c
        files["NAMESPACE"] += f"useDynLib({name})\n"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}_{version}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for inner, text in files.items():
            entry = tarfile.TarInfo(f"{name}/{inner}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path


def repository(folder: Path) -> str:
    """Its address: `meansof` 2.0 and in the archive 1.0, which needs `factors`; `compiled`, in C; `broken`, whose code is
    none."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)  # who makes libraries is another user
    current = folder / "src" / "contrib"
    package(current, "factors", "0.3.1", "one <- function() 1")
    package(current, "meansof", "2.0", MEANS.format(factor=10))
    package(current / "Archive" / "meansof", "meansof", "1.0", MEANS.format(factor="factors::one()"), "factors")
    package(current, "compiled", "1.0", "doubled <- function(x) .Call('twice', x, PACKAGE = 'compiled')", c=TWICE)
    package(current, "broken", "1.0", "}")
    command = ["Rscript", "-e", "tools::write_PACKAGES(commandArgs(TRUE)[1], type = 'source')", str(current)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return folder.as_uri()
