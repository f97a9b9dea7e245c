"""Which Java of the host a step's Spark runs on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Iterator, List, Mapping, Optional, Sequence, Tuple

from duto.spec.spark import java_fits, javas_of

# Where Debian, Fedora and others put each Java that they install.
FOLDERS = ("/usr/lib/jvm", "/usr/java", "/opt/java")
_VERSION = re.compile(r'(?:JAVA_VERSION=|version )"(?:1\.)?(\d+)')


class NoJava(Exception):
    """There is none that the step's Spark runs on."""


def java_for(spark: str, variables: Mapping[str, str], folders: Sequence[str] = FOLDERS) -> Path:
    """The home of a Java.

    Args:
        spark: the version of Spark.
        variables: those of the step. Its `JAVA_HOME` is taken at its word.
        folders: where else there may be some.

    Returns:
        The folder.

    Raises:
        NoJava: with what to install.
    """
    own = variables.get("JAVA_HOME")
    if own:
        if not (Path(own) / "bin/java").is_file():
            raise NoJava(f"The variable JAVA_HOME names {own}, where there is no bin/java.")
        return Path(own)
    found: List[Tuple[int, Path]] = []
    for home in _homes(variables, folders):
        version = version_of(home)
        if version is not None and java_fits(spark, version):
            return home
        found += [] if version is None else [(version, home)]
    wanted = f"Spark {spark} runs on Java {javas_of(spark)}"
    there = (
        f"this host has {', '.join(f'Java {number} ({home})' for number, home in found)}"
        if found
        else "this host has none"
    )
    raise NoJava(
        f"{wanted}, and {there}. Install one (Debian and Ubuntu: apt-get install openjdk-17-jre-headless), name one by the "
        "variable JAVA_HOME of the step's environment, or give the environment an image that has one."
    )


def versions_here(variables: Mapping[str, str], folders: Sequence[str] = FOLDERS) -> List[int]:
    """The versions of all Javas that `java_for` finds by itself, each once.

    Args:
        variables: those of whoever asks.
        folders: where else there may be some.

    Returns:
        Them, in order.
    """
    found = {version_of(home) for home in _homes(variables, folders)}
    return sorted(each for each in found if each is not None)


def version_of(home: Path) -> Optional[int]:
    """The major version of a Java; None for what does not tell it."""
    try:
        release = (home / "release").read_text(encoding="utf-8", errors="replace")
    except OSError:
        release = ""
    found = _VERSION.search(release)
    if found is None:
        try:
            done = subprocess.run(
                [str(home / "bin/java"), "-version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        found = _VERSION.search(done.stdout.decode("utf-8", "replace"))
    return int(found[1]) if found else None


def _homes(variables: Mapping[str, str], folders: Sequence[str]) -> Iterator[Path]:
    """Where a Java is: the one on the `PATH` first."""
    known = set()
    on_path = shutil.which("java", path=variables.get("PATH"))
    places = [Path(os.path.realpath(on_path)).parent.parent] if on_path else []
    for folder in map(Path, folders):
        places += sorted(folder.iterdir()) if folder.is_dir() else []
    for place in places:
        home = place.resolve()
        if home not in known and (home / "bin/java").is_file():
            known.add(home)
            yield home
