"""Which Pythons this host has, and which of them comes nearest to the one asked for."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from duto.spec import pythons
from duto.spec.sentences import Said, said

OLDEST, NEWEST = 8, 14
ASK = "import sys; print('%d.%d.%d' % sys.version_info[:3]); print(sys.executable)"


@dataclass(frozen=True)
class Python:
    """An interpreter: its executable and its full version."""

    executable: str
    version: str

    @property
    def minor(self) -> str:
        return ".".join(self.version.split(".")[:2])


@dataclass(frozen=True)
class Choice:
    """The interpreter that serves, and what to tell people when it is not the one asked for."""

    python: Python
    warning: Said | None = None


def own() -> Python:
    """The interpreter below the agent's own environment."""
    base = getattr(sys, "_base_executable", None) or sys.executable
    return Python(str(Path(base).resolve()), platform.python_version())


def find() -> list[Python]:
    """Every version on the path, newest first; the own one stands for its version."""
    found = {own().minor: own()}
    for number in range(NEWEST, OLDEST - 1, -1):
        if f"3.{number}" not in found:
            python = _first_that_answers(f"python3.{number}")
            if python is not None and python.minor == f"3.{number}":
                found[python.minor] = python
    return sorted(found.values(), key=lambda python: _numbers(python.version), reverse=True)


class Pythons:
    """Looks once, in the background: a wrapper on the path may take its time to answer."""

    def __init__(self) -> None:
        self._found = [own()]
        self._looked = threading.Thread(target=self._look, name="pythons", daemon=True)
        self._looked.start()

    def _look(self) -> None:
        self._found = find()

    @property
    def versions(self) -> list[str]:
        """What is known by now, for the studio."""
        return [python.version for python in self._found]

    def choose(self, asked: str | None) -> Choice:
        """The version asked for, else the nearest at hand, with a warning."""
        if not asked or asked.startswith(own().minor) or _serves(own(), asked):
            return Choice(own())
        self._looked.join(10)
        return choose(asked, self._found)


def choose(asked: str, found: list[Python]) -> Choice:
    """Pure: one that serves, else the nearest by minor version; of several the newest."""
    able = [python for python in found if _serves(python, asked)]
    if able:
        return Choice(max(able, key=lambda python: _numbers(python.version)))
    wanted = [_numbers(asked)[1]] if _is_one(asked) else pythons.minors(asked) or [_numbers(asked)[1]]
    near = min(found, key=lambda python: (_distance(python, wanted), -_numbers(python.version)[1]))
    return Choice(near, said("other_python", asked=asked, used=near.version))


def _is_one(asked: str) -> bool:
    """A version in numbers, as studios say it of a lock, and programs of what they want; else bounds."""
    return asked[:1].isdigit()


def _serves(python: Python, asked: str) -> bool:
    if _is_one(asked):
        return _numbers(python.version)[:2] == _numbers(asked)[:2]
    return pythons.fits(python.version, asked)


def _distance(python: Python, wanted: list[int]) -> int:
    return min(abs(_numbers(python.version)[1] - minor) for minor in wanted)


def _numbers(version: str) -> tuple[int, ...]:
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    return numbers if len(numbers) > 1 else (*numbers, 0)


def _first_that_answers(name: str) -> Python | None:
    for folder in os.get_exec_path():
        path = Path(folder, name)
        if not os.access(path, os.X_OK):
            continue
        try:
            done = subprocess.run([path, "-I", "-S", "-c", ASK], capture_output=True, text=True, timeout=5)
        except (OSError, subprocess.TimeoutExpired):
            continue
        lines = done.stdout.split("\n")
        if done.returncode == 0 and len(lines) >= 2:
            return Python(lines[1].strip() or str(path), lines[0].strip())
    return None
